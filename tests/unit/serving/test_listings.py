"""Request bodies, as people and programs write them."""

import pytest

from housing_serving.formats.listings import check_content_type, parse
from housing_serving.http.problems import Problem


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ('{"area": "120"}', [{"area": "120"}]),
        ('[{"area": 1}, {"area": null}]', [{"area": 1}, {"area": None}]),
        (' \n{"ilçe": "Şile"} ', [{"ilçe": "Şile"}]),
        ("{}", [{}]),
        ('{"a": 123456789012345678901234567890}', [{"a": 1.2345678901234568e29}]),
    ],
)
def test_one_listing_or_an_array_of_them(body: str, expected: list[object]) -> None:
    assert parse(body.encode(), max_rows=2) == expected


@pytest.mark.parametrize(
    ("body", "status", "kind", "detail"),
    [
        (b"", 400, "invalid-json", "the body is empty"),
        (b"  ", 400, "invalid-json", "the body is empty"),
        (b'{"area": NaN}', 400, "invalid-json", "NaN at line 1 column 10 is not JSON: write null"),
        (b'{"area":\n Infinity}', 400, "invalid-json", "Infinity at line 2 column 2"),
        (b'{"area": -Infinity}', 400, "invalid-json", "-Infinity at line 1 column"),
        (b'{"area": 12', 400, "invalid-json", "unexpected end of data"),
        (b"area=120", 400, "invalid-json", 'near "area=120"'),
        (b'{"area": 1e999}', 400, "invalid-json", "infinity"),
        (b"[" * 100_000, 400, "invalid-json", "depth"),
        (b'{"a": "\\ud800"}', 400, "invalid-json", "surrogate"),
        ('{"ilçe": 1}'.encode("latin-1"), 400, "invalid-json", "byte 4 (0xe7) is not UTF-8"),
        (b"[]", 422, "invalid-listings", "the array is empty"),
        (b"null", 422, "invalid-listings", "the body is null: a listing is a JSON object"),
        (b'"area"', 422, "invalid-listings", 'the body is "area"'),
        (b'[{"area": 1}, [2]]', 422, "invalid-listings", "listing 1 is [2]"),
        (b"[{}, {}, {}]", 413, "too-large", "3 listings are more than 2"),
    ],
)
def test_anything_else_is_refused_with_what_to_do(
    body: bytes, status: int, kind: str, detail: str
) -> None:
    with pytest.raises(Problem) as caught:
        parse(body, max_rows=2)
    assert (caught.value.status, caught.value.kind) == (status, kind)
    assert detail in caught.value.detail
    assert len(caught.value.detail) < 300


def test_what_is_no_listing_is_named_by_its_position_in_errors_too() -> None:
    with pytest.raises(Problem) as caught:
        parse(b"[1, {}, null" + b", 2" * 20 + b"]", max_rows=100)
    errors = caught.value.extensions["errors"]
    assert [error["row"] for error in errors] == [0, 2, *range(3, 11)]
    expected = "expected a JSON object of field names and values"
    assert errors[1] == {"row": 2, "field": None, "value": "null", "detail": expected}


@pytest.mark.parametrize(
    "content_type",
    [
        None,
        "",
        "application/json",
        "Application/JSON; charset=UTF-8",
        'application/json;charset="utf-8"',
        "application/vnd.listing+json",
    ],
)
def test_json_is_taken_under_its_names(content_type: str | None) -> None:
    check_content_type(content_type)


@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "text/csv",
        "application/json; charset=iso-8859-9",
        "json",
        "application/jsonp",
    ],
)
def test_other_content_types_are_refused_by_name(content_type: str) -> None:
    with pytest.raises(Problem) as caught:
        check_content_type(content_type)
    assert caught.value.status == 415
    named = "iso-8859-9" if "charset" in content_type else content_type
    assert f'"{named}"' in caught.value.detail

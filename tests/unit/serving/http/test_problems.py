"""Problem documents (RFC 9457)."""

import json

import orjson

from housing_serving.http.problems import MEDIA_TYPE, Problem, bad_listings, no_model, shown
from housing_serving.inference.encoding import BadField


def test_a_problem_names_field_value_and_what_to_do() -> None:
    problem = bad_listings([BadField(2, "area", "large", "a number")])
    response = problem.to_response("id-1")
    assert response.status_code == 422
    assert response.headers["content-type"] == MEDIA_TYPE
    assert json.loads(bytes(response.body)) == {
        "type": "urn:housing-operator:problem:invalid-listings",
        "title": "The listings cannot be classified",
        "status": 422,
        "detail": "listing 2, field 'area': \"large\" is not a number; "
        "correct it, or leave it out if it is not known",
        "requestId": "id-1",
        "errors": [{"row": 2, "field": "area", "value": '"large"', "detail": "expected a number"}],
    }


def test_a_listing_as_a_whole_is_named_by_its_fields() -> None:
    problem = bad_listings([BadField(0, None, ["instances"], "one of the fields 'area'")])
    assert problem.detail == (
        "listing 0 has the fields [\"instances\"]: give one of the fields 'area'"
    )


def test_without_a_model_the_client_is_told_when_to_come_again() -> None:
    response = no_model("no model is loaded yet").to_response("id-1")
    assert response.status_code == 503
    assert response.headers["retry-after"] == "5"


def test_what_http_explains_has_no_type_of_its_own() -> None:
    document = json.loads(bytes(Problem(404, None, "there is nothing").to_response("x").body))
    assert document["type"] == "about:blank"
    assert document["title"] == "Not Found"


def test_long_values_are_cut() -> None:
    assert shown("x" * 1000) == '"' + "x" * 76 + "..."
    assert shown({"ilçe": [1, None]}) == '{"ilçe":[1,null]}'


def test_values_that_are_nested_deeper_than_can_be_written_are_shown_by_their_brackets() -> None:
    assert shown(orjson.loads("[" * 500 + "]" * 500)) == "[...]"
    assert shown(orjson.loads('{"a":' * 500 + "1" + "}" * 500)) == "{...}"

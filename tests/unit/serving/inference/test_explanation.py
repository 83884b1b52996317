"""Shapley values: held against the definition on a model small enough to enumerate."""

from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
import pytest

from housing_core.bundle import Schema
from housing_serving.inference.background import draw_background
from housing_serving.inference.encoding import Inputs
from housing_serving.inference.explanation import Explainer, background_rows
from housing_serving.inference.model import Model
from tests.bundles import COLUMNS, ROWS
from tests.unit.serving.api_client import ApiClient


def _exact(model: Model, row: dict[str, Any], rows: int) -> np.ndarray[Any, Any]:
    """Shapley's own formula, over all sets of columns and the whole background."""
    background = draw_background(model.schema, model.reference, rows)
    listing = model.encoder.encode([row])
    count = len(COLUMNS)

    def worth(chosen: tuple[int, ...]) -> np.ndarray[Any, Any]:
        mixed: Inputs = {}
        for i in range(count):
            name = Schema.input_name(i)
            mixed[name] = (
                np.repeat(listing[name], rows, axis=0) if i in chosen else background[name]
            )
        return model.classify(mixed).probabilities.astype(float).mean(axis=0)

    values = np.zeros((count, 3))
    for i in range(count):
        others = [j for j in range(count) if j != i]
        for size in range(count):
            weight = factorial(size) * factorial(count - size - 1) / factorial(count)
            for chosen in combinations(others, size):
                values[i] += weight * (worth((*chosen, i)) - worth(chosen))
    return values


@pytest.mark.parametrize("row", ROWS)
def test_contributions_are_shapley_values_within_their_standard_error(
    model: Model, row: dict[str, Any]
) -> None:
    explainer = Explainer(model)
    (found,) = explainer.explain([row])
    exact = _exact(model, row, explainer.background_rows)
    assert (abs(found.contributions - exact) <= 4 * found.standard_errors + 1e-9).all()
    assert abs(found.contributions - exact).max() < 0.1


def test_contributions_add_up_to_the_answer_minus_the_base(model: Model) -> None:
    explainer = Explainer(model)
    answers = model.classify(model.encoder.encode(ROWS)).probabilities
    for found, answer in zip(explainer.explain(ROWS), answers, strict=True):
        np.testing.assert_array_equal(found.answer, answer.astype(float))
        total = found.base + found.contributions.sum(axis=0)
        np.testing.assert_allclose(total, found.answer, rtol=0, atol=1e-12)


def test_contributions_go_the_way_that_the_tree_goes(model: Model) -> None:
    (found,) = Explainer(model).explain([{"area": 30, "rooms": 1, "ilçe": "Şile"}])
    low = found.contributions[:, 0]
    assert low[1] > 0  # few rooms lead to Low outside of Kadıköy
    assert low[2] > 0  # within it, nothing does
    assert abs(low[0]) < 1e-12  # the area parts Medium from High, and says nothing of Low


def test_the_same_listing_has_the_same_explanation_alone_and_among_others(model: Model) -> None:
    (alone,) = Explainer(model).explain([ROWS[1]])
    among = Explainer(model).explain(ROWS)[1]
    np.testing.assert_array_equal(alone.contributions, among.contributions)


@pytest.mark.parametrize(("columns", "rows"), [(1, 64), (10, 64), (33, 64), (64, 32), (500, 8)])
def test_many_columns_have_fewer_background_listings(columns: int, rows: int) -> None:
    assert background_rows(columns) == rows


def test_the_background_is_spread_as_the_training_data(model: Model) -> None:
    drawn = draw_background(model.schema, model.reference, 1000)
    area, rooms, district = (drawn[Schema.input_name(i)][:, 0] for i in range(3))
    assert np.isnan(area).sum() == 10
    assert np.nanmean(area <= 60) == pytest.approx(250 / 990, abs=0.01)
    assert (np.nanmin(area), np.nanmax(area)) >= (20, 800)
    assert set(rooms) == set(range(2, 10)) | {1}
    shares = {name: (district == name).mean() for name in ("Kadıköy", "Şile", "")}
    assert shares["Kadıköy"] == pytest.approx(500 / 805, abs=0.01)
    assert shares[""] == pytest.approx(5 / 805, abs=0.01)


def test_the_answer_has_every_column_and_its_value(api: ApiClient) -> None:
    answer = api.post("/explain", json={"area": "120 m2", "ilçe": "Kadıköy", "Note": 1})
    assert answer.status_code == 200
    found = answer.json()
    assert found["ignoredFields"] == ["Note"]
    assert found["backgroundRows"] == 64
    (explained,) = found["explanations"]
    assert explained["class"] == "High"
    assert explained["probabilities"]["High"] == pytest.approx(0.9)
    values = {each["column"]: each["value"] for each in explained["contributions"]}
    assert values == {"area": "120 m2", "rooms": None, "ilçe": "Kadıköy"}
    sizes = [abs(each["contributions"]["High"]) for each in explained["contributions"]]
    assert sizes == sorted(sizes, reverse=True)
    for name in ("Low", "Medium", "High"):
        total = found["baseValues"][name] + sum(
            each["contributions"][name] for each in explained["contributions"]
        )
        assert total == pytest.approx(explained["probabilities"][name], abs=1e-12)
    again = api.post("/explain", json={"area": "120 m2", "ilçe": "Kadıköy", "Note": 1}).json()
    assert {**again, "requestId": ""} == {**found, "requestId": ""}


@pytest.mark.parametrize(
    ("body", "status"), [([{}] * 6, 413), ([], 422), ({"area": "large"}, 422), (1, 422)]
)
def test_what_cannot_be_explained_is_refused(api: ApiClient, body: Any, status: int) -> None:
    answer = api.post("/explain", json=body)
    assert answer.status_code == status
    assert answer.headers["content-type"] == "application/problem+json"

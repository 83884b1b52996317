"""`GET /model`."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from housing_core.bundle import Comparison, Interval, ScoreIntervals
from housing_serving.formats.model_description import ModelDescription
from housing_serving.inference.model import Model
from housing_serving.versions.readiness import Serving
from tests.unit.serving.api_client import ApiClient


def test_the_version_that_answers_is_described(api: ApiClient) -> None:
    answer = api.get("/model")
    assert answer.status_code == 200
    ModelDescription.model_validate_json(answer.content)
    found = answer.json()
    assert (found["modelName"], found["modelVersion"]) == ("tests.tiny", "1")
    assert (found["track"], found["servingFrom"]) == ("production", "Production")
    assert found["since"] == "2026-11-23T00:00:00Z"
    assert found["target"] == "price"
    assert [column["name"] for column in found["columns"]] == ["area", "rooms", "ilçe"]
    assert found["columns"][0]["maximum"] == 900
    assert found["classes"][1] == {
        "name": "Medium",
        "priceFrom": 2_500_000.0,
        "priceBelow": 6_000_000.0,
    }
    assert found["scores"]["macroF1"] == 0.78
    assert found["baseline"]["scores"]["macroF1"] == 0.19
    assert found["comparedWith"] is None
    assert found["lineage"]["datasetUri"] == "pvc://listings/"
    assert len(found["lineage"]["runId"]) == 32
    assert found["lineage"]["trainedAt"] == "2026-11-23T00:00:00Z"
    assert found["lineage"]["trainedWith"] == {"scikit-learn": "1.9.0"}


@pytest.mark.parametrize("scores", [(0.76, 0.78), (None, None)], ids=["compared", "too few rows"])
def test_it_says_what_the_version_was_compared_with(
    model: Model,
    serving: Serving,
    make_api: Callable[[Serving], ApiClient],
    scores: tuple[float | None, float | None],
) -> None:
    comparison = Comparison(
        champion_version="7",
        rows=40,
        left_out=160,
        champion_macro_f1=scores[0],
        challenger_macro_f1=scores[1],
        challenger_rank_correlation=0.8,
        challenger_rank_correlation_interval=Interval(low=0.75, high=0.84),
        champion_boundaries=[1.0],
    )
    summary = model.summary.model_copy(update={"comparison": comparison})
    answer = make_api(replace(serving, model=replace(model, summary=summary))).get("/model")
    assert answer.status_code == 200
    assert answer.json()["comparedWith"] == {
        "version": "7",
        "rows": 40,
        "leftOut": 160,
        "macroF1": scores[0],
        "macroF1Interval": None,
        "ownMacroF1": scores[1],
        "ownMacroF1Interval": None,
        "rankCorrelation": None,
        "rankCorrelationInterval": None,
        "ownRankCorrelation": 0.8,
        "ownRankCorrelationInterval": {"low": 0.75, "high": 0.84},
    }


def test_scores_have_their_intervals_where_the_version_says_them(
    model: Model, serving: Serving, make_api: Callable[[Serving], ApiClient]
) -> None:
    one = Interval(low=0.7, high=0.8)
    intervals = ScoreIntervals(
        accuracy=one, macro_f1=one, precision=one, recall=one, class_f1=[one, one, one]
    )
    summary = model.summary.model_copy(update={"intervals": intervals, "baseline_intervals": None})
    answer = make_api(replace(serving, model=replace(model, summary=summary))).get("/model")
    found = answer.json()
    assert found["scores"]["intervals"]["macroF1"] == {"low": 0.7, "high": 0.8}
    assert found["scores"]["intervals"]["classF1"] == [{"low": 0.7, "high": 0.8}] * 3
    assert found["scores"]["intervals"]["rocAuc"] is None
    assert found["baseline"]["scores"]["intervals"] is None


def test_without_a_model_there_is_nothing_to_describe(
    make_api: Callable[[Serving], ApiClient],
) -> None:
    answer = make_api(Serving()).get("/model")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"

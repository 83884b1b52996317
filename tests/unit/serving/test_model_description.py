"""`GET /model`."""

from collections.abc import Callable

from housing_serving.model_description import ModelDescription
from housing_serving.readiness import Serving
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


def test_without_a_model_there_is_nothing_to_describe(
    make_api: Callable[[Serving], ApiClient],
) -> None:
    answer = make_api(Serving()).get("/model")
    assert answer.status_code == 503
    assert answer.headers["content-type"] == "application/problem+json"

"""The description of the API, with the model's own columns and rows."""

import pytest
from fastapi import FastAPI

from housing_core.tasks import ServingTask
from housing_serving.openapi import describe_predict
from housing_serving.readiness import Serving
from tests.bundles import ROWS


def _document(task: ServingTask, serving: Serving) -> dict[str, object]:
    app = FastAPI()

    @app.post("/predict")
    def predict() -> None: ...

    @app.get("/health")
    def health() -> None: ...

    document = app.openapi()
    describe_predict(document, serving, task)
    return document


def test_columns_and_examples_are_those_of_the_model(task: ServingTask, serving: Serving) -> None:
    document = _document(task, serving)
    schemas = document["components"]["schemas"]  # type: ignore[index]  # plain JSON
    assert set(schemas["Listing"]["properties"]) == {"area", "rooms", "ilçe"}
    assert "from 20 to 900" in schemas["Listing"]["properties"]["area"]["description"]
    assert schemas["Listing"]["properties"]["ilçe"]["examples"] == ["Kadıköy", "Şile"]
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]  # type: ignore[index]  # plain JSON
    assert body["examples"]["listing0"]["value"] == ROWS[0]
    assert body["examples"]["many"]["value"] == ROWS[:3]
    assert body["schema"]["oneOf"][1]["maxItems"] == task.max_rows


@pytest.mark.parametrize("loaded", [True, False])
def test_every_reference_leads_somewhere(task: ServingTask, serving: Serving, loaded: bool) -> None:
    document = _document(task, serving if loaded else Serving())

    def check(node: object) -> None:
        if isinstance(node, dict):
            reference = node.get("$ref")
            if reference is not None:
                target: object = document
                for part in str(reference).removeprefix("#/").split("/"):
                    assert isinstance(target, dict)
                    target = target[part]
            for child in node.values():
                check(child)
        elif isinstance(node, list):
            for child in node:
                check(child)

    check(document)

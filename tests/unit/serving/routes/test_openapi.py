"""The description of the API, with the model's own columns and rows."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from housing_core.tasks import ServingTask
from housing_serving.formats.model_description import ModelDescription
from housing_serving.versions.readiness import Serving
from tests.bundles import ROWS
from tests.unit.serving.api_client import ApiClient

Client = Callable[[Serving], ApiClient]


def _document(client: ApiClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").json()
    return document


def test_columns_and_examples_are_those_of_the_model(task: ServingTask, api: ApiClient) -> None:
    document = _document(api)
    schemas = document["components"]["schemas"]
    assert set(schemas["Listing"]["properties"]) == {"area", "rooms", "ilçe"}
    assert "from 20 to 900" in schemas["Listing"]["properties"]["area"]["description"]
    assert schemas["Listing"]["properties"]["ilçe"]["examples"] == ["Kadıköy", "Şile"]
    body = document["paths"]["/predict"]["post"]["requestBody"]["content"]["application/json"]
    assert body["examples"]["listing0"]["value"] == ROWS[0]
    assert body["examples"]["many"]["value"] == ROWS[:3]
    assert body["schema"]["oneOf"][1]["maxItems"] == task.max_rows
    explain = document["paths"]["/explain"]["post"]["requestBody"]["content"]["application/json"]
    assert explain["schema"]["oneOf"][1]["maxItems"] == 5
    answers = document["paths"]["/model"]["get"]["responses"]["200"]["content"]
    ModelDescription.model_validate(answers["application/json"]["example"])


@pytest.mark.parametrize("loaded", [True, False])
def test_every_reference_leads_somewhere(make_api: Client, serving: Serving, loaded: bool) -> None:
    document = _document(make_api(serving if loaded else Serving()))

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


def test_every_example_of_a_request_is_answered(api: ApiClient) -> None:
    asked = 0
    for path, operations in _document(api)["paths"].items():
        for method, operation in operations.items():
            content = operation.get("requestBody", {}).get("content", {})
            for media_type, described in content.items():
                if media_type.endswith("parquet"):
                    continue  # nothing that a page could show
                examples = [e["value"] for e in described.get("examples", {}).values()]
                examples += [described["example"]] if "example" in described else []
                assert examples, (path, media_type)
                for example in examples if path != "/feedback" else []:
                    body = example.encode() if isinstance(example, str) else json.dumps(example)
                    url = path.format(name="tests.tiny", version="1")
                    headers = {"Content-Type": media_type}
                    answer = api.request(method, url, content=body, headers=headers)
                    assert answer.status_code == 200, (path, answer.text)
                    asked += 1
    assert asked > 8

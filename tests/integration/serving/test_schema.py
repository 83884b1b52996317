"""schemathesis over the whole OpenAPI document of a running server: no 5xx, and answers as described."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import SkipTest

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
    unsupported_method,
)

from housing_serving.versions.model_cache import MARKER
from tests.bundles import tiny_bundle
from tests.integration.serving.serving_process import ServingProcess, serving_task
from tests.mlflow_server import free_port

CASES_OF_A_TEST = 10
CASES = int(os.environ.get("SCHEMATHESIS_CASES", CASES_OF_A_TEST))
"""Of each operation, good and bad ones each; `make fuzz` asks for more."""

TOKEN = "s3cret"
PROBLEM = "application/problem+json"
CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    unsupported_method,
]


@pytest.fixture(scope="module")
def serving(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ServingProcess]:
    """A server with a local copy of its model, so that it needs no MLflow."""
    folder = tmp_path_factory.mktemp("schema")
    token = folder / "token"
    token.write_text(TOKEN)
    task = serving_task(folder, "schema", "1", feedback_token_file=str(token))
    copy = tiny_bundle(Path(task.model_cache) / task.model_name / "1")
    (copy / MARKER).write_text("{}")
    process = ServingProcess(task, f"http://127.0.0.1:{free_port()}", folder)
    process.wait_for("1", "Production", 120)
    yield process
    assert process.stop() == 0
    assert "Traceback" not in process.log_file.read_text()


def test_any_request_is_answered_as_the_document_says(serving: ServingProcess) -> None:
    named = check_operations(f"{serving.url}/openapi.json", CASES)
    assert {"/predict", "/explain", "/feedback"} <= named


def check_operations(url: str, cases: int) -> set[str]:
    """Send generated requests of every operation, good ones and bad ones, and check the answers.

    Returns:
        The paths of which an answer named bad fields and values.

    """
    schema = schemathesis.openapi.from_url(url)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 15
    named: set[str] = set()
    for operation in operations:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            _check(operation, mode, cases, named)
    return named


def check_errors(errors: list[dict[str, Any]]) -> None:
    """Each names the item, its field, or none where all of it is wrong, the value, and what it should be."""
    assert errors
    for error in errors:
        assert set(error) == {"row", "field", "value", "detail"}
        assert error["row"] >= 0
        assert error["field"] is None or error["field"] != ""
        assert error["value"] != ""
        assert error["detail"].startswith("expected ")


def _check(operation: Any, mode: GenerationMode, cases: int, named: set[str]) -> None:
    @settings(
        max_examples=cases,
        deadline=None,
        # The same cases each time, but where somebody looks for new ones.
        derandomize=cases == CASES_OF_A_TEST,
        database=None,
        phases=[Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def check(case: Case) -> None:
        headers = {"Authorization": f"Bearer {TOKEN}"} if case.path == "/feedback" else {}
        answer = case.call_and_validate(headers=headers, checks=CHECKS, timeout=60)
        if answer.status_code >= 400:
            assert answer.headers["content-type"] == [PROBLEM]
            problem = answer.json()
            assert problem["status"] == answer.status_code
            assert problem["detail"]
            if "errors" in problem:
                named.add(operation.path)
                check_errors(problem["errors"])

    try:
        check()
    except (Unsatisfiable, SkipTest):
        assert mode is GenerationMode.NEGATIVE  # nothing of a request without input can be wrong

"""KServe's and MLServer's own clients against a running server."""

from __future__ import annotations

import pytest

from housing_core.registry import Registry
from tests.bundles import register_tiny_bundle
from tests.clients import run_client
from tests.integration.serving.conftest import MakeTask, StartServing


def test_the_clients_of_kserve_and_mlserver_work_untouched(
    registry: Registry, make_task: MakeTask, start: StartServing
) -> None:
    task = make_task("1")
    register_tiny_bundle(registry, task.model_name)
    serving = start(task)
    serving.wait_for("1", "Production")

    kserve = run_client("kserve", serving.url, task.model_name)
    assert kserve["live"]
    assert kserve["ready"]
    assert kserve["model ready"]
    assert not kserve["other model ready"]
    assert kserve["refused"] == 400
    assert kserve["json"]["model"] == kserve["binary"]["model"] == task.model_name
    assert kserve["json"]["label"] == ["High", "Medium"]
    assert kserve["json"]["probability_Low"] == pytest.approx([0.05, 0.05])
    assert kserve["binary"]["label"] == ["High", "Medium"]
    assert kserve["binary"]["probability_High"] == pytest.approx([0.9, 0.05])

    mlserver = run_client("mlserver", serving.url, task.model_name)
    frame = mlserver["frame"]
    assert frame["label"] == ["High", "Medium"]
    assert frame["probability_Low"] == pytest.approx([0.05, 0.05])
    assert frame["probability_High"] == pytest.approx([0.9, 0.05])
    assert (mlserver["version"], mlserver["id"]) == ("1", "order-66")
    assert mlserver["labels"] == ["High"]
    assert mlserver["high"] == pytest.approx([0.9])
    assert mlserver["file"] == [["High"] * 5] * 2
    assert mlserver["inputs"] == ["area", "rooms", "ilçe"]
    assert serving.stop() == 0

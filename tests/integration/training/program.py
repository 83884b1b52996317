"""The training program as a process of its own, as its Job runs it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from housing_core.tasks import TrainingOutcome

SMALL = {"recipe": "seed", "forest": {"trees": 20}, "checkpoint": {"everyTrees": 4}}
"""Five checkpoints, in a few seconds."""


@dataclass(frozen=True)
class Ended:
    """How a program ended."""

    home: Path
    code: int
    outcome: TrainingOutcome | None
    output: str

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.output.splitlines()]

    @property
    def messages(self) -> list[str]:
        return [line["message"] for line in self.lines]

    @property
    def stage_seconds(self) -> dict[str, float]:
        """Of each stage that ended."""
        return {
            line["stage"]: line["seconds"]
            for line in self.lines
            if "stage" in line and "seconds" in line
        }


class Program:
    """A running `python -m housing_training`."""

    def __init__(self, task: dict[str, Any], url: str, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.log = folder / "output.log"
        self.termination = folder / "termination-log"
        environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")},
            "MLFLOW_TRACKING_URI": url,
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
            "HOUSING_TASK": json.dumps(task),
            "HOUSING_TERMINATION_LOG": str(self.termination),
            "HOME": str(folder),
        }
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "housing_training"],
                env=environment,
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait_for(self, text: str, seconds: float = 120) -> None:
        """Return as soon as the output holds a text.

        Raises AssertionError, with the output, when the program ends or the time is up before.
        """
        deadline = time.monotonic() + seconds
        while text not in self.log.read_text(errors="replace"):
            assert self.process.poll() is None, self.log.read_text(errors="replace")
            assert time.monotonic() < deadline, self.log.read_text(errors="replace")
            time.sleep(0.02)

    def kill(self) -> None:
        """End the program as the kernel ends one that is out of memory."""
        self.process.kill()
        self.process.wait(10)

    def end(self, seconds: float = 200) -> Ended:
        """Wait for the program's own end."""
        try:
            code = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise
        outcome = None
        if self.termination.exists():
            outcome = TrainingOutcome.from_termination_message(self.termination.read_text())
        return Ended(self.log.parent, code, outcome, self.log.read_text(errors="replace"))


def task(
    uri: str | Path, target: str = "Fiyat", *, name: str, key: str, **fields: Any
) -> dict[str, Any]:
    """A task as the operator gives it."""
    dataset = {"uri": str(uri), "target": {"column": target}, **fields.pop("dataset", {})}
    training = {**SMALL, **fields.pop("training", {})}
    return {
        "namespace": "training-test",
        "name": name,
        "key": key,
        "attempt": 1,
        "trigger": "Spec",
        "token": "1",
        "dataset": dataset,
        "training": training,
        **fields,
    }

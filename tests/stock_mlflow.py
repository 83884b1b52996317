"""A Python with stock MLflow and what a model lists, and nothing of ours: where users load models."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from housing_core.registry import Registry

_LOADER = """
import json, sys
import mlflow, pandas
model = mlflow.pyfunc.load_model(f"models:/{sys.argv[1]}@production")
answer = model.predict(pandas.DataFrame(json.load(sys.stdin)))
try:
    import housing_core
    ours = True
except ImportError:
    ours = False
print(json.dumps({"ours": ours, "columns": list(answer.columns), "values": answer.values.tolist()}))
"""


@dataclass(frozen=True)
class StockAnswer:
    """What `predict` gave there.

    Attributes:
        ours: whether a package of ours could be imported.
        values: a row for each listing, in the order of the columns.
    """

    ours: bool
    columns: list[str]
    values: list[list[Any]]


class StockMlflow:
    """A virtual environment made of the requirements that a registered version lists."""

    def __init__(self, registry: Registry, model: str, version: str, folder: Path) -> None:
        run_id = registry.version(model, version).run_id or ""
        requirements = folder / "requirements.txt"
        requirements.write_bytes(registry.download_run_file(run_id, f"model/{requirements.name}"))
        self.folder, self.tracking_uri = folder, registry.tracking_uri
        self.python = folder / "venv" / "bin" / "python"
        uv, python = str(Path(sys.executable).with_name("uv")), str(self.python)
        for command in (
            [uv, "venv", "--quiet", "--python", sys.executable, str(folder / "venv")],
            [uv, "pip", "install", "--quiet", "--python", python, "-r", str(requirements)],
        ):
            subprocess.run(command, check=True, timeout=400)

    def predict(self, model: str, rows: list[dict[str, Any]]) -> StockAnswer:
        """Load the version in production there, and answer raw listings with it.

        Raises AssertionError with what the process said when it fails.
        """
        environment = {
            "MLFLOW_TRACKING_URI": self.tracking_uri,
            "HOME": str(self.folder),
            "PATH": "",
        }
        done = subprocess.run(
            [self.python, "-c", _LOADER, model],
            env=environment,
            input=json.dumps(rows),
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return StockAnswer(**json.loads(done.stdout))

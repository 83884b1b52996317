"""The servers that are compared: how each is started, asked and understood."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from housing_serving.versions.model_cache import ModelCache
from tests.bench.image_heap import heap_of_image
from tests.bench.serving.prepare import HERE, ROOT, environment
from tests.mlflow_server import free_port

Row = dict[str, Any]


@dataclass(frozen=True)
class Server:
    """One of them.

    Attributes:
        requirements: the lock file of its environment.
        command: arguments behind its Python; `{port}` stands for the port.
        environment: variables, on top of those that all have.
        path: where it is asked.
        body: rows → the JSON value of a request.
        shares: the JSON value of an answer → probabilities, (rows, classes); None for a constant.
        setup: writes what it needs into its own folder, given the folder of `prepare`.
        cores: that it may use.

    """

    name: str
    requirements: Path
    command: Sequence[str]
    path: str
    body: Callable[[Sequence[Row]], Any]
    shares: Callable[[Any], Any] | None
    environment: dict[str, str] = field(default_factory=dict)
    setup: Callable[[Path, Path], None] = lambda prepared, own: None
    cores: str = "0"

    def python(self) -> Path:
        """Its Python; the environment is installed when it is not there yet."""
        if self.requirements.parent == PEERS:
            return environment(self.requirements.stem, self.requirements)
        return environment("ours", self.requirements, ROOT)


PEERS = HERE / "peers"
OURS = "housing-operator"
SWITCHED_LOG = "housing-operator, prediction log switched off and on"
TWO_WORKERS = "housing-operator, 2 workers on both cores"
OUR_OWN = (OURS, SWITCHED_LOG, TWO_WORKERS)
LIMIT = "empty FastAPI route"
MLFLOW = "mlflow models serve"
CLASSES = ("Low", "Medium", "High")


def _one_or_many(rows: Sequence[Row]) -> Any:
    return rows[0] if len(rows) == 1 else list(rows)


def _records(columns: Sequence[str]) -> Callable[[Sequence[Row]], Any]:
    def body(rows: Sequence[Row]) -> Any:
        # With every column: MLflow makes a frame of it as it is.
        return {"dataframe_records": [{name: row.get(name) for name in columns} for row in rows]}

    return body


def _tensors(columns: Sequence[str]) -> Callable[[Sequence[Row]], Any]:
    def body(rows: Sequence[Row]) -> Any:
        return {
            "parameters": {"content_type": "pd"},
            "inputs": [
                {
                    "name": name,
                    "shape": [len(rows), 1],
                    "datatype": "BYTES",
                    "parameters": {"content_type": "str"},
                    "data": [row.get(name, "") for row in rows],
                }
                for name in columns
            ],
        }

    return body


def _ours(answer: Any) -> Any:
    return [[one["probabilities"][name] for name in CLASSES] for one in answer["predictions"]]


def _routes(answer: Any) -> Any:
    return [[one["probabilities"][name] for name in CLASSES] for one in answer]


def _mlserver(answer: Any) -> Any:
    (output,) = answer["outputs"]
    return np.array(output["data"]).reshape(output["shape"])


def _set_up_ours(prepared: Path, own: Path) -> None:
    """A pod whose cache holds the pinned version: no MLflow is needed to answer."""
    cache = ModelCache(own / "cache", "bench.istanbul")
    with cache.incoming() as incoming:
        bundle = incoming / "bundle"
        shutil.copytree(prepared / "same-forest", bundle)
        rows = len(json.loads((bundle / "golden.json").read_text("utf-8")))
        cache.keep(bundle, "1", rows)
    (own / "policy.json").write_text('{"confirmed_version": "1", "rejected_versions": []}')


def _ours_task(own: Path, workers: int) -> str:
    return json.dumps(
        {
            "namespace": "bench",
            "name": "istanbul",
            "track": "production",
            "version": "1",
            "policy_file": str(own / "policy.json"),
            "log_uri": str(own / "log"),
            "model_cache": str(own / "cache"),
            "workers": workers,
        }
    )


def _set_up_mlflow(prepared: Path, _own: Path) -> None:
    """The pipeline as MLflow's own scikit-learn flavor has it, saved once."""
    target = (prepared / "mlflow-model").resolve()
    if (target / "MLmodel").exists():
        return
    script = (
        "import sys, joblib, mlflow.sklearn; sys.path.insert(0, sys.argv[1]);"
        "mlflow.sklearn.save_model(joblib.load(sys.argv[2]), sys.argv[3],"
        " serialization_format='cloudpickle', pyfunc_predict_fn='predict_proba')"
    )
    python = environment("mlflow", PEERS / "mlflow.txt")
    subprocess.run([python, "-c", script, HERE, prepared / "pipeline.joblib", target], check=True)


def _set_up_mlserver(batching: bool) -> Callable[[Path, Path], None]:
    def setup(prepared: Path, own: Path) -> None:
        settings: dict[str, Any] = {
            "name": "istanbul",
            "implementation": "apps.mlserver_runtime.Pipeline",
            "parameters": {"uri": str(prepared / "pipeline.joblib")},
        }
        if batching:
            settings |= {"max_batch_size": 32, "max_batch_time": 0.005}
        (own / "model-settings.json").write_text(json.dumps(settings))
        common = {"parallel_workers": 0, "debug": False, "metrics_endpoint": None}
        (own / "settings.json").write_text(json.dumps(common))

    return setup


def servers(prepared: Path, own: Path, port: int) -> dict[str, Server]:
    """All of them by name.

    Args:
        prepared: the folder of `prepare`.
        own: a folder for the server's files.
        port: where it is to listen.

    """
    columns = json.loads((prepared / "columns.json").read_text("utf-8"))["inputs"]
    uvicorn = (
        *("-m", "uvicorn", "--host", "127.0.0.1", "--port", str(port), "--loop", "uvloop"),
        *("--http", "httptools", "--no-access-log", "--log-level", "warning"),
    )
    mlserver = ("-m", "mlserver.cli.main", "start", str(own))
    bento = (
        *("-m", "bentoml", "serve", "apps.bento_service:Housing", "--host", "127.0.0.1"),
        *("--port", str(port)),
    )

    def ours(workers: int = 1, program: str = "housing_serving") -> dict[str, Any]:
        return {
            "requirements": ROOT / "serving" / "requirements.txt",
            "command": ("-m", program, "--host", "127.0.0.1", "--port", str(port)),
            "path": "/predict",
            "body": _one_or_many,
            "shares": _ours,
            "setup": _set_up_ours,
            "environment": {
                "HOUSING_TASK": _ours_task(own, workers),
                # Nothing listens there: the pinned version answers from its local copy.
                "MLFLOW_TRACKING_URI": "http://127.0.0.1:9",
                **heap_of_image("serving"),
            },
        }

    def mlserver_peer(batching: bool) -> dict[str, Any]:
        return {
            "requirements": PEERS / "mlserver.txt",
            "command": mlserver,
            "path": "/v2/models/istanbul/infer",
            "body": _tensors(columns),
            "shares": _mlserver,
            "setup": _set_up_mlserver(batching),
            "environment": {
                "MLSERVER_HTTP_PORT": str(port),
                "MLSERVER_GRPC_PORT": str(free_port()),
                "MLSERVER_HOST": "127.0.0.1",
            },
        }

    def bento_peer(batching: str) -> dict[str, Any]:
        return {
            "requirements": PEERS / "bentoml.txt",
            "command": bento,
            "path": "/predict",
            "body": lambda rows: {"listings": list(rows)},
            "shares": lambda answer: answer,
            "environment": {"BENCH_BATCHING": batching, "BENTOML_DO_NOT_TRACK": "true"},
        }

    described = {
        OURS: ours(),
        SWITCHED_LOG: ours(program="apps.switched_log"),
        TWO_WORKERS: ours(workers=2) | {"cores": "0,1"},
        LIMIT: {
            "requirements": PEERS / "sklearn.txt",
            "command": (*uvicorn, "apps.empty_route:app"),
            "path": "/predict",
            "body": _one_or_many,
            "shares": None,
        },
        "FastAPI + scikit-learn": {
            "requirements": PEERS / "sklearn.txt",
            "command": (*uvicorn, "apps.sklearn_route:app"),
            "path": "/predict",
            "body": _one_or_many,
            "shares": _routes,
        },
        MLFLOW: {
            "requirements": PEERS / "mlflow.txt",
            "command": (
                *(
                    "-m",
                    "mlflow",
                    "models",
                    "serve",
                    "--model-uri",
                    str((prepared / "mlflow-model").resolve()),
                ),
                *("--env-manager", "local", "--host", "127.0.0.1", "--port", str(port)),
                *("--workers", "1"),
            ),
            "path": "/invocations",
            "body": _records(columns),
            "shares": lambda answer: answer["predictions"],
            "setup": _set_up_mlflow,
            # `mlflow models serve` starts uvicorn without an option for its access log.
            "environment": {"UVICORN_ACCESS_LOG": "false"},
        },
        "MLServer": mlserver_peer(False),
        "MLServer, adaptive batching": mlserver_peer(True),
        "BentoML": bento_peer("0"),
        "BentoML, adaptive batching": bento_peer("1"),
    }
    return {name: Server(name, **fields) for name, fields in described.items()}


def variables(server: Server, prepared: Path, own: Path) -> dict[str, str]:
    """The environment of a server's process: one thread for numbers, no telemetry."""
    return {
        "PATH": f"{server.python().parent}:{os.environ['PATH']}",
        "HOME": str(own),
        "BENCH_FOLDER": str(prepared),
        "PYTHONPATH": str(HERE),
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "PYTHONDONTWRITEBYTECODE": "1",
        **server.environment,
    }

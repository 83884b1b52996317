"""What every run of the benchmark needs, made once and kept in the cache: models, rows, answers."""

from __future__ import annotations

import functools
import hashlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Hashable, Mapping, Sequence
from pathlib import Path
from typing import Any

import joblib
import numpy as np
import pandas as pd
from imblearn.over_sampling import SMOTE

from housing_core.bundle import Schema, read_schema
from housing_core.registry import Registry
from tests.bench.serving.same_forest import write_bundle
from tests.integration.training.program import Program, task
from tests.mlflow_server import MlflowServer

HERE = Path(__file__).parent
ROOT = HERE.parents[2]
LISTINGS = ROOT / "tests" / "data" / "istanbul_emlakjet_2023.csv"
ROWS = 200
TRAINING_SECONDS = 900
CLASS_SHARES = (0.4, 0.8)


def cache_folder() -> Path:
    """The project's cache, as tests/cluster/common.sh has it."""
    home = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(home) / "housing-operator" / "bench-serving"


def prepare() -> Path:
    """Make the folder with bundle, pipeline, rows and expected answers, and return it.

    All servers answer with one forest: the pipeline is fitted by stock scikit-learn, and our bundle
    (`same-forest`) has its features and its trees; the project's own training gives the bundle its
    schema. What is in the folder is kept by what it is made from: a change of the training makes
    the bundles anew, and the pipeline only if it changes the columns.
    """
    listings = LISTINGS.read_bytes()
    training = [source.read_bytes() for source in sorted((ROOT / "training").rglob("*.py"))]
    folder = _kept("bundle", [listings, *training], _train_ours)
    schema = read_schema(folder / "bundle")
    columns = repr([(column.name, column.kind) for column in schema.columns])
    crosses = repr([cross.columns for cross in schema.crosses])
    made_from = [
        listings,
        (HERE / "apps" / "pipeline.py").read_bytes(),
        (columns + crosses).encode(),
    ]
    theirs = _kept("pipeline", made_from, functools.partial(_fit_theirs, schema))
    for made in ("pipeline.joblib", "columns.json", "rows.json", "answers.json", "mlflow-model"):
        (folder / made).unlink(missing_ok=True)
        (folder / made).symlink_to(theirs / made)
    made_from = [folder.name.encode(), theirs.name.encode(), (HERE / "same_forest.py").read_bytes()]
    shared = _kept("same-forest", made_from, functools.partial(_share_forest, folder))
    link = folder / "same-forest"
    link.unlink(missing_ok=True)
    link.symlink_to(shared / "bundle")
    return folder


def _kept(name: str, made_from: Sequence[bytes], make: Callable[[Path], None]) -> Path:
    """A folder of the cache, made when it is not there yet."""
    digest = hashlib.sha256(b"".join(made_from)).hexdigest()[:12]
    folder = cache_folder() / f"{name}-{digest}"
    if not (folder / "done").exists():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder)
        (folder / "done").touch()
    return folder


def _train_ours(folder: Path) -> None:
    print("training the bundle", flush=True)
    server = MlflowServer(folder / "mlflow")
    server.start()
    try:
        given = task(LISTINGS, name="bench", key="bench")
        # Of its own trees nothing is used.
        given["training"] = {"recipe": "seed", "forest": {"trees": 5}}
        ended = Program(given, server.url, folder / "training").end(TRAINING_SECONDS)
        assert ended.code == 0, ended.output
        os.environ["MLFLOW_TRACKING_URI"] = server.url
        Registry(server.url).download_bundle("training-test.bench", "1", folder / "bundle")
    finally:
        server.stop()


def _fit_theirs(schema: Schema, folder: Path) -> None:
    """The same columns, crosses, classes and trees, by stock scikit-learn and imbalanced-learn."""
    print("fitting the scikit-learn pipeline", flush=True)
    # By the name that the peers know it by: the pipeline is pickled.
    sys.path.insert(0, str(HERE))
    make_pipeline = importlib.import_module("apps.pipeline").make_pipeline

    kinds: dict[str, list[str]] = {"Numeric": [], "Categorical": [], "HighCardinality": []}
    for column in schema.columns:
        kinds[column.kind].append(column.name)
    inputs = [column.name for column in schema.columns]
    crosses = [cross.columns for cross in schema.crosses]
    frame = pd.read_csv(LISTINGS, dtype=str, sep=None, engine="python", encoding="utf-8-sig")
    frame = frame.drop_duplicates()
    prices = pd.to_numeric(
        frame[schema.target].str.replace(r"[^\d]", "", regex=True), errors="coerce"
    )
    frame, prices = frame[prices.notna()].reset_index(drop=True), prices[prices.notna()]
    low, high = np.quantile(prices, CLASS_SHARES)
    labels = np.digitize(prices, [low, high])
    pipeline = make_pipeline(
        kinds["Numeric"], kinds["Categorical"], kinds["HighCardinality"], crosses
    )
    features = pipeline["features"].fit_transform(frame[inputs])
    features, labels = SMOTE(random_state=42).fit_resample(features, labels)
    pipeline["forest"].set_params(n_jobs=-1).fit(features, labels)
    pipeline["forest"].set_params(n_jobs=1)
    joblib.dump(pipeline, folder / "pipeline.joblib")
    nodes = sum(tree.tree_.node_count for tree in pipeline["forest"].estimators_)
    chosen = frame[inputs].sample(ROWS, random_state=7)
    rows = [_present(row) for row in chosen.to_dict("records")]
    answers = pipeline.predict_proba(pd.DataFrame(rows, columns=inputs))
    _write(folder / "columns.json", {"inputs": inputs, "nodes": nodes})
    _write(folder / "rows.json", rows)
    _write(folder / "answers.json", answers.tolist())


def _share_forest(prepared: Path, folder: Path) -> None:
    print("making the bundle of the pipeline's forest", flush=True)
    sys.path.insert(0, str(HERE))  # see _fit_theirs
    pipeline = joblib.load(prepared / "pipeline.joblib")
    write_bundle(pipeline, prepared / "bundle", folder / "bundle")


def _present(row: Mapping[Hashable, Any]) -> dict[str, str]:
    return {str(name): value for name, value in row.items() if isinstance(value, str)}


def _write(path: Path, content: object) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False), encoding="utf-8")


def environment(name: str, requirements: Path, project: Path | None = None) -> Path:
    """A virtual environment with exactly what a lock file says; returns its Python.

    Args:
        project: the folder of a project that is installed on top, editable.

    Raises CalledProcessError when it cannot be installed with this Python.
    """
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    # Compiled, as libraries are in images: a start reads them and compiles nothing.
    install = ("pip", "sync", "--quiet", "--compile-bytecode", "--require-hashes")
    made_from = requirements.read_bytes() + f"{version} {project} {install}".encode()
    digest = hashlib.sha256(made_from).hexdigest()[:12]
    folder = cache_folder() / f"{name}-{digest}"
    python = folder / "bin" / "python"
    if not (folder / "done").exists():
        print(f"installing {name}", flush=True)
        uv = Path(sys.prefix) / "bin" / "uv"
        subprocess.run(
            [uv, "venv", "--quiet", "--clear", "--python", sys.executable, folder], check=True
        )
        subprocess.run(
            [uv, *install, requirements],
            env={**os.environ, "VIRTUAL_ENV": str(folder)},
            check=True,
        )
        if project:
            constraints = ROOT / "core" / "build-requirements.txt"
            subprocess.run(
                [
                    *(uv, "pip", "install", "--quiet", "--no-deps"),
                    *("--build-constraints", constraints, "--editable", project),
                ],
                env={**os.environ, "VIRTUAL_ENV": str(folder)},
                check=True,
            )
        (folder / "done").touch()
    return python

"""A bundle folder → a version of a registered model, once per training."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Mapping
from importlib.metadata import version as installed_version
from pathlib import Path

import mlflow
import pandas as pd
from mlflow.models import ModelSignature
from mlflow.types import ColSpec, DataType
from mlflow.types import Schema as MlflowSchema
from mlflow.types.schema import AnyType

import housing_core.cleaning
from housing_core.bundle import BUNDLE_PATH, GoldenRow, Schema
from housing_core.registry import KEY_TAG, Registry, RegistryError
from housing_core.registry_types import RegisteredVersion
from housing_training.registration import model as model_code
from housing_training.tracking import TrainingRun, patiently

MODEL_PATH = "model"
"""Where the model sits in the artifacts of its run."""

CLEANING_COPY = "housing_cleaning.py"


def write_model(bundle: Path, schema: Schema, golden: list[GoldenRow], folder: Path) -> None:
    """Write an MLflow model folder around a bundle.

    Args:
        bundle: the folder; its name must be that of BUNDLE_PATH.
        schema: of the bundle, for the signature.
        golden: for the input example.
        folder: where to write; must not exist.

    """
    if bundle.name != Path(BUNDLE_PATH).name:
        raise ValueError(f"the folder must be called {Path(BUNDLE_PATH).name}, not {bundle.name}")
    with tempfile.TemporaryDirectory() as temporary:
        cleaning = Path(temporary, CLEANING_COPY)
        shutil.copyfile(housing_core.cleaning.__file__, cleaning)
        mlflow.pyfunc.save_model(
            path=str(folder),
            python_model=model_code.__file__,
            artifacts={"bundle": str(bundle)},
            code_paths=[str(cleaning)],
            pip_requirements=requirements(),
            signature=signature(schema),
            input_example=pd.DataFrame([golden[0].row]),
            metadata={"housing-operator": {"format": schema.format, "model": schema.model_name}},
        )


def requirements() -> list[str]:
    """What the model needs where it is loaded, at the versions that made it."""
    return [
        f"{package}=={installed_version(distribution)}"
        for package, distribution in (
            ("mlflow", "mlflow-skinny"),
            ("numpy", "numpy"),
            ("onnxruntime", "onnxruntime"),
            ("pandas", "pandas"),
        )
    ]


def signature(schema: Schema) -> ModelSignature:
    """Inputs of any type, none required: the cleaning rules decide what a column takes."""
    return ModelSignature(
        inputs=MlflowSchema(
            [ColSpec(AnyType(), column.name, required=False) for column in schema.columns]
        ),
        outputs=MlflowSchema(
            [
                ColSpec(DataType.string, "class"),
                *(ColSpec(DataType.float, f"probability_{name}") for name in schema.classes),
            ]
        ),
    )


def register(
    registry: Registry,
    run: TrainingRun,
    folder: Path,
    *,
    model: str,
    key: str,
    tags: Mapping[str, str],
    description: str,
) -> RegisteredVersion:
    """Upload the model folder and register it, unless the training has registered already.

    Two attempts that both get here make two versions with one key; the lower counts.
    """
    found = patiently(lambda: registry.version_of_key(model, key))
    if found is not None:
        return found
    run.upload_folder(folder, MODEL_PATH)

    def create() -> RegisteredVersion:
        found = registry.version_of_key(model, key)
        if found is not None:
            return found
        registry.register(
            model, run.run, MODEL_PATH, tags={**tags, KEY_TAG: key}, description=description
        )
        made = registry.version_of_key(model, key)
        if made is None:
            raise RegistryError(
                f"MLflow does not show the version of {model} that it has just made"
            )
        return made

    return patiently(create)

"""The files of a bundle by their names: read, checked and written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from housing_core.bundle.golden import GoldenRow
from housing_core.bundle.part import FORMAT, Part
from housing_core.bundle.reference import Reference
from housing_core.bundle.schema import Schema
from housing_core.bundle.summary import Summary

BUNDLE_PATH = "artifacts/bundle"
"""Where the bundle sits in the registered MLflow model."""

GRAPH_FILE = "model.onnx"
INPUTS_FILE, LISTED_FILE, TREES_FILE = "inputs.onnx", "inputs.json", "trees.npz"
SCHEMA_FILE = "schema.json"
REFERENCE_FILE = "reference.json"
GOLDEN_FILE = "golden.json"
SUMMARY_FILE = "summary.json"

GRAPH_BATCH_ROWS = 128
"""Most rows to give the graph at once: it makes a dense matrix of all its features of them, and of
this many it fits the processor's cache. More are no faster."""

PartT = TypeVar("PartT", bound=Part)


class BundleError(Exception):
    """A bundle that cannot be used; the message says which file and why."""


def read_schema(folder: Path) -> Schema:
    """`schema.json` of a bundle folder.

    Raises:
        BundleError: when it is not there, not readable, or of a newer format.

    """
    return _read(folder / SCHEMA_FILE, Schema)


def read_reference(folder: Path) -> Reference:
    """`reference.json` of a bundle folder; raises BundleError as `read_schema` does."""
    return _read(folder / REFERENCE_FILE, Reference)


def read_summary(folder: Path) -> Summary:
    """`summary.json` of a bundle folder; raises BundleError as `read_schema` does."""
    return _read(folder / SUMMARY_FILE, Summary)


def read_golden(folder: Path) -> list[GoldenRow]:
    """`golden.json` of a bundle folder; raises BundleError when it is unusable or empty."""
    path = folder / GOLDEN_FILE
    try:
        rows = [GoldenRow.model_validate(row) for row in json.loads(path.read_text("utf-8"))]
    except (OSError, ValueError) as error:
        raise BundleError(f"{path.name} cannot be read: {error}") from error
    if not rows:
        raise BundleError(f"{path.name} holds no rows to check the model with")
    return rows


def write_part(folder: Path, name: str, part: BaseModel | list[GoldenRow]) -> None:
    """Write one JSON file of a bundle."""
    data = (
        [row.model_dump(mode="json") for row in part]
        if isinstance(part, list)
        else part.model_dump(mode="json")
    )
    # The profile holds long lists; a line for each number would double it.
    indent, separators = (None, (",", ":")) if name == REFERENCE_FILE else (1, None)
    text = json.dumps(data, ensure_ascii=False, indent=indent, separators=separators)
    (folder / name).write_text(text, encoding="utf-8")


def _read(path: Path, model: type[PartT]) -> PartT:
    try:
        data = json.loads(path.read_text("utf-8"))
        found = data.get("format") if isinstance(data, dict) else None
        if isinstance(found, int) and found > FORMAT:
            raise BundleError(
                f"{path.name} has format {found}; this program reads up to {FORMAT}: upgrade it"
            )
        return model.model_validate(data)
    except (OSError, ValueError) as error:
        raise BundleError(f"{path.name} cannot be read: {error}") from error

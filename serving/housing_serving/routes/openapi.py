"""The OpenAPI description, with the columns and golden rows of the model that answers."""

from __future__ import annotations

import csv
import io
from typing import Any

from pydantic import TypeAdapter

from housing_core.bundle import ColumnSchema, GoldenRow
from housing_core.tasks import ServingHealth, ServingTask
from housing_serving.formats.answer import Answer, class_ranges
from housing_serving.formats.model_description import describe_model
from housing_serving.http.problems import KINDS, MEDIA_TYPE
from housing_serving.http.request_bodies import BODY_LIMIT_BYTES
from housing_serving.inference.model import Model
from housing_serving.routes.explain import MOST_LISTINGS
from housing_serving.versions.readiness import Serving

EXAMPLES = 3
_REFERENCE = "#/components/schemas/{model}"


def describe_api(document: dict[str, Any], serving: Serving, task: ServingTask) -> None:
    """Write what depends on the model into an OpenAPI document: columns, bounds and examples.

    Args:
        document: changed in place; what FastAPI knows of the routes.
        serving: without a model, a listing is any object and there are no examples.
        task: names model and track, and bounds the listings of one request.

    """
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    for described in (Answer, ServingHealth):
        schema = TypeAdapter(described).json_schema(
            ref_template=_REFERENCE, mode="serialization", by_alias=True
        )
        schemas.update(schema.pop("$defs", {}))
        schemas[described.__name__] = schema
    schemas["Listing"] = _listing(serving.model)
    schemas["Problem"] = _problem()
    document["components"]["securitySchemes"] = {
        "feedback": {
            "type": "http",
            "scheme": "bearer",
            "description": "The token in the Secret that `spec.serving.feedback.tokenSecretRef` names.",
        }
    }
    answer: dict[str, Any] = {"schema": {"$ref": "#/components/schemas/Answer"}}
    if serving.model is not None:
        answer["example"] = _answer_example(serving.model, serving, task)
    paths = document["paths"]
    paths["/explain"]["post"]["requestBody"] = _listings(serving.model, MOST_LISTINGS)
    operation = paths["/predict"]["post"]
    operation["requestBody"] = _listings(serving.model, task.max_rows)
    operation["responses"] = {
        "200": {"description": "Class and probabilities.", "content": {"application/json": answer}},
        **{
            code: {
                "description": text,
                "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
            }
            for code, text in _ERRORS.items()
        },
    }
    _answer_content(paths["/health"]["get"])["schema"] = {
        "$ref": "#/components/schemas/ServingHealth"
    }
    if serving.model is not None:
        shown = describe_model(task, serving, serving.model)
        _answer_content(paths["/model"]["get"])["example"] = shown.model_dump(
            mode="json", by_alias=True
        )
        _inference_examples(paths, serving.model)
        _name_model(paths, task.model_name, serving.model.version)
        batch = paths["/predict/batch"]["post"]["requestBody"]["content"]
        batch["text/csv"]["example"] = _csv_example(serving.model)


def _listings(model: Model | None, most: int) -> dict[str, Any]:
    """The body of a request that holds one listing or many."""
    listing = {"$ref": "#/components/schemas/Listing"}
    many = {"type": "array", "items": listing, "minItems": 1, "maxItems": most}
    content: dict[str, Any] = {"schema": {"oneOf": [listing, many]}}
    if model is not None:
        content["examples"] = _request_examples(model)
    return {"required": True, "content": {"application/json": content}}


def _name_model(paths: dict[str, Any], name: str, version: str) -> None:
    """Say which model and version there are, where a path asks for them."""
    there_is = {"name": name, "version": version}
    for operations in paths.values():
        for operation in operations.values():
            for parameter in operation.get("parameters", []):
                if parameter["in"] == "path":
                    parameter["schema"] = {"type": "string", "enum": [there_is[parameter["name"]]]}


def _csv_example(model: Model) -> str:
    names = [column.name for column in model.schema.columns]
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(golden.row for golden in _fullest(model)[:EXAMPLES])
    return text.getvalue()


def _inference_examples(paths: dict[str, Any], model: Model) -> None:
    """Golden rows as tensors of the Open Inference Protocol."""
    rows = [golden.row for golden in _fullest(model)[:EXAMPLES]]
    tensors = []
    for column in model.schema.columns:
        values = [row.get(column.name) for row in rows]
        number = column.kind == "Numeric" and not any(isinstance(v, str) for v in values)
        kind = "FP64" if number else "BYTES"
        tensors.append(
            {"name": column.name, "datatype": kind, "shape": [len(rows)], "data": values}
        )
    for path, operations in paths.items():
        if path.endswith("/infer"):
            content = operations["post"]["requestBody"]["content"]["application/json"]
            content["example"] = {"inputs": tensors}


def _answer_content(operation: dict[str, Any]) -> dict[str, Any]:
    content = operation["responses"]["200"].setdefault("content", {})
    found: dict[str, Any] = content.setdefault("application/json", {})
    return found


_ERRORS = {
    "400": "The body is not JSON.",
    "413": f"More than {BODY_LIMIT_BYTES} bytes, or too many listings.",
    "415": "The body is declared to be something else than JSON.",
    "422": "A value that its column cannot take; `errors` names rows, fields and values.",
    "503": "No model is loaded, or too many large requests are under way; `Retry-After` says when "
    "to try again.",
}


def _listing(model: Model | None) -> dict[str, Any]:
    """A listing as JSON Schema: no field is required, and values are as people write them."""
    columns = model.schema.columns if model else []
    return {
        "type": "object",
        "description": "Fields by name. One that is left out or null is missing; one that is no "
        "column of the model is named in `ignoredFields`.",
        "properties": {column.name: _column(column) for column in columns},
        "additionalProperties": True,
    }


def _column(column: ColumnSchema) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": ["number", "string", "boolean", "null"]}
    if column.kind == "Numeric":
        schema["description"] = "A number, or a text that is one." + (
            f" In training from {column.minimum:g} to {column.maximum:g}."
            if column.minimum is not None and column.maximum is not None
            else ""
        )
    else:
        schema["description"] = "A category; one that training has not seen is fine."
    if column.examples:
        schema["examples"] = column.examples
    return schema


def _problem() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "RFC 9457.",
        "required": ["type", "title", "status", "detail", "requestId"],
        "properties": {
            "type": {
                "type": "string",
                "examples": [f"urn:housing-operator:problem:{kind}" for kind in KINDS],
            },
            "title": {"type": "string"},
            "status": {"type": "integer"},
            "detail": {"type": "string", "description": "What is wrong here, and what to do."},
            "requestId": {"type": "string"},
            "errors": {
                "type": "array",
                "minItems": 1,
                "items": {
                    "type": "object",
                    "required": ["row", "field", "value", "detail"],
                    "properties": {
                        "row": {"type": "integer", "description": "Position, from 0."},
                        "field": {
                            "type": ["string", "null"],
                            "description": "Null where all of the item is wrong.",
                        },
                        "value": {"type": "string", "description": "JSON text, cut when long."},
                        "detail": {"type": "string"},
                    },
                },
            },
        },
    }


def _fullest(model: Model) -> list[GoldenRow]:
    """Golden rows, those with the most values first: the others show less."""
    return sorted(model.golden, key=lambda g: sum(v is None for v in g.row.values()) - len(g.row))


def _request_examples(model: Model) -> dict[str, Any]:
    rows = [golden.row for golden in _fullest(model)[:EXAMPLES]]
    examples = {
        f"listing{i}": {"summary": "One listing", "value": row} for i, row in enumerate(rows)
    }
    return {**examples, "many": {"summary": "Many listings", "value": rows}}


def _answer_example(model: Model, serving: Serving, task: ServingTask) -> dict[str, Any]:
    golden = _fullest(model)[0]
    shares = dict(zip(model.schema.classes, golden.probabilities, strict=True))
    return {
        "requestId": "1f0c2f6e4cbb4b0e9d4b5a3f1d2e3c4b",
        "modelName": task.model_name,
        "modelVersion": model.version,
        "track": task.track,
        "servingFrom": serving.level,
        "classes": class_ranges(model.schema),
        "ignoredFields": [],
        "predictions": [{"class": golden.label, "probabilities": shares}],
    }

"""The CustomResourceDefinition, made from the types."""

from __future__ import annotations

import copy
from typing import Any

from pydantic import BaseModel

from housing_core.api import GROUP, KIND, PLURAL, VERSION, HousingModelSpec, HousingModelStatus
from housing_core.api.base import rule

NAME_LIMIT = 40
"""Leaves room for the suffixes of owned objects: a CronJob's name ends at 52 characters."""

PRINTER_COLUMNS = [
    ("Ready", "string", '.status.conditions[?(@.type=="Ready")].status', 0, "Live pods answer."),
    (
        "Reason",
        "string",
        '.status.conditions[?(@.type=="Ready")].reason',
        0,
        "Why it is ready, or not.",
    ),
    ("Production", "string", ".status.production.version", 0, "Version in production."),
    ("Staging", "string", ".status.staging.version", 1, "Version in staging."),
    ("Macro F1", "number", ".status.production.macroF1", 0, "Macro F1 of production."),
    ("Drift", "string", ".status.drift.verdict", 0, "Verdict of the newest drift report."),
    (
        "Retraining blocked",
        "string",
        '.status.conditions[?(@.type=="RetrainingBlocked")].reason',
        1,
        "What holds a retraining back.",
    ),
    (
        "Training",
        "string",
        ".status.training.progress.stage",
        1,
        "Stage of the training under way.",
    ),
    ("Age", "date", ".metadata.creationTimestamp", 0, ""),
]

_DROPPED = ("title", "additionalProperties", "$defs", "examples")


def custom_resource_definition() -> dict[str, Any]:
    """The CRD of HousingModel as JSON, ready for `kubectl apply`."""
    columns = [
        {
            "name": name,
            "type": kind,
            "jsonPath": path,
            **({"priority": priority} if priority else {}),
            **({"description": text} if text else {}),
        }
        for name, kind, path, priority, text in PRINTER_COLUMNS
    ]
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{PLURAL}.{GROUP}"},
        "spec": {
            "group": GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": KIND,
                "listKind": f"{KIND}List",
                "plural": PLURAL,
                "singular": KIND.lower(),
                "shortNames": ["hm"],
                "categories": ["mlops"],
            },
            "versions": [
                {
                    "name": VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": columns,
                    "schema": {"openAPIV3Schema": _root()},
                }
            ],
        },
    }


def _root() -> dict[str, Any]:
    return {
        "type": "object",
        "description": "A HousingModel keeps a tabular classifier good in production: "
        "it is trained, registered, rolled out, served, watched for drift and retrained.",
        "required": ["spec"],
        "x-kubernetes-validations": [
            rule(
                "self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')",
                "metadata.name must start with a letter and have only lower-case letters, "
                "digits and dashes: Services are named after it",
            ),
        ],
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {
                "type": "object",
                "properties": {"name": {"type": "string", "maxLength": NAME_LIMIT}},
            },
            "spec": structural_schema(HousingModelSpec),
            "status": _without_defaults(structural_schema(HousingModelStatus)),
        },
    }


def _without_defaults(node: dict[str, Any]) -> dict[str, Any]:
    """A schema that fills in nothing.

    A default in status would add keys to a monitor's write of `status.drift`, and the policy that
    holds it to that key would refuse it.
    """
    node.pop("default", None)
    for child in node.get("properties", {}).values():
        _without_defaults(child)
    if isinstance(node.get("items"), dict):
        _without_defaults(node["items"])
    return node


def structural_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The structural OpenAPI v3 schema of a type, with nested types put in place.

    pydantic writes JSON Schema 2020-12; Kubernetes takes the OpenAPI 3.0 subset without
    references, `null` types or numeric exclusive bounds.
    """
    schema = model.model_json_schema(by_alias=True, mode="validation")
    structural = _convert(schema, schema.get("$defs", {}))
    _fill_block_defaults(structural)
    return structural


def _convert(node: dict[str, Any], definitions: dict[str, Any]) -> dict[str, Any]:
    if "$ref" in node:
        target = definitions[node["$ref"].rsplit("/", 1)[1]]
        node = {**target, **{key: value for key, value in node.items() if key != "$ref"}}
    if "anyOf" in node:
        node = _merge_alternatives(node)
        if "$ref" in node:
            return _convert(node, definitions)
    free_form = node.get("additionalProperties")
    result = {key: copy.deepcopy(value) for key, value in node.items() if key not in _DROPPED}
    if "const" in result:
        result["enum"] = [result.pop("const")]
    if result.get("default", ...) is None:
        del result["default"]
    for bound, name in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if bound in result:
            result[name], result[bound] = result[bound], True
    if "properties" in node:
        result["properties"] = {
            name: _convert(child, definitions) for name, child in node["properties"].items()
        }
    elif isinstance(free_form, dict) and free_form:
        result["additionalProperties"] = _convert(free_form, definitions)
    elif free_form is True:
        result["x-kubernetes-preserve-unknown-fields"] = True
    if "items" in node:
        result["items"] = _convert(node["items"], definitions)
    result.pop("propertyNames", None)
    return result


def _merge_alternatives(node: dict[str, Any]) -> dict[str, Any]:
    """`X | None` is X that may be left out; `str | int` is Kubernetes' int-or-string."""
    rest = {key: value for key, value in node.items() if key != "anyOf"}
    alternatives = [part for part in node["anyOf"] if part.get("type") != "null"]
    if len(alternatives) == 1:
        return {**alternatives[0], **rest}
    return rest


def _fill_block_defaults(node: dict[str, Any]) -> None:
    """Give a block whose every field may be left out the default `{}`.

    The API server fills in nested defaults only where the parent is there.
    """
    for name, child in node.get("properties", {}).items():
        _fill_block_defaults(child)
        optional = name not in node.get("required", [])
        has_defaults = any(
            "default" in grandchild for grandchild in child.get("properties", {}).values()
        )
        if optional and has_defaults and not child.get("required") and "default" not in child:
            child["default"] = {}
    if isinstance(node.get("items"), dict):
        _fill_block_defaults(node["items"])

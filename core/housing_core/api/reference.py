"""The reference page of the API, made from the CRD's schema."""

from __future__ import annotations

import json
from typing import Any

_HEADER = """# HousingModel

Group `{group}`, version `{version}`, kind `{kind}`, short name `hm`. Generated from the types by `make generate`; `kubectl explain housingmodel.spec` says the same.

Unknown fields: `kubectl` refuses them, other clients get a warning and the field is dropped by the API server. Rules under a table are checked by the API server itself, and its message says what to write instead.
"""


def reference_page(crd: dict[str, Any]) -> str:
    """The page in Markdown: a table for each block of spec and status."""
    spec = crd["spec"]
    version = spec["versions"][0]
    root = version["schema"]["openAPIV3Schema"]
    parts = [
        _HEADER.format(group=spec["group"], version=version["name"], kind=spec["names"]["kind"])
    ]
    for name in ("spec", "status"):
        parts.extend(_sections(name, root["properties"][name]))
    parts.append("## Rules of the object\n")
    parts.extend(f"- {rule['message']}" for rule in root["x-kubernetes-validations"])
    return "\n".join(parts).rstrip() + "\n"


def _sections(path: str, schema: dict[str, Any]) -> list[str]:
    lines = [
        f"## `{path}`\n",
        schema.get("description", ""),
        "",
        "| field | type | default | what it is |",
        "|---|---|---|---|",
    ]
    nested: list[str] = []
    for name, child in schema.get("properties", {}).items():
        default = json.dumps(child["default"], ensure_ascii=False) if "default" in child else ""
        required = "**required**" if name in schema.get("required", []) else ""
        text = child.get("description", "").replace("|", "\\|")
        shown = f"`{default}`" if default else required
        lines.append(f"| `{name}` | {_type(child)} | {shown} | {text}{_bounds(child)} |")
        inner = child.get("items", child)
        if inner.get("properties"):
            suffix = "[]" if "items" in child else ""
            nested.extend(_sections(f"{path}.{name}{suffix}", inner))
    lines.extend(["", *(f"- Rule: {rule['message']}" for rule in _rules(schema)), ""])
    return lines + nested


def _rules(schema: dict[str, Any]) -> list[dict[str, str]]:
    rules: list[dict[str, str]] = schema.get("x-kubernetes-validations", [])
    return rules


def _type(schema: dict[str, Any]) -> str:
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if "items" in schema:
        return f"list of {_type(schema['items'])}"
    if schema.get("x-kubernetes-int-or-string"):
        return "quantity"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {_type(schema['additionalProperties'])}"
    return str(schema.get("type", "object"))


def _bounds(schema: dict[str, Any]) -> str:
    parts = []
    if "minimum" in schema:
        parts.append(
            f"{'above' if schema.get('exclusiveMinimum') else 'at least'} {schema['minimum']}"
        )
    if "maximum" in schema:
        parts.append(
            f"{'below' if schema.get('exclusiveMaximum') else 'at most'} {schema['maximum']}"
        )
    return f" ({', '.join(parts)})" if parts else ""

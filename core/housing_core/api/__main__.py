"""Write everything that is generated from the types: `python -m housing_core.api [--check]`."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import yaml

from housing_core.api.crd import custom_resource_definition
from housing_core.api.reference import reference_page
from housing_core.drift_report import json_schema

_NOTICE = "# Generated from housing_core.api by `make generate`; do not edit.\n"


def generated_files() -> dict[str, str]:
    """Path below the project's root → content."""
    crd = custom_resource_definition()
    return {
        "manifests/crd.yaml": _NOTICE + _yaml(crd),
        "charts/housing-operator/templates/crd.yaml": _chart_template(crd),
        "docs/reference/housingmodel.md": reference_page(crd),
        "docs/reference/drift-report.schema.json": json.dumps(
            json_schema(), indent=2, ensure_ascii=False
        )
        + "\n",
    }


def _yaml(document: dict[str, Any]) -> str:
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=100)


def _chart_template(crd: dict[str, Any]) -> str:
    """The CRD for Helm: kept on uninstall, and installable apart."""
    kept = {
        **crd,
        "metadata": {**crd["metadata"], "annotations": {"helm.sh/resource-policy": "keep"}},
    }
    body = _yaml(kept)
    if "{{" in body:
        raise ValueError("the CRD has text that Helm would read as a template")
    return f"{{{{- if .Values.crds.enabled }}}}\n{_NOTICE}{body}{{{{- end }}}}\n"


def main() -> int:
    """Write the files, or with --check compare them; 1 when one is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    parser.add_argument("--root", type=Path, default=Path.cwd(), help="the project's root")
    arguments = parser.parse_args()
    stale = []
    for name, content in generated_files().items():
        path: Path = arguments.root / name
        if path.exists() and path.read_text(encoding="utf-8") == content:
            continue
        stale.append(name)
        if not arguments.check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")
    for name in stale:
        sys.stdout.write(
            f"{name} is out of date: run make generate\n" if arguments.check else f"wrote {name}\n"
        )
    return 1 if arguments.check and stale else 0


if __name__ == "__main__":
    sys.exit(main())

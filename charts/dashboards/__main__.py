"""Write the chart's dashboards: `python -m charts.dashboards`; with --check, only compare."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from grafana_foundation_sdk.cog.encoder import JSONEncoder

from charts.dashboards.views import VIEWS

FOLDER = Path(__file__).parent.parent / "housing-operator" / "dashboards"


def main() -> int:
    """Write the files, or with --check say which differ; 1 when one does."""
    parser = argparse.ArgumentParser(prog="charts.dashboards", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail on a difference")
    check = parser.parse_args().check
    files = {FOLDER / f"{make.__name__}.json": text_of(make()) for make in VIEWS}
    stale = [path for path in FOLDER.glob("*.json") if path not in files]
    changed = [p for p, text in files.items() if not p.exists() or p.read_text() != text]
    if check:
        for path in (*stale, *changed):
            sys.stderr.write(f"{path} is not up to date: run make generate\n")
        return 1 if stale or changed else 0
    FOLDER.mkdir(exist_ok=True)
    for path in stale:
        path.unlink()
    for path in changed:
        path.write_text(files[path])
    return 0


def text_of(dashboard: object) -> str:
    """A dashboard as it stands in its file."""
    return json.dumps(dashboard, cls=JSONEncoder, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())

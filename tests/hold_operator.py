"""Run a command while the installed operator stands still: `python -m tests.hold_operator COMMAND...`.

Contract and integration tests run operators of their own, and apply what no operator should act on.
"""

from __future__ import annotations

import subprocess
import sys
from contextlib import nullcontext

from tests.cluster_client import Cluster, condition_of
from tests.operator_release import RELEASE, SYSTEM_NAMESPACE, scaled_to_zero


def main() -> int:
    """Return what the command returned."""
    cluster = Cluster.connect()
    installed = cluster.find("deployment", RELEASE, SYSTEM_NAMESPACE) or {}
    runs = condition_of(installed, "Available").get("status") == "True"
    with scaled_to_zero(cluster, RELEASE) if runs else nullcontext():
        return subprocess.run(sys.argv[1:], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())

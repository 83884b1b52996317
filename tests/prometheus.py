"""The real Prometheus programs, taken from the machine or from Debian's package."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

FETCH_SECONDS = 300


@functools.cache
def program(name: str) -> Path:
    """Return the path of `prometheus` or `promtool`; fetches them the first time on a machine."""
    script = Path(__file__).with_suffix(".sh")
    fetched = subprocess.run([script], check=True, stdout=subprocess.PIPE, timeout=FETCH_SECONDS)
    return Path(fetched.stdout.decode().strip()) / name

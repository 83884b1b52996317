"""The real Prometheus programs, and the resources of the Prometheus Operator."""

from __future__ import annotations

import functools
import subprocess
from pathlib import Path

FETCH_SECONDS = 300
BUILD_SECONDS = 540


@functools.cache
def program(name: str) -> Path:
    """Return the path of `prometheus` or `promtool`; fetches them the first time on a machine."""
    return _folder("prometheus.sh", FETCH_SECONDS) / name


def check_metrics(text: str) -> None:
    """Assert that promtool finds nothing to say of an exposition's names and help texts."""
    lint = subprocess.run(
        [program("promtool"), "check", "metrics"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (lint.returncode, lint.stdout, lint.stderr) == (0, "", "")


@functools.cache
def custom_resource_definitions() -> dict[str, str]:
    """Return those of ServiceMonitor, PodMonitor and PrometheusRule as YAML, by their names.

    They are made the first time on a machine.
    """
    folder = _folder("prometheus_crds.sh", BUILD_SECONDS)
    return {
        f"{kind}.monitoring.coreos.com": (folder / f"monitoring.coreos.com_{kind}.yaml").read_text()
        for kind in ("servicemonitors", "podmonitors", "prometheusrules")
    }


def _folder(script: str, timeout: float) -> Path:
    path = Path(__file__).with_name(script)
    said = subprocess.run([path], check=True, stdout=subprocess.PIPE, timeout=timeout)
    return Path(said.stdout.decode().strip())

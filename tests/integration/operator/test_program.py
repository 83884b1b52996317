"""`python -m housing_operator` where it cannot work."""

import os
import subprocess
import sys

import pytest

from housing_core import __version__

COMPLETE = {
    "MLFLOW_TRACKING_URI": "http://127.0.0.1:1",
    "HOUSING_TRAINING_IMAGE": "t",
    "HOUSING_SERVING_IMAGE": "s",
    "HOUSING_MONITORING_IMAGE": "m",
}


def run(*arguments, **environment):
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    return subprocess.run(
        [sys.executable, "-m", "housing_operator", *arguments],
        env={**kept, **environment},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def test_help_names_the_environment_and_version_the_version():
    shown = run("--help")
    assert shown.returncode == 0
    for variable in (*COMPLETE, "HOUSING_WATCH_NAMESPACES", "HOUSING_IMAGE_PULL_POLICY"):
        assert variable in shown.stdout
    assert run("--version").stdout.strip() == __version__


def test_a_missing_setting_is_named_without_a_traceback():
    ended = run("--metrics-port", "0", **{**COMPLETE, "HOUSING_SERVING_IMAGE": ""})
    assert ended.returncode == 1
    assert "HOUSING_SERVING_IMAGE is not set: give the image" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("kubeconfig", ["", "not: [yaml", "apiVersion: v1\nkind: Config\n"])
def test_no_cluster_to_work_on_is_said_without_a_traceback(kubeconfig, tmp_path):
    path = tmp_path / "config"
    if kubeconfig:
        path.write_text(kubeconfig)
    ended = run("--metrics-port", "0", **COMPLETE, KUBECONFIG=str(path))
    assert ended.returncode == 1
    assert "no cluster to work on" in ended.stderr
    assert "Traceback" not in ended.stderr

"""Every image as a pod that the restricted level admits: uid 10001, a read-only root, no capabilities."""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version

import pytest

from tests.cluster_client import Cluster
from tests.cluster_pods import fill_claim, run_in_cluster

PROGRAMS = ["operator", "training", "serving", "monitoring"]
WHAT_IS_INSTALLED = """
import importlib.metadata, json, pathlib
print(json.dumps({
    "packages": sorted(p.name for p in pathlib.Path("/opt/housing").glob("housing_*/")
                       if not p.name.endswith(".dist-info")),
    "distributions": sorted(d.name.lower() for d in importlib.metadata.distributions()),
}))
"""
UNPICKLERS = {"scikit-learn", "pandas", "joblib", "cloudpickle", "skops", "mlflow", "mlflow-skinny"}
"""What unpickles models, or brings it; the programs that hold models of others need none of it."""


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_starts_and_tells_its_version(
    cluster: Cluster, namespace: str, program: str
) -> None:
    command = ["python3", "-m", f"housing_{program}", "--version"]
    said = run_in_cluster(cluster, namespace, program, command)
    assert version("housing-operator") in said


def test_the_mlflow_image_has_the_drivers_that_the_chart_offers(
    cluster: Cluster, namespace: str
) -> None:
    command = [
        "python3",
        "-c",
        "import boto3, mlflow.server, psycopg2, pymysql; print('all there')",
    ]
    assert "all there" in run_in_cluster(cluster, namespace, "mlflow", command)


@pytest.mark.parametrize("program", PROGRAMS)
def test_an_image_holds_its_own_program_and_no_installer(
    cluster: Cluster, namespace: str, program: str
) -> None:
    log = run_in_cluster(cluster, namespace, program, ["python3", "-c", WHAT_IS_INSTALLED])
    installed = json.loads(log)
    assert installed["packages"] == sorted(["housing_core", f"housing_{program}"])
    assert not {"pip", "setuptools"} & set(installed["distributions"])
    if program in ("serving", "monitoring"):
        assert not UNPICKLERS & set(installed["distributions"])


def test_files_of_any_content_reach_a_claim_unchanged(cluster: Cluster, namespace: str) -> None:
    content = bytes(range(256)) * 4096
    fill_claim(cluster, namespace, "listings", {"a folder/ilanlar.bin": content, "empty": b""})
    command = ["sh", "-c", "sha256sum '/mnt/claims/listings/a folder/ilanlar.bin' && id -u"]
    digest, *_, uid = run_in_cluster(
        cluster, namespace, "training", command, claim="listings"
    ).split()
    assert digest == hashlib.sha256(content).hexdigest()
    assert uid == "10001"

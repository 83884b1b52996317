"""Which cluster demo and tests take, and that they leave every other one alone.

kubectl, kind and docker are stand-ins that write down what they were asked: the clusters that must
not be touched are other people's.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import cluster_client
from tests.cluster_client import ROOT, Cluster

STAND_INS = {
    "kubectl": """
        case "$*" in
          "config current-context") [ -n "$CONTEXT" ] && echo "$CONTEXT" ;;
          "config view"*) echo "of $CONTEXT" ;;
          *--context*readyz*) [ -n "$ANSWERS" ] ;;
        esac""",
    "kind": """
        case "$*" in
          version) echo "kind v0.33.0 go1.26" ;;
          "get clusters") echo housing ;;
          "export kubeconfig"*) touch "${@: -1}" ;;
        esac""",
    "docker": '[ -n "$DOCKER" ]',
    "helm": "",
}
FOREIGN = ["production", "arn:aws:eks:eu-central-1:1:cluster/kind-x", "my-kubebox", "kubebox2", "*"]


@dataclass(frozen=True)
class Machine:
    """A machine with the scripts of tests/cluster, and none of its clusters.

    Attributes:
        root: of a clone that holds the scripts alone.
        environment: with which they run.

    """

    root: Path
    environment: dict[str, str]

    def run(self, command: str, **circumstances: str) -> str:
        """What the script says; `circumstances` are CONTEXT, ANSWERS and DOCKER, none by default."""
        done = subprocess.run(
            [self.root / "tests" / "cluster" / "cluster.sh", command],
            env={"CONTEXT": "", "ANSWERS": "", "DOCKER": "", **self.environment, **circumstances},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return done.stderr

    @property
    def chosen(self) -> str:
        """The kind of cluster that was chosen, and its context."""
        lines = (self.root / ".cache" / "cluster.env").read_text().splitlines()
        found = dict(line.split("=", 1) for line in lines)
        return f"{found['HOUSING_CLUSTER']} {found['HOUSING_CLUSTER_CONTEXT']}"

    @property
    def asked(self) -> list[str]:
        """What the stand-ins were asked, in order."""
        return Path(self.environment["ASKED"]).read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    root, programs = tmp_path / "clone", tmp_path / "bin"
    shutil.copytree(ROOT / "tests" / "cluster", root / "tests" / "cluster")
    for name, says in (("up.sh", f"echo KUBECONFIG={tmp_path / 'made'}"), ("base-image.sh", "")):
        (root / "tests" / "cluster" / name).write_text(f"#!/bin/bash\n{says}\n")
    (tmp_path / "made").touch()
    programs.mkdir()
    for name, body in STAND_INS.items():
        program = programs / name
        program.write_text(f'#!/bin/bash\necho "{name} $*" >>"$ASKED"\n{body}\n')
        program.chmod(0o755)
    environment = {
        "PATH": f"{programs}{os.pathsep}{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "ASKED": str(tmp_path / "asked"),
    }
    return Machine(root, environment)


@pytest.mark.parametrize(
    ("circumstances", "chosen"),
    [
        ({"CONTEXT": "kind-mine", "ANSWERS": "yes", "DOCKER": "yes"}, "existing kind-mine"),
        ({"CONTEXT": "kind-mine", "DOCKER": "yes"}, "kind kind-housing"),
        ({"CONTEXT": "kubebox", "ANSWERS": "yes", "DOCKER": "yes"}, "kubebox kubebox"),
        ({"DOCKER": "yes"}, "kind kind-housing"),
        ({}, "kubebox kubebox"),
        ({"CONTEXT": "production", "ANSWERS": "yes"}, "kubebox kubebox"),
        (
            {"CONTEXT": "dev-2", "ANSWERS": "yes", "HOUSING_ALLOWED_CONTEXTS": "lab,dev-*"},
            "existing dev-2",
        ),
    ],
)
def test_the_first_that_may_be_used_is_taken(
    machine: Machine, circumstances: dict[str, str], chosen: str
) -> None:
    machine.run("up", **circumstances)
    assert machine.chosen == chosen


@pytest.mark.parametrize("context", FOREIGN)
def test_a_cluster_that_is_not_on_the_list_is_not_even_asked(
    machine: Machine, context: str
) -> None:
    said = machine.run("up", CONTEXT=context, ANSWERS="yes", DOCKER="yes")
    assert f"{context}, is not among those that tests may use: left alone" in said
    assert machine.chosen == "kind kind-housing"
    assert [line for line in machine.asked if context in line.split()] == []
    kubectl = [line for line in machine.asked if line.startswith("kubectl")]
    assert all("config current-context" in line or "--kubeconfig" in line for line in kubectl)


def test_a_cluster_that_was_there_before_outlives_cluster_down(machine: Machine) -> None:
    machine.run("up", CONTEXT="kind-mine", ANSWERS="yes", DOCKER="yes")
    assert "left alone" in machine.run("down", CONTEXT="kind-mine", ANSWERS="yes", DOCKER="yes")
    assert not [line for line in machine.asked if "delete" in line]
    machine.run("up", DOCKER="yes")
    machine.run("down", DOCKER="yes")
    assert [line for line in machine.asked if "delete cluster --name housing" in line]


@pytest.mark.parametrize(
    ("context", "allowed"),
    [
        ("kind-mine", True),
        ("kubebox", True),
        ("dev-2", True),
        *((context, False) for context in FOREIGN),
    ],
)
def test_tests_connect_to_those_clusters_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, context: str, allowed: bool
) -> None:
    monkeypatch.setattr(cluster_client, "ENVIRONMENT_FILE", tmp_path / "none")
    for name, value in {**machine.environment, "CONTEXT": context}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("HOUSING_ALLOWED_CONTEXTS", "lab, dev-*")
    if allowed:
        assert Cluster.connect().context == context
    else:
        with pytest.raises(RuntimeError, match="tests only touch kind-"):
            Cluster.connect()

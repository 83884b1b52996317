"""The commands that README and docs tell a person to type, and how each is run here."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from textwrap import dedent
from uuid import uuid4

from tests.cluster_client import ROOT
from tests.cluster_pods import REGISTRY, TAG

NAMESPACE = "housing-demo"
"""Of `make demo`: the pages speak of the model that it makes."""

PROGRAMS = ("curl", "docker", "export", "helm", "kubectl", "make", "mlflow", "printf", "python")
"""What a command begins with."""

_FENCE = re.compile(r"^```(?P<language>\w*)\n(?P<text>.*?)^```", re.MULTILINE | re.DOTALL)
_INDENTED = re.compile(r"(?:^(?: {4}| {7})\S.*\n(?:^ {4}.*\n)*)", re.MULTILINE)
_PLACEHOLDER = re.compile(r"<[a-z ]+>")

IN_PYTHON = "import mlflow, pandas"
"""How the one block in Python begins."""


@dataclass(frozen=True)
class Page:
    """A page with commands.

    Attributes:
        path: below the project's root.
        elsewhere: how commands begin that cannot be run here, or that another test runs → why.
        given: what stands on the page → what a person would put there.
        before: how a command begins → what a person has done before it, beside what the page says.

    """

    path: str
    elsewhere: dict[str, str] = field(default_factory=dict)
    given: dict[str, str] = field(default_factory=dict)
    before: dict[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The page, with what is given."""
        text = (ROOT / self.path).read_text("utf-8")
        for placeholder, value in self.given.items():
            text = text.replace(placeholder, value)
        return text

    def commands(self) -> list[str]:
        """Those that are run here, in their order."""
        return [
            command
            for command in commands_in(self.text)
            if not command.startswith(tuple(self.elsewhere))
        ]

    def script(self) -> str:
        """What a person types who follows the page."""
        lines = []
        for command in self.commands():
            lines += [made for begin, made in self.before.items() if command.startswith(begin)]
            lines.append(command)
        return "\n".join(lines)


UNINSTALL = "helm uninstall housing-operator --namespace housing-system --wait"
TO_MLFLOW = """kubectl -n housing-system port-forward service/housing-operator-mlflow 5000
export MLFLOW_TRACKING_URI=http://localhost:5000"""

PAGES = (
    Page("README.md", {"helm install": "see install.md"}),
    Page(
        "docs/how-to/predict.md",
        {"docker build": "needs Docker"},
        {
            "default.istanbul/3": f"{NAMESPACE}.istanbul/1",
            "v2/models/default.": f"v2/models/{NAMESPACE}.",
            "$REGISTRY": REGISTRY,
            "$TAG": TAG,
        },
        {
            "curl -s localhost:8080/predict/batch": (
                "head -100 tests/data/izmir_emlakjet_2023.csv > listings.csv"
            ),
            "curl -s localhost:8080/feedback": """
                kubectl patch housingmodel istanbul --type merge --patch '{"spec": {"serving":
                  {"feedback": {"tokenSecretRef": {"name": "istanbul-feedback", "key": "token"}}}}}'
                until kubectl get deployment istanbul-production -o yaml | grep istanbul-feedback
                do sleep 1; done
                kubectl rollout status deployment/istanbul-production
                TOKEN=$(kubectl get secret istanbul-feedback -o jsonpath='{.data.token}' | base64 -d)
                end_port_forward
                kubectl port-forward service/istanbul-production 8080:8080
                """,
            "mlflow artifacts": TO_MLFLOW,
        },
    ),
    Page("docs/how-to/operate.md"),
    Page("docs/how-to/drift.md"),
    Page(
        "docs/how-to/datasets.md",
        given={"trial-1": f"trial-{uuid4().hex}"},  # MLflow remembers what was trained before
        before={"python -m housing_training": TO_MLFLOW},
    ),
    Page(
        "docs/how-to/monitor.md",
        before={"helm upgrade": """
                kubectl apply --server-side -f "$(tests/prometheus_crds.sh)"
                kubectl wait --for=condition=Established crd --all
                """},
    ),
    Page(
        "docs/install.md",
        {"kubectl -n housing-system create secret generic mlflow-database": "there is no database"},
        {"<registry>": REGISTRY, "<new version>": TAG},
        {
            "kubectl create namespace housing-system": f"""
                {UNINSTALL}
                kubectl delete housingmodels --all --all-namespaces
                kubectl delete namespace housing-system
                """,
            "helm install housing-operator charts/housing-operator --namespace housing-system --values": f"""
                {UNINSTALL}
                echo '{{"image": {{"registry": "{REGISTRY}", "tag": "{TAG}"}}}}' > values.yaml
                """,
            "helm install housing-cluster": f"""
                {UNINSTALL}
                kubectl delete crd housingmodels.housing-operator.dev
                """,
            "helm install housing-operator charts/housing-operator --namespace team-a": (
                "kubectl create namespace team-a"
            ),
            "helm upgrade": """
                helm uninstall housing-operator --namespace team-a --wait
                helm uninstall housing-cluster --namespace housing-cluster --wait
                kubectl delete namespace team-a housing-cluster
                kubectl delete crd housingmodels.housing-operator.dev
                helm install housing-operator charts/housing-operator --namespace housing-system \
                  --values values.yaml
                """,
            "kubectl -n housing-system run mlflow-upgrade": (
                "kubectl -n housing-system create secret generic mlflow-database"
                " --from-literal=uri=sqlite:////tmp/mlflow.db"
            ),
        },
    ),
)
"""In the order in which they are run: the last one takes away what the first one made."""


def commands_in(text: str) -> list[str]:
    """The commands of a page's blocks, each with its continuation lines."""
    found: list[str] = []
    for block in _blocks(text):
        if block.startswith(IN_PYTHON):
            found.append(f"python - <<'END'\n{block.rstrip()}\nEND")
        else:
            found += _commands(block)
    return found


def _blocks(text: str) -> Iterator[str]:
    for match in _FENCE.finditer(text):
        if not match["language"]:
            yield match["text"]
    for match in _INDENTED.finditer(_FENCE.sub("\n", text)):
        yield dedent(match[0])


def _commands(block: str) -> Iterator[str]:
    """Lines are joined until bash takes them for a whole command."""
    lines: list[str] = []
    for line in block.splitlines():
        if not lines and not line.removeprefix("$ ").startswith(PROGRAMS):
            return  # a manifest, or what a command answers
        lines.append(line.removeprefix("$ "))
        command = "\n".join(lines)
        if not command.endswith("\\") and _is_whole(command):
            yield command
            lines = []
    assert not lines, f"bash does not take this for a command: {lines}"


def _is_whole(command: str) -> bool:
    filled = _PLACEHOLDER.sub("x", command)
    return subprocess.run(["bash", "-nc", filled], capture_output=True, check=False).returncode == 0

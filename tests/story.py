"""The life of one HousingModel on real listings, step by step: the demo shows it, the e2e test checks it."""

from __future__ import annotations

import csv
import io
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from tests.cluster_client import ROOT, Cluster, CommandError, Manifest, condition_of
from tests.cluster_pods import fill_claim

DATASET_CLAIM = "listings"
TARGET = "Fiyat"
ISTANBUL = ROOT / "tests" / "data" / "istanbul_emlakjet_2023.csv"
IZMIR = ROOT / "tests" / "data" / "izmir_emlakjet_2023.csv"

FEEDBACK_SECRET = "feedback"  # a name
FEEDBACK_TOKEN = "the-token-of-the-tests"  # of a cluster that tests made

TRAINING_SECONDS = 900
LOG_FLUSH_SECONDS = 5
"""How long a row of the prediction log may wait for its file."""

NO_HEADERS: Mapping[str, str] = MappingProxyType({})

Say = Callable[[str], None]


def listings(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV file as people would send them: texts, the row index and the price left out."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return [{k: v for k, v in row.items() if k and v != ""} for row in rows]


def without_price(rows: Iterable[dict[str, str]]) -> list[dict[str, str]]:
    """The listings as they are before anyone knows their price."""
    return [{k: v for k, v in row.items() if k != TARGET} for row in rows]


def to_csv(rows: Sequence[dict[str, str]]) -> str:
    """Listings as a CSV file with the columns that any of them has."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, names, restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


@dataclass
class Story:
    """One HousingModel in one namespace, and what a person does with it.

    Attributes:
        say: where progress goes, a line at a time.
        spec: laid over the smallest spec, block by block.
    """

    cluster: Cluster
    namespace: str
    name: str = "istanbul"
    say: Say = print
    spec: dict[str, Any] = field(default_factory=dict)

    @property
    def manifest(self) -> Manifest:
        """The HousingModel."""
        return {
            "apiVersion": "housing-operator.dev/v1alpha1",
            "kind": "HousingModel",
            "metadata": {"name": self.name},
            "spec": {
                "dataset": {
                    "uri": f"pvc://{DATASET_CLAIM}/{self.name}",
                    "target": {"column": TARGET},
                },
                **self.spec,
            },
        }

    def apply(self) -> None:
        """Apply the HousingModel, as `kubectl apply` does."""
        self.cluster.apply(self.manifest, namespace=self.namespace)

    def add_listings(self, file_name: str, content: Path | str) -> None:
        """Put a file into the dataset's folder."""
        fill_claim(
            self.cluster, self.namespace, DATASET_CLAIM, {f"{self.name}/{file_name}": content}
        )

    def get(self) -> Manifest:
        """The HousingModel as it stands."""
        return self.cluster.get("housingmodel", self.name, self.namespace)

    def pods(self, component: str) -> list[Manifest]:
        """Its pods of one component, as `training` or `serving`."""
        labels = f"app.kubernetes.io/instance={self.name},app.kubernetes.io/component={component}"
        return self.cluster.select("pod", self.namespace, labels)

    def status(self) -> dict[str, Any]:
        """Its status."""
        status: dict[str, Any] = self.get().get("status", {})
        return status

    def wait(
        self,
        what: str,
        holds: Callable[[dict[str, Any]], bool],
        *,
        timeout: float = TRAINING_SECONDS,
        give_up: Callable[[dict[str, Any]], str | None] = lambda _status: None,
    ) -> dict[str, Any]:
        """Wait until the status says so, telling what changes on the way.

        Raises AssertionError after `timeout` seconds, or as soon as `give_up` returns a reason.
        """
        begun, told = time.monotonic(), ""
        while True:
            status = self.status()
            if holds(status):
                self.say(f"    {what} ({time.monotonic() - begun:.0f} s)")
                return status
            now = self._progress(status)
            if now != told:
                self.say(f"    [{time.monotonic() - begun:4.0f} s] {now}")
                told = now
            reason = give_up(status)
            if reason or time.monotonic() - begun > timeout:
                shown = json.dumps(status, indent=1, ensure_ascii=False)
                raise AssertionError(f"waited for {what}: {reason or 'too long'}; status: {shown}")
            time.sleep(2)

    def _progress(self, status: dict[str, Any]) -> str:
        training = status.get("training", {})
        if training and not training.get("finishedAt"):
            return f"training: {self._last_log_line(training['jobName'])}"
        candidate = status.get("candidate")
        if candidate:
            return f"version {candidate['version']}: step {candidate['step']}"
        ready = condition_of({"status": status}, "Ready")
        return f"{ready.get('reason', 'waiting for the operator')}: {ready.get('message', '')}"

    def _last_log_line(self, job: str) -> str:
        try:
            line = self.cluster.kubectl("logs", f"job/{job}", "-n", self.namespace, "--tail=1")
            return str(json.loads(line)["message"])
        except (CommandError, ValueError, KeyError):
            return "the pod starts"

    def wait_for_production(self, version: str, timeout: float = TRAINING_SECONDS) -> Manifest:
        """Wait until a version is in production and live pods answer with it."""
        return self.wait(
            f"version {version} answers in production",
            lambda status: (
                status.get("production", {}).get("version") == version
                and condition_of({"status": status}, "Ready").get("status") == "True"
                and status["production"].get("readyReplicas", 0) >= 1
            ),
            timeout=timeout,
            give_up=failed_for_good,
        )

    @contextmanager
    def production(self) -> Iterator[str]:
        """A loopback URL of the production Service."""
        with self.cluster.service_proxy(f"{self.name}-production", 8080, self.namespace) as url:
            yield url

    def predict(self, body: object) -> dict[str, Any]:
        """Ask production for predictions, as a person would."""
        with self.production() as url:
            return post(f"{url}/predict", body)

    def send(self, rows: Sequence[dict[str, str]], batch: int = 100) -> list[dict[str, Any]]:
        """Ask production for predictions of many listings; the answers to each batch."""
        with self.production() as url:
            return [
                post(f"{url}/predict", list(rows[start : start + batch]))
                for start in range(0, len(rows), batch)
            ]

    def take_feedback(self, token: str = FEEDBACK_TOKEN) -> None:
        """Let production take true prices with this token; the first time before `apply`."""
        secret = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": FEEDBACK_SECRET},
            "stringData": {"token": token},
        }
        self.cluster.apply(secret, namespace=self.namespace)
        reference = {"name": FEEDBACK_SECRET, "key": "token"}
        serving = self.spec.setdefault("serving", {})
        serving["feedback"] = {"tokenSecretRef": reference}

    def tell_prices(self, answers: Sequence[dict[str, Any]], prices: Sequence[str]) -> None:
        """Send the true prices of listings that `send` has asked about, in their order."""
        rest = iter(prices)
        told = [
            {"requestId": answer["requestId"], "row": row, "price": next(rest)}
            for answer in answers
            for row in range(len(answer["predictions"]))
        ]
        # Not through the API server: it keeps the header for itself.
        service = f"service/{self.name}-production"
        with self.cluster.port_forward(service, 8080, self.namespace) as url:
            post(f"{url}/feedback", told, headers={"Authorization": f"Bearer {FEEDBACK_TOKEN}"})

    def watch_drift_now(self) -> dict[str, Any]:
        """Run the monitor now instead of at its next date; returns `status.drift`."""
        before = self.status().get("drift", {}).get("time")
        job = f"{self.name}-monitoring-{int(time.time())}"
        self.cluster.kubectl(
            *("create", "job", job, f"--from=cronjob/{self.name}-monitoring"),
            *("-n", self.namespace),
        )
        self.cluster.wait_for(
            "job",
            job,
            self.namespace,
            lambda found: any(
                c["type"] in ("Complete", "Failed") and c["status"] == "True"
                for c in found["status"].get("conditions", [])
            ),
            what="its end",
            timeout=240,
        )
        status = self.wait(
            "a new drift report is in the status",
            lambda status: status.get("drift", {}).get("time") not in (None, before),
            timeout=30,
        )
        drift: dict[str, Any] = status["drift"]
        return drift


def failed_for_good(status: dict[str, Any]) -> str | None:
    """Why the newest training will not go on by itself; None while it may."""
    training = status.get("training", {})
    if training.get("outcome") in ("InvalidData", "Failed"):
        return f"{training['outcome']}: {training.get('message')}"
    return None


def post(
    url: str, body: object, timeout: float = 60, headers: Mapping[str, str] = NO_HEADERS
) -> dict[str, Any]:
    """POST JSON and return the JSON answer.

    Raises AssertionError with the answer's text when it is not 2xx.
    """
    request = urllib.request.Request(
        url,
        data=json.dumps(body).encode(),
        headers={"Content-Type": "application/json", **headers},
        method="POST",
    )
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:
            answer: dict[str, Any] = json.load(response)
            return answer
    except urllib.error.HTTPError as error:
        raise AssertionError(f"{url} answered {error.code}: {error.read().decode()}") from error

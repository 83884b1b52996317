"""HousingModels whose pods never run, in the namespace that an operator process looks after."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tests.cluster_client import Cluster, Manifest, condition_of, wait_until
from tests.integration.operator.operator_process import OperatorProcess

NOWHERE = {"nodeSelector": {"housing-operator.dev/tests": "no-node-has-this"}}
"""Plumbing of pods that shall never run."""

OWNED_KINDS = (
    "job,serviceaccount,role,rolebinding,networkpolicy,deployment,service,configmap,cronjob"
)


@dataclass(frozen=True)
class Models:
    """What a person does with HousingModels, and sees of them."""

    cluster: Cluster
    namespace: str
    operator: OperatorProcess

    def apply(self, name: str, **blocks: Any) -> Manifest:
        """Apply a model, blocks laid over its spec, and return it."""
        blocks = {"training": {}, "monitoring": {}, "serving": {}, **blocks}
        blocks["training"] = {**NOWHERE, **blocks["training"]}
        blocks["monitoring"] = {**NOWHERE, **blocks["monitoring"]}
        blocks["serving"] = {"production": NOWHERE, "staging": NOWHERE, **blocks["serving"]}
        manifest = {
            "apiVersion": "housing-operator.dev/v1alpha1",
            "kind": "HousingModel",
            "metadata": {"name": name},
            "spec": {"dataset": {"uri": "/data", "target": {"column": "price"}}, **blocks},
        }
        self.cluster.apply(manifest, namespace=self.namespace)
        return self.get(name)

    def get(self, name: str) -> Manifest:
        """Return a model as it is now."""
        return self.cluster.get("housingmodel", name, self.namespace)

    def training(self, name: str) -> Manifest:
        """Wait until a model's training has its Job, and return what status says of it."""
        found = self.cluster.wait_for(
            *("housingmodel", name, self.namespace),
            lambda found: "training" in found.get("status", {}),
            what="a training in status",
        )
        training: Manifest = found["status"]["training"]
        self.wait_there("job", training["jobName"])
        return training

    def wait_there(self, kind: str, name: str) -> Manifest:
        """Wait until there is such an object, and return it."""
        return self.cluster.wait_for(kind, name, self.namespace, lambda _: True, what="to be there")

    def wait_condition(self, name: str, kind: str, **expected: str) -> str:
        """Wait until a condition has this status and reason, and return its message."""
        found = self.cluster.wait_for_condition(
            "housingmodel", name, self.namespace, kind, **expected
        )
        return str(condition_of(found, kind)["message"])

    def condition(self, name: str, kind: str) -> Manifest:
        """Return a condition as it is now."""
        return condition_of(self.get(name), kind)

    def owned(self, name: str, kinds: str = OWNED_KINDS) -> list[Manifest]:
        """Return what the operator has made for a model."""
        return self.cluster.select(kinds, self.namespace, f"app.kubernetes.io/instance={name}")

    def wake(self, name: str, times: int) -> None:
        """Wake a model and wait until a pass has ended, so many times."""
        counter = "housing_operator_reconciles_total"
        for number in range(times):
            before = self.operator.metric(counter)
            self.cluster.kubectl(
                *("annotate", "serviceaccount", f"{name}-training", "-n", self.namespace),
                *("--overwrite", f"tests/wake={number}"),
            )
            wait_until(
                lambda before=before: (self.operator.metric(counter) > before, None),
                what="a further pass",
                timeout=60,
                interval=0.1,
            )

"""NetworkPolicies: who reaches a component's pods, and what they reach.

Where an address is known it decides: a host inside the cluster opens its namespace, since rules see
ports after a Service's address was translated; a host outside opens its port. Where an address may
hide in a Secret, egress stays open: a policy that guesses wrong makes connections hang.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import urlsplit

from housing_operator.resources.blueprint import Blueprint
from housing_operator.resources.labels import labels, selector
from housing_operator.resources.names import COMPONENTS, SERVING_PORT, Component, component_name
from housing_operator.resources.serving import log_uri

_ADDRESS_VARIABLE = re.compile(r"URL|URI|ENDPOINT|PROXY|HOST", re.IGNORECASE)

_DEFAULT_PORTS = {"http": 80, "https": 443, "socks5": 1080, "socks5h": 1080}

DNS = {"ports": [{"protocol": "UDP", "port": 53}, {"protocol": "TCP", "port": 53}]}
"""To any address: a node-local cache listens on the node's."""

AWS_PORTS = (80, 443)
"""S3 and STS, and over plain HTTP the addresses on the node that hand out a role's credentials."""

API_SERVER_PORTS = (443, 6443)
"""Of its endpoints, which are addresses of nodes or of the cloud's load balancers."""


def network_policies(blueprint: Blueprint) -> list[dict[str, Any]]:
    """One policy for each component, and one for workers where a training has any."""
    name = blueprint.name
    predict = {"ports": [{"protocol": "TCP", "port": SERVING_PORT}]}
    crew = _crew(blueprint)
    ingress: dict[Component, list[dict[str, Any]]] = {"serving": [predict]}
    egress = {component: _egress(blueprint, component) for component in COMPONENTS}
    if crew:
        ingress |= {"training": [{"from": crew}], "training-worker": [{"from": crew}]}
        egress["training"] = [*egress["training"], {"to": crew}]
        egress["training-worker"] = [DNS, {"to": crew}]
    return [
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {
                "name": component_name(name, component),
                "labels": labels(name, component),
            },
            "spec": {
                "podSelector": {"matchLabels": selector(name, component)},
                "policyTypes": ["Ingress", "Egress"],
                "ingress": ingress.get(component, []),
                "egress": rules,
            },
        }
        for component, rules in egress.items()
    ]


def _crew(blueprint: Blueprint) -> list[dict[str, Any]]:
    """The pods that share a training; which training a pod is of, its certificate says."""
    if blueprint.spec.training.distributed is None:
        return []
    pods = (selector(blueprint.name, component) for component in ("training", "training-worker"))
    return [{"podSelector": {"matchLabels": marks}} for marks in pods]


def _egress(blueprint: Blueprint, component: Component) -> list[dict[str, Any]]:
    reads_dataset = component != "serving"
    variables = [variable for block in blueprint.plumbing[component] for variable in block.env]
    hidden = any(v.value_from and _ADDRESS_VARIABLE.search(v.name) for v in variables)
    if hidden or (reads_dataset and blueprint.dataset_secret):
        return [{}]
    storage = [blueprint.spec.dataset.uri] if reads_dataset else []
    if component != "training" or blueprint.spec.dataset.feedback == "Join":
        storage.append(log_uri(blueprint))
    mlflow = blueprint.settings.tracking_uri
    ports, namespaces = _destinations(
        [mlflow, *(variable.value or "" for variable in variables), *storage],
        blueprint.model.namespace,
    )
    if any(uri.startswith("s3://") for uri in storage):
        ports.update(AWS_PORTS)
    if component == "monitoring":
        ports.update(API_SERVER_PORTS)
    rules: list[dict[str, Any]] = [DNS]
    if ports:
        rules.append({"ports": [{"protocol": "TCP", "port": port} for port in sorted(ports)]})
    if namespaces:
        labelled = [{"kubernetes.io/metadata.name": name} for name in sorted(namespaces)]
        rules.append({"to": [{"namespaceSelector": {"matchLabels": name}} for name in labelled]})
    return rules


def _destinations(addresses: Iterable[str], own_namespace: str) -> tuple[set[int], set[str]]:
    """Ports outside the cluster and namespaces inside it that these addresses lead to."""
    ports: set[int] = set()
    namespaces: set[str] = set()
    for address in addresses:
        try:
            parts = urlsplit(address)
            port = parts.port or _DEFAULT_PORTS.get(parts.scheme)
        except ValueError:
            # Text of the user's that only looks like an address.
            continue
        if port is None or not parts.hostname:
            continue
        match parts.hostname.split("."):
            case [name] if ":" not in name:
                namespaces.add(own_namespace)
            case [_, namespace, "svc", *_]:
                namespaces.add(namespace)
            case [_, namespace]:
                # `mlflow.mlops` is a Service in the namespace mlops, or a host like example.com.
                namespaces.add(namespace)
                ports.add(port)
            case _:
                ports.add(port)
    return ports, namespaces

"""The operator's environment as one frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, cast, get_args
from urllib.parse import urlsplit

PullPolicy = Literal["Always", "IfNotPresent", "Never"]

_IMAGES = {
    "training_image": "HOUSING_TRAINING_IMAGE",
    "serving_image": "HOUSING_SERVING_IMAGE",
    "monitoring_image": "HOUSING_MONITORING_IMAGE",
}


class SettingsError(Exception):
    """The environment cannot be used; the message names every variable that is wrong."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the operator was told by its environment.

    Attributes:
        tracking_uri: of MLflow, for the operator and for every program that it starts.
        watched_namespaces: empty for all.
        scrape_annotations: mark serving pods for the scrapers that go by `prometheus.io/scrape`.
    """

    tracking_uri: str
    training_image: str
    serving_image: str
    monitoring_image: str
    pull_policy: PullPolicy = "IfNotPresent"
    watched_namespaces: tuple[str, ...] = ()
    scrape_annotations: bool = False

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Settings:
        """Read the variables that the chart sets.

        Raises:
            SettingsError: when one is missing or has a value that cannot be used.

        """
        problems = []
        tracking_uri = environment.get("MLFLOW_TRACKING_URI", "")
        if not tracking_uri:
            problems.append("MLFLOW_TRACKING_URI is not set: give the MLflow server's address")
        elif not _is_http(tracking_uri):
            problems.append(
                f"MLFLOW_TRACKING_URI is {tracking_uri!r}: give an http:// or https:// address, "
                "which the pods of every model can reach"
            )
        images = {}
        for field, variable in _IMAGES.items():
            images[field] = environment.get(variable, "")
            if not images[field]:
                program = field.removesuffix("_image")
                problems.append(f"{variable} is not set: give the image of the {program} program")
        policy = environment.get("HOUSING_IMAGE_PULL_POLICY") or "IfNotPresent"
        if policy not in get_args(PullPolicy):
            problems.append(
                f"HOUSING_IMAGE_PULL_POLICY is {policy!r}: give one of "
                + ", ".join(get_args(PullPolicy))
            )
        scrape = environment.get("HOUSING_SCRAPE_ANNOTATIONS") or "false"
        if scrape not in ("true", "false"):
            problems.append(f"HOUSING_SCRAPE_ANNOTATIONS is {scrape!r}: give true or false")
        if problems:
            raise SettingsError("; ".join(problems))
        namespaces = environment.get("HOUSING_WATCH_NAMESPACES", "").split(",")
        return cls(
            tracking_uri=tracking_uri,
            **images,
            pull_policy=cast(PullPolicy, policy),
            watched_namespaces=tuple(sorted({n.strip() for n in namespaces} - {""})),
            scrape_annotations=scrape == "true",
        )


def _is_http(address: str) -> bool:
    try:
        parts = urlsplit(address)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False

"""Kubernetes Events on HousingModels; what is said again counts up instead of adding another."""

from __future__ import annotations

import hashlib
from datetime import datetime
from typing import Any

from housing_core.api import API_VERSION, KIND
from housing_core.times import format_time
from housing_operator.clients.kube import AlreadyExistsError, Kube
from housing_operator.observation import Model
from housing_operator.plan import Event
from housing_operator.resources.labels import OPERATOR

MESSAGE_LIMIT = 1_024
"""Characters that the API server takes."""


def event_body(model: Model, event: Event, now: datetime) -> dict[str, Any]:
    """The Event; its name follows from what it says and about which object."""
    said = "\n".join((model.uid, event.kind, event.reason, event.message))
    digest = hashlib.sha256(said.encode()).hexdigest()[:16]
    time = format_time(now)
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"namespace": model.namespace, "name": f"{model.name}.{digest}"},
        "involvedObject": {
            "apiVersion": API_VERSION,
            "kind": KIND,
            "namespace": model.namespace,
            "name": model.name,
            "uid": model.uid,
        },
        "type": event.kind,
        "reason": event.reason,
        "message": event.message[:MESSAGE_LIMIT],
        "source": {"component": OPERATOR},
        "reportingComponent": OPERATOR,
        "reportingInstance": OPERATOR,
        "firstTimestamp": time,
        "lastTimestamp": time,
        "count": 1,
    }


async def post(kube: Kube, model: Model, event: Event, now: datetime) -> None:
    """Tell people of something, once; raises KubeError when the API server does not take it."""
    body = event_body(model, event, now)
    try:
        await kube.create(body)
    except AlreadyExistsError:
        namespace, name = model.namespace, body["metadata"]["name"]
        known = await kube.get("Event", namespace, name)
        count = (known or {}).get("count", 1) + 1
        again = {"count": count, "lastTimestamp": body["lastTimestamp"]}
        await kube.merge("Event", namespace, name, again)

"""What ties an object to its HousingModel, and how a change of it is noticed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from housing_core.api import API_VERSION, GROUP, KIND
from housing_operator.observation import Model

DIGEST_ANNOTATION = f"{GROUP}/digest"
"""Digest of what the operator last applied: a field that it no longer sets shows in it."""


def owned(model: Model, body: dict[str, Any]) -> dict[str, Any]:
    """The object in the model's namespace, to be collected with the model, with its digest.

    The model's deletion does not wait for it: that would need rights on the model's finalizers.
    """
    metadata = {
        **body["metadata"],
        "namespace": model.namespace,
        "ownerReferences": [
            {
                "apiVersion": API_VERSION,
                "kind": KIND,
                "name": model.name,
                "uid": model.uid,
                "controller": True,
                "blockOwnerDeletion": False,
            }
        ],
    }
    complete = {**body, "metadata": metadata}
    text = json.dumps(complete, sort_keys=True, ensure_ascii=False)
    digest = hashlib.sha256(text.encode()).hexdigest()[:16]
    annotations = {**metadata.get("annotations", {}), DIGEST_ANNOTATION: digest}
    return {**complete, "metadata": {**metadata, "annotations": annotations}}


def digest_of(body: dict[str, Any]) -> str | None:
    """The digest that an object carries; None for one that the operator did not apply."""
    found = body["metadata"].get("annotations", {}).get(DIGEST_ANNOTATION)
    return str(found) if found is not None else None


def is_owned_by(body: Mapping[str, Any], uid: str) -> bool:
    """Whether the object with this uid, a HousingModel or a Job, controls the other."""
    return any(
        reference.get("controller") and reference["uid"] == uid
        for reference in body["metadata"].get("ownerReferences", [])
    )

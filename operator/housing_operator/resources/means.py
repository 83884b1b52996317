"""What a training is given besides its data and its recipe, in one word that can be compared."""

from __future__ import annotations

import hashlib
import json

from housing_core.api import GROUP, HousingModelSpec

MEANS = f"{GROUP}/means"
"""On the Job of a training: `means` of the spec that it was made by."""


def means(spec: HousingModelSpec) -> str:
    """Digest of what its pods are given: resources, time, place, variables and credentials.

    Two specs that train the same model may differ in it. What the live Job says of itself is no
    measure, since the API server writes `1000m` as `1` and adds defaults.
    """
    credentials = spec.dataset.credentials
    given = {
        **spec.training.pod_settings(),
        "timeout": spec.training.timeout,
        "credentials": credentials.to_json() if credentials else None,
    }
    if spec.dataset.feedback == "Join":
        given["log"] = spec.serving.prediction_log.uri
    return hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()[:16]

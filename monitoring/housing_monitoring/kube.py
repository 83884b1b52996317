"""The summary of a report on its HousingModel: `status.drift`, and nothing else."""

from __future__ import annotations

import json

import urllib3
from kubernetes import client, config

from housing_core.api import API_VERSION, GROUP, KIND, PLURAL, VERSION, DriftStatus
from housing_core.cluster_tls import accept_plain_authority_in

FIELD_MANAGER = "housing-monitoring"

REQUEST_TIMEOUT_SECONDS = 30


class StatusError(Exception):
    """The API server is away, or did not take the status; the message says which."""


def apply_drift(namespace: str, name: str, drift: DriftStatus) -> None:
    """Apply `status.drift` of a HousingModel, server-side, as its only owner.

    Inside a cluster it speaks as the pod's ServiceAccount, elsewhere as KUBECONFIG says.

    Raises:
        StatusError: when the API server does not answer, or refuses.

    """
    model = f"HousingModel {namespace}/{name}"
    body = {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "status": {"drift": drift.to_json()},
    }
    try:
        api = client.CustomObjectsApi(_connect())
        api.patch_namespaced_custom_object_status(
            *(GROUP, VERSION, namespace, PLURAL, name, body),
            field_manager=FIELD_MANAGER,
            force=True,
            _content_type="application/apply-patch+yaml",
            _request_timeout=REQUEST_TIMEOUT_SECONDS,
        )
    except config.ConfigException as error:
        raise StatusError(f"there is no API server to report to: {error}") from error
    except client.ApiException as error:
        if error.status == 404:
            raise StatusError(f"{model} is not there any more") from error
        raise StatusError(
            f"the API server refused the status of {model}: {error.status} {_message(error)}"
        ) from error
    except urllib3.exceptions.HTTPError as error:
        raise StatusError(f"the API server did not answer for {model}: {error}") from error


def _connect() -> client.ApiClient:
    settings = client.Configuration()
    try:
        config.load_incluster_config(client_configuration=settings)
    except config.ConfigException:
        config.load_kube_config(client_configuration=settings)
    connected: client.ApiClient = accept_plain_authority_in(client.ApiClient(settings))
    return connected


def _message(error: client.ApiException) -> str:
    """What the API server said, out of its Status object where there is one."""
    try:
        return str(json.loads(error.body)["message"])
    except (TypeError, ValueError, KeyError):
        return str(error.body or error.reason)

"""Who asks a real API server: ServiceAccounts with tokens of their own, and what they are refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException

from tests.cluster_client import Cluster, Manifest

MODELS = {"group": "housing-operator.dev", "version": "v1alpha1", "plural": "housingmodels"}
MERGE = "application/merge-patch+json"
APPLY = "application/apply-patch+yaml"


class User:
    """A ServiceAccount at the API server, with its own token."""

    def __init__(self, cluster: Cluster, service_account: str, namespace: str) -> None:
        self.namespace = namespace
        configuration = client.Configuration()
        config.load_kube_config(
            config_file=cluster.environment.get("KUBECONFIG"),
            context=cluster.context,
            client_configuration=configuration,
        )
        configuration.cert_file = configuration.key_file = None
        token = cluster.kubectl("create", "token", service_account, "-n", namespace).strip()
        configuration.api_key = {"authorization": f"Bearer {token}"}
        self._client = client.ApiClient(configuration)

    def status(self, name: str) -> Manifest:
        """Return the status of a HousingModel."""
        api = client.CustomObjectsApi(self._client)
        found: Manifest = api.get_namespaced_custom_object(
            **MODELS, namespace=self.namespace, name=name
        )
        status: Manifest = found["status"]
        return status

    def patch_status(self, name: str, status: Any, content_type: str = MERGE) -> Manifest:
        """Write to a HousingModel's status. Raises ApiException when the API server refuses."""
        return self._patch(
            "patch_namespaced_custom_object_status", name, {"status": status}, content_type
        )

    def patch(self, name: str, body: Manifest) -> Manifest:
        """Write to a HousingModel itself. Raises ApiException when the API server refuses."""
        return self._patch("patch_namespaced_custom_object", name, body, MERGE)

    def apply(self, manifest: Manifest) -> None:
        """Apply a Role or RoleBinding on the server. Raises ApiException when it refuses."""
        api = client.RbacAuthorizationV1Api(self._client)
        kind = {"Role": "role", "RoleBinding": "role_binding"}[manifest["kind"]]
        getattr(api, f"patch_namespaced_{kind}")(
            name=manifest["metadata"]["name"],
            namespace=self.namespace,
            body=manifest,
            field_manager="housing-operator",
            force=True,
            _content_type=APPLY,
        )

    def may(self, verb: str, resource: str, *, namespace: str = "") -> bool:
        """Ask whether this user may do something, in its own namespace unless told otherwise.

        Args:
            verb: for example patch.
            resource: [group/]plural[:subresource], for example apps/deployments.
            namespace: another one, or `*` for all.

        """
        group, _, resource = resource.rpartition("/")
        resource, _, subresource = resource.partition(":")
        attributes = client.V1ResourceAttributes(
            verb=verb,
            group=group,
            resource=resource,
            subresource=subresource,
            namespace={"": self.namespace, "*": ""}.get(namespace, namespace),
        )
        review = client.V1SelfSubjectAccessReview(
            spec=client.V1SelfSubjectAccessReviewSpec(resource_attributes=attributes)
        )
        answer = client.AuthorizationV1Api(self._client).create_self_subject_access_review(review)
        allowed: bool = answer.status.allowed
        return allowed

    def write_through_status(self, name: str, body: Manifest) -> Manifest:
        """Merge a patch of any field into the status subresource. Raises ApiException."""
        return self._patch("patch_namespaced_custom_object_status", name, body, MERGE)

    def _patch(self, call: str, name: str, body: Manifest, content_type: str) -> Manifest:
        options: dict[str, Any] = {"_content_type": content_type}
        if content_type == APPLY:
            body = {
                "apiVersion": f"{MODELS['group']}/{MODELS['version']}",
                "kind": "HousingModel",
                "metadata": {"name": name},
                **body,
            }
            options |= {"field_manager": "tests", "force": True}
        api = client.CustomObjectsApi(self._client)
        patched: Manifest = getattr(api, call)(
            **MODELS, namespace=self.namespace, name=name, body=body, **options
        )
        return patched


def refusal(write: Callable[[], object]) -> str:
    """Return the message with which the API server forbids a write."""
    with pytest.raises(ApiException) as refused:
        write()
    assert refused.value.status == 403, refused.value.body
    return str(refused.value.body)

"""The door to the API server: a few verbs for the kinds that the operator uses, in a thread pool."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Self, TypeVar

import urllib3
import yaml
from kubernetes import client, config
from kubernetes.client.exceptions import ApiException
from kubernetes.dynamic import DynamicClient
from kubernetes.dynamic.exceptions import DynamicApiError

from housing_core.api import GROUP, KIND, PLURAL, VERSION
from housing_core.cluster_tls import accept_plain_authority_in

FIELD_MANAGER = "housing-operator"
THREADS = 16
TIMEOUT_SECONDS = (5, 30)
"""To connect, and to wait for an answer."""

RESOURCES = {
    KIND: (GROUP, VERSION, PLURAL),
    "ConfigMap": ("", "v1", "configmaps"),
    "Event": ("", "v1", "events"),
    "PersistentVolumeClaim": ("", "v1", "persistentvolumeclaims"),
    "Pod": ("", "v1", "pods"),
    "Secret": ("", "v1", "secrets"),
    "Service": ("", "v1", "services"),
    "ServiceAccount": ("", "v1", "serviceaccounts"),
    "Deployment": ("apps", "v1", "deployments"),
    "CronJob": ("batch", "v1", "cronjobs"),
    "Job": ("batch", "v1", "jobs"),
    "NetworkPolicy": ("networking.k8s.io", "v1", "networkpolicies"),
    "HorizontalPodAutoscaler": ("autoscaling", "v2", "horizontalpodautoscalers"),
    "PodDisruptionBudget": ("policy", "v1", "poddisruptionbudgets"),
    "Role": ("rbac.authorization.k8s.io", "v1", "roles"),
    "RoleBinding": ("rbac.authorization.k8s.io", "v1", "rolebindings"),
}
"""Kind → group, version and plural. No discovery: the operator knows what it uses."""

Body = dict[str, Any]
T = TypeVar("T")


class KubeError(Exception):
    """The API server said no.

    Attributes:
        status: of HTTP; 0 when it did not answer.
        reason: of the API server, for example AlreadyExists or Conflict.

    """

    def __init__(self, message: str, status: int = 0, reason: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason


class NotFoundError(KubeError):
    """There is no such object, or no such kind."""


class ConflictError(KubeError):
    """The object has changed since it was read."""


class AlreadyExistsError(KubeError):
    """An object of that name is there already."""


class KubeUnavailableError(KubeError):
    """The API server did not answer, or answered that it cannot now."""


class Kube:
    """The API server. Every method raises KubeError, or one of its kinds."""

    def __init__(self, api: client.ApiClient) -> None:
        """Use a configured client; nothing is sent yet."""
        # Without discovery: the table above takes its place.
        self._client = DynamicClient(api, discoverer=lambda *_: None)
        self._threads = ThreadPoolExecutor(THREADS, "kube")

    @classmethod
    def connect(cls) -> Self:
        """Use the pod's ServiceAccount, or KUBECONFIG outside a cluster.

        Raises:
            KubeError: when there is neither.

        """
        configuration = client.Configuration()
        configuration.connection_pool_maxsize = THREADS
        try:
            config.load_incluster_config(client_configuration=configuration)
        except config.ConfigException:
            try:
                # By name: the library's default is what KUBECONFIG said when it was imported.
                named = os.environ.get("KUBECONFIG")
                config.load_kube_config(named, client_configuration=configuration)
            except (config.ConfigException, yaml.YAMLError, OSError) as error:
                raise KubeError(f"no cluster to work on: {error}") from error
        return cls(accept_plain_authority_in(client.ApiClient(configuration)))

    def close(self) -> None:
        """Let calls under way end, and take no more."""
        self._threads.shutdown(wait=False, cancel_futures=True)

    async def get(self, kind: str, namespace: str, name: str) -> Body | None:
        """One object, or None when there is none."""
        try:
            return await self._request("get", kind, namespace, name)
        except NotFoundError:
            return None

    async def list(
        self, kind: str, namespace: str | None, *, limit: int | None = None, **selectors: str
    ) -> list[Body]:
        """The objects of a kind in a namespace, or in all, narrowed by selectors.

        Args:
            kind: one of `RESOURCES`.
            namespace: None for all.
            limit: at most so many.
            selectors: `label_selector`, `field_selector`.

        Raises:
            NotFoundError: when the kind is not installed.

        """
        found = await self._request("get", kind, namespace, limit=limit, **selectors)
        group_version = found["apiVersion"]
        # The items of a list leave out what the list says once.
        return [{"apiVersion": group_version, "kind": kind, **item} for item in found["items"]]

    async def apply(self, body: Body, *, status: bool = False) -> Body:
        """Server-side apply, by force, of an object or of its status.

        A resourceVersion in the body makes it conditional.

        Raises:
            ConflictError: when the object has another resourceVersion by now.

        """
        metadata = body["metadata"]
        return await self._request(
            "patch",
            body["kind"],
            metadata["namespace"],
            metadata["name"],
            "status" if status else "",
            body=body,
            content_type="application/apply-patch+yaml",
            field_manager=FIELD_MANAGER,
            force_conflicts=True,
        )

    async def merge(self, kind: str, namespace: str, name: str, patch: Body) -> Body:
        """Merge a patch into an object."""
        return await self._request(
            *("patch", kind, namespace, name),
            body=patch,
            content_type="application/merge-patch+json",
            field_manager=FIELD_MANAGER,
        )

    async def create(self, body: Body) -> Body:
        """Create an object.

        Raises:
            AlreadyExistsError: when one of that name is there.

        """
        namespace = body["metadata"]["namespace"]
        return await self._request(
            "post", body["kind"], namespace, body=body, field_manager=FIELD_MANAGER
        )

    async def delete(self, kind: str, namespace: str, name: str, uid: str | None = None) -> None:
        """Delete an object, and what it owns after it; nothing happens when it is not there.

        Args:
            kind: one of `RESOURCES`.
            namespace: of the object.
            name: of the object.
            uid: delete only this one, and not another that has taken its name.

        """
        body: Body = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            **({"preconditions": {"uid": uid}} if uid else {}),
        }
        try:
            await self._request("delete", kind, namespace, name, body=body)
        except (NotFoundError, ConflictError):
            return

    async def _request(
        self,
        method: str,
        kind: str,
        namespace: str | None,
        name: str = "",
        subresource: str = "",
        **options: Any,
    ) -> Body:
        group, version, plural = RESOURCES[kind]
        parts = [*(("apis", group) if group else ("api",)), version]
        parts += [*(("namespaces", namespace) if namespace else ()), plural]
        path = "/" + "/".join([*parts, *filter(None, (name, subresource))])
        what = f"{method} {kind} {'/'.join(filter(None, (namespace, name, subresource)))}".rstrip()
        given = {key: value for key, value in options.items() if value is not None}
        return await self._in_thread(lambda: self._call(what, method, path, given))

    async def _in_thread(self, call: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _call(self, what: str, method: str, path: str, options: Mapping[str, Any]) -> Body:
        try:
            response = self._client.request(
                method, path, serialize=False, _request_timeout=TIMEOUT_SECONDS, **options
            )
            answer: Body = json.loads(response.data)
        except (DynamicApiError, ApiException) as error:
            raise _translated(what, error.status or 0, error.body) from error
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise KubeUnavailableError(f"{what}: the API server did not answer: {error}") from error
        return answer


def _translated(what: str, status: int, body: Any) -> KubeError:
    """The API server's Status object → one of this module's errors."""
    try:
        answer = json.loads(body)
        reason, message = str(answer.get("reason", "")), str(answer.get("message", ""))
    except (TypeError, ValueError):
        reason, message = "", str(body)[:500]
    kinds: dict[str, type[KubeError]] = {
        "AlreadyExists": AlreadyExistsError,
        "Conflict": ConflictError,
        "NotFound": NotFoundError,
    }
    kind = kinds.get(reason, KubeError)
    if kind is KubeError:
        if status == 404:
            kind = NotFoundError
        elif status in (0, 429) or status >= 500:
            kind = KubeUnavailableError
    return kind(f"{what}: {message or f'HTTP status {status}'}", status, reason)

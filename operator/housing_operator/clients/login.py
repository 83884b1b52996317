"""How kopf's own connection to the API server is made."""

from __future__ import annotations

import dataclasses
import ssl
from typing import Any

import kopf

from housing_core.cluster_tls import accept_plain_authority


class Connection(kopf.ConnectionInfo):  # type: ignore[misc]  # mypy does not follow kopf
    """A connection that takes an API server with an authority as plain as EKS's."""

    def as_ssl_context(self) -> ssl.SSLContext:
        """Return kopf's context, less the extensions that such an authority has not."""
        return accept_plain_authority(super().as_ssl_context())


def login(**known: Any) -> Connection | None:
    """Log in as kopf does with the `kubernetes` client: by the pod's ServiceAccount, or KUBECONFIG."""
    found = kopf.login_via_client(**known)
    if found is None:
        return None
    fields = dataclasses.fields(found)
    return Connection(**{field.name: getattr(found, field.name) for field in fields})

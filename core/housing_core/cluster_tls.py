"""TLS to an API server whose certificate authority is as plain as EKS's.

From Python 3.13 on, default contexts also insist on the extensions that RFC 5280 asks of authorities. EKS's and many
older clusters' have none, so that every call fails with "Missing Authority Key Identifier" or "CA cert does not include
key usage extension" (kubernetes-client/python#2394). The chain, the dates and the host name are checked as ever.
"""

from __future__ import annotations

import ssl
from typing import Any


def accept_plain_authority(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return the context, no longer insisting on an authority's extensions."""
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


def accept_plain_authority_in(client: Any) -> Any:
    """Return the `kubernetes.client.ApiClient`, no longer insisting on an authority's extensions."""
    settings = client.configuration
    if settings.verify_ssl:
        context = ssl.create_default_context(cafile=settings.ssl_ca_cert)
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
        pool = client.rest_client.pool_manager.connection_pool_kw
        pool["ssl_context"] = accept_plain_authority(context)
    return client

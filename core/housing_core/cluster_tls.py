"""TLS to an API server whose certificate authority is as plain as EKS's.

From Python 3.13 on, default contexts also insist on the extensions that RFC 5280 asks of authorities. EKS's and many
older clusters' have none, so that every call fails with "Missing Authority Key Identifier" or "CA cert does not include
key usage extension" (kubernetes-client/python#2394). The chain, the dates and the host name are checked as ever.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any


def accept_plain_authority(context: ssl.SSLContext) -> ssl.SSLContext:
    """Return the context, no longer insisting on an authority's extensions."""
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT
    return context


class _SharedContext(ssl.SSLContext):
    """A client's context for threads that connect at the same time.

    OpenSSL crashes the process when a context is changed while a connection is made with it, and
    urllib3 changes the one that it was given for every connection (urllib3#3036).
    """

    def set_alpn_protocols(self, alpn_protocols: Iterable[str]) -> None:
        """Change nothing: HTTP/1.1 is what a server speaks that is not asked."""


def accept_plain_authority_in(client: Any) -> Any:
    """Return the `kubernetes.client.ApiClient`, no longer insisting on an authority's extensions.

    Its threads may connect at the same time.
    """
    settings = client.configuration
    if settings.verify_ssl:
        context = _SharedContext(ssl.PROTOCOL_TLS_CLIENT)
        # As default contexts have it from Python 3.13 on: the named authority need be nobody's root.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        if settings.ssl_ca_cert or settings.ca_cert_data:
            context.load_verify_locations(settings.ssl_ca_cert, cadata=settings.ca_cert_data)
        else:
            context.load_default_certs()
        if settings.cert_file:
            context.load_cert_chain(settings.cert_file, settings.key_file)
        pool = client.rest_client.pool_manager.connection_pool_kw
        pool["ssl_context"] = accept_plain_authority(context)
        # What is named here, urllib3 would load into the context at every connection.
        for loaded in ("ca_certs", "ca_cert_data", "cert_file", "key_file"):
            pool.pop(loaded)
    return client

"""An API server with a plain authority is taken; everything else about it is still checked."""

from __future__ import annotations

import ssl

from kubernetes import client

from housing_core.cluster_tls import accept_plain_authority, accept_plain_authority_in


def test_the_chain_and_the_host_name_are_still_checked() -> None:
    strict = ssl.create_default_context()
    strict.verify_flags |= ssl.VERIFY_X509_STRICT
    context = accept_plain_authority(strict)
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname


def test_a_client_that_checks_gets_such_a_context() -> None:
    connected = accept_plain_authority_in(client.ApiClient(client.Configuration()))
    context = connected.rest_client.pool_manager.connection_pool_kw["ssl_context"]
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.check_hostname
    assert context.verify_flags & ssl.VERIFY_X509_PARTIAL_CHAIN
    assert not context.verify_flags & ssl.VERIFY_X509_STRICT


def test_a_client_that_checks_nothing_stays_as_it_is() -> None:
    settings = client.Configuration()
    settings.verify_ssl = False
    connected = accept_plain_authority_in(client.ApiClient(settings))
    assert "ssl_context" not in connected.rest_client.pool_manager.connection_pool_kw

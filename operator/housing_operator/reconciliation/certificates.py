"""The certificate by which the pods of a model's trainings know each other."""

from __future__ import annotations

from datetime import datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

LIFETIME = timedelta(days=3650)
"""Nobody renews it: a deleted Secret is made anew by the next training."""

CLOCKS_APART = timedelta(hours=1)
"""How far the clocks of nodes may differ."""


def shared_certificate(name: str, now: datetime) -> dict[str, str]:
    """A new key and its certificate, which stands for nobody but whoever has the key.

    Args:
        name: for people; nothing checks it.
        now: with a time zone.

    Returns:
        PEM, as the data of a Secret of type kubernetes.io/tls.

    """
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCKS_APART)
        .not_valid_after(now + LIFETIME)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private = key.private_bytes(
        pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return {"tls.crt": certificate.public_bytes(pem).decode(), "tls.key": private.decode()}

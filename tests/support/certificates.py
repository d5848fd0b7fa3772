"""Certificates of every kind that a server can have, good and bad."""

from __future__ import annotations

import ipaddress
import ssl
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

LONG_AGO = datetime(2019, 1, 1, tzinfo=UTC)
FAR_AHEAD = datetime(2099, 1, 1, tzinfo=UTC)


def _name(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


class Authority:
    """An authority, or an intermediate one that `parent` vouches for."""

    def __init__(
        self,
        common_name: str = "Test CA",
        *,
        parent: Authority | None = None,
        key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | None = None,
        not_before: datetime = LONG_AGO,
        not_after: datetime = FAR_AHEAD,
        ca: bool = True,
        path_length: int | None = None,
        extensions: Sequence[tuple[x509.ExtensionType, bool]] = (),
    ) -> None:
        self.key = key or ec.generate_private_key(ec.SECP256R1())
        signer = parent or self
        self.subject = _name(common_name)
        builder = _certificate(self.subject, signer.subject, self.key, not_before, not_after).add_extension(
            x509.BasicConstraints(ca=ca, path_length=path_length), critical=True
        )
        for extension, critical in extensions:
            builder = builder.add_extension(extension, critical=critical)
        self.certificate = builder.sign(signer.key, hashes.SHA256())
        self.pem = self.certificate.public_bytes(serialization.Encoding.PEM)
        self.der = self.certificate.public_bytes(serialization.Encoding.DER)

    def issue(
        self,
        *names: str,
        common_name: str = "server",
        not_before: datetime = LONG_AGO,
        not_after: datetime = FAR_AHEAD,
        client_only: bool = False,
    ) -> tuple[bytes, bytes]:
        """A server's certificate, and its key (PEM both); without names it has only its common name."""
        key = ec.generate_private_key(ec.SECP256R1())
        builder = _certificate(_name(common_name), self.subject, key, not_before, not_after)
        if names:
            builder = builder.add_extension(x509.SubjectAlternativeName([_san(name) for name in names]), critical=False)
        usage = ExtendedKeyUsageOID.CLIENT_AUTH if client_only else ExtendedKeyUsageOID.SERVER_AUTH
        builder = builder.add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
        certificate = builder.sign(self.key, hashes.SHA256())
        return (
            certificate.public_bytes(serialization.Encoding.PEM),
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            ),
        )

    def server_context(self, tmp_path: Path, *names: str, chain: bytes = b"", **kinds: object) -> ssl.SSLContext:
        """A server's context with a certificate as of `issue`; `chain` (PEM) is sent with it."""
        certificate, key = self.issue(*names, **kinds)  # type: ignore[arg-type]
        file = tmp_path / f"server-{x509.random_serial_number():x}.pem"
        file.write_bytes(certificate + chain + key)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        return context


def _certificate(
    subject: x509.Name,
    issuer: x509.Name,
    key: ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey,
    not_before: datetime,
    not_after: datetime,
) -> x509.CertificateBuilder:
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(not_before)
        .not_valid_after(not_after)
    )


def _san(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)

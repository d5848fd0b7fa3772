"""Certificates of servers that users bring: whether they can be used, what is odd about them, and their contexts.

Sources: RFC 7468 (PEM), RFC 5280 section 4.1.2.5 (validity), RFC 6125 (names).
"""

from __future__ import annotations

import ipaddress
import re
import ssl
from collections import OrderedDict
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization

from fake_registry.addresses import is_address
from fake_registry.config import Mtls, ServerCertificate
from fake_registry.tls import server_context

_CONTEXTS: Final = 128
_PRIVATE_KEY: Final = re.compile(r"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
_CERTIFICATE: Final = re.compile(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----\n", re.DOTALL)
_PUBLIC: Final = (serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


class GivenContexts:
    """The TLS contexts of certificates that were given, made when first asked for; the newest ones are kept."""

    def __init__(self) -> None:
        self._contexts: OrderedDict[tuple[ServerCertificate, Mtls | None], ssl.SSLContext] = OrderedDict()

    def of(self, given: ServerCertificate, mtls: Mtls | None, authority: str) -> ssl.SSLContext:
        """The context of a certificate; `mtls` and `authority` as in `fake_registry.tls.ServerContexts`."""
        wanted = (given, mtls)
        context = self._contexts.get(wanted)
        if context is None:
            pem = f"{given.cert}\n{given.key}".encode()
            context = self._contexts[wanted] = server_context(pem, mtls, authority)
            if len(self._contexts) > _CONTEXTS:
                self._contexts.popitem(last=False)
        else:
            self._contexts.move_to_end(wanted)
        return context


def usable(given: ServerCertificate, read: Callable[[str], str]) -> ServerCertificate:
    """A certificate and its key as a server shows them, without what else stood there; `read` reads files.

    Raises:
        ValueError: they cannot be used; begins with the field, ``cert`` or ``key``.
    """

    def text(pem: str) -> str:
        return pem if "-----BEGIN" in pem else read(pem)

    cert = text(given.cert)
    chain, certificate = _chain(cert)
    key = _key(text(given.key) if given.key else cert, certificate)
    found = ServerCertificate(cert=chain, key=key)
    try:
        server_context(f"{chain}\n{key}".encode())
    except ssl.SSLError as error:
        reason = (error.reason or str(error)).lower().replace("_", " ")
        raise ValueError(f"cert: cannot be used for TLS: {reason}") from None
    return found


def _chain(pem: str) -> tuple[str, x509.Certificate]:
    try:
        certificates = x509.load_pem_x509_certificates(pem.encode())
    except ValueError:
        raise ValueError("cert: expected a certificate, and after it those that lead to its authority (PEM)") from None
    encoded = (one.public_bytes(serialization.Encoding.PEM).decode() for one in certificates)
    return "".join(encoded), certificates[0]


def _key(pem: str, certificate: x509.Certificate) -> str:
    block = _PRIVATE_KEY.search(pem)
    if block is None:
        raise ValueError("key: expected a private key (PEM)")
    try:
        key = serialization.load_pem_private_key(block[0].encode(), None)
    except TypeError:
        remedy = "'openssl pkey -in KEY -out PLAIN' writes it without a password"
        raise ValueError(f"key: is encrypted; {remedy}") from None
    except (ValueError, UnsupportedAlgorithm):
        raise ValueError("key: expected a private key (PEM)") from None
    if key.public_key().public_bytes(*_PUBLIC) != certificate.public_key().public_bytes(*_PUBLIC):
        subject = certificate.subject.rfc4514_string() or "without a subject"
        raise ValueError(f"key: is not that of the certificate ({subject})")
    return block[0]


def oddities(name: str, given: ServerCertificate) -> Iterator[str]:
    """What clients will not like about the certificate of a host, in a few words each."""
    certificate = x509.load_pem_x509_certificate(given.cert.encode())
    now = datetime.now(UTC)
    if certificate.not_valid_after_utc <= now:
        yield f"expired on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
    if certificate.not_valid_before_utc > now:
        yield f"not valid before {certificate.not_valid_before_utc:%Y-%m-%d %H:%M:%S} UTC"
    names = _names(certificate)
    if "*" not in name and not any(_fits(name, one) for one in names):
        yield f"not for {name}, but for {', '.join(sorted(names)) or 'no name at all'}"


def vouching(given: ServerCertificate) -> str:
    """What clients have to trust (PEM): what comes after the certificate itself, which vouches for itself otherwise."""
    certificate, *authorities = _CERTIFICATE.findall(given.cert)
    return "".join(authorities or [certificate])


def name_at(address: str, given: ServerCertificate) -> str:
    """The name by which clients that find a server at `address` have to check its certificate.

    Empty where it is for the address itself, or for no DNS name either.
    """
    names = _names(x509.load_pem_x509_certificate(given.cert.encode()))
    if any(_fits(address, one) for one in names):
        return ""
    return next((one.replace("*", "api", 1) for one in sorted(names, key=_is_pattern) if not is_address(one)), "")


def _is_pattern(name: str) -> tuple[bool, str]:
    return "*" in name, name


def _names(certificate: x509.Certificate) -> set[str]:
    """The DNS names and addresses that a certificate is for. The common name is none: clients do not look at it."""
    try:
        names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        return set()
    addresses = {str(one) for one in names.get_values_for_type(x509.IPAddress)}
    return {one.lower() for one in names.get_values_for_type(x509.DNSName)} | addresses


def _fits(name: str, known: str) -> bool:
    try:
        return ipaddress.ip_address(name) == ipaddress.ip_address(known)
    except ValueError:
        return name == known or (known.startswith("*.") and name.partition(".")[2] == known[2:])

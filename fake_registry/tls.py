"""Certificates: an authority of our own, and for each server name a TLS context that it vouches for.

Everything is elliptic (P-256): keys and certificates are made while the first client waits. A process has one key for
all its certificates. Source: RFC 5280; CA/Browser Forum Baseline Requirements for the extensions that clients expect.
"""

from __future__ import annotations

import fcntl
import functools
import ipaddress
import os
import secrets
import ssl
import tempfile
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fake_registry.errors import AuthorityError

CERTIFICATE_FILE: Final = "ca.pem"
KEY_FILE: Final = "ca-key.pem"

_CA_LIFE: Final = timedelta(days=3652)
_LEAF_LIFE: Final = timedelta(days=365)
_SKEW: Final = timedelta(hours=1)  # clients' clocks may be behind ours
_CONTEXTS: Final = 512


class CertificateAuthority:
    """An authority that signs certificates for servers. Its name is random: two authorities are never confused."""

    def __init__(self, certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> None:
        self._certificate = certificate
        self._key = key
        self._leaf_key = ec.generate_private_key(ec.SECP256R1())
        self._leaf_key_pem = _key_pem(self._leaf_key)
        self.ca_pem = certificate.public_bytes(serialization.Encoding.PEM)
        """The certificate of the authority, which clients have to trust."""

    @classmethod
    def create(cls) -> CertificateAuthority:
        """A new authority, in memory only."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, f"ismirror CA {secrets.token_hex(4)}")])
        builder = (
            _builder(name, name, key.public_key(), _CA_LIFE)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(ca=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        )
        return cls(builder.sign(key, hashes.SHA256()), key)

    @classmethod
    def load_or_create(cls, directory: Path) -> CertificateAuthority:
        """The authority kept in `directory` (``ca.pem`` and ``ca-key.pem``), made there if there is none.

        Raises:
            AuthorityError: what is there is not a usable authority, or nothing can be written there.
        """
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with _locked(directory):
                if (directory / CERTIFICATE_FILE).exists() or (directory / KEY_FILE).exists():
                    return cls(*_load(directory))
                authority = cls.create()
                # The key first: a certificate without its key would be taken for a broken authority.
                _write(directory / KEY_FILE, _key_pem(authority._key), 0o600)
                _write(directory / CERTIFICATE_FILE, authority.ca_pem, 0o644)
                return authority
        except OSError as error:
            raise AuthorityError(f"{error.filename or directory}: {error.strerror}") from None

    @functools.cached_property
    def contexts(self) -> ServerContexts:
        """The TLS contexts of its servers, the same for all of them."""
        return ServerContexts(self)

    def issue(self, names: Sequence[str]) -> bytes:
        """Certificate and key (PEM) of a server with these host names and IP addresses."""
        public = self._leaf_key.public_key()
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0][:64])])
        builder = (
            _builder(subject, self._certificate.subject, public, _LEAF_LIFE)
            .add_extension(x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        return certificate.public_bytes(serialization.Encoding.PEM) + self._leaf_key_pem


class ServerContexts:
    """The TLS contexts of an authority's servers, one for each set of names, made when first asked for.

    The newest few hundred are kept: names come from clients, who may invent as many as they like.
    """

    def __init__(self, authority: CertificateAuthority) -> None:
        self._authority = authority
        self._contexts: OrderedDict[tuple[str, ...], ssl.SSLContext] = OrderedDict()

    def for_names(self, *names: str) -> ssl.SSLContext:
        """A context with a certificate for host names and IP addresses: TLS 1.2 or newer, HTTP/1.1."""
        context = self._contexts.get(names)
        if context is None:
            context = self._contexts[names] = _server_context(self._authority.issue(names))
            if len(self._contexts) > _CONTEXTS:
                self._contexts.popitem(last=False)
        else:
            self._contexts.move_to_end(names)
        return context


def _server_context(pem: bytes) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0  # the clients that matter here (Go's) never resume a session
    # The ssl module takes certificates from files only. This one is nobody else's to read, and gone at once.
    with tempfile.NamedTemporaryFile(prefix="ismirror-") as file:
        file.write(pem)
        file.flush()
        context.load_cert_chain(file.name)
    return context


def _builder(
    subject: x509.Name, issuer: x509.Name, public: ec.EllipticCurvePublicKey, life: timedelta
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(public)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - _SKEW)
        .not_valid_after(now + life)
    )


def _key_usage(*, ca: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=not ca,
        key_cert_sign=ca,
        crl_sign=ca,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _general_name(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)


def _key_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _load(directory: Path) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """The authority in a directory that has at least one of its two files."""
    remedy = f"remove {CERTIFICATE_FILE} and {KEY_FILE} to have a new authority made"
    for name in (CERTIFICATE_FILE, KEY_FILE):
        if not (directory / name).exists():
            raise AuthorityError(f"{directory}: {name} is missing; put it back, or {remedy}")
    try:
        certificate = x509.load_pem_x509_certificate((directory / CERTIFICATE_FILE).read_bytes())
        is_ca = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (ValueError, x509.ExtensionNotFound):
        is_ca = False
    if not is_ca:
        raise AuthorityError(f"{directory / CERTIFICATE_FILE}: not the certificate of an authority; {remedy}")
    try:
        key = serialization.load_pem_private_key((directory / KEY_FILE).read_bytes(), None)
    except (ValueError, TypeError):
        raise AuthorityError(f"{directory / KEY_FILE}: not a private key without a password; {remedy}") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or key.public_key() != certificate.public_key():
        raise AuthorityError(f"{directory}: {KEY_FILE} is not the key of {CERTIFICATE_FILE}; {remedy}")
    if certificate.not_valid_after_utc <= datetime.now(UTC):
        raise AuthorityError(f"{directory / CERTIFICATE_FILE}: expired on {certificate.not_valid_after_utc}; {remedy}")
    return certificate, key


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Keeps other processes that start with the same directory from making another authority there."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write(path: Path, data: bytes, mode: int) -> None:
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fchmod(file.fileno(), mode)
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise

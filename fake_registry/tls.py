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
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from fake_registry.config import Mtls
from fake_registry.errors import AuthorityError
from fake_registry.mtls import ClientVerifier, demand
from fake_registry.replacing import replace_file

LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
"""What clients call a server of their own machine."""

CERTIFICATE_FILE: Final = "ca.pem"
KEY_FILE: Final = "ca-key.pem"

_CA_LIFE: Final = timedelta(days=3652)
_LEAF_LIFE: Final = timedelta(days=365)
_SKEW: Final = timedelta(hours=1)  # clients' clocks may be behind ours
_CONTEXTS: Final = 512
_MAX_COMMON_NAME: Final = 64


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
                replace_file(directory / KEY_FILE, _key_pem(authority._key), mode=0o600)
                replace_file(directory / CERTIFICATE_FILE, authority.ca_pem, mode=0o644)
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

    def issue_client(self, user: str) -> ClientPair:
        """A certificate, and its key, of a client whose common name is `user` (at most 64 characters).

        Raises:
            AuthorityError: no certificate can have that name.
        """
        if not 0 < len(user) <= _MAX_COMMON_NAME or not user.isprintable():
            raise AuthorityError(f"{user!r}: expected a name of 1 to {_MAX_COMMON_NAME} characters")
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, user)])
        builder = (
            _builder(subject, self._certificate.subject, key.public_key(), _LEAF_LIFE)
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(ca=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        certificate = builder.sign(self._key, hashes.SHA256())
        return ClientPair(certificate.public_bytes(serialization.Encoding.PEM), _key_pem(key))

    def keep_client(self, directory: Path, user: str) -> ClientPair:
        """The certificate and key of a client as they are kept in `directory`; made there if there are none that are
        good for another day.

        Raises:
            AuthorityError: as `issue_client`, or nothing can be read or written there.
        """
        if "/" in user or user.startswith("."):
            raise AuthorityError(f"{user!r}: expected a name that a file can have")
        place = directory / f"client-{user}.pem"
        try:
            with _locked(directory):
                kept = _client_pair(place.read_bytes()) if place.exists() else None
                if kept is None or not self._vouches_for(kept.certificate):
                    kept = self.issue_client(user)
                    replace_file(place, kept.certificate + kept.key, mode=0o600)
                return kept
        except OSError as error:
            raise AuthorityError(f"{error.filename or directory}: {error.strerror}") from None

    def _vouches_for(self, pem: bytes) -> bool:
        """Whether this is a certificate of ours that is good for another day."""
        try:
            certificate = x509.load_pem_x509_certificate(pem)
            certificate.verify_directly_issued_by(self._certificate)
        except (ValueError, TypeError, InvalidSignature):
            return False
        return certificate.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1)


class ClientPair(NamedTuple):
    """The certificate and the key of a client (PEM both)."""

    certificate: bytes
    key: bytes


class ServerContexts:
    """The TLS contexts of an authority's servers, one for each set of names, made when first asked for.

    The newest few hundred are kept: names come from clients, who may invent as many as they like.
    """

    def __init__(self, authority: CertificateAuthority) -> None:
        self._authority = authority
        self._contexts: OrderedDict[tuple[tuple[str, ...], Mtls | None], ssl.SSLContext] = OrderedDict()

    def for_names(self, *names: str, mtls: Mtls | None = None, authority: str = "") -> ssl.SSLContext:
        """A context with a certificate for host names and IP addresses: TLS 1.2 or newer, HTTP/1.1.

        With `mtls` it asks clients for certificates; `authority` (PEM) vouches for them if no other is said there.

        Raises:
            ssl.SSLError: the authority that is said there is none.
        """
        wanted = (names, mtls)
        context = self._contexts.get(wanted)
        if context is None:
            context = server_context(self._authority.issue(names), mtls, authority)
            self._contexts[wanted] = context
            if len(self._contexts) > _CONTEXTS:
                self._contexts.popitem(last=False)
        else:
            self._contexts.move_to_end(wanted)
        return context


def _client_pair(pem: bytes) -> ClientPair:
    certificate, separator, key = pem.partition(b"-----BEGIN PRIVATE KEY-----")
    return ClientPair(certificate, separator + key)


def server_context(pem: bytes, mtls: Mtls | None = None, authority: str = "") -> ssl.SSLContext:
    """A context of a server with a certificate, its chain and its key (PEM); the rest is as in `ServerContexts`.

    Raises:
        ssl.SSLError: the key is not that of the certificate, or OpenSSL takes one of them for too weak.
    """
    context: ssl.SSLContext
    if mtls is None:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    else:
        context = ClientVerifier(ssl.PROTOCOL_TLS_SERVER)
        demand(context, mtls, authority)
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

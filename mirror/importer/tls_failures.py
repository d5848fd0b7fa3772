"""Why a TLS handshake failed, in the words of Go's crypto/tls and crypto/x509.

OpenSSL decides whether a connection is trusted; its words are not Go's. So the facts (the first bytes that came, the
certificates, alerts) are put in the order in which Go looks at them.
Source: crypto/tls ``conn.go``, ``alert.go``; crypto/x509 ``verify.go``.
"""

from __future__ import annotations

import ipaddress
import ssl
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.utils import CryptographyDeprecationWarning

from mirror.gotext import quote, rfc3339
from mirror.importer.dial import is_ip
from mirror.importer.failures import FailureKind
from mirror.importer.tls_chains import issuer_failure, serves, unhandled_extension

_ALERT: Final = 21
_HANDSHAKE: Final = 22
_FATAL: Final = 2
_MAX_NAMES: Final = 100
_MAX_SIGNATURES: Final = 100
_VERIFY: Final = "tls: failed to verify certificate: "
_EXPIRED: Final = "x509: certificate has expired or is not yet valid"
_WRONG_NAME: Final = (
    "x509: certificate is valid for ",
    "x509: certificate is not valid for ",
    "x509: certificate relies on ",
    "x509: cannot validate certificate for ",
)
_PLAIN_HTTP: Final = "http: server gave HTTP response to HTTPS client"
_NO_TLS: Final = "tls: first record does not look like a TLS handshake"

ALERTS: Final = {
    10: "unexpected message",
    20: "bad record MAC",
    21: "decryption failed",
    22: "record overflow",
    30: "decompression failure",
    40: "handshake failure",
    42: "bad certificate",
    43: "unsupported certificate",
    44: "revoked certificate",
    45: "expired certificate",
    46: "unknown certificate",
    47: "illegal parameter",
    48: "unknown certificate authority",
    49: "access denied",
    50: "error decoding message",
    51: "error decrypting message",
    60: "export restriction",
    70: "protocol version not supported",
    71: "insufficient security level",
    80: "internal error",
    86: "inappropriate fallback",
    90: "user canceled",
    100: "no renegotiation",
    109: "missing extension",
    110: "unsupported extension",
    111: "certificate unobtainable",
    112: "unrecognized name",
    113: "bad certificate status response",
    114: "bad certificate hash value",
    115: "unknown PSK identity",
    116: "certificate required",
    120: "no application protocol",
    121: "encrypted client hello required",
}
"""Alert numbers (RFC 8446 section 6) and Go's words for them."""

_OPENSSL_ALERTS: Final = {
    "SSLV3_ALERT_UNEXPECTED_MESSAGE": 10,
    "SSLV3_ALERT_BAD_RECORD_MAC": 20,
    "TLSV1_ALERT_DECRYPTION_FAILED": 21,
    "TLSV1_ALERT_RECORD_OVERFLOW": 22,
    "SSLV3_ALERT_DECOMPRESSION_FAILURE": 30,
    "SSLV3_ALERT_HANDSHAKE_FAILURE": 40,
    "SSLV3_ALERT_BAD_CERTIFICATE": 42,
    "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE": 43,
    "SSLV3_ALERT_CERTIFICATE_REVOKED": 44,
    "SSLV3_ALERT_CERTIFICATE_EXPIRED": 45,
    "SSLV3_ALERT_CERTIFICATE_UNKNOWN": 46,
    "SSLV3_ALERT_ILLEGAL_PARAMETER": 47,
    "TLSV1_ALERT_UNKNOWN_CA": 48,
    "TLSV1_ALERT_ACCESS_DENIED": 49,
    "TLSV1_ALERT_DECODE_ERROR": 50,
    "TLSV1_ALERT_DECRYPT_ERROR": 51,
    "TLSV1_ALERT_EXPORT_RESTRICTION": 60,
    "TLSV1_ALERT_PROTOCOL_VERSION": 70,
    "TLSV1_ALERT_INSUFFICIENT_SECURITY": 71,
    "TLSV1_ALERT_INTERNAL_ERROR": 80,
    "TLSV1_ALERT_INAPPROPRIATE_FALLBACK": 86,
    "TLSV1_ALERT_USER_CANCELLED": 90,
    "TLSV1_ALERT_NO_RENEGOTIATION": 100,
    "TLSV13_ALERT_MISSING_EXTENSION": 109,
    "TLSV1_UNSUPPORTED_EXTENSION": 110,
    "TLSV1_CERTIFICATE_UNOBTAINABLE": 111,
    "TLSV1_UNRECOGNIZED_NAME": 112,
    "TLSV1_BAD_CERTIFICATE_STATUS_RESPONSE": 113,
    "TLSV1_BAD_CERTIFICATE_HASH_VALUE": 114,
    "TLSV1_ALERT_UNKNOWN_PSK_IDENTITY": 115,
    "TLSV13_ALERT_CERTIFICATE_REQUIRED": 116,
    "TLSV1_ALERT_NO_APPLICATION_PROTOCOL": 120,
}


def handshake_kind(text: str) -> FailureKind:
    """What a failed handshake failed of, by the text that this module has for it."""
    if text.startswith(_VERIFY):
        what = text[len(_VERIFY) :]
        if what.startswith(_EXPIRED):
            return "expired"
        return "wrong-name" if what.startswith(_WRONG_NAME) else "untrusted"
    if text == _PLAIN_HTTP:
        return "plain-http"
    if text.endswith("EOF"):
        return "lost"
    return "timeout" if text.endswith("timeout") else "tls"


def alert_text(number: int) -> str:
    """What Go says of an alert that the peer sent."""
    return f"remote error: tls: {ALERTS.get(number, f'alert({number})')}"


def openssl_alert(error: BaseException | None) -> str | None:
    """What Go says of the peer's alert that OpenSSL reports with `error`; None if it reports something else."""
    number = _OPENSSL_ALERTS.get(getattr(error, "reason", None) or "") if isinstance(error, ssl.SSLError) else None
    return None if number is None else alert_text(number)


def record_failure(data: bytes) -> str | None:
    """What Go says of the first bytes that a peer sent in answer to a ClientHello; None if they are TLS."""
    header = data[:5]
    if len(header) < 5:
        return "unexpected EOF" if header else "EOF"
    if header == b"HTTP/":
        return _PLAIN_HTTP
    if header[0] == 0x80:
        return "tls: unsupported SSLv2 handshake received"
    if header[0] not in {_ALERT, _HANDSHAKE} or header[1] >= 0x10:
        return _NO_TLS
    length = int.from_bytes(header[3:5])
    if length > 16384 + 2048:
        return f"tls: oversized record received with length {length}"
    content = data[5 : 5 + length]
    if header[0] == _ALERT and len(content) == 2 and content[0] == _FATAL:
        return alert_text(content[1]) if content[1] else "EOF"
    if header[0] == _HANDSHAKE and content[:1] == b"\x02" and b"\x03\x00" <= content[4:6] < b"\x03\x03":
        return f"tls: server selected unsupported protocol version {content[4:6].hex().lstrip('0')}"
    return None


@dataclass
class CertificateCheck:
    """Go's verification of a server's certificates: `sent` as the server sent them (its own first), `roots` trusted."""

    sent: Sequence[x509.Certificate]
    roots: Sequence[x509.Certificate]
    host: str
    now: datetime
    _signatures: int = field(default=0, init=False)
    _chains: list[list[x509.Certificate]] = field(default_factory=list, init=False)

    def failure(self) -> str | None:
        """What Go says is wrong; None if it finds nothing."""
        leaf = self.sent[0]
        text = self._not_valid(leaf) or self._wrong_host(leaf)
        if text is None and leaf in self.roots:
            self._chains.append([leaf])
        elif text is None:
            text = self._no_chain(leaf, [leaf])
        if text is None and not any(map(serves, self._chains)):
            text = "x509: certificate specifies an incompatible key usage"
        return None if text is None else _VERIFY + text

    def _not_valid(self, certificate: x509.Certificate) -> str | None:
        unhandled = unhandled_extension(certificate)
        if unhandled is not None:
            return unhandled
        start, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        prefix = f"{_EXPIRED}: current time {rfc3339(self.now)} is"
        if self.now < start:
            return f"{prefix} before {rfc3339(start)}"
        if self.now > end:
            return f"{prefix} after {rfc3339(end)}"
        return None

    def _wrong_host(self, leaf: x509.Certificate) -> str | None:
        try:
            names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, ValueError):
            names = None
        host = self.host
        dns = [] if names is None else names.get_values_for_type(x509.DNSName)
        ips = [] if names is None else [str(ip) for ip in names.get_values_for_type(x509.IPAddress)]
        if is_ip(host):
            if str(ipaddress.ip_address(host)) in ips:
                return None
        elif any(_matches(name, host) for name in dns):
            return None
        if names is None and any(_matches(name, host) for name in _common_names(leaf)[-1:]):
            return "x509: certificate relies on legacy Common Name field, use SANs instead"
        if is_ip(host) and not ips:
            return f"x509: cannot validate certificate for {host} because it doesn't contain any IP SANs"
        valid, kind = (ips, "IP SANs") if is_ip(host) else (dns, "names")
        if not valid:
            return f"x509: certificate is not valid for any names, but wanted to match {host}"
        if len(valid) >= _MAX_NAMES:
            return f"x509: certificate is valid for {len(valid)} {kind}, but none matched {host}"
        return f"x509: certificate is valid for {', '.join(valid)}, not {host}"

    def _no_chain(self, certificate: x509.Certificate, chain: list[x509.Certificate]) -> str | None:
        """Why no chain of issuers leads from the last of `chain` to a root; None if one does, which is kept."""
        failure: str | None = None
        found = len(self._chains)
        hint = ""
        for candidate, is_root in [(root, True) for root in self.roots] + [(sent, False) for sent in self.sent[1:]]:
            if candidate.subject != certificate.issuer or candidate in chain:
                continue
            self._signatures += 1
            if self._signatures > _MAX_SIGNATURES:
                failure = "x509: signature check attempts limit reached while verifying certificate chain"
                break
            wrong = _signature_failure(certificate, candidate)
            if wrong is not None:
                hint = hint or (
                    f" (possibly because of {quote(wrong)} while trying to verify candidate authority certificate "
                    f"{quote(_display_name(candidate))})"
                )
                continue
            failure = self._not_valid(candidate) or issuer_failure(candidate, chain)
            if failure is None and is_root:
                self._chains.append([*chain, candidate])
            elif failure is None:
                failure = self._no_chain(candidate, [*chain, candidate])
        if len(self._chains) > found:
            return None
        return failure or f"x509: certificate signed by unknown authority{hint}"


def certificate_failure(
    sent: Sequence[bytes], roots: Sequence[bytes], host: str, now: datetime, *, system_now: datetime | None = None
) -> str:
    """What Go says of a server's certificates (DER) that were not accepted.

    A clock that stands still may disagree with the system's, by which the certificates were judged: then that counts.
    """
    trusted = _parse(roots)
    try:
        certificates = [x509.load_der_x509_certificate(der) for der in sent[:1]] + _parse(sent[1:])
        for moment in (now, system_now or datetime.now(UTC)):
            text = CertificateCheck(certificates, trusted, host, moment).failure()
            if text is not None:
                return text
    except (ValueError, UnsupportedAlgorithm):
        return "tls: failed to parse certificate from server"
    return f"{_VERIFY}x509: certificate signed by unknown authority"


def _parse(ders: Sequence[bytes]) -> list[x509.Certificate]:
    """Those certificates that can be read."""
    certificates = []
    with warnings.catch_warnings():
        # Systems trust old authorities whose serial numbers are not what they should be.
        warnings.simplefilter("ignore", CryptographyDeprecationWarning)
        for der in ders:
            try:
                certificates.append(x509.load_der_x509_certificate(der))
            except ValueError:
                continue
    return certificates


def _matches(pattern: str, host: str) -> bool:
    """A DNS name of a certificate against a host name; ``*`` stands for the whole first label."""
    pattern, host = pattern.lower(), host.lower()
    if pattern == host:
        return True
    labels, wanted = pattern.split("."), host.removesuffix(".").split(".")
    if len(labels) != len(wanted) or not all(labels) or not all(wanted):
        return False
    return labels[0] in {"*", wanted[0]} and labels[1:] == wanted[1:] and labels != ["*"]


def _common_names(certificate: x509.Certificate) -> list[str]:
    return [str(name.value) for name in certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)]


def _display_name(certificate: x509.Certificate) -> str:
    """How an authority is named in a text: common name, organisation or serial number."""
    for names in (
        _common_names(certificate)[-1:],
        [str(name.value) for name in certificate.subject.get_attributes_for_oid(x509.NameOID.ORGANIZATION_NAME)],
    ):
        if names:
            return names[0]
    return f"serial:{certificate.serial_number}"


def _signature_failure(certificate: x509.Certificate, issuer: x509.Certificate) -> str | None:
    """Why `issuer` did not sign `certificate`; None if it did."""
    if not _may_sign(issuer):
        return "x509: invalid signature: parent certificate cannot sign this kind of certificate"
    key = issuer.public_key()
    try:
        algorithm = certificate.signature_hash_algorithm
        if isinstance(algorithm, hashes.SHA1 | hashes.MD5):
            name = algorithm.name.upper()
            shown = f"{name}-RSA" if isinstance(key, rsa.RSAPublicKey) else f"ECDSA-{name}"
            return f"x509: cannot verify signature: insecure algorithm {shown}"
        certificate.verify_directly_issued_by(issuer)
    except (InvalidSignature, ValueError, TypeError, UnsupportedAlgorithm):
        if isinstance(key, rsa.RSAPublicKey):
            return "crypto/rsa: verification error"
        if isinstance(key, ec.EllipticCurvePublicKey):
            return "x509: ECDSA verification failure"
        return "x509: Ed25519 verification failure"
    return None


def _may_sign(issuer: x509.Certificate) -> bool:
    try:
        if not issuer.extensions.get_extension_for_class(x509.BasicConstraints).value.ca:
            return False
    except (x509.ExtensionNotFound, ValueError):
        return issuer.version is not x509.Version.v3
    try:
        return issuer.extensions.get_extension_for_class(x509.KeyUsage).value.key_cert_sign
    except x509.ExtensionNotFound:
        return True

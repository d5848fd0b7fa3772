"""What Go says of certificates: the order of its checks, names, and hints at authorities that look right."""

from __future__ import annotations

import ipaddress
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509.oid import ExtendedKeyUsageOID
from support.certificates import Authority

from mirror.importer.tls_failures import ALERTS, alert_text, certificate_failure, record_failure

NOW = datetime(2026, 11, 23, 7, 28, 10, tzinfo=UTC)
YEAR_2020 = datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)
CA = Authority("Trusted CA")
EXPIRED = (
    "x509: certificate has expired or is not yet valid: current time 2026-11-23T07:28:10Z is after 2020-01-02T03:04:05Z"
)
UNKNOWN = "x509: certificate signed by unknown authority"


def leaf(authority: Authority, *names: str, **kinds: Any) -> bytes:
    certificate, _ = authority.issue(*names, **kinds)
    return x509.load_pem_x509_certificate(certificate).public_bytes(Encoding.DER)


def failure(sent: list[bytes], host: str, *roots: Authority) -> str:
    text = certificate_failure(sent, [root.der for root in roots], host, NOW, system_now=NOW)
    assert text.startswith("tls: failed to verify certificate: ")
    return text.removeprefix("tls: failed to verify certificate: ")


NAMES = [
    (["a.example.com"], "b.example.com", "x509: certificate is valid for a.example.com, not b.example.com"),
    (["*.example.com"], "example.com", "x509: certificate is valid for *.example.com, not example.com"),
    (["*.example.com"], "a.b.example.com", "x509: certificate is valid for *.example.com, not a.b.example.com"),
    (["a.*.com"], "a.example.com", "x509: certificate is valid for a.*.com, not a.example.com"),
    (["10.0.0.1", "::1"], "10.0.0.2", "x509: certificate is valid for 10.0.0.1, ::1, not 10.0.0.2"),
    (["10.0.0.1"], "quay.io", "x509: certificate is not valid for any names, but wanted to match quay.io"),
    (["a.example.com"], "::1", "x509: cannot validate certificate for ::1 because it doesn't contain any IP SANs"),
    ([], "quay.io", "x509: certificate is not valid for any names, but wanted to match quay.io"),
    ([], "server", "x509: certificate relies on legacy Common Name field, use SANs instead"),
    (
        [f"{i}.example.com" for i in range(100)],
        "quay.io",
        "x509: certificate is valid for 100 names, but none matched quay.io",
    ),
]


@pytest.mark.parametrize(("names", "host", "text"), NAMES, ids=[f"{host}-{len(names)}" for names, host, _ in NAMES])
def test_names(names: list[str], host: str, text: str) -> None:
    assert failure([leaf(CA, *names)], host, CA) == text


@pytest.mark.parametrize(
    ("names", "host"),
    [
        (["Quay.IO"], "quay.io"),
        (["quay.io"], "QUAY.io"),
        (["*.example.com"], "a.example.com"),
        (["a.example.com"], "a.example.com."),
        (["10.0.0.1"], "10.0.0.1"),
        (["2001:db8::1"], "2001:0db8::1"),
    ],
)
def test_names_that_match(names: list[str], host: str) -> None:
    assert failure([leaf(Authority("Other"), *names)], host, CA) == UNKNOWN


def test_order_of_checks() -> None:
    """First the dates, then the name, then the authority."""
    other = Authority("Other")
    assert failure([leaf(other, "a.example.com", not_after=YEAR_2020)], "quay.io", CA) == EXPIRED
    assert "is valid for a.example.com" in failure([leaf(other, "a.example.com")], "quay.io", CA)
    assert failure([leaf(other, "quay.io")], "quay.io", CA) == UNKNOWN
    assert failure([leaf(CA, "quay.io", client_only=True)], "quay.io", CA) == (
        "x509: certificate specifies an incompatible key usage"
    )


def test_an_authority_of_the_same_name_is_hinted_at() -> None:
    assert failure([leaf(Authority("Trusted CA"), "quay.io")], "quay.io", CA) == (
        f'{UNKNOWN} (possibly because of "x509: ECDSA verification failure" while trying to verify candidate '
        'authority certificate "Trusted CA")'
    )


def test_an_authority_that_may_not_sign_is_hinted_at() -> None:
    none = Authority("No CA", ca=False)
    assert failure([leaf(none, "quay.io")], "quay.io", none) == (
        f'{UNKNOWN} (possibly because of "x509: invalid signature: parent certificate cannot sign this kind of '
        'certificate" while trying to verify candidate authority certificate "No CA")'
    )


def test_expired_authorities() -> None:
    old = Authority("Old CA", not_after=YEAR_2020)
    middle = Authority("Middle", parent=CA, not_after=YEAR_2020)
    assert failure([leaf(old, "quay.io")], "quay.io", old) == EXPIRED
    assert failure([leaf(middle, "quay.io"), middle.der], "quay.io", CA) == EXPIRED


def test_intermediate_authorities() -> None:
    middle = Authority("Middle", parent=CA)
    stray = Authority("Stray", parent=Authority("Unknown root"))
    assert failure([leaf(stray, "quay.io"), stray.der], "quay.io", CA) == UNKNOWN
    assert failure([leaf(middle, "quay.io")], "quay.io", CA) == UNKNOWN  # it was not sent
    wrong = "tls: failed to verify certificate: x509: certificate signed by unknown authority"
    assert (
        certificate_failure([leaf(middle, "quay.io"), middle.der], [CA.der], "quay.io", NOW) == wrong
    )  # of last resort


def test_authorities_that_sign_each_other() -> None:
    """However many certificates a server sends: the search for an issuer ends."""
    loop = [Authority("Loop") for _ in range(30)]
    text = failure([leaf(loop[0], "quay.io"), *(one.der for one in loop)], "quay.io", CA)
    assert text.startswith((UNKNOWN, "x509: signature check attempts limit reached"))


NAME = "x509: a root or intermediate certificate is not authorized to sign for this name: "
NET_10 = x509.IPAddress(ipaddress.ip_network("10.0.0.0/8"))
DOMAIN = x509.DNSName("example.com")
UNKNOWN_EXTENSION = (x509.UnrecognizedExtension(x509.ObjectIdentifier("1.2.3.4.5"), b"\x05\x00"), True)


def constrained(permitted: x509.GeneralName | None, excluded: x509.GeneralName | None) -> x509.NameConstraints:
    return x509.NameConstraints(permitted and [permitted], excluded and [excluded])


@pytest.mark.parametrize(
    ("constraints", "host", "text"),
    [
        (constrained(DOMAIN, None), "a.example.com", UNKNOWN),
        (constrained(DOMAIN, None), "example.org", 'DNS name "example.org" is not permitted by any constraint'),
        (constrained(DOMAIN, None), "anexample.com", 'DNS name "anexample.com" is not permitted by any constraint'),
        (constrained(DOMAIN, None), "10.1.2.3", UNKNOWN),
        (
            constrained(None, DOMAIN),
            "quay.example.com",
            'DNS name "quay.example.com" is excluded by constraint "example.com"',
        ),
        (constrained(NET_10, None), "127.0.0.1", 'IP address "127.0.0.1" is not permitted by any constraint'),
        (constrained(None, NET_10), "10.0.0.1", 'IP address "10.0.0.1" is excluded by constraint "10.0.0.0/8"'),
    ],
)
def test_names_that_an_authority_may_sign(constraints: x509.NameConstraints, host: str, text: str) -> None:
    """Where nothing is wrong the text of last resort is left."""
    middle = Authority("Middle", parent=CA, extensions=[(constraints, True)])
    assert failure([leaf(middle, host), middle.der], host, CA) == (text if text == UNKNOWN else NAME + text)


def test_chains_that_are_too_long() -> None:
    first = Authority("First", parent=CA, path_length=0)
    second = Authority("Second", parent=first)
    sent = [leaf(second, "quay.io"), second.der, first.der]
    assert failure(sent, "quay.io", CA) == "x509: too many intermediates for path length constraint"
    assert failure([leaf(first, "quay.io"), first.der], "quay.io", CA) == UNKNOWN  # nothing wrong


def test_extensions_that_nobody_knows() -> None:
    """They come before everything else."""
    middle = Authority("Middle", parent=CA, extensions=[UNKNOWN_EXTENSION])
    unhandled = "x509: unhandled critical extension"
    assert failure([leaf(middle, "quay.io"), middle.der], "quay.io", CA) == unhandled
    assert failure([middle.der], "quay.io", CA) == unhandled


def test_usages_count_in_the_whole_chain() -> None:
    clients = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH])
    middle = Authority("Middle", parent=CA, extensions=[(clients, False)])
    assert failure([leaf(middle, "quay.io"), middle.der], "quay.io", CA) == (
        "x509: certificate specifies an incompatible key usage"
    )


def test_a_clock_that_stands_still_does_not_excuse() -> None:
    expired = leaf(CA, "quay.io", not_after=YEAR_2020)
    text = certificate_failure([expired], [CA.der], "quay.io", datetime(2019, 6, 1, tzinfo=UTC), system_now=NOW)
    assert text.endswith(EXPIRED)


@pytest.mark.parametrize("der", [b"", b"junk"])
def test_what_is_no_certificate(der: bytes) -> None:
    assert certificate_failure([der], [], "quay.io", NOW) == "tls: failed to parse certificate from server"


def test_alerts() -> None:
    assert alert_text(116) == "remote error: tls: certificate required"
    assert alert_text(0) == "remote error: tls: alert(0)"
    assert all(not words.endswith(".") for words in ALERTS.values())


RECORDS = [
    (b"", "EOF"),
    (b"\x16", "unexpected EOF"),
    (b"HTTP", "unexpected EOF"),
    (b"HTTP/1.1 400", "http: server gave HTTP response to HTTPS client"),
    (b"SSH-2.0-x", "tls: first record does not look like a TLS handshake"),
    (b"\x16\x10\x00\x00\x01", "tls: first record does not look like a TLS handshake"),
    (b"\x15\x03\x03\x00\x02\x02\x00", "EOF"),
    (b"\x15\x03\x03\x00\x02\x01\x70", None),
    (b"\x16\x03\x03\x00\x02\x02\x00", None),
]


@pytest.mark.parametrize(("data", "text"), RECORDS)
def test_first_records(data: bytes, text: str | None) -> None:
    assert record_failure(data) == text

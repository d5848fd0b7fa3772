"""The certificate authority: what it issues, and the directory that keeps it."""

from __future__ import annotations

import ssl
import stat
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from support.certificates import Authority

from fake_registry.errors import AuthorityError
from fake_registry.tls import CERTIFICATE_FILE, KEY_FILE, CertificateAuthority, ServerContexts

NOW = datetime.now(UTC)


def test_the_authority() -> None:
    certificate = x509.load_pem_x509_certificate(CertificateAuthority.create().ca_pem)
    assert certificate.issuer == certificate.subject
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).critical
    assert certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    assert certificate.not_valid_before_utc < NOW
    assert certificate.not_valid_after_utc > NOW + timedelta(days=3600)
    key = certificate.public_key()
    assert isinstance(key, ec.EllipticCurvePublicKey)
    assert isinstance(key.curve, ec.SECP256R1)


def test_no_two_have_the_same_name() -> None:
    """A client that trusts one would take another of that name for a forgery."""
    names = {x509.load_pem_x509_certificate(CertificateAuthority.create().ca_pem).subject for _ in range(5)}
    assert len(names) == 5


def test_what_it_issues() -> None:
    authority = CertificateAuthority.create()
    pems = [authority.issue(["quay.io", "127.0.0.1", "::1"]) for _ in range(2)]
    first, second = (x509.load_pem_x509_certificate(pem) for pem in pems)
    first.verify_directly_issued_by(x509.load_pem_x509_certificate(authority.ca_pem))
    names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["quay.io"]
    assert [str(ip) for ip in names.get_values_for_type(x509.IPAddress)] == ["127.0.0.1", "::1"]
    assert first.not_valid_before_utc < NOW
    assert NOW + timedelta(days=300) < first.not_valid_after_utc < NOW + timedelta(days=398)
    assert first.serial_number != second.serial_number
    assert first.public_key() == second.public_key()  # one key a process


def test_long_names() -> None:
    name = ".".join(["a" * 63] * 3) + ".example.com"
    certificate = x509.load_pem_x509_certificate(CertificateAuthority.create().issue([name]))
    assert certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(
        x509.DNSName
    ) == [name]


def test_strict_clients_accept_what_it_issues() -> None:
    """As Python 3.13 verifies by default (RFC 5280 to the letter)."""
    authority = CertificateAuthority.create()
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.verify_flags |= ssl.VERIFY_X509_STRICT
    client.load_verify_locations(cadata=authority.ca_pem.decode())
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    server_side = ServerContexts(authority).for_names("quay.io").wrap_bio(to_server, to_client, server_side=True)
    client_side = client.wrap_bio(to_client, to_server, server_hostname="quay.io")
    for side in (client_side, server_side, client_side):
        try:
            side.do_handshake()
        except ssl.SSLWantReadError:
            continue
    assert client_side.version() == "TLSv1.3"


def test_contexts_are_kept() -> None:
    contexts = ServerContexts(CertificateAuthority.create())
    assert contexts.for_names("quay.io") is contexts.for_names("quay.io")
    assert contexts.for_names("quay.io") is not contexts.for_names("docker.io")


def test_contexts_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("fake_registry.tls._CONTEXTS", 3)
    contexts = ServerContexts(CertificateAuthority.create())
    first = contexts.for_names("0.example.com")
    for number in range(3):
        contexts.for_names(f"{number}.example.com")
    assert contexts.for_names("0.example.com") is first
    contexts.for_names("3.example.com")
    assert contexts.for_names("0.example.com") is first  # used lately
    assert len(contexts._contexts) == 3


def test_it_is_kept_from_run_to_run(tmp_path: Path) -> None:
    directory = tmp_path / "deep" / "tls"
    made = CertificateAuthority.load_or_create(directory)
    loaded = CertificateAuthority.load_or_create(directory)
    assert made.ca_pem == loaded.ca_pem == (directory / CERTIFICATE_FILE).read_bytes()
    x509.load_pem_x509_certificate(loaded.issue(["quay.io"])).verify_directly_issued_by(
        x509.load_pem_x509_certificate(made.ca_pem)
    )
    assert stat.S_IMODE((directory / KEY_FILE).stat().st_mode) == 0o600
    assert sorted(path.name for path in directory.iterdir()) == [KEY_FILE, CERTIFICATE_FILE]


def test_many_start_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        made = list(pool.map(CertificateAuthority.load_or_create, [tmp_path / "tls"] * 8))
    assert len({authority.ca_pem for authority in made}) == 1


def test_directories_that_cannot_be_used(tmp_path: Path) -> None:
    def refused(file: str | None = None, content: bytes | None = None) -> str:
        directory = tmp_path / f"tls{len(list(tmp_path.iterdir()))}"
        CertificateAuthority.load_or_create(directory)
        if file is not None:
            (directory / file).unlink() if content is None else (directory / file).write_bytes(content)
        with pytest.raises(AuthorityError) as caught:
            CertificateAuthority.load_or_create(directory)
        return str(caught.value).removeprefix(str(directory))

    remedy = "remove ca.pem and ca-key.pem to have a new authority made"
    other = CertificateAuthority.create()
    old = Authority(not_after=datetime(2020, 1, 1, tzinfo=UTC))
    assert refused(KEY_FILE) == f": ca-key.pem is missing; put it back, or {remedy}"
    assert refused(CERTIFICATE_FILE) == f": ca.pem is missing; put it back, or {remedy}"
    assert refused(KEY_FILE, b"junk") == f"/ca-key.pem: not a private key without a password; {remedy}"
    assert refused(CERTIFICATE_FILE, b"junk") == f"/ca.pem: not the certificate of an authority; {remedy}"
    assert refused(CERTIFICATE_FILE, other.issue(["a"])) == f"/ca.pem: not the certificate of an authority; {remedy}"
    assert refused(CERTIFICATE_FILE, other.ca_pem) == f": ca-key.pem is not the key of ca.pem; {remedy}"
    assert "not the key" in refused(CERTIFICATE_FILE, old.pem)


def test_an_expired_authority(tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    old = Authority(not_after=datetime(2020, 1, 1, tzinfo=UTC))
    (tmp_path / CERTIFICATE_FILE).write_bytes(old.pem)
    (tmp_path / KEY_FILE).write_bytes(old.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(AuthorityError, match=r"ca\.pem: expired on 2020-01-01"):
        CertificateAuthority.load_or_create(tmp_path)


def test_no_directory_at_all(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(AuthorityError, match=r"file: (File exists|Not a directory)"):
        CertificateAuthority.load_or_create(file)

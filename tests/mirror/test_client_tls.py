"""Whom clients trust: the same under every version of Python, and no less than programs in Go do."""

from __future__ import annotations

import ssl
from pathlib import Path

import pytest
from support.certificates import Authority

from mirror.client_tls import shared_context, trusting_context, verifying_context

ROOT = Authority("Company CA")  # its certificates have no key identifiers, as those that openssl makes by hand
BELOW = Authority("Company CA 2", parent=ROOT)


def shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    """A handshake in memory.

    Raises:
        ssl.SSLCertVerificationError: the client does not trust the server.
    """
    to_client, to_server = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(to_client, to_server, server_hostname=name),
        server.wrap_bio(to_server, to_client, server_side=True),
    )
    while any(end.version() is None or end.cipher() is None for end in ends):
        for end in ends:
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue


@pytest.mark.parametrize(
    ("authority", "pool"),
    [(ROOT, ROOT.pem), (BELOW, BELOW.pem), (ROOT, "# Größte CA\n".encode() + BELOW.pem + ROOT.pem)],
    ids=["a root", "only what is below it", "of several, with comments"],
)
def test_what_is_in_the_pool_is_trusted(tmp_path: Path, authority: Authority, pool: bytes) -> None:
    shake_hands(verifying_context(pool), authority.server_context(tmp_path, "quay.io"), "quay.io")


@pytest.mark.parametrize(
    ("pool", "names", "problem"),
    [
        (Authority("Other CA").pem, ("quay.io",), "unable to get local issuer certificate"),
        (ROOT.pem, ("docker.io",), "Hostname mismatch"),
        (ROOT.pem, (), "Hostname mismatch"),  # a common name is no host name
    ],
)
def test_others_are_not(tmp_path: Path, pool: bytes, names: tuple[str, ...], problem: str) -> None:
    server = ROOT.server_context(tmp_path, *names, common_name="quay.io")
    with pytest.raises(ssl.SSLCertVerificationError, match=problem):
        shake_hands(verifying_context(pool), server, "quay.io")
    shake_hands(trusting_context(), server, "quay.io")


@pytest.mark.parametrize("pool", [b"", b"none", ROOT.pem.replace(b"BEGIN", b"BEGUN")])
def test_no_certificates(pool: bytes) -> None:
    with pytest.raises(ValueError, match=r"^no certificates in PEM format$"):
        verifying_context(pool)


def test_the_authorities_of_the_system_are_those_that_the_environment_names(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))
    found = []
    for name in ("One", "Another", "One"):
        file = tmp_path / f"{name}.pem"
        if not file.exists():
            file.write_bytes(Authority(name).pem)
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
        found.append(shared_context(None))
    assert found[0] is found[2]
    subjects = [context.get_ca_certs()[0]["subject"] for context in found]
    assert subjects == [((("commonName", name),),) for name in ("One", "Another", "One")]

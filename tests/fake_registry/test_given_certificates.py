"""Certificates that users bring: which are taken, what is said about them, and who gets which."""

from __future__ import annotations

import urllib.request
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from support.certificates import LONG_AGO, Authority
from support.command import ismirror
from support.raw import connected, trusting

from fake_registry import FakeRegistry, UsageError
from fake_registry.config import Host, Mtls, ServerCertificate
from fake_registry.core.certificates import GivenCertificates
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.given_certificates import oddities, usable
from fake_registry.server import RegistryServer
from fake_registry.tls import CertificateAuthority

OURS = Authority("Company CA")
BELOW = Authority("Company CA 2", parent=OURS)
CERT, KEY = (pem.decode() for pem in OURS.issue("quay.io", "*.example.com", "192.0.2.1"))
CHAINED = [pem.decode() for pem in BELOW.issue("quay.io")]
CHAIN = CHAINED[0] + BELOW.pem.decode()
OTHER_KEY = OURS.issue("quay.io")[1].decode()
ENCRYPTED = (
    rsa.generate_private_key(65537, 2048)
    .private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.BestAvailableEncryption(b"secret"),
    )
    .decode()
)


def no_file(name: str) -> str:
    raise AssertionError(name)


@pytest.mark.parametrize(
    ("cert", "key", "taken"),
    [
        (CERT, KEY, (CERT, KEY.strip())),
        (CERT + KEY, "", (CERT, KEY.strip())),
        (KEY + CERT, KEY + CERT, (CERT, KEY.strip())),
        (f"Bag Attributes\n{CHAIN}", CHAINED[1], (CHAIN, CHAINED[1].strip())),
    ],
    ids=["two files", "one file", "one file, twice", "a chain"],
)
def test_what_is_taken(cert: str, key: str, taken: tuple[str, str]) -> None:
    found = usable(ServerCertificate(cert=cert, key=key), no_file)
    assert (found.cert, found.key) == taken


@pytest.mark.parametrize(
    ("cert", "key", "problem"),
    [
        (KEY, KEY, "cert: expected a certificate, and after it those that lead to its authority (PEM)"),
        (CERT, "", "key: expected a private key (PEM)"),
        (CERT, CERT, "key: expected a private key (PEM)"),
        (CERT, KEY.replace("M", "!"), "key: expected a private key (PEM)"),
        (CERT, OTHER_KEY, "key: is not that of the certificate (CN=server)"),
        (CHAIN, KEY, "key: is not that of the certificate (CN=server)"),
        (CERT, ENCRYPTED, "key: is encrypted; 'openssl pkey -in KEY -out PLAIN' writes it without a password"),
    ],
    ids=[
        "no certificate",
        "no key",
        "no key in its file",
        "no key at all",
        "another",
        "another of a chain",
        "encrypted",
    ],
)
def test_what_is_not_taken(cert: str, key: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^(cert|key): ") as raised:
        usable(ServerCertificate(cert=cert, key=key), no_file)
    assert str(raised.value) == problem
    with pytest.raises(UsageError) as refused:
        FakeRegistry(certificates={"quay.io": {"cert": cert, "key": key}})
    assert str(refused.value) == f"certificates['quay.io']: {problem}"
    # the same from a configuration file
    (tmp_path / "c.pem").write_text(cert)
    (tmp_path / "k.pem").write_text(key)
    file = tmp_path / "config.yaml"
    field = "cert: c.pem, key: k.pem" if key else "cert: c.pem"
    file.write_text(f"server:\n  certificates:\n    quay.io: {{{field}}}\n")
    done = ismirror("registry", "--data", str(tmp_path / "tree"), "--registry", "127.0.0.1:0", "--config", str(file))
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr == f"ismirror: error: {file}: server.certificates[quay.io].{problem} (line 3)\n"


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--tls-key", "k.pem"], "--tls-key: there is no certificate; name its file by --tls-cert"),
        (["--tls-cert", "absent.pem"], "absent.pem: No such file or directory"),
        (["--tls-cert", "c.pem", "--tls-key", "k.pem"], "--tls-key: k.pem: is not that of the certificate (CN=server)"),
        (["--tls-cert", "c.pem"], "--tls-key: c.pem: expected a private key (PEM)"),
        (["--config", "clear.yaml"], "server.certificates[a.io]: the scheme of the host is http; expected https"),
        (["--config", "absent.yaml"], "server.certificates[a.io]: absent.pem: No such file or directory"),
    ],
)
def test_options_that_cannot_be(options: list[str], problem: str, tmp_path: Path) -> None:
    (tmp_path / "c.pem").write_text(CERT)
    (tmp_path / "k.pem").write_text(OTHER_KEY)
    (tmp_path / "clear.yaml").write_text(
        "hosts: {a.io: {scheme: http}}\nserver: {certificates: {a.io: {cert: c.pem, key: k.pem}}}\n"
    )
    (tmp_path / "absent.yaml").write_text("server: {certificates: {a.io: {cert: absent.pem}}}\n")
    done = ismirror("registry", "--data", "tree", "--registry", "127.0.0.1:0", *options, cwd=tmp_path)
    assert (done.exit_code, done.stdout) == (2, "")
    assert problem in done.stderr


def test_what_is_said_about_them() -> None:
    now = datetime.now(UTC)
    expired = OURS.issue("quay.io", not_after=LONG_AGO + timedelta(days=1))[0].decode()
    early = OURS.issue("quay.io", not_before=now + timedelta(days=1))[0].decode()
    nameless = OURS.issue(common_name="quay.io")[0].decode()

    def said(name: str, cert: str) -> list[str]:
        return list(oddities(name, ServerCertificate(cert=cert)))

    assert said("quay.io", expired) == ["expired on 2019-01-02 00:00:00 UTC"]
    assert said("quay.io", early)[0].startswith(f"not valid before {now + timedelta(days=1):%Y-%m-%d}")
    assert said("quay.io", nameless) == ["not for quay.io, but for no name at all"]
    for name in ("quay.io", "a.example.com", "192.0.2.1", "*", "*.example.com"):
        assert said(name, CERT) == []
    for name in ("docker.io", "a.b.example.com", "example.com", "192.0.2.2"):
        assert said(name, CERT) == [f"not for {name}, but for *.example.com, 192.0.2.1, quay.io"]


def test_which_host_has_which() -> None:
    one, two, three = (ServerCertificate(cert=name) for name in ("one", "two", "three"))
    given = GivenCertificates({"*.example.com": one, "Private.example.com:5000": two, "*": three})
    assert [given.of(name) for name in ("a.example.com", "private.example.com", "quay.io", "")] == [
        one,
        two,
        three,
        three,
    ]
    assert GivenCertificates({"index.docker.io": one}).of("registry-1.docker.io:443") is one
    assert GivenCertificates({"quay.io": one}).of("docker.io") is None


def test_handshakes(run: Callable[[Any], Any], tmp_path: Path) -> None:
    """Hosts show what was given for them, until something else is; the others go on with made ones."""
    made = CertificateAuthority.create()
    first, second = (
        usable(ServerCertificate(cert=CERT, key=KEY), no_file),
        ServerCertificate(cert=CHAIN, key=CHAINED[1]),
    )
    hosts = {"mtls.example.com": Host(mtls=Mtls(required=False)), "self.example.com": Host(scheme="selfsigned")}
    core = RegistryCore(Tree.open(tmp_path), hosts, certificates={"quay.io": first, "mtls.*": first})

    async def exchange() -> None:
        async with RegistryServer(core, made) as server:
            address = await server.start()

            async def shown(name: str, *trusted: bytes) -> Any:
                async with connected(address, trusting(b"\n".join(trusted)), name) as client:
                    return client.writer.get_extra_info("peercert")["issuer"][0][0][1]

            assert await shown("quay.io", OURS.pem) == "Company CA"
            assert await shown("mtls.example.com", OURS.pem) == "Company CA"
            assert (await shown("docker.io", made.ca_pem)).startswith("ismirror CA")
            core.configure(hosts)
            assert await shown("quay.io", OURS.pem) == "Company CA"
            core.configure(hosts, certificates={"*": second})
            assert await shown("quay.io", OURS.pem) == "Company CA 2"

    run(exchange())


def test_of_a_listener_of_one_host() -> None:
    with FakeRegistry(
        certificates={"127.0.0.1": {"cert": CERT, "key": KEY}, "quay.io": {"cert": CERT, "key": KEY}}
    ) as one:
        context = trusting(OURS.pem)
        context.check_hostname = False
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with opener.open(one.url("quay.io") + "/v2/") as answer:
            assert answer.status == 200

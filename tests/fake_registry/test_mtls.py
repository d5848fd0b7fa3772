"""Client certificates: who is let in, as whom, and how the others are refused; over the core and over sockets."""

from __future__ import annotations

import asyncio
import base64
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from support.certificates import Authority
from support.cores import TinyCore
from support.raw import trusting
from support.registry import HOST, NOW, ask, body, error, put_image

from fake_registry import FakeRegistry, UsageError
from fake_registry.config import AccessRule, Auth, Host, Mtls
from fake_registry.core.messages import Certified, Response
from fake_registry.core.registry import RegistryCore
from fake_registry.errors import AuthorityError
from fake_registry.fixtures import Tree
from fake_registry.listening import Address
from fake_registry.server import RegistryServer
from fake_registry.tls import CertificateAuthority

OTHERS = Authority("Partner CA")
RULES = [AccessRule(user="robot", actions=["pull", "push"]), AccessRule(user="", repository="open", actions=["pull"])]
BASIC = {"authorization": f"Basic {base64.b64encode(b'me:secret').decode()}"}
ROBOT, STRANGER = Certified("robot", ""), Certified("robot", "another authority")


def core_of(tmp_path: Path, host: Host) -> RegistryCore:
    tree = Tree.open(tmp_path / "tree")
    put_image(tree, "app", "v1")
    put_image(tree, "open", "v1")
    return RegistryCore(tree, {HOST: host}, clock=lambda: NOW)


@pytest.mark.parametrize(
    ("host", "certified", "headers", "method", "target", "status", "user"),
    [
        (Host(mtls=Mtls()), ROBOT, {}, "GET", "/v2/", 200, "robot"),
        (Host(mtls=Mtls()), ROBOT, {}, "GET", "/v2/app/manifests/v1", 200, "robot"),
        (Host(mtls=Mtls()), ROBOT, {}, "DELETE", "/v2/app/manifests/v1", 202, "robot"),
        (Host(mtls=Mtls()), None, {}, "GET", "/v2/", 421, ""),
        (Host(mtls=Mtls()), STRANGER, {}, "GET", "/v2/app/manifests/v1", 421, ""),
        (Host(mtls=Mtls(required=False)), None, {}, "GET", "/v2/app/manifests/v1", 200, ""),
        (Host(mtls=Mtls(), access=RULES), ROBOT, {}, "GET", "/v2/app/manifests/v1", 200, "robot"),
        (Host(mtls=Mtls(), access=RULES), ROBOT, {}, "POST", "/v2/app/blobs/uploads/", 202, "robot"),
        (Host(mtls=Mtls(), access=RULES), ROBOT, {}, "DELETE", "/v2/app/manifests/v1", 403, "robot"),
        (Host(mtls=Mtls(), access=RULES), Certified("other", ""), {}, "GET", "/v2/app/manifests/v1", 403, "other"),
        (Host(mtls=Mtls(required=False), access=RULES), None, {}, "GET", "/v2/open/manifests/v1", 200, ""),
        (Host(mtls=Mtls(required=False), access=RULES), None, {}, "GET", "/v2/app/manifests/v1", 403, ""),
        (Host(mtls=Mtls(required=False), access=RULES), STRANGER, {}, "GET", "/v2/app/manifests/v1", 403, ""),
        # with passwords or tokens beside it: a certificate is enough, credentials count in its place
        *(
            (Host(mtls=Mtls(required=False), auth=Auth(type=kind, username="me", password="secret")), *rest)
            for kind, rest in [
                (kind, rest)
                for kind in ("basic", "bearer")
                for rest in (
                    (ROBOT, {}, "GET", "/v2/app/manifests/v1", 200, "robot"),
                    (ROBOT, {}, "POST", "/v2/app/blobs/uploads/?mount=sha256:0&from=open", 400, "robot"),
                    (ROBOT, {"authorization": "Basic YTpi"}, "GET", "/v2/app/manifests/v1", 401, ""),
                    (STRANGER, {}, "GET", "/v2/app/manifests/v1", 401, ""),
                    (None, {}, "GET", "/v2/app/manifests/v1", 401, ""),
                )
            ]
        ),
        (
            Host(mtls=Mtls(), auth=Auth(type="basic", username="me", password="secret")),
            *(ROBOT, BASIC, "GET", "/v2/app/manifests/v1", 200, "me"),
        ),
    ],
)
async def test_who_may(
    tmp_path: Path,
    host: Host,
    certified: Certified | None,
    headers: dict[str, str],
    method: str,
    target: str,
    status: int,
    user: str,
) -> None:
    core = core_of(tmp_path, host)
    response = await ask(core, target, method, headers=headers, certified=certified)
    (entry,) = core.journal
    assert (response.status, entry.status, entry.user) == (status, status, user), body(response)
    if status == 403:
        assert error(response)["code"] == "DENIED"


def test_clear_text_has_no_certificates() -> None:
    with pytest.raises(ValueError, match="`scheme` to be https or selfsigned with `mtls`"):
        Host(scheme="http", mtls=Mtls())
    with pytest.raises(UsageError, match=r"hosts\['a.b'\].mtls.ca: expected the certificate of an authority"):
        FakeRegistry(hosts={"a.b": {"mtls": {"ca": "no certificate"}}})


def refusal(address: Address, context: ssl.SSLContext, name: str) -> str:
    """The alert that a client gets which goes on as if it were let in."""
    with (
        socket.create_connection(tuple(address)) as plain,
        pytest.raises(ssl.SSLError) as raised,
        context.wrap_socket(plain, server_hostname=name) as tls,
    ):
        tls.sendall(b"GET /v2/ HTTP/1.1\r\nHost: h\r\n\r\n" * 1000)
        while tls.recv(1000):
            pass
    return str(raised.value.reason)


@pytest.mark.parametrize(
    ("version", "shown", "alert"),
    [
        ("TLSv1_3", None, "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
        ("TLSv1_2", None, "SSLV3_ALERT_HANDSHAKE_FAILURE"),
        ("TLSv1_3", "stranger", "TLSV1_ALERT_UNKNOWN_CA"),
        ("TLSv1_2", "stranger", "TLSV1_ALERT_UNKNOWN_CA"),
        ("TLSv1_3", "server", "SSLV3_ALERT_UNSUPPORTED_CERTIFICATE"),
    ],
)
def test_refusals_reach_the_client(
    run: Callable[[Any], Any], tmp_path: Path, version: str, shown: str | None, alert: str
) -> None:
    authority = CertificateAuthority.create()
    core = TinyCore(lambda _: Response(200, [], b"in"), {"mtls.example.com": Host(mtls=Mtls())})
    context = trusting(authority.ca_pem)
    context.maximum_version = ssl.TLSVersion[version]
    if shown is not None:
        pem = b"".join(OTHERS.issue(client_only=True)) if shown == "stranger" else authority.issue(["mtls.example.com"])
        (tmp_path / "shown.pem").write_bytes(pem)
        context.load_cert_chain(tmp_path / "shown.pem")

    async def exchange() -> str:
        async with RegistryServer(core, authority) as server:
            address = await server.start()
            return await asyncio.to_thread(refusal, address, context, "mtls.example.com")

    assert run(exchange()) == alert
    assert not core.requests


HOSTS = {
    "mtls.example.com": {"mtls": {}, "access": [{"user": "robot", "actions": ["pull"]}]},
    "partner.example.com": {"mtls": {"ca": OTHERS.pem.decode()}},
    "either.example.com": {"mtls": {"required": False}},
}


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(hosts=HOSTS) as registry:
        for host in HOSTS:
            registry.push_image(f"{host}/app:v1")
        yield registry


def get(url: str, context: ssl.SSLContext, **headers: str) -> int:
    """The status of an answer."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context))
    try:
        with opener.open(urllib.request.Request(url, headers=headers)) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        with error:
            return error.code


def test_from_python(registry: FakeRegistry, tmp_path: Path) -> None:
    url, path = registry.url("mtls.example.com"), "/v2/app/manifests/v1"
    robot, other, nobody = registry.ssl_context("robot"), registry.ssl_context("other"), registry.ssl_context()
    assert get(url + path, robot) == 200
    assert get(f"{url}/v2/app/tags/list", robot, Connection="close") == 200  # what only the whole parser reads
    assert get(url + path, other) == 403
    assert [(entry.user, entry.status) for entry in registry.journal] == [
        ("robot", 200),
        ("robot", 200),
        ("other", 403),
    ]
    either = registry.url("either.example.com")
    assert [get(either + path, context) for context in (robot, nobody)] == [200, 200]
    assert [entry.user for entry in registry.journal][-2:] == ["robot", ""]
    # a certificate counts where it was asked for
    assert get(f"{registry.url()}{path}?ns=mtls.example.com", robot) == 421
    assert get(f"{registry.url('quay.io')}/v2/", robot, Host="mtls.example.com") == 200
    partner = registry.ssl_context()
    (tmp_path / "partner.pem").write_bytes(b"".join(OTHERS.issue(common_name="partner", client_only=True)))
    partner.load_cert_chain(tmp_path / "partner.pem")
    assert get(registry.url("partner.example.com") + path, partner) == 200
    assert registry.client_certificate("robot") == registry.client_certificate("robot")
    with pytest.raises(UsageError, match="expected a name of 1 to 64 characters"):
        registry.client_certificate("")


def test_kept_beside_the_authority(tmp_path: Path) -> None:
    authority = CertificateAuthority.load_or_create(tmp_path)
    kept = authority.keep_client(tmp_path, "robot")
    assert (tmp_path / "client-robot.pem").stat().st_mode & 0o777 == 0o600
    assert CertificateAuthority.load_or_create(tmp_path).keep_client(tmp_path, "robot") == kept
    assert CertificateAuthority.create().keep_client(tmp_path, "robot") != kept  # another authority's is no use
    (tmp_path / "client-robot.pem").write_text("junk")
    assert authority.keep_client(tmp_path, "robot") != kept
    for name in ("../up", ".hidden", "x" * 65):
        with pytest.raises(AuthorityError, match="expected a name"):
            authority.keep_client(tmp_path, name)

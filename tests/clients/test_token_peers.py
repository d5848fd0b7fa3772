"""Tokens of a token server, held against docker-registry: both take the same ones, and say the same of the others."""

from __future__ import annotations

import base64
import shutil
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from support.certificates import Authority
from support.docker_registry import docker_registry

from fake_registry import FakeRegistry
from fake_registry.core.trusted_keys import fingerprint

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(shutil.which("docker-registry") is None, reason="not installed: docker-registry"),
]

ISSUER, SERVICE, REALM = "token server", "Docker registry", "https://auth.example.com/token"
CA = Authority("Token CA")
BELOW = Authority("Token CA 2", parent=CA)
SIGNER = Authority("signer", parent=BELOW, ca=False)
STRANGE = Authority("Token CA")
KID = fingerprint(CA.key.public_key())
PULL = [{"type": "repository", "name": "team/app", "actions": ["pull"]}]


def chain(*authorities: Authority) -> list[str]:
    return [base64.b64encode(one.der).decode() for one in authorities]


def token(key: Any = CA.key, header: Mapping[str, Any] | None = None, **changes: Any) -> str:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": SERVICE, "sub": "me", "exp": now + 300, "nbf": now, "iat": now, "access": PULL}
    for name, value in changes.items():
        claims[name] = now + value if name in {"exp", "nbf"} else value
    return jwt.encode(claims, key, "ES256", headers=dict(header or {"kid": KID}))


TOKENS: dict[str, Callable[[], str]] = {
    "named key": token,
    "certificate": lambda: token(header={"x5c": chain(CA)}),
    "chain": lambda: token(SIGNER.key, {"x5c": chain(SIGNER, BELOW)}),
    "chain with a gap": lambda: token(SIGNER.key, {"x5c": chain(SIGNER)}),
    "strange certificate": lambda: token(STRANGE.key, {"x5c": chain(STRANGE)}),
    "key of another": lambda: token(STRANGE.key),
    "unknown key": lambda: token(header={"kid": "AAAA:BBBB"}),
    "expired a little": lambda: token(exp=-30),
    "expired": lambda: token(exp=-90),
    "a little early": lambda: token(nbf=30),
    "early": lambda: token(nbf=90),
    "another issuer": lambda: token(iss="somebody"),
    "another service": lambda: token(aud="somewhere"),
    "nothing allowed": lambda: token(access=[]),
    "something else": lambda: token(access=[{"type": "repository", "name": "team/other", "actions": ["pull"]}]),
    "only pushing": lambda: token(access=[{"type": "repository", "name": "team/app", "actions": ["push"]}]),
    "everything": lambda: token(access=[{"type": "repository", "name": "team/app", "actions": ["*"]}]),
    "two entries": lambda: token(access=[*PULL, {"type": "repository", "name": "team/app", "actions": ["push"]}]),
    "a secret": lambda: jwt.encode({"iss": ISSUER, "aud": SERVICE, "exp": time.time() + 300}, "x" * 64, "HS256"),
    "no token": lambda: "",
    "no web token": lambda: "x.y.z",
    "cut off": lambda: token()[:-20],
}  # fmt: skip
"""Tokens, made when they are sent: some are good for seconds more, or only in a few."""


@pytest.fixture(scope="module")
def addresses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """Ours and the peer, with the same configuration; neither has the repository."""
    folder = tmp_path_factory.mktemp("peers")
    bundle = folder / "bundle.pem"
    bundle.write_bytes(CA.pem)
    auth = {"realm": REALM, "service": SERVICE, "issuer": ISSUER}
    ours = {"type": "bearer", "keys": CA.pem.decode(), **auth}
    with (
        docker_registry(folder / "peer", auth={"token": {**auth, "rootcertbundle": str(bundle)}}) as peer,
        FakeRegistry(hosts={"quay.io": {"scheme": "http", "auth": ours}}) as registry,
    ):
        yield registry.url("quay.io").removeprefix("http://"), peer.address


def answer(address: str, method: str, path: str, sent: str) -> tuple[int, str]:
    """Status and challenge."""
    headers = {"Authorization": f"Bearer {sent}"} if sent else {}
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(urllib.request.Request(f"http://{address}{path}", headers=headers, method=method)) as found:
            return found.status, ""
    except urllib.error.HTTPError as error:
        with error:
            challenge = error.headers.get("WWW-Authenticate", "")
            return error.code, challenge.replace("push,pull", "pull,push")  # docker-registry says either, by chance


@pytest.mark.parametrize("name", TOKENS)
def test_the_same_tokens_count(addresses: tuple[str, str], name: str) -> None:
    ours, peer = addresses
    sent = TOKENS[name]()
    for method, path in (("GET", "/v2/"), ("GET", "/v2/team/app/tags/list"), ("POST", "/v2/team/app/blobs/uploads/")):
        found, expected = (answer(address, method, path, sent) for address in (ours, peer))
        assert found == expected, (method, path)


def test_the_table_has_both_kinds(addresses: tuple[str, str]) -> None:
    statuses = {name: answer(addresses[1], "GET", "/v2/team/app/tags/list", made())[0] for name, made in TOKENS.items()}
    good = {name for name, status in statuses.items() if status == 404}
    assert {"named key", "certificate", "chain", "expired a little", "a little early", "two entries"} <= good
    assert {name for name, status in statuses.items() if status == 401} == TOKENS.keys() - good
    assert isinstance(CA.key, ec.EllipticCurvePrivateKey)

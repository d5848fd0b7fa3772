"""Registries that send clients elsewhere for blobs: to a CDN, which is faked as well, or to a store outside."""

from __future__ import annotations

import base64
import contextlib
import hmac
import http.client
import re
import urllib.request
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.redirects import Client, Direct, client
from support.registry import HOST, NOW, Clock, image, put_image, signed_schema1

from fake_registry import FakeRegistry, UsageError
from fake_registry.config import Host, Hosts
from fake_registry.core.links import SignedLinks
from fake_registry.core.presigning import signing_credentials
from fake_registry.fixtures import Tree
from fake_registry.fixtures.pushing import push_manifest
from fake_registry.oci import DOCKER_SCHEMA1_SIGNED, OCI_MANIFEST, compute_digest
from mirror.config import load_config

CDN = "cdn01.quay.io"
CONFIG = b'{"os":"linux"}'
LAYER = b"layer " * 100
LARGE = bytes(range(256)) * 1024
LINK = re.compile(
    r"https://cdn01\.quay\.io/quay\.io/team/app/blobs/sha256:[0-9a-f]{64}\?Expires=\d+&Signature=[\w-]{43}"
)
XML = '<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{}</Code><Message>{}</Message></Error>'
DENIED = XML.format("AccessDenied", "Access Denied")
EXPIRED = XML.format("AccessDenied", "Request has expired")
FORGED = XML.format(
    "SignatureDoesNotMatch", "The request signature we calculated does not match the signature you provided."
)
NO_KEY = XML.format("NoSuchKey", "The specified key does not exist.")

both_ways = pytest.mark.parametrize("kind", ["direct", "sockets"])


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree.open(tmp_path)
    put_image(tree, "team/app", "v1", CONFIG, [LAYER, LARGE])
    return tree


def hosts(
    cdn: dict[str, Any] | None = None, registry: dict[str, Any] | None = None, **redirects: Any
) -> dict[str, Any]:
    return {HOST: {"blobRedirects": {"host": CDN, **redirects}, **(registry or {})}, CDN: cdn or {}}


def blob(data: bytes, repository: str = "team/app") -> str:
    return f"https://{HOST}/v2/{repository}/blobs/{compute_digest(data)}"


def damage(tree: Tree, data: bytes) -> None:
    """Changes the last byte of a blob."""
    Path(tree.store.path(compute_digest(data))).write_bytes(data[:-1] + b"?")


def remove(tree: Tree, *blobs: bytes) -> None:
    """Leaves of blobs only what manifests say of them."""
    for data in blobs:
        Path(tree.store.path(compute_digest(data))).unlink()


async def link_to(ask: Client, data: bytes) -> str:
    return (await ask(blob(data))).location


@both_ways
async def test_a_blob_is_elsewhere(tree: Tree, kind: str) -> None:
    async with client(kind, tree, hosts()) as ask:
        sent = await ask(blob(LAYER))
        assert (sent.status, sent.headers["content-type"]) == (307, "text/html; charset=utf-8")
        assert LINK.fullmatch(sent.location)
        escaped = sent.location.replace("&", "&amp;")
        assert sent.body.decode() == f'<a href="{escaped}">Temporary Redirect</a>.\n\n'
        assert sent.headers["docker-distribution-api-version"] == "registry/2.0"
        for data in (CONFIG, LAYER, LARGE):
            got = await ask(await link_to(ask, data))
            assert (got.status, got.body) == (200, data)
            assert not [name for name in got.headers if name.startswith("docker-")]
            assert (got.headers["etag"], got.headers["accept-ranges"]) == (f'"{compute_digest(data)}"', "bytes")
        entries = [(one.host, one.kind, one.repository, one.status) for one in ask.journal.entries(kind="blob")]
        target = f"/quay.io/team/app/blobs/{compute_digest(LAYER)}?Expires=1700001200&Signature=*"
        assert [one.target for one in ask.journal.entries(host=CDN, target=compute_digest(LAYER))] == [target]
    assert entries[1:3] == [(HOST, "blob", "team/app", 307), (CDN, "blob", "team/app", 200)]


@both_ways
@pytest.mark.parametrize("data", [LAYER, LARGE], ids=["small", "large"])
async def test_parts_of_it(tree: Tree, kind: str, data: bytes) -> None:
    tag = f'"{compute_digest(data)}"'
    rows: list[tuple[dict[str, str], int, bytes]] = [
        ({"range": "bytes=10-19"}, 206, data[10:20]),
        ({"range": "bytes=-5"}, 206, data[-5:]),
        ({"range": "bytes=10-19", "if_range": tag}, 206, data[10:20]),
        ({"range": "bytes=10-19", "if_range": '"other"'}, 200, data),
        ({"if_none_match": tag}, 304, b""),
    ]
    async with client(kind, tree, hosts()) as ask:
        link = await link_to(ask, data)
        for headers, status, part in rows:
            got = await ask(link, **headers)
            assert (got.status, got.body) == (status, part)
        head = await ask(link, "HEAD")
        assert (head.status, head.headers["content-length"], head.body) == (200, str(len(data)), b"")
        behind = await ask(link, range=f"bytes={len(data)}-")
        assert (behind.status, behind.headers["content-range"]) == (416, f"bytes */{len(data)}")
        assert b"<Code>InvalidRange</Code>" in behind.body


@both_ways
@pytest.mark.parametrize(
    ("redirects", "method", "data", "status"),
    [
        ({"status": 302}, "GET", LAYER, 302),
        ({"status": 303}, "GET", LAYER, 303),
        ({"status": 308}, "GET", LAYER, 308),
        ({}, "HEAD", LAYER, 200),
        ({"head": True}, "HEAD", LAYER, 307),
        ({"minSize": len(LAYER)}, "GET", LAYER, 307),
        ({"minSize": len(LAYER) + 1}, "GET", LAYER, 200),
        ({"minSize": len(LAYER) + 1, "head": True}, "HEAD", CONFIG, 200),
        ({}, "GET", b"never pushed", 404),
        ({"head": True}, "HEAD", b"never pushed", 404),
    ],
)
async def test_who_is_sent_there(
    tree: Tree, kind: str, redirects: dict[str, Any], method: str, data: bytes, status: int
) -> None:
    async with client(kind, tree, hosts(**redirects)) as ask:
        got = await ask(blob(data), method)
    assert (got.status, "location" in got.headers) == (status, 300 <= status < 400)
    if method == "HEAD":
        assert got.body == b""
    elif status == 200:
        assert got.body == data


@both_ways
async def test_links_expire(tree: Tree, kind: str) -> None:
    async with client(kind, tree, hosts(expires="90s")) as ask:
        link = await link_to(ask, LAYER)
        assert f"?Expires={int(NOW) + 90}&" in link
        assert await link_to(ask, LAYER) == link
        ask.clock.now = NOW + 89.9
        assert (await ask(link)).status == 200
        ask.clock.now = NOW + 90
        late = await ask(link)
        assert (late.status, late.headers["content-type"], late.body.decode()) == (403, "application/xml", EXPIRED)
        assert (await ask(await link_to(ask, LAYER))).status == 200
        assert [one.note for one in ask.journal if one.status == 403] == ["AccessDenied: Request has expired"]


@both_ways
async def test_signatures_are_not_kept_wherever_links_go(tree: Tree, kind: str) -> None:
    async with client(kind, tree, hosts()) as ask:
        link = await link_to(ask, LAYER)
        signature = link.partition("Signature=")[2]
        wrong = [link.replace(CDN, HOST), f"{link}&ns=quay.io"]
        wrong += [link.replace("/quay.io/", other) for other in ("//quay.io/", "/quay.io%2F", "/v2/")]
        for one in wrong:
            assert (await ask(one)).status in {403, 404}
        targets = [entry.target for entry in ask.journal]
    assert len([target for target in targets if "&Signature=*" in target]) == len(wrong)
    assert not [target for target in targets if signature in target]


@both_ways
async def test_nothing_else_is_there(tree: Tree, kind: str) -> None:
    async with client(kind, tree, hosts()) as ask:
        link = await link_to(ask, LAYER)
        path = link.partition("?")[0]
        other = compute_digest(LARGE)
        rows = [
            (path, "GET", 403, DENIED),
            (f"{path}?Expires=1", "GET", 403, DENIED),
            (f"{link}&more=1", "GET", 403, DENIED),
            (f"{path}?ns={HOST}&{link.partition('?')[2]}", "GET", 404, None),  # that is another host
            (link.replace(compute_digest(LAYER), other), "GET", 403, FORGED),
            (link.replace("team/app", "team/other"), "GET", 403, FORGED),
            (link.replace("sha256:", "sha256%3A"), "GET", 403, FORGED),
            (link, "DELETE", 403, DENIED),
            (link, "POST", 403, DENIED),
            (f"https://{CDN}/", "GET", 403, DENIED),
            (f"https://{CDN}/v2/", "GET", 403, DENIED),
            (f"https://{CDN}/v2/team/app/blobs/uploads/", "POST", 403, DENIED),
            (f"https://{CDN}/v2/team/app/manifests/v1", "GET", 403, DENIED),
            (f"https://{CDN}/token", "GET", 403, DENIED),
            (link.replace(CDN, HOST), "GET", 404, None),
        ]
        for url, method, status, text in rows:
            got = await ask(url, method)
            assert (url, method, got.status) == (url, method, status)
            if text is not None:
                assert got.body.decode() == text


@both_ways
async def test_what_goes_away(tree: Tree, kind: str) -> None:
    async with client(kind, tree, hosts()) as ask:
        links = [await link_to(ask, LAYER), await link_to(ask, CONFIG)]
        assert (await ask(blob(LAYER), "DELETE")).status == 202
        assert [(await ask(link)).status for link in links] == [404, 200]
        assert (await ask(blob(LAYER))).status == 404
        damage(tree, LARGE)
        assert (await ask(await link_to(ask, LARGE))).status == 500


@both_ways
async def test_credentials_are_for_the_registry(tree: Tree, kind: str) -> None:
    basic = {"auth": {"type": "basic", "username": "me", "password": "secret"}}
    async with client(kind, tree, hosts(registry=basic, cdn=basic)) as ask:
        assert (await ask(blob(LAYER))).status == 401
        sent = await ask(blob(LAYER), authorization="Basic bWU6c2VjcmV0")
        assert (await ask(sent.location)).body == LAYER
        assert (await ask(f"https://{CDN}/v2/")).status == 403


@both_ways
async def test_faults_and_limits_of_the_cdn(tree: Tree, kind: str) -> None:
    fault = {"match": {"kind": "blob", "repository": "team/*", "digest": compute_digest(LAYER), "nth": 2}}
    cdn = {
        "faults": [{**fault, "action": {"status": 503}}],
        "rateLimits": [{"requests": 3, "window": "1m"}],
        "routes": [{"path": "/robots.txt", "body": "none"}],
    }
    async with client(kind, tree, hosts(cdn)) as ask:
        link = await link_to(ask, LAYER)
        assert [(await ask(link)).status for _ in range(5)] == [200, 503, 200, 200, 429]
        assert (await ask(f"https://{CDN}/robots.txt")).body == b"none"
        assert [one.status for one in ask.journal if one.host == HOST] == [307]


@both_ways
async def test_one_host_may_be_both(tree: Tree, kind: str) -> None:
    alone = {HOST: {"blobRedirects": {"host": HOST}}}
    async with client(kind, tree, alone) as ask:
        link = await link_to(ask, LAYER)
        assert link.startswith(f"https://{HOST}/quay.io/team/app/blobs/")
        assert (await ask(link)).body == LAYER
        assert (await ask(f"https://{HOST}/v2/team/app/tags/list")).status == 200


async def test_a_cdn_in_clear_text(tree: Tree) -> None:
    async with client("direct", tree, hosts({"scheme": "http"})) as ask:
        link = await link_to(ask, LAYER)
        assert link.startswith(f"http://{CDN}/")
        assert (await ask(link)).body == LAYER


@pytest.mark.parametrize("scheme", ["https", "http"])
def test_each_has_a_port_of_its_own(tree: Tree, scheme: str) -> None:
    with FakeRegistry(tree, hosts=hosts({"scheme": scheme})) as registry:
        url = f"{registry.url(HOST)}/v2/team/app/blobs/{compute_digest(LAYER)}"
        handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=registry.ssl_context())
        with urllib.request.build_opener(*handlers).open(url) as answer:
            assert answer.read() == LAYER
            assert answer.geturl().startswith(f"{registry.url(CDN)}/quay.io/team/app/blobs/sha256:")
        # others on the machine may come to a port that had been theirs before
        asked = registry.journal.entries(target=compute_digest(LAYER))
        assert [(one.host, one.status) for one in asked] == [(HOST, 307), (CDN, 200)]
        quay = http.client.HTTPSConnection(registry.url(HOST).removeprefix("https://"), context=registry.ssl_context())
        with contextlib.closing(quay):
            quay.request("GET", f"/v2/team/app/blobs/{compute_digest(LAYER)}")
            assert f'<a href="{registry.url(CDN)}/quay.io/team/app/'.encode() in quay.getresponse().read()


async def test_replicas_take_each_other_s_links(tree: Tree) -> None:
    clock = Clock()
    first, second, third = (Direct(tree, hosts(), clock, token_key=key) for key in (b"one", b"one", b"another"))
    link = await link_to(first, LAYER)
    assert [(await ask(link)).status for ask in (first, second, third)] == [200, 200, 403]
    assert await link_to(second, LAYER) == link


async def test_links_are_the_same_everywhere(tree: Tree) -> None:
    ask = Direct(tree, hosts(), Clock(), token_key=b"a key")
    unsigned = f"{CDN}/{HOST}/team/app/blobs/{compute_digest(LAYER)}?Expires=1700001200"
    key = hmac.digest(b"a key", b"links to blobs", "sha256")
    signature = base64.urlsafe_b64encode(hmac.digest(key, unsigned.encode(), "sha256")).decode().rstrip("=")
    assert await link_to(ask, LAYER) == f"https://{unsigned}&Signature={signature}"


LINKS = SignedLinks(b"key", lambda: NOW)
TARGET = LINKS.target(CDN, HOST, "team/app", "sha256:" + "ab" * 32, 60)


@given(st.integers(0, len(TARGET) - 1), st.characters(min_codepoint=33, max_codepoint=126))
def test_a_changed_character_is_refused(place: int, character: str) -> None:
    changed = TARGET[:place] + character + TARGET[place + 1 :]
    path, _, query = changed.partition("?")
    assert (LINKS.problem(CDN, path, query) is None) == (changed == TARGET)


@given(st.text(), st.text())
def test_anything_else_is_refused(path: str, query: str) -> None:
    assert LINKS.problem(CDN, f"/{path}", query) is not None


def test_a_link_is_for_one_host() -> None:
    path, _, query = TARGET.partition("?")
    assert LINKS.problem(CDN, path, query) is None
    assert LINKS.problem("cdn02.quay.io", path, query) is not None
    assert SignedLinks(b"other", lambda: NOW).problem(CDN, path, query) is not None


# Stores outside

STORE = "https://s3.example.com:443/bucket/blobs/"
AWAY = f"https://s3.example.com/bucket/blobs/sha256/{compute_digest(LAYER)[7:]}"
CREDENTIALS = "[default]\naws_access_key_id = AKIAEXAMPLE\naws_secret_access_key = s3cr3t\n"


def outside(**redirects: Any) -> dict[str, Any]:
    return {HOST: {"blobRedirects": {"store": STORE, **redirects}}}


@pytest.fixture
def thin(tree: Tree) -> Tree:
    """A tree without its small layer."""
    remove(tree, LAYER)
    return tree


@both_ways
@pytest.mark.parametrize(
    ("redirects", "method", "data", "status"),
    [
        ({}, "GET", LAYER, 307),
        ({}, "GET", CONFIG, 200),
        ({}, "GET", LARGE, 200),
        ({}, "GET", b"never pushed", 404),
        ({"minSize": 1 << 30}, "GET", LAYER, 307),
        ({"when": "always"}, "GET", CONFIG, 307),
        ({"when": "always", "minSize": 1000}, "GET", CONFIG, 200),
        ({"when": "always", "minSize": 1000}, "GET", LARGE, 307),
        ({}, "HEAD", LAYER, 200),
        ({"head": True}, "HEAD", LAYER, 307),
        ({"head": True}, "HEAD", LARGE, 200),
        ({"head": True, "when": "always"}, "HEAD", LARGE, 307),
    ],
)
async def test_what_is_in_a_store(
    thin: Tree, kind: str, redirects: dict[str, Any], method: str, data: bytes, status: int
) -> None:
    async with client(kind, thin, outside(**redirects)) as ask:
        got = await ask(blob(data), method)
    assert (got.status, "location" in got.headers) == (status, status == 307)
    if status == 307:
        assert got.location == f"https://s3.example.com/bucket/blobs/sha256/{compute_digest(data)[7:]}"
    elif (method, status) == ("HEAD", 200):
        assert got.headers["content-length"] == str(len(data))


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_whatever_a_manifest_names_may_be_there(tree: Tree, method: str) -> None:
    """Configs, too, and layers whose size no manifest says, which only the store knows."""
    old = signed_schema1([compute_digest(LAYER)])
    tree.put_manifest(HOST, "old", old, DOCKER_SCHEMA1_SIGNED, "v1")
    remove(tree, LAYER, CONFIG)
    async with client("direct", tree, outside()) as ask:
        assert (await ask(blob(LAYER, "old"), method)).location == AWAY
        got = await ask(blob(CONFIG), method)
    assert got.status == (307 if method == "GET" else 200)


async def test_naming_content_is_no_way_to_get_at_it(thin: Tree) -> None:
    ask = Direct(thin, outside(), Clock())
    push_manifest(thin, HOST, "mine", image(CONFIG, [LAYER]), OCI_MANIFEST, "v1")
    assert (await ask(blob(LAYER, "mine"))).status == 404
    assert (await ask(blob(LAYER, "mine"), "HEAD")).status == 404
    assert (await ask(blob(LAYER))).status == 307


@both_ways
async def test_urls_that_are_signed(thin: Tree, kind: str) -> None:
    async with client(kind, thin, outside(sign={"query": "sv=2022&sig=s3cr3t%3D"})) as ask:
        assert await link_to(ask, LAYER) == f"{AWAY}?sv=2022&sig=s3cr3t%3D"
        assert "s3cr3t" not in repr(list(ask.journal))
    aws = {"region": "eu-central-1", "credentials": CREDENTIALS}
    async with client(kind, thin, outside(sign={"aws": aws}, head=True, expires="5m")) as ask:
        first = await link_to(ask, LAYER)
        parameters = dict(parse_qsl(first.partition("?")[2]))
        assert first.startswith(f"{AWAY}?")
        assert parameters["X-Amz-Credential"] == "AKIAEXAMPLE/20231114/eu-central-1/s3/aws4_request"
        assert (parameters["X-Amz-Date"], parameters["X-Amz-Expires"]) == ("20231114T221320Z", "300")
        assert await link_to(ask, LAYER) == first
        assert (await ask(blob(LAYER), "HEAD")).location != first  # the method is signed, too
        ask.clock.now += 1
        assert await link_to(ask, LAYER) != first
        assert "AKIA" not in repr(list(ask.journal))


@pytest.mark.parametrize(
    ("redirects", "problem"),
    [
        (
            {"host": "cdn.example.com"},
            "'cdn.example.com' is not among the hosts; expected one of the hosts, where it may",
        ),
        ({"host": CDN, "status": 301}, "Invalid enum value 301"),
        ({"host": CDN, "expires": "soon"}, "'soon' is no duration"),
        ({"host": CDN, "minSize": -1}, "Expected `int` >= 0"),
        ({}, "Expected one of `host`, `store`"),
        ({"host": CDN, "store": STORE}, "Expected one of `host`, `store`"),
        ({"host": CDN, "when": "always"}, "Expected `when` and `sign` only with `store`"),
        ({"host": CDN, "sign": {"query": "a=b"}}, "Expected `when` and `sign` only with `store`"),
        *(
            (
                {"store": store},
                "Expected `store` to be a URL without query, such as https://s3.example.com/bucket/blobs",
            )
            for store in (
                "s3://bucket",
                "s3.example.com",
                "https://",
                "https://me:secret@s3.example.com",
                "https://s3.example.com/?a=b",
                "https://s3.example.com:99999/",
                "https://s3.example.com/\r\nX: y",
            )
        ),
        ({"store": STORE, "sign": {}}, "Expected one of `query`, `aws`"),
        ({"store": STORE, "sign": {"aws": {}}}, "Expected one of `credentials`, `environment`"),
        (
            {"store": STORE, "sign": {"aws": {"credentials": "keys"}}},
            "blobRedirects.sign.aws.credentials: not a credent",
        ),
        (
            {"store": STORE, "sign": {"aws": {"environment": {"accessKeyId": "NO_SUCH_KEY"}}}},
            "blobRedirects.sign.aws.environment.accessKeyId: the variable NO_SUCH_KEY is not set",
        ),
        (
            {"store": STORE, "expires": "500ms", "sign": {"aws": {"credentials": CREDENTIALS}}},
            "Expected `expires` to be a second or more with `sign.aws`",
        ),
    ],
)
def test_what_cannot_be(redirects: dict[str, Any], problem: str) -> None:
    with pytest.raises(UsageError, match=re.escape(problem)) as raised:
        FakeRegistry(hosts={HOST: {"blobRedirects": redirects}, CDN: {}})
    assert "s3cr3t" not in str(raised.value)


def test_files_beside_a_configuration(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "keys").write_text(CREDENTIALS)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("KEY", "AKIAENV")
    monkeypatch.setenv("SECRET", "from-env")
    signs = {
        "a.example.com": "{aws: {credentials: keys}}",
        "b.example.com": "{aws: {credentials: ~/keys}}",
        "c.example.com": "{aws: {environment: {accessKeyId: KEY, secretAccessKey: SECRET}}}",
    }
    hosts = [f"  {name}: {{blobRedirects: {{store: '{STORE}', sign: {sign}}}}}\n" for name, sign in signs.items()]
    config = tmp_path / "config/config.yaml"
    config.parent.mkdir()
    config.write_text("hosts:\n" + "".join(hosts))
    (config.parent / "keys").write_text(CREDENTIALS.replace("AKIAEXAMPLE", "AKIABESIDE"))
    found = load_config(config).hosts
    assert found is not None
    assert [signing_key(found[name]) for name in signs] == ["AKIABESIDE", "AKIAEXAMPLE", "AKIAENV"]
    # as workers and scenarios get it, too
    assert msgspec.json.decode(msgspec.json.encode(found), type=Hosts) == found
    assert "s3cr3t" not in repr(found)


def signing_key(host: Host) -> str:
    """The access key that URLs of a host are signed with."""
    assert host.blob_redirects is not None
    assert host.blob_redirects.sign is not None
    assert host.blob_redirects.sign.aws is not None
    return signing_credentials(host.blob_redirects.sign.aws).access_key

"""Copies under the conditions that users have: platforms, certificates, proxies, mirrors, interrupted runs, lists."""

from __future__ import annotations

import json
from pathlib import Path

import msgspec
import pytest
from support.registry import HOST, describe, image, put_image
from support.seeding import upstream
from yarl import URL

from fake_registry.config import Auth, Fault, FaultAction, FaultMatch, Host, Route
from fake_registry.fixtures import Tree, verify
from fake_registry.oci import OCI_INDEX, OCI_MANIFEST, Index, Platform, compute_digest
from fake_registry.tls import CertificateAuthority
from mirror.errors import InputError
from mirror.seed.platforms import parse_platforms
from mirror.seed.pull_sources import PullSources, load_pull_sources
from mirror.seed.remote.credentials import Login
from mirror.seed.remote.network import Network
from mirror.seed.remote.proxies import Proxies
from mirror.seed.sources import Source, parse_source, read_digest_list

LARGE = bytes(range(256)) * 12_000
PLATFORMS = ["linux/amd64", "linux/arm64/v8", "linux/arm/v6", "linux/arm/v7", "windows/amd64"]


def put_multi(tree: Tree, tag: str = "multi") -> dict[str, str]:
    """An index with an image for each platform, and what BuildKit attests of each; the digests by platform."""
    entries, digests = [], {}
    for name in PLATFORMS:
        config, layer = json.dumps({"of": name}).encode(), f"layer of {name}".encode()
        os, architecture, *variant = name.split("/")
        child = image(config, [layer])
        platform = Platform(os=os, architecture=architecture, variant="".join(variant))
        entries.append(describe(child, OCI_MANIFEST, platform=platform))
        digests[name] = compute_digest(child)
        proof = image(json.dumps({"attests": name}).encode(), [b"proof of " + name.encode()])
        annotations = {
            "vnd.docker.reference.digest": digests[name],
            "vnd.docker.reference.type": "attestation-manifest",
        }
        unknown = Platform(os="unknown", architecture="unknown")
        entries.append(describe(proof, OCI_MANIFEST, platform=unknown, annotations=annotations))
        for blob in (config, layer, child, json.dumps({"attests": name}).encode(), b"proof of " + name.encode(), proof):
            tree.put_blob(blob)
    data = msgspec.json.encode(Index(schema_version=2, media_type=OCI_INDEX, manifests=entries))
    tree.put_manifest(HOST, "app", data, OCI_INDEX, tag)
    return digests


@pytest.fixture
def origin(tmp_path: Path) -> Tree:
    tree = Tree.open(tmp_path / "origin", create=True)
    put_image(tree, "app", "1.0", b'{"os":"linux"}', [b"base", LARGE])
    return tree


def has(tree: Path, digest: str) -> bool:
    return (tree / "blobs" / Path(*digest.split(":"))).exists()


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        ("linux/amd64", ["linux/amd64"]),
        ("linux/arm64", ["linux/arm64/v8"]),
        ("linux/arm64/v8,windows/amd64", ["linux/arm64/v8", "windows/amd64"]),
        ("linux/arm", ["linux/arm/v6", "linux/arm/v7"]),
        ("linux/arm/v7", ["linux/arm/v7"]),
        ("linux/amd64, linux/s390x", ["linux/amd64"]),
    ],
)
async def test_an_index_stays_whole_when_platforms_are_left_out(
    origin: Tree, tmp_path: Path, wanted: str, expected: list[str]
) -> None:
    digests = put_multi(origin)
    target = tmp_path / "target"
    platforms = parse_platforms([wanted])
    async with upstream(origin) as registry:
        summary = await registry.copy(target, f"{HOST}/app:multi", platforms=platforms)
        assert summary.copied == 1
        before = len(registry.journal)
        again = await registry.copy(target, f"{HOST}/app:multi", platforms=platforms)
        assert (again.unchanged, len(registry.journal) - before) == (1, 1)
    assert [name for name in PLATFORMS if has(target, digests[name])] == expected
    for name in PLATFORMS:
        assert has(target, compute_digest(b"proof of " + name.encode())) == (name in expected)
    snapshot, source = Tree.open(target).snapshot(HOST, "app"), origin.snapshot(HOST, "app")
    assert snapshot is not None
    assert source is not None
    assert snapshot.tags["multi"].digest == source.tags["multi"].digest


async def test_more_platforms_come_later(origin: Tree, tmp_path: Path) -> None:
    digests = put_multi(origin)
    target = tmp_path / "target"
    async with upstream(origin) as registry:
        await registry.copy(target, f"{HOST}/app:multi", platforms=parse_platforms(["linux/amd64"]))
        rest = await registry.copy(target, f"{HOST}/app:multi")
        assert rest.copied == 1
        blobs = registry.asked("blob")
        assert len(blobs) == len(set(blobs))
    assert all(has(target, digest) for digest in digests.values())
    assert [str(one) for one in verify(Tree.open(target))] == []


async def test_an_index_without_the_platform_fails(origin: Tree, tmp_path: Path) -> None:
    put_multi(origin)
    async with upstream(origin) as registry:
        platforms = parse_platforms(["linux/s390x"])
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app:multi", f"{HOST}/app:1.0", platforms=platforms)
    reasons = {one.image: one.reason for one in summary.images}
    assert reasons[f"{HOST}/app:1.0"] == ""  # no index: nothing to choose from
    names = ", ".join(dict.fromkeys(part for name in PLATFORMS for part in (name, "unknown/unknown")))
    assert reasons[f"{HOST}/app:multi"] == f"nothing for linux/s390x; its index has {names}"


@pytest.mark.parametrize("text", ["linux", "linux/", "a/b/c/d", "", "linux/amd64,,"])
def test_what_is_no_platform(text: str) -> None:
    with pytest.raises(InputError, match=r"--platform: .*: expected OS/ARCHITECTURE"):
        parse_platforms([text])


# Certificates and clear text


@pytest.mark.parametrize(
    ("scheme", "reach", "problem"),
    [
        ("https", {}, ""),
        ("https", {"ca": None}, "certificate: "),
        ("https", {"ca": CertificateAuthority.create().ca_pem}, "; --ca names an authority to trust"),
        ("https", {"ca": None, "insecure": True}, ""),
        ("selfsigned", {}, "certificate: "),
        ("selfsigned", {"insecure": True}, ""),
        ("http", {}, "TLS: "),
        ("http", {"insecure": True}, ""),
    ],
)
async def test_what_insecure_allows(
    origin: Tree, tmp_path: Path, scheme: str, reach: dict[str, object], problem: str
) -> None:
    async with upstream(origin, hosts={HOST: Host(scheme=scheme)}) as registry:  # type: ignore[arg-type]
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app:1.0", reach=reach)
    assert summary.copied == (0 if problem else 1)
    assert problem in summary.images[0].reason


def test_an_authority_has_to_be_one() -> None:
    with pytest.raises(InputError, match="--ca: no certificates in PEM format"):
        Network(ca=b"nothing")


async def test_passwords_are_not_sent_in_clear_text(origin: Tree, tmp_path: Path) -> None:
    challenge = {"WWW-Authenticate": 'Bearer realm="http://quay.io/token",service="quay.io"'}
    route = Route(path="/v2/app/manifests/1.0", method="*", status=401, headers=challenge)
    login = {HOST: Login("me", "secret")}
    async with upstream(origin, hosts={HOST: Host(routes=[route])}) as registry:
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app:1.0", logins=login)
        assert "would get the password in clear text; --insecure allows that" in summary.images[0].reason
        assert len(registry.journal) == 1


async def test_logins_stay_with_the_registry_that_they_are_for(origin: Tree, tmp_path: Path) -> None:
    elsewhere = {"Location": "https://cdn.example.com/v2/app/manifests/1.0"}
    route = Route(path="/v2/app/manifests/1.0", method="*", status=307, headers=elsewhere)
    auth = Auth(type="basic", username="me", password="secret")
    hosts = {HOST: Host(auth=auth, routes=[route]), "cdn.example.com": Host(auth=auth)}
    async with upstream(origin, hosts=hosts) as registry:
        login = {HOST: Login("me", "secret")}
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app:1.0", logins=login, referrers="none")
        asked = [(entry.host, entry.status, bool(entry.authorization)) for entry in registry.journal]
    # who is elsewhere cannot ask for them either, be it in the name of the registry
    assert asked == [(HOST, 307, False), ("cdn.example.com", 401, False)]
    assert "(by a redirect to https://cdn.example.com): 401 UNAUTHORIZED" in summary.images[0].reason


@pytest.mark.parametrize(
    ("location", "problem"),
    [
        ("http://quay.io/x", "leads from https to http; --insecure allows http"),
        ("file:///etc/passwd", "which is no URL"),
        ("/v2/app/manifests/1.0", "more than 10 redirects"),
        ("https://[", "which is no URL"),
    ],
)
async def test_redirects_that_lead_nowhere(origin: Tree, tmp_path: Path, location: str, problem: str) -> None:
    route = Route(path="/v2/app/manifests/1.0", status=302, headers={"Location": location})
    async with upstream(origin, hosts={HOST: Host(routes=[route])}) as registry:
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app:1.0")
        assert len(registry.journal) <= 11
    assert problem in summary.images[0].reason


# Proxies and mirrors


async def test_a_proxy_is_asked_for_what_lies_outside(origin: Tree, tmp_path: Path) -> None:
    async with upstream(origin) as registry:
        proxy = "http://{}:{}".format(*registry.address)
        reach = {"connect": None, "proxies": Proxies({"HTTPS_PROXY": proxy})}
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app:1.0", reach=reach)
        assert {entry.host for entry in registry.journal} == {HOST}
    assert summary.copied == 1


PROXIES = {"HTTP_PROXY": "http://plain:3128", "https_proxy": "tls:3129", "NO_PROXY": "", "HTTPS_PROXY": "http://not"}


@pytest.mark.parametrize(
    ("exceptions", "url", "expected"),
    [
        ("", "https://quay.io/v2/", "http://tls:3129"),
        ("", "http://quay.io/v2/", "http://plain:3128"),
        ("", "https://localhost:5000/", None),
        ("", "https://127.0.0.7/", None),
        ("", "https://[::1]/", None),
        ("quay.io", "https://quay.io/", None),
        ("quay.io", "https://cdn.quay.io/", None),
        (".quay.io", "https://quay.io/", "http://tls:3129"),
        (".quay.io", "https://cdn.quay.io/", None),
        ("*.quay.io", "https://cdn.quay.io/", None),
        ("ay.io", "https://quay.io/", "http://tls:3129"),
        ("a, QUAY.io ,b", "https://quay.io/", None),
        ("*", "https://quay.io/", None),
        ("quay.io:443", "https://quay.io/", None),
        ("quay.io:443", "https://quay.io:8443/", "http://tls:3129"),
        ("10.0.0.0/8", "https://10.1.2.3/", None),
        ("10.0.0.0/8", "https://11.1.2.3/", "http://tls:3129"),
        ("10.1.2.3", "https://10.1.2.3:5000/", None),
        ("[fd00::1]:5000", "https://[fd00::1]:5000/", None),
        ("fd00::/8", "https://[fd00::1]/", None),
        ("/,10.0.0.0/99", "https://10.1.2.3/", "http://tls:3129"),
    ],
)
def test_which_proxy_is_asked(exceptions: str, url: str, expected: str | None) -> None:
    proxies = Proxies(PROXIES | {"NO_PROXY": exceptions})
    found = proxies.proxy(URL(url))
    assert (None if found is None else str(found)) == expected


def test_a_proxy_has_to_be_one() -> None:
    assert Proxies({}).proxy(URL("https://quay.io")) is None
    assert Proxies({"HTTP_PROXY": "http://x", "REQUEST_METHOD": "GET"}).proxy(URL("http://quay.io")) is None
    for text in ("socks5://x", "http://", "http://["):
        with pytest.raises(InputError, match=r"HTTPS_PROXY: .* is not the URL of an HTTP proxy"):
            Proxies({"https_proxy": text}).proxy(URL("https://quay.io"))


def configured(tmp_path: Path, text: str) -> PullSources:
    path = tmp_path / "registries.conf"
    path.write_text(text)
    return load_pull_sources({"CONTAINERS_REGISTRIES_CONF": str(path)}, tmp_path)


MIRRORED = '[[registry]]\nlocation = "example.com/team"\n[[registry.mirror]]\nlocation = "quay.io"\n'


async def test_a_mirror_is_asked_first(origin: Tree, tmp_path: Path) -> None:
    origin.put_manifest("example.com", "team/own", image(b'{"os":"linux"}', [b"base"]), OCI_MANIFEST, "1")
    target = tmp_path / "target"
    async with upstream(origin, hosts={HOST: Host(), "example.com": Host()}) as registry:
        reach = {"sources": configured(tmp_path, MIRRORED)}
        summary = await registry.copy(target, "example.com/team/app", "example.com/team/own:1", reach=reach)
        hosts = [entry.host for entry in registry.journal if "/app/" in entry.target]
        assert set(hosts) == {HOST}
    assert {one.image: one.reason for one in summary.images} == {
        "example.com/team/app:1.0": "",
        "example.com/team/own:1": "",
    }
    assert Tree.open(target).repositories("example.com") == ["team/app", "team/own"]


async def test_every_place_says_why_not(origin: Tree, tmp_path: Path) -> None:
    async with upstream(origin, hosts={HOST: Host(), "example.com": Host()}) as registry:
        reach = {"sources": configured(tmp_path, MIRRORED)}
        summary = await registry.copy(tmp_path / "target", "example.com/team/none:1", reach=reach)
    assert summary.images[0].reason == (
        "GET https://quay.io/v2/none/manifests/1: 404 NAME_UNKNOWN: repository name not known to registry; "
        "GET https://example.com/v2/team/none/manifests/1: 404 NAME_UNKNOWN: repository name not known to registry"
    )


# Again and again


async def test_the_next_run_goes_on_inside_a_blob(origin: Tree, tmp_path: Path) -> None:
    digest = compute_digest(LARGE)
    stop = Fault(match=FaultMatch(kind="blob", digest=digest), action=FaultAction(cut=1_000_000), times=1)
    broken = Fault(match=FaultMatch(kind="blob", digest=digest), action=FaultAction(status=404), times=1)
    async with upstream(origin, [stop, broken]) as registry:
        first = await registry.copy(tmp_path / "target", f"{HOST}/app:1.0")
        second = await registry.copy(tmp_path / "target", f"{HOST}/app:1.0")
        answers = [entry.status for entry in registry.journal if entry.target.endswith(digest)]
    assert (first.failed, second.copied) == (1, 1)
    assert answers == [200, 404, 206]
    assert [str(one) for one in verify(Tree.open(tmp_path / "target"))] == []


async def test_what_an_earlier_run_left_damaged_comes_again(origin: Tree, tmp_path: Path) -> None:
    digest = compute_digest(LARGE)
    target = tmp_path / "target"
    async with upstream(
        origin, [Fault(match=FaultMatch(digest=digest), action=FaultAction(status=404), times=1)]
    ) as registry:
        await registry.copy(target, f"{HOST}/app:1.0")
        (left,) = target.rglob(f"download.sha256.{digest.partition(':')[2]}")
        left.write_bytes(bytes(1000) + LARGE[1000:2_000_000])
        summary = await registry.copy(target, f"{HOST}/app:1.0")
    assert summary.copied == 1
    assert not left.exists()
    assert [str(one) for one in verify(Tree.open(target))] == []


async def test_a_summary_says_what_to_ask_for_next_time(origin: Tree, tmp_path: Path) -> None:
    put_multi(origin)
    async with upstream(origin) as registry:
        summary = await registry.copy(tmp_path / "target", f"{HOST}/app")
        listed = tmp_path / "summary.json"
        listed.write_bytes(msgspec.json.encode(summary))
        before = len(registry.journal)
        again = await registry.copy(tmp_path / "target", *map(str, read_digest_list(listed)))
        assert (again.unchanged, len(registry.journal)) == (2, before)


@pytest.mark.parametrize("tags", [100, pytest.param(1000, marks=pytest.mark.slow)])
async def test_many_tags_cost_a_head_each_or_nothing(origin: Tree, tmp_path: Path, tags: int) -> None:
    repository = origin.snapshot(HOST, "app")
    assert repository is not None
    data = repository.read_manifest(repository.tags["1.0"])
    assert data is not None
    origin.put_manifest(HOST, "app", data, OCI_MANIFEST, [f"v{number}" for number in range(tags - 1)])
    async with upstream(origin) as registry:
        await registry.copy(tmp_path / "target", f"{HOST}/app", metadata_only=True)
        before = len(registry.journal)
        again = await registry.copy(tmp_path / "target", f"{HOST}/app", metadata_only=True)
        asked = [(entry.method, entry.kind) for entry in registry.journal[before:]]
        assert (again.unchanged, asked.count(("HEAD", "manifest"))) == (tags, tags)
        assert len(asked) == tags + 1
        before = len(registry.journal)
        by_digest = [f"{one.image}@{one.digest}" for one in again.images]
        none = await registry.copy(tmp_path / "target", *by_digest, metadata_only=True)
        assert (none.unchanged, len(registry.journal)) == (tags, before)


DIGEST = "sha256:" + "1" * 64


def test_lists_of_digests(tmp_path: Path) -> None:
    path = tmp_path / "list"
    path.write_text(f"# comment\nquay.io/app:1@{DIGEST} # one\n\nnginx@{DIGEST}\n")
    assert read_digest_list(path) == [
        Source("quay.io", "app", "1", DIGEST),
        Source("docker.io", "library/nginx", "", DIGEST),
    ]
    path.write_text(json.dumps({"images": [{"image": "quay.io/a:1", "digest": DIGEST}, {"image": "quay.io/b:1"}]}))
    assert read_digest_list(path) == [Source("quay.io", "a", "1", DIGEST)]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("quay.io/app:1\n", "line 1: quay.io/app:1: expected a digest behind the image"),
        ("\nUPPER@x\n", "line 2: UPPER@x: "),
        ('{"images": 3}', "Expected `array`"),
        ("\xff\xfe", "neither text nor a document"),
    ],
)
def test_lists_that_are_none(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "list"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError) as raised:
        read_digest_list(path)
    assert str(raised.value).startswith(f"{path}: {problem}")


@pytest.mark.parametrize("text", ["", "quay.io", "quay.io/app:", "quay.io/app@sha256:12", "quay.io/blobs:1", "a b"])
def test_what_is_no_source(text: str) -> None:
    with pytest.raises(InputError):
        parse_source(text)

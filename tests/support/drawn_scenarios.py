"""Scenarios drawn at random: hosts of every kind, odd policies, good and bad imports. The same seed draws the same.

What is drawn is a `mirror.scenario.Scenario`, so that one that shows a bug can be written down and played by
``ismirror scenario run``.
"""

from __future__ import annotations

import base64
import json
import random
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from fake_registry.config import Auth, Host, Route
from fake_registry.fixtures import Tree
from mirror.config import ClusterConfig
from mirror.importer.allowed import AllowedRegistry
from mirror.scenario import Scenario, Step

GROUP: Final = "/apis/image.openshift.io/v1/namespaces"

HOSTS: Final = (
    "quay.io",
    "docker.io",
    "mirror.example.com",
    "mirror2.example.com:5000",
    "plain.example.com:5000",
    "private.example.com",
    "basic.example.com",
    "registry.example.com",
    "selfsigned.example.com",
    "selfsigned.example.com:8443",
    "down.example.com",
    "odd.example.com",
    "127.0.0.1:5000",
    "localhost:5000",
)
UNLISTED: Final = (
    "nowhere.example.com",
    "nowhere.example.com:5000",
    "localhost",
    "192.0.2.7",
    "10.0.0.1:5000",
    "quay.io:443",
    "quay.io:00443",
    "quay.io:80",
    "quay.io:99999",
    "plain.example.com",
    "QUAY.io",
    "index.docker.io",
    "registry-1.docker.io",
    "under_score.example.com",
    "1.2.3",
    "x" * 64 + ".example.com",
)
REPOSITORIES: Final = (
    "app/web",
    "app/many",
    "app/multi",
    "app/oci",
    "app/ociindex",
    "app/broken",
    "app/partly",
    "app/shapes",
    "app/artifact",
    "app/untagged",
    "app/few",
    "app",
    "secret/app",
    "library/nginx",
    "nginx",
    "bitnami/redis",
    "quay/app/web",
    "team/sub/group/app",
    "no/such/repository",
    "App/Web",
    "a__b/c--d/e.f",
    "a_/b",
    "-app/web",
    "app//web",
    "app/blobs",
    "app/index.json",
    "v2/app/manifests",
    "x" * 260,
)
SCRIPTED: Final = ("app/web", "app/web", "app", "library/nginx")
"""Repositories that scripted answers are about."""

TAGS: Final = (
    "latest",
    "1.0",
    "1.0.0",
    "2.0.0",
    "v1",
    "v2.0",
    "3",
    "index",
    "good",
    "nope",
    "_x",
    "-bad",
    "",
    "T" * 128,
    "T" * 129,
    "schema1",
    "nested",
    "dev",
)
DIGESTS: Final = (
    "sha256:" + "0" * 64,
    "sha256:" + "A" * 64,
    "sha256:" + "a" * 63,
    "sha256:" + "a" * 31,
    "sha512:" + "a" * 128,
    "sha384:" + "b" * 96,
    "md5:" + "c" * 32,
    "tarsum+sha256:" + "d" * 64,
    "sha256:",
)
MEDIA_TYPES: Final = (
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
    "application/vnd.docker.distribution.manifest.v1+prettyjws",
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/json; charset=utf-8",
    "text/html",
    "not a media type",
    'a/b; c="d',
    "",
)
CHALLENGES: Final = (
    'Bearer realm="https://private.example.com/token",service="private.example.com"',
    'Bearer realm="https://odd.example.com/token",service="x",scope="repository:app/web:pull"',
    'Bearer realm="https://nowhere.example.com/token"',
    'Bearer realm="/relative"',
    'Bearer realm="ftp://odd.example.com/token"',
    "Bearer",
    'Basic realm="x"',
    'Basic realm="x", Bearer realm="https://odd.example.com/token"',
    'Digest realm="x"',
    'Bearer realm="https://odd.example.com/token" service=x',
    'bearer REALM="https://odd.example.com/tok%65n?a=b"',
    'Bearer realm="http://[::1"',
    'Bearer realm="https://odd.example.com/token?a=1;b=2&c=%zz&d=ü"',
    'Bearer realm="https://"',
    'Bearer realm="https://me:pass@private.example.com/token"',
    'Bearer realm="http://plain.example.com:5000/token",error="invalid_token"',
    "é",
)
LOCATIONS: Final = (
    "/v2/",
    "https://quay.io/v2/",
    "http://plain.example.com:5000/v2/app/manifests/latest",
    "https://nowhere.example.com/",
    "relative",
    "//quay.io/v2/app/web/manifests/latest",
    "ftp://quay.io/",
    "https://",
    "http://[::1",
    "",
    "?x=1",
    "#fragment",
    "/v2/app/../app/web/manifests/%zz",
    "/v2/ünï/<>?ü=<",
    "http://quay.io:port/",
    "mailto:me@example.com",
    "https://me:pass@private.example.com/v2/secret/app/manifests/latest",
    "https://me@quay.io/v2/app/web/manifests/latest",
    "https://127.0.0.1:5000/v2/",
    "http://localhost:5000/v2/",
    "https://[::1]:5000/v2/",
    "https://a b/",
    "https://" + "x" * 64 + ".example.com/",
    "https://ünï.example.com/",
    "https://quay.io./v2/",
    "http://down.example.com",
)
LINKS: Final = (
    '</v2/app/web/tags/list?last=1.0&n=2>; rel="next"',
    '<https://quay.io/v2/app/many/tags/list>; rel="next"',
    '</v2/app/web/tags/list>; rel="next"',
    "relative",
    "<>",
    "; ;",
    "<ftp://quay.io/>",
    "<http://[::1>",
    "<//mirror.example.com/v2/quay/app/web/tags/list>",
    "<?last=1.0>",
    "<%zz>",
    "<https://nowhere.example.com>",
)
SMALL_MANIFEST: Final = (
    '{"schemaVersion":2,"mediaType":"application/vnd.docker.distribution.manifest.v2+json","config":'
    '{"mediaType":"application/vnd.docker.container.image.v1+json","size":2,"digest":"sha256:44136fa355b3678a1146ad16'
    'f7e8649e94fb4fc21fe77e8310c060f61caaff8a"},"layers":[]}'
)
BODIES: Final = (
    "",
    "null",
    "{}",
    "[]",
    "true",
    "<html>not found</html>",
    "page\nnot found\t\x01 ünï \u2028",
    '{"errors":[]}',
    '{"errors":null}',
    '{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}',
    '{"errors":[{"code":"NAME_UNKNOWN","message":"no <such> name"}]}',
    '{"errors":[{"code":"UNAUTHORIZED","message":"authentication required"},{"code":"DENIED"}]}',
    '{"errors":[{"code":"TOOMANYREQUESTS","message":"slow down"}]}',
    '{"errors":[{"code":"UNAVAILABLE","message":"later"}]}',
    '{"errors":[{"code":"WHATEVER","message":"odd","detail":[1,"two",null]}]}',
    '{"errors":[{"code":12}]}',
    '{"errors":[{"code":"DENIED","message":"no"},{"code":"DENIED","message":"no"}]}',
    '{"errors":"text"}',
    '{"details":"no way"}',
    '{"token":"abc"}',
    '{"access_token":"abc","expires_in":1,"issued_at":"2026-01-01T00:00:00Z"}',
    '{"token":"","expires_in":"soon"}',
    '{"token":"a\\nb"}',
    '{"token":"ünï"}',
    '{"name":"app/web","tags":["1.0","latest","1.0"]}',
    '{"name":"app/web","tags":["bad tag","","-x","ok","x' + "y" * 130 + '"]}',
    '{"tags":null}',
    '{"tags":[1]}',
    '{"tags":"latest"}',
    '{"schemaVersion":2}',
    '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
    SMALL_MANIFEST,
    '{"schemaVersion":1,"name":"app","tag":"x","fsLayers":[],"history":[]}',
    '{"schemaVersion":2,"manifests":[{"digest":"sha256:' + "0" * 64 + '","size":-1}]}',
    '{"a":1}}',
    "{" * 40,
    '{"a":' * 2000 + "1" + "}" * 2000,
    '{"errors":' + "[" * 10001,
    '{"tags":' + "[" * 3000 + "]" * 3000 + "}",
    '{"schemaVersion":2,"x":' + "[" * 3000 + "]" * 3000 + "}",
    "x" * 5000,
)
STATUSES: Final = (200, 200, 200, 201, 204, 206, 300, 301, 302, 303, 304, 307, 308, 400, 401, 401, 401, 403, 404)
MORE_STATUSES: Final = (404, 405, 406, 416, 418, 429, 429, 431, 451, 500, 501, 502, 503, 504, 505, 520, 599)
MODES: Final = ("Legacy", "PreserveOriginal", "", "Other", "legacy")
NAMES: Final = ("app", "web", "app", "web", "app", "a.b", "App", "a/b", "", ".", "..", "a b", "x" * 254, "über", "%41")
TAG_NAMES: Final = ("latest", "v1", "v2", "v3", "1.0", "old")
TO_NAMES: Final = ("latest", "v1", "1.0", "stable", "bad/tag", "*", "", "a b", "ü", "x" * 200, "a:b")


class Place(NamedTuple):
    """A repository, and what is in it."""

    name: str
    tags: list[str]
    digests: list[str]


def places(tree: Tree) -> list[Place]:
    """All repositories of a tree that can be asked for something."""
    found = []
    for host in tree.hosts():
        for repository in tree.repositories(host):
            snapshot = tree.snapshot(host, repository)
            assert snapshot is not None
            digests = sorted({descriptor.digest for descriptor in snapshot.manifests()})
            found.append(Place(f"{host}/{repository}", list(snapshot.tag_names), digests))
    return found


def draw_hosts(rng: random.Random) -> dict[str, Host]:
    """Hosts of every scheme; some with authentication, small pages or scripted answers."""
    # Answers that run out or hang up make every exchange wait for the one before: only some may.
    may_order = rng.random() < 0.4
    hosts = {}
    for name in HOSTS:
        if rng.random() < 0.1:
            continue
        usual = "http" if name.startswith("plain") else "selfsigned" if name.startswith("selfsigned") else "https"
        scheme = "down" if name.startswith("down") else usual
        if rng.random() < 0.2:
            scheme = rng.choice(("https", "http", "selfsigned", "down"))
        auth = None
        if name.startswith(("private", "basic")) or rng.random() < 0.1:
            auth = Auth(
                type="bearer" if name.startswith("private") else rng.choice(("basic", "bearer")),
                username=rng.choice(("me", "me", "me", "", "ünï")),
                password=rng.choice(("pass", "pass", "pass", "", "pä:ss")),
                anonymous=rng.random() < 0.4,
            )
        routes = []
        if name.startswith("odd") or rng.random() < 0.2:
            routes = [_route(rng, may_order=may_order) for _ in range(rng.randint(1, 6))]
        page = rng.choice((None, None, None, 1, 2, 5))
        hosts[name] = Host(scheme=scheme, auth=auth, page=page, routes=routes)  # type: ignore[arg-type]
    return hosts


def _route(rng: random.Random, *, may_order: bool) -> Route:
    repository = rng.choice(SCRIPTED)
    path = rng.choice(
        (
            "/v2/",
            "/token",
            "/token?account=me&scope=repository%3Aapp%2Fweb%3Apull&service=x",
            f"/v2/{repository}/tags/list",
            f"/v2/{repository}/manifests/latest",
            f"/v2/{repository}/manifests/latest",
            f"/v2/{repository}/manifests/v1",
            "/v2/app/web/tags/list?last=1.0&n=2",
            "/v2/app/web/blobs/sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        )
    )
    body = rng.choice(BODIES)
    return Route(
        method=rng.choice(("GET", "GET", "*", "HEAD", "get")),
        path=path,
        status=rng.choice(STATUSES + MORE_STATUSES),
        headers=_route_headers(rng, body),
        body=body,
        times=rng.choice((-1, 1, 2, 0)) if may_order else -1,
        close=may_order and rng.random() < 0.15,
    )


def _route_headers(rng: random.Random, body: str) -> dict[str, str]:
    length = len(body.encode())
    possible = {
        "Content-Type": lambda: rng.choice(MEDIA_TYPES),
        "Www-Authenticate": lambda: rng.choice(CHALLENGES),
        "Location": lambda: rng.choice(LOCATIONS),
        "Link": lambda: rng.choice(LINKS),
        "Docker-Content-Digest": lambda: rng.choice(DIGESTS),
        "docker-distribution-api-version": lambda: rng.choice(("registry/2.0", "", "  ", "x")),
        "Content-Encoding": lambda: rng.choice(("gzip", "deflate", "identity", "GZIP", "br")),
        "Retry-After": lambda: "1",
        "X-Odd": lambda: rng.choice(("é", "a\nb: c", "a\rb", "\t x ", "a\x01b", "x" * 9000)),
        "Content-Length": lambda: str(rng.choice((length, 0, max(length - 3, 0), length + 4, "x"))),
        "Connection": lambda: rng.choice(("close", "keep-alive")),
        "Transfer-Encoding": lambda: "chunked",
        "bad name": lambda: "x",
        "Set-Cookie": lambda: "a=b",
    }
    weights = (6, 5, 5, 3, 1, 3, 1, 1, 1, 1, 1, 1, 1, 1)
    chosen = rng.choices(list(possible), weights, k=rng.randint(0, 3))
    return {name: possible[name]() for name in chosen}


def draw_scenario(rng: random.Random, hosts: dict[str, Host], existing: Sequence[Place]) -> Scenario:
    """A cluster and some requests to it, many of which are about what is `existing`."""
    return Scenario(cluster=_cluster(rng), hosts=hosts, steps=_Steps(rng, existing).draw())


def draw_stream(rng: random.Random, name: str, existing: Sequence[Place]) -> dict[str, Any]:
    """An image stream: tags that follow images, with policies and annotations, or each other; and a repository."""
    return _Steps(rng, existing).stream(name)


def _cluster(rng: random.Random) -> ClusterConfig:
    def scopes(chance: float) -> list[str]:
        return [_scope(rng) for _ in range(rng.randint(1, 3))] if rng.random() < chance else []

    def mirrors(kind: str) -> list[dict[str, Any]]:
        return [_mirror_object(rng, kind, index) for index in range(rng.choice((0, 0, 0, 1, 2)))]

    return ClusterConfig(
        maxImagesBulkImportedPerRepository=rng.choice((50, 50, 3, 1, 0, -1, -2, 7)),
        allowedRegistriesForImport=[
            AllowedRegistry(
                domain_name=rng.choice((*HOSTS, "*.example.com", "*", "*:*", "?uay.io", "")),
                insecure=rng.random() < 0.4,
            )
            for _ in range(rng.choice((0,) * 8 + (1, 2, 6)))
        ],
        denyCreateImages=rng.random() < 0.15,
        insecureRegistries=scopes(0.3),
        blockedRegistries=scopes(0.15),
        icsp=mirrors("icsp"),
        idms=mirrors("idms"),
        itms=mirrors("itms"),
        secrets=[_secret(rng, index) for index in range(rng.choice((0, 0, 1, 1, 2)))],
        imageStreamImportMode=rng.choice(("Legacy", "Legacy", "PreserveOriginal", "")),
        architecture=rng.choice(("amd64", "amd64", "arm64", "s390x", "odd")),
        pace="real" if rng.random() < 0.1 else "none",
        externalRegistryHostnames=rng.choice(([], [], ["registry.apps.example.com"])),
    )


def _scope(rng: random.Random) -> str:
    host = rng.choice(HOSTS)
    return rng.choice(
        (host, host, host, f"{host}/app", f"{host}/app/web", "*.example.com", "docker.io/library", "", "Bad Scope", "*")
    )


def _mirror_object(rng: random.Random, kind: str, index: int) -> dict[str, Any]:
    field, name, version = {
        "icsp": ("repositoryDigestMirrors", "ImageContentSourcePolicy", "operator.openshift.io/v1alpha1"),
        "idms": ("imageDigestMirrors", "ImageDigestMirrorSet", "config.openshift.io/v1"),
        "itms": ("imageTagMirrors", "ImageTagMirrorSet", "config.openshift.io/v1"),
    }[kind]
    sets = []
    for _ in range(rng.randint(1, 3)):
        one: dict[str, Any] = {"source": _scope(rng)}
        one["mirrors"] = [
            rng.choice(
                (*HOSTS, "mirror.example.com/quay", "mirror2.example.com:5000/app", "mirror.example.com/App", "")
            )
            for _ in range(rng.randint(0, 3))
        ]
        if kind != "icsp" and rng.random() < 0.4:
            one["mirrorSourcePolicy"] = rng.choice(("NeverContactSource", "AllowContactingSource"))
        sets.append(one)
    return {"apiVersion": version, "kind": name, "metadata": {"name": f"m{index}"}, "spec": {field: sets}}


def _secret(rng: random.Random, index: int) -> dict[str, Any]:
    auths = {_registry_key(rng): _login(rng) for _ in range(rng.randint(1, 3))}
    modern = rng.random() < 0.7
    text = json.dumps({"auths": auths} if modern else auths)
    if rng.random() < 0.12:
        text = rng.choice(("", "null", "{", '{"auths":[]}', '{"auths":{"quay.io":{"auth":1}}}', "[]", '"x"', "\x00"))
    key = ".dockerconfigjson" if modern else ".dockercfg"
    secret: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": rng.choice((f"pull-{index}", "pull"))},
        "type": "kubernetes.io/dockerconfigjson" if modern else "kubernetes.io/dockercfg",
        "data": {key: base64.b64encode(text.encode()).decode()},
    }
    if rng.random() < 0.2:
        secret["metadata"]["namespace"] = rng.choice(("demo", "other"))
    if rng.random() < 0.1:
        secret["metadata"]["annotations"] = {"openshift.io/image.excludeSecret": "true"}
    if rng.random() < 0.1:
        secret["type"] = "Opaque"
    return secret


def _registry_key(rng: random.Random) -> str:
    host = rng.choice(("private.example.com", "basic.example.com", *HOSTS))
    return rng.choice(
        (
            host,
            host,
            host,
            f"https://{host}/v2/",
            f"{host}/secret",
            "*.example.com",
            "https://index.docker.io/v1/",
            "http://%zz",
            "",
        )
    )


def _login(rng: random.Random) -> dict[str, Any]:
    pair = rng.choice(("me:pass", "me:pass", "me:pass", "me:wrong", "ünï:pä:ss", "nocolon", ":"))
    encoded = base64.b64encode(pair.encode()).decode()
    name, _, word = pair.partition(":")
    return rng.choice(
        (
            {"auth": encoded},
            {"auth": encoded},
            {"username": name, "password": word},
            {"auth": encoded, "email": "me@example.com"},
            {"auth": "!!!"},
            {"auth": encoded.rstrip("=")},
            {},
            {"auth": None},
        )
    )


class _Steps:
    """Requests to one API server, most of them imports into few streams, so that these have a history."""

    def __init__(self, rng: random.Random, existing: Sequence[Place]) -> None:
        self._rng = rng
        self._existing = existing
        self._digests = [digest for place in existing for digest in place.digests]
        self._careful = rng.random() < 0.7

    def _odd(self, chance: float) -> bool:
        """Whether something is to be drawn that the API may refuse; careful users never do."""
        return not self._careful and self._rng.random() < chance

    def draw(self) -> list[Step]:
        rng = self._rng
        steps = []
        if rng.random() < 0.15:
            steps.append(self._stream())
        for _ in range(rng.choice((1, 1, 2, 3))):
            steps.append(self._import())
            if rng.random() < 0.3:
                steps.append(self._read())
        return steps

    def _import(self) -> Step:
        rng = self._rng
        query = rng.choice(
            ("", "", "", "", "?fieldValidation=Strict", "?fieldValidation=Ignore", "?dryRun=All", "?x=%")
        )
        path = f"{GROUP}/{self._namespace()}/imagestreamimports{query}"
        if self._odd(0.1):
            raw = rng.choice(
                (
                    "",
                    "{",
                    "null",
                    "[]",
                    '"x"',
                    '{"kind":"ImageStream","apiVersion":"image.openshift.io/v1"}',
                    '{"kind":"ImageStreamImport","apiVersion":"v1"}',
                    '{"kind":1}',
                    '{"metadata":[]}',
                    '{"metadata":{"name":"app"},"spec":{"images":[{"from":{"name":1}}]}}',
                    '{"metadata":{"name":"a","name":"b"},"spec":{"import":true,"images":[]}}',
                    "\ufeff{}",
                    '{"metadata":{"name":"app","x":' + "[" * 3000 + "]" * 3000 + "}}",
                    "[" * 20_000,
                )
            )
            return Step(method="POST", path=path, raw=raw)
        return Step(method="POST", path=path, body=self._isi())

    def _namespace(self) -> str:
        return self._rng.choice(("Bad_NS", "%2e", "other")) if self._odd(0.05) else "demo"

    def _isi(self) -> dict[str, Any]:
        rng = self._rng
        spec: dict[str, Any] = {"import": rng.random() < 0.7}
        if self._odd(0.1):
            del spec["import"]
        if rng.random() < 0.35:
            spec["repository"] = self._repository()
        if "repository" not in spec or rng.random() < 0.6:
            spec["images"] = [self._image() for _ in range(rng.choice((1, 2, 2, 3, 5)))]
        if self._odd(0.05):
            spec["images"] = []
        metadata: dict[str, Any] = {"name": self._name()}
        if self._odd(0.06):
            metadata = {"generateName": "app-"}
        if self._odd(0.2):
            metadata["resourceVersion"] = rng.choice(("1000", "1001", "7", "x", ""))
        if self._odd(0.1):
            metadata["namespace"] = rng.choice(("demo", "demo", "demo", "other"))
        if self._odd(0.2):
            metadata["annotations"] = rng.choice(({"a": "<b>&"}, {"a": ""}, {}, {"Bad Key!": "x"}))
        isi: dict[str, Any] = {
            "kind": "ImageStreamImport",
            "apiVersion": "image.openshift.io/v1",
            "metadata": metadata,
            "spec": spec,
        }
        if rng.random() < 0.1:
            spec[rng.choice(("bogus", "Images", "imagesX"))] = rng.choice((1, None, "x", []))
        if rng.random() < 0.05:
            isi["status"] = {"images": [{"status": {"status": "Success"}}]}
        return isi

    def _name(self) -> str:
        return self._rng.choice(NAMES) if self._odd(0.3) else self._rng.choice(("app", "web"))

    def _image(self) -> dict[str, Any]:
        rng = self._rng
        image: dict[str, Any] = {"from": {"kind": "DockerImage", "name": self._pull_spec()}}
        if self._odd(0.04):
            image["from"]["kind"] = rng.choice(("ImageStreamTag", "", "dockerimage", "ImageStreamImage"))
        if rng.random() < 0.75:
            image["to"] = {"name": rng.choice(TO_NAMES) if self._odd(0.2) else rng.choice(("latest", "v1", "v2"))}
        self._policies(image)
        return image

    def _repository(self) -> dict[str, Any]:
        rng = self._rng
        name = self._repository_name()
        if self._odd(0.2):
            name = self._pull_spec()
        repository: dict[str, Any] = {"from": {"kind": "DockerImage", "name": name}}
        if self._odd(0.04):
            repository["from"]["kind"] = rng.choice(("ImageStreamTag", ""))
        self._policies(repository)
        return repository

    def _policies(self, spec: dict[str, Any]) -> None:
        rng = self._rng
        policy: dict[str, Any] = {}
        if rng.random() < 0.4:
            policy["insecure"] = rng.random() < 0.7
        if rng.random() < 0.1:
            policy["scheduled"] = True
        if rng.random() < 0.4:
            policy["importMode"] = rng.choice(MODES) if self._odd(0.2) else rng.choice(MODES[:2])
        if policy:
            spec["importPolicy"] = policy
        if rng.random() < 0.15:
            spec["referencePolicy"] = {
                "type": rng.choice(("Local", "Other")) if self._odd(0.5) else rng.choice(("Source", "Local", ""))
            }
        if rng.random() < 0.15:
            spec["includeManifest"] = True

    def _repository_name(self) -> str:
        rng = self._rng
        chance = rng.random()
        if chance < 0.15:
            return f"odd.example.com/{rng.choice(SCRIPTED)}"
        if chance < 0.6:
            return rng.choice(self._existing).name
        host = rng.choice(HOSTS) if rng.random() < 0.75 else rng.choice(UNLISTED)
        repository = rng.choice(REPOSITORIES) if self._odd(0.3) else rng.choice(REPOSITORIES[:18])
        return repository if rng.random() < 0.1 else f"{host}/{repository}"

    def _pull_spec(self) -> str:
        rng = self._rng
        chance = rng.random()
        if self._odd(0.05):
            return rng.choice(("", "*", "quay.io", "quay.io/", "/app", "a b", "ü", "https://quay.io/app", "app:", "@"))
        if chance < 0.15:
            return f"odd.example.com/{rng.choice(SCRIPTED)}:{rng.choice(('latest', 'v1'))}"
        if chance < 0.55:
            place = rng.choice(self._existing)
            tags = [f":{tag}" for tag in place.tags]
            return place.name + rng.choice([*tags, *tags, *(f"@{digest}" for digest in place.digests), ""])
        name = self._repository_name()
        tag = f":{rng.choice(TAGS if self._odd(0.5) else TAGS[:11])}" if rng.random() < 0.7 else ""
        if rng.random() < 0.7:
            return name + tag
        digest = rng.choice(DIGESTS) if self._odd(0.5) else rng.choice([*self._digests, *DIGESTS[:1], *DIGESTS[4:7]])
        return f"{name}{tag}@{digest}"

    def _stream(self) -> Step:
        rng = self._rng
        tags = []
        for name in rng.sample(("latest", "v1", "v2"), k=rng.randint(1, 3)):
            tag: dict[str, Any] = {"name": name, "from": {"kind": "DockerImage", "name": self._pull_spec()}}
            if rng.random() < 0.5:
                tag["annotations"] = {
                    "importer.image.openshift.io/prefer-arch": rng.choice(("arm64", "amd64", "odd", "")),
                    "importer.image.openshift.io/prefer-os": rng.choice(("linux", "windows", "")),
                }
            if rng.random() < 0.1:
                tag["reference"] = True
            tags.append(tag)
        stream = {
            "kind": "ImageStream",
            "apiVersion": "image.openshift.io/v1",
            "metadata": {"name": rng.choice(("app", "web"))},
            "spec": {"tags": tags},
        }
        return Step(method="POST", path=f"{GROUP}/demo/imagestreams", body=stream)

    def stream(self, name: str) -> dict[str, Any]:
        """One with everything that imports look at."""
        rng = self._rng
        spec: dict[str, Any] = {"tags": [self._tag(name, tag) for tag in rng.sample(TAG_NAMES, k=rng.randint(1, 5))]}
        metadata: dict[str, Any] = {"name": name, "namespace": "demo"}
        if rng.random() < 0.2:
            spec["dockerImageRepository"] = self._repository_name()
            for tag in spec["tags"]:
                tag.pop("reference", None)  # the repository may have a tag of that name
        if rng.random() < 0.2:
            metadata["annotations"] = {"openshift.io/image.insecureRepository": rng.choice(("true", "false"))}
        return {"kind": "ImageStream", "apiVersion": "image.openshift.io/v1", "metadata": metadata, "spec": spec}

    def _tag(self, stream: str, name: str) -> dict[str, Any]:
        rng = self._rng
        tag: dict[str, Any] = {"name": name, "from": {"kind": "DockerImage", "name": self._pull_spec()}}
        if rng.random() < 0.15:
            tag["from"] = {"kind": "ImageStreamTag", "name": rng.choice(("", f"{stream}:")) + rng.choice(TAG_NAMES)}
        elif rng.random() < 0.1:
            tag["reference"] = True
        self._policies(tag)
        tag.pop("includeManifest", None)
        if rng.random() < 0.3:
            tag["annotations"] = {
                "importer.image.openshift.io/prefer-arch": rng.choice(("arm64", "amd64", "odd", "")),
                "importer.image.openshift.io/prefer-os": rng.choice(("linux", "windows", "")),
            }
        return tag

    def _read(self) -> Step:
        rng = self._rng
        path = rng.choice(
            (
                f"{GROUP}/demo/imagestreams/app",
                f"{GROUP}/demo/imagestreams/web",
                f"{GROUP}/demo/imagestreams",
                f"{GROUP}/demo/imagestreamtags/app:latest",
                f"{GROUP}/demo/imagestreamtags/app:v1",
                f"{GROUP}/demo/imagestreamtags",
                f"{GROUP}/demo/imagestreamimages/app@{rng.choice(self._digests)}",
                "/apis/image.openshift.io/v1/images",
                f"/apis/image.openshift.io/v1/images/{rng.choice(self._digests)}",
            )
        )
        return Step(path=path)

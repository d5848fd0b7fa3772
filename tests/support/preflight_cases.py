"""The causes of preflight, each as a set-up that produces it, over sockets, TLS and tokens.

A case is a set-up (registries, images, policy, a stream) that fails, what is said of it, and the remedy as what changes
in the set-up.
"""

from __future__ import annotations

import asyncio
import base64
import io
import json
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from fake_registry import FakeRegistry
from mirror.clock import SystemClock
from mirror.preflight.cache import AnswerCache
from mirror.preflight.causes import Cause
from mirror.preflight.content import of_registries, parse_against
from mirror.preflight.policy import read_policy
from mirror.preflight.report import Report
from mirror.preflight.running import Question, answer
from mirror.streams import read_streams
from support.certificates import LONG_AGO, Authority
from support.peers import listening

BOTH = ("linux/amd64", "linux/arm64")
APP = "quay.io/team/app:1"
MIRROR = "mirror.example.com"
AUTH = {"type": "bearer", "username": "me", "password": "pass"}


def image_config(**spec: Any) -> dict[str, Any]:
    return {"kind": "Image", "apiVersion": "config.openshift.io/v1", "metadata": {"name": "cluster"}, "spec": spec}


def mirrors(kind: str, source: str = "quay.io/team", mirror: str = f"{MIRROR}/team") -> dict[str, Any]:
    field = {"ImageDigestMirrorSet": "imageDigestMirrors", "ImageTagMirrorSet": "imageTagMirrors"}[kind]
    return {
        "kind": kind,
        "apiVersion": "config.openshift.io/v1",
        "metadata": {"name": f"{kind.lower()}-{len(source)}"},
        "spec": {field: [{"source": source, "mirrors": [mirror]}]},
    }


def secret(
    location: str = "quay.io", password: str = "pass", *, name: str = "pull", namespace: str = "demo", raw: str = ""
) -> dict[str, Any]:
    auth = base64.b64encode(f"me:{password}".encode()).decode()
    text = raw or json.dumps({"auths": {location: {"auth": auth}}})
    return {
        "kind": "Secret",
        "apiVersion": "v1",
        "metadata": {"name": name, "namespace": namespace},
        "type": "kubernetes.io/dockerconfigjson",
        "data": {".dockerconfigjson": base64.b64encode(text.encode()).decode()},
    }


def tag(name: str = "1", source: str = APP, kind: str = "DockerImage", **more: Any) -> dict[str, Any]:
    return {"name": name, "from": {"kind": kind, "name": source}, **more}


@dataclass(frozen=True)
class Setup:
    """A world: `hosts` that can be reached and what they are, their `images`, and what the cluster has.

    `ca`: how the cluster comes to trust the registries: ``file`` (PEM), ``map`` (the objects of additionalTrustedCA),
    or not at all. `damaged` is what of the image is lost: its config, or the arm64 or amd64 child of its index.
    `certificate` is a bad one that quay.io has.
    """

    hosts: dict[str, dict[str, Any]] = field(default_factory=lambda: {"quay.io": {}})
    images: tuple[str, ...] = (APP,)
    policy: tuple[Any, ...] = ()
    tags: tuple[dict[str, Any], ...] = (tag(),)
    spec: dict[str, Any] = field(default_factory=dict)
    faults: tuple[dict[str, Any], ...] = ()
    ca: str = "file"
    certificate: str = ""
    damaged: str = ""
    architectures: tuple[str, ...] = ()


async def report_on(setup: Setup, folder: Path) -> Report:
    """What preflight says of the stream demo/app of a set-up."""
    await asyncio.to_thread(folder.mkdir)
    async with FakeRegistry(folder / "tree", hosts=setup.hosts, faults=setup.faults) as registry:
        for image in setup.images:
            registry.push_image(image, platforms=BOTH)
        if setup.damaged:
            damage(folder / "tree", registry, setup.damaged)
        against = [f"{host}={registry.url(host)}" for host in setup.hosts]
        async with impostor(setup.certificate, folder) as (port, trusted):
            if port:
                against = [f"quay.io=https://127.0.0.1:{port}"]
            paths = write_policy(setup, folder, registry.ca_pem + trusted)
            return await ask(setup, folder, paths, against)


def write_policy(setup: Setup, folder: Path, ca: bytes) -> list[str]:
    objects = list(setup.policy)
    if setup.ca == "map":
        objects.append(image_config(additionalTrustedCA={"name": "authorities"}))
        data = {"quay.io": ca.decode()}
        objects.append({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "authorities"}, "data": data})
    paths = []
    for number, one in enumerate(objects):
        paths.append(folder / f"policy-{number}.json")
        paths[-1].write_text(json.dumps(one))
    if setup.ca == "file":
        paths.append(folder / "ca.pem")
        paths[-1].write_bytes(ca)
    return [str(path) for path in paths]


async def ask(
    setup: Setup, folder: Path, policy: list[str], against: list[str], *, cache: Path | None = None
) -> Report:
    stream = {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": "app", "namespace": "demo"},
        "spec": {"tags": list(setup.tags), **setup.spec},
    }
    file = folder / "stream.json"
    file.write_text(json.dumps(stream))
    rules = read_policy(policy)
    places = dict(map(parse_against, against))
    content = of_registries(places, (), rules.ca, per_host=4)
    found = read_streams([str(file)], io.BytesIO(), "default")
    answers = None if cache is None else AnswerCache(cache)
    question = Question(found, rules, content, SystemClock(), architectures=setup.architectures, cache=answers)
    return await answer(question)


def damage(tree: Path, registry: FakeRegistry, what: str) -> None:
    """Removes a blob that an image leads to."""
    index = json.loads(registry.manifest(APP) or b"")
    child = next(one["digest"] for one in index["manifests"] if one["platform"]["architecture"] == "amd64")
    digest = child
    if what == "config":
        digest = json.loads(registry.manifest(f"quay.io/team/app@{child}") or b"")["config"]["digest"]
    (tree / "blobs" / digest.replace(":", "/")).unlink()


@asynccontextmanager
async def impostor(kind: str, folder: Path) -> AsyncIterator[tuple[int, bytes]]:
    """A server with a bad certificate of an authority that is trusted; its port, and that authority."""
    if not kind:
        yield 0, b""
        return
    authority = Authority()
    names = ("other.example.com",) if kind == "wrong-name" else ("quay.io",)
    options = {"not_after": LONG_AGO.replace(year=2020)} if kind == "expired" else {}
    context: ssl.SSLContext = authority.server_context(folder, *names, **options)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Closes the connection."""

    async with listening(refuse, context) as port:
        yield port, authority.pem


MIRRORED = Setup(hosts={MIRROR: {}}, images=(f"{MIRROR}/team/app:1",), policy=(mirrors("ImageTagMirrorSet"),))
PRIVATE = Setup(hosts={"quay.io": {"auth": AUTH}})
DIGEST = "sha256:fe1dbd31dd7b8dcf90e9d4d6a3b8d2cf6d9a0cbb0ff8ecf2a7c2d13b6c2e6b8e"


def host(**options: Any) -> Setup:
    return Setup(hosts={"quay.io": options})


def fault(**action: Any) -> Setup:
    return Setup(faults=({"host": "quay.io", **action},))


GOOD = Setup()
OTHER_ALLOWED = image_config(allowedRegistriesForImport=[{"domainName": MIRROR}])
BOTH_ALLOWED = image_config(allowedRegistriesForImport=[{"domainName": MIRROR}, {"domainName": "quay.io"}])
TWO_TAGS = (tag(), tag("2", f"{MIRROR}/team/app:1"))

CASES: list[tuple[Cause, Setup, dict[str, Any], str]] = [
    # the set-up, its remedy, and a word that the explanation has to have
    (
        Cause.REGISTRY_BLOCKED,
        Setup(policy=(image_config(registrySources={"blockedRegistries": ["quay.io"]}),)),
        {"policy": ()},
        "blockedRegistries",
    ),
    (
        Cause.REGISTRY_NOT_ALLOWED,
        Setup(policy=(OTHER_ALLOWED,)),
        {"policy": (BOTH_ALLOWED,)},
        "quay.io:443",
    ),
    (
        Cause.REGISTRY_NOT_ALLOWED,
        replace(MIRRORED, policy=(*MIRRORED.policy, OTHER_ALLOWED)),
        {"policy": (*MIRRORED.policy, BOTH_ALLOWED)},
        f"That {MIRROR}/team mirrors it does not count",
    ),
    (Cause.OBJECT_INVALID, Setup(tags=(tag(importPolicy={"importMode": "Odd"}),)), {"tags": (tag(),)}, "importMode"),
    (Cause.OBJECT_INVALID, Setup(tags=(tag(kind="Image"),)), {"tags": (tag(),)}, "spec.tags[1].from.kind: Required"),
    (
        Cause.OBJECT_INVALID,
        Setup(tags=(tag(), tag("2", "app:1", "ImageStreamTag", importPolicy={"scheduled": True}))),
        {"tags": (tag(), tag("2", "app:1", "ImageStreamTag"))},
        "only tags pointing to Docker repositories may be scheduled",
    ),
    (Cause.INVALID_PULL_SPEC, Setup(tags=(tag(source="quay.io/Team/app:1"),)), {"tags": (tag(),)}, "lowercase"),
    (Cause.NOT_MIRRORED, replace(MIRRORED, images=()), {"images": (f"{MIRROR}/team/app:1",)}, f"{MIRROR} lacks it"),
    (
        Cause.DIGEST_MIRRORS_ONLY,
        replace(MIRRORED, policy=(mirrors("ImageDigestMirrorSet"),)),
        {"policy": (mirrors("ImageDigestMirrorSet"), mirrors("ImageTagMirrorSet"))},
        "for digests",
    ),
    (
        Cause.TAG_MIRRORS_ONLY,
        replace(MIRRORED, tags=(tag(source="DIGEST"),)),
        {"policy": (mirrors("ImageDigestMirrorSet"),)},
        "for tags",
    ),
    (
        Cause.MIRROR_RULE_UNUSABLE,
        replace(MIRRORED, policy=(mirrors("ImageTagMirrorSet", mirror=f"{MIRROR}/team/"),)),
        {"policy": MIRRORED.policy},
        "invalid reference format",
    ),
    (
        Cause.NO_MIRROR_RULE,
        replace(MIRRORED, policy=(mirrors("ImageTagMirrorSet", source="quay.io/other"),)),
        {"policy": (mirrors("ImageTagMirrorSet", source="quay.io/other"), *MIRRORED.policy)},
        "nearest rules are for quay.io/other",
    ),
    (Cause.NO_PULL_SECRET, PRIVATE, {"policy": (secret(),)}, "wants a login"),
    (
        Cause.NO_PULL_SECRET,
        replace(PRIVATE, policy=(secret(namespace="elsewhere"),)),
        {"policy": (secret(),)},
        "is in the namespace elsewhere",
    ),
    (
        Cause.NO_PULL_SECRET,
        replace(PRIVATE, policy=(secret("quay.io/teams"),)),
        {"policy": (secret("quay.io/team"),)},
        "secret pull has a login for quay.io/teams",
    ),
    (
        Cause.NO_PULL_SECRET,
        replace(PRIVATE, policy=(secret("quay.io:443"),)),
        {"policy": ({"auths": {"quay.io": {"username": "me", "password": "pass"}}},)},
        "the ports differ",
    ),
    (
        Cause.NO_PULL_SECRET,
        host(auth={**AUTH, "type": "basic"}),
        {"policy": (secret(),)},
        "wants a login",
    ),
    (Cause.WRONG_CREDENTIALS, replace(PRIVATE, policy=(secret(password="no"),)), {"policy": (secret(),)}, "user me"),
    (
        Cause.ACCESS_DENIED,
        replace(fault(kind="manifest", status=403, code="DENIED"), policy=(secret(),)),
        {"faults": ()},
        "does not let",
    ),
    (Cause.PULL_SECRET_UNREADABLE, Setup(policy=(secret(raw='{"auths":'),)), {"policy": ()}, "pull secret pull"),
    (Cause.CERTIFICATE_UNTRUSTED, Setup(ca=""), {"ca": "map"}, "authority"),
    (Cause.CERTIFICATE_WRONG_NAME, Setup(certificate="wrong-name"), {"certificate": ""}, "other.example.com"),
    (Cause.CERTIFICATE_EXPIRED, Setup(certificate="expired"), {"certificate": ""}, "has expired"),
    (Cause.TLS_FAILED, fault(tls="alert"), {"faults": ()}, "handshake failure"),
    (
        Cause.HTTP_ONLY,
        host(scheme="http"),
        {"policy": (image_config(registrySources={"insecureRegistries": ["quay.io"]}),)},
        "without TLS",
    ),
    (Cause.HTTP_ONLY, host(scheme="http"), {"tags": (tag(importPolicy={"insecure": True}),)}, "without TLS"),
    (Cause.HOST_UNKNOWN, Setup(hosts={"docker.io": {}}), {"hosts": {"quay.io": {}}}, "no host quay.io"),
    (Cause.CONNECTION_REFUSED, host(scheme="down"), {"hosts": {"quay.io": {}}}, "refuses connections"),
    (Cause.CONNECTION_LOST, fault(kind="ping", reset="before"), {"faults": ()}, "ends the connection"),
    (Cause.RATE_LIMITED, fault(kind="manifest", status=429), {"faults": ()}, "too much"),
    (
        Cause.NO_REGISTRY,
        host(routes=[{"path": "/v2/", "status": 404, "body": "nothing here"}]),
        {"hosts": {"quay.io": {}}},
        "404 Not Found",
    ),
    (Cause.REGISTRY_ERROR, fault(kind="manifest", status=500), {"faults": ()}, "500"),
    (Cause.REPOSITORY_UNKNOWN, Setup(images=("quay.io/other/app:1",)), {"images": (APP,)}, "no repository team/app"),
    (Cause.IMAGE_UNKNOWN, Setup(images=("quay.io/team/app:2",)), {"images": (APP,)}, "has no quay.io/team/app:1"),
    (Cause.INDEX_INCOMPLETE, Setup(damaged="child"), {"damaged": ""}, "linux/amd64"),
    (Cause.BLOB_MISSING, Setup(damaged="config"), {"damaged": ""}, "config"),
    (Cause.MANIFEST_BROKEN, fault(kind="manifest", body="{}"), {"faults": ()}, "cannot be used"),
    (
        Cause.OVER_TAG_LIMIT,
        Setup(
            tags=(),
            spec={"dockerImageRepository": "quay.io/team/app"},
            images=("quay.io/team/app:latest", "quay.io/team/app:0", APP),
            policy=({"cluster": {"maxImagesBulkImportedPerRepository": 2}},),
        ),
        {"tags": (tag(),)},
        "more than 2 tags",
    ),
    (
        Cause.ALIAS_FAILS,
        Setup(tags=(tag("1", kind="ImageStreamTag", source="real"), tag("real")), images=()),
        {"images": (APP,)},
        "demo/app:real",
    ),
    (
        Cause.ALIAS_UNKNOWN,
        Setup(tags=(tag("1", kind="ImageStreamTag", source="other:real"),)),
        {"tags": (tag("1", kind="ImageStreamTag", source="real"), tag("real"))},
        "demo/other:real",
    ),
    (
        Cause.ALIAS_LOOP,
        Setup(tags=(tag("1", kind="ImageStreamTag", source="2"), tag("2", kind="ImageStreamTag", source="app:1"))),
        {"tags": (tag("1", kind="ImageStreamTag", source="2"), tag("2"))},
        "demo/app:1 -> demo/app:2 -> demo/app:1",
    ),
    (
        Cause.STREAM_REFUSED,
        Setup(
            hosts={"quay.io": {}, MIRROR: {}},
            images=(APP, f"{MIRROR}/team/app:1"),
            tags=TWO_TAGS,
            policy=(image_config(allowedRegistriesForImport=[{"domainName": "quay.io"}]),),
        ),
        {"policy": (BOTH_ALLOWED,)},
        "because of its tag 2",
    ),
]

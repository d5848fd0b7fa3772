"""Worlds in which preflight is asked: registries over sockets, TLS and tokens, and what a cluster has."""

from __future__ import annotations

import asyncio
import base64
import io
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fake_registry import FakeRegistry
from fake_registry.fixtures import Tree
from mirror.clock import Clock, ManualClock, SystemClock
from mirror.importer.dial import Endpoint
from mirror.importer.http_transport import HttpTransport
from mirror.preflight.cache import AnswerCache
from mirror.preflight.content import Content, of_registries, of_tree, parse_against
from mirror.preflight.policy import Policy, read_policy
from mirror.preflight.report import Report
from mirror.preflight.running import Question, answer
from mirror.scenario import START
from mirror.seed.editing import tag_image
from mirror.streams import read_streams
from support.certificates import LONG_AGO, Authority
from support.peers import listening

BOTH = ("linux/amd64", "linux/arm64")
APP = "quay.io/team/app:1"
MIRROR = "mirror.example.com"
SECOND = "second.example.com"
NOWHERE = "https://255.255.255.255"
"""An address to which no connection is even tried: TCP has no broadcast."""
SILENT = "silent"
AUTH = {"type": "bearer", "username": "me", "password": "pass"}


def image_config(**spec: Any) -> dict[str, Any]:
    return {"kind": "Image", "apiVersion": "config.openshift.io/v1", "metadata": {"name": "cluster"}, "spec": spec}


def mirrors(
    kind: str, source: str = "quay.io/team", mirror: str = f"{MIRROR}/team", *others: str, name: str = ""
) -> dict[str, Any]:
    field = {"ImageDigestMirrorSet": "imageDigestMirrors", "ImageTagMirrorSet": "imageTagMirrors"}[kind]
    return {
        "kind": kind,
        "apiVersion": "config.openshift.io/v1",
        "metadata": {"name": name or f"{kind.lower()}-{len(source)}"},
        "spec": {field: [{"source": source, "mirrors": [mirror, *others]}]},
    }


def secret(
    location: str = "quay.io",
    password: str = "pass",
    *,
    user: str = "me",
    name: str = "pull",
    namespace: str = "demo",
    raw: str = "",
) -> dict[str, Any]:
    auth = base64.b64encode(f"{user}:{password}".encode()).decode()
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


def stream(name: str, *tags: dict[str, Any], namespace: str = "demo", **spec: Any) -> dict[str, Any]:
    return {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"tags": list(tags), **spec},
    }


@dataclass(frozen=True)
class Setup:
    """A world: `hosts` that can be reached and what they are, their `images`, and what the cluster has.

    An image ``NAME=OTHER`` is the same as that other one.

    `ca`: how the cluster comes to trust the registries: ``file`` (PEM), ``map:KEY`` (the objects of
    additionalTrustedCA), or not at all. `damaged` is what of the first image is lost: its config, the amd64 child of
    its index, or all that the index lists. `impostor` is a server that stands in the place of quay.io: with the
    certificate of another name, an expired one, or one that never says a word. `far` are hosts to which
    no way leads. `asked` is how often preflight asks in the life of the registries, `spread` over how many streams the
    tags go; `virtual`: nobody waits for the clock. With `tree` it is asked of the tree of the registries in place of
    them, as if those that are `gone` were not in it.
    """

    hosts: dict[str, dict[str, Any]] = field(default_factory=lambda: {"quay.io": {}})
    images: tuple[str, ...] = (APP,)
    policy: tuple[Any, ...] = ()
    tags: tuple[dict[str, Any], ...] = (tag(),)
    spec: dict[str, Any] = field(default_factory=dict)
    faults: tuple[dict[str, Any], ...] = ()
    ca: str = "file"
    impostor: str = ""
    damaged: str = ""
    far: tuple[str, ...] = ()
    asked: int = 1
    spread: int = 1
    virtual: bool = False
    tree: bool = False
    gone: tuple[str, ...] = ()
    others: tuple[dict[str, Any], ...] = ()


async def report_on(setup: Setup, folder: Path) -> Report:
    """What preflight says of the streams of a set-up, at last."""
    async with question_on(setup, folder) as ask:
        for _ in range(setup.asked - 1):
            await answer(ask())
        return await answer(ask())


@asynccontextmanager
async def question_on(setup: Setup, folder: Path) -> AsyncIterator[Callable[[], Question]]:
    """The registries of a set-up, and what preflight is asked; the tree in the folder stays from time to time."""
    await asyncio.to_thread(folder.mkdir, exist_ok=True)
    async with FakeRegistry(folder / "tree", hosts=setup.hosts, faults=setup.faults) as registry:
        for image in setup.images:
            name, _, same = image.partition("=")
            registry.push_image(same or name, platforms=BOTH)
            if same:
                tag_image(registry.tree, same, [name])
        if setup.damaged:
            damage(folder / "tree", registry, setup.images[0], setup.damaged)
        against = [f"{host}={registry.url(host)}" for host in setup.hosts if host not in setup.far]
        against += [f"{host}={NOWHERE}" for host in setup.far]
        async with impostor(setup.impostor, folder) as (port, trusted):
            if port:
                against = [one for one in against if not one.startswith("quay.io=")]
                against.append(f"quay.io=https://127.0.0.1:{port}")
            paths = write_policy(setup, folder, registry.ca_pem + trusted)
            yield lambda: question(setup, folder, paths, against)


def write_policy(setup: Setup, folder: Path, ca: bytes) -> list[str]:
    objects = list(setup.policy)
    kind, _, key = setup.ca.partition(":")
    if kind == "map":
        objects.append(image_config(additionalTrustedCA={"name": "authorities"}))
        data = {key: ca.decode()}
        objects.append({"kind": "ConfigMap", "apiVersion": "v1", "metadata": {"name": "authorities"}, "data": data})
    paths = []
    for number, one in enumerate(objects):
        paths.append(folder / f"policy-{number}.json")
        paths[-1].write_text(json.dumps(one))
    if kind == "file":
        paths.append(folder / "ca.pem")
        paths[-1].write_bytes(ca)
    return [str(path) for path in paths]


def question(
    setup: Setup, folder: Path, policy: list[str], against: list[str], *, cache: Path | None = None
) -> Question:
    """What preflight is asked."""
    items = [*streams_of(setup), *setup.others]
    file = folder / "streams.json"
    file.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": items}))
    rules = read_policy(policy)
    clock: Clock = ManualClock(START) if setup.virtual or setup.tree else SystemClock()
    content = content_of(setup, folder, dict(map(parse_against, against)), rules, clock)
    answers = None if cache is None else AnswerCache(cache)
    return Question(read_streams([str(file)], io.BytesIO(), "default"), rules, content, clock, cache=answers)


def content_of(setup: Setup, folder: Path, places: dict[str, Endpoint], rules: Policy, clock: Clock) -> Content:
    """The registries of a set-up, or their tree."""
    if setup.tree:
        return of_tree(str(folder / "tree"), rules.config.hosts, setup.gone, clock)
    if setup.impostor == SILENT and len(places) == 1:
        # Nobody waits ten seconds for one that is never going to answer; of others each has all the time it needs.
        return Content(HttpTransport(resolve=places, ca=rules.ca, handshake_timeout=0.01), in_order=False)
    return of_registries(places, (), rules.ca, per_host=4)


def streams_of(setup: Setup) -> list[dict[str, Any]]:
    """The image streams: demo/app, and app-1, app-2… where the tags are spread."""
    return [
        stream(f"app-{number}" if number else "app", *setup.tags[number :: setup.spread], **setup.spec)
        for number in range(setup.spread)
    ]


def damage(folder: Path, registry: FakeRegistry, image: str, what: str) -> None:
    """Removes a blob that an image leads to, or puts an index without entries in its place."""
    repository = image.rpartition(":")[0]
    index = json.loads(registry.manifest(image) or b"")
    if what == "entries":
        host, _, name = repository.partition("/")
        empty = json.dumps({**index, "manifests": []}).encode()
        Tree.open(folder).put_manifest(host, name, empty, index["mediaType"], image.rpartition(":")[2])
        return
    digest = next(one["digest"] for one in index["manifests"] if one["platform"]["architecture"] == "amd64")
    if what == "config":
        digest = json.loads(registry.manifest(f"{repository}@{digest}") or b"")["config"]["digest"]
    (folder / "blobs" / digest.replace(":", "/")).unlink()


@asynccontextmanager
async def impostor(kind: str, folder: Path) -> AsyncIterator[tuple[int, bytes]]:
    """A server in the place of a registry; its port, and the authority that vouches for it."""
    if not kind:
        yield 0, b""
        return
    authority = Authority()
    names = ("other.example.com",) if kind == "wrong-name" else ("quay.io",)
    options = {"not_after": LONG_AGO.replace(year=2020)} if kind == "expired" else {}
    context = None if kind == SILENT else authority.server_context(folder, *names, **options)

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Closes the connection, or lets whoever asks wait."""
        if kind == SILENT:
            await asyncio.Event().wait()

    async with listening(refuse, context) as port:
        yield port, authority.pem

"""A registry that records another one, and a registry that answers from the recording."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from fake_registry import FakeRegistry
from fake_registry.core.messages import FileBody, Request, StreamBody
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from mirror.config import load_config
from mirror.recorder.recording import Recording
from mirror.recorder.session import Recorder
from mirror.recorder.sparing import Sparing
from mirror.recorder.upstreams import Upstreams, parse_upstream
from mirror.seed.remote.credentials import Login, Logins
from mirror.seed.remote.network import Network
from support.pushing import Reply


async def ask(
    core: RegistryCore,
    method: str,
    target: str,
    host: str = "quay.io",
    headers: Mapping[str, str] = {},
    body: bytes | None = None,
) -> Reply:
    """Asks a core, and takes all of the answer. A connection that is closed without one is status 0."""
    path, _, query = target.partition("?")
    sent = {name.lower(): value for name, value in headers.items()}
    asked = Request(method, path, query, host=host, headers=sent, sni=host, body=None if body is None else _once(body))
    response = await core.handle(asked)
    found = response.body
    if isinstance(found, StreamBody):
        pieces = []
        try:
            async for piece in found.pieces:
                pieces.append(piece)
        finally:
            await found.pieces.aclose()
        found = b"".join(pieces)
    elif isinstance(found, FileBody):
        with found.path.open("rb") as file:
            file.seek(found.offset)
            found = file.read(found.length)
    fields = [(str(name).lower(), value) for name, value in response.headers]
    return Reply(0 if response.drop else response.status, fields, found)


async def _once(data: bytes) -> AsyncIterator[bytes]:
    yield data


@dataclass
class Session:
    """A recording that is made. ``said`` is what the user was told."""

    core: RegistryCore
    recorder: Recorder
    recording: Recording
    said: list[str] = field(default_factory=list)


@dataclass
class Studio:
    """Where recordings are made: a registry to record, a tree, and the file."""

    upstream: FakeRegistry
    tree: Tree
    file: Path

    @asynccontextmanager
    async def session(
        self,
        *sources: str,
        login: Login | None = None,
        anonymous: bool = False,
        missing: bool = False,
        refresh: float | None = None,
        clock: Callable[[], float] = time.monotonic,
        connect: tuple[str, int] | None = None,
    ) -> AsyncIterator[Session]:
        """Records what is asked of its core. With a login, or `anonymous`, the recorder fetches the tokens; with
        `missing` it asks as little as it can. `connect` is another address than that of the upstream."""
        said: list[str] = []
        upstreams = Upstreams(parse_upstream(text) for text in sources or ("quay.io",))
        network = Network(ca=self.upstream.ca_pem, connect=connect or tuple(self.upstream.address))
        recording = Recording(self.file, self.tree, upstreams)
        given = {} if login is None else {"quay.io": login}
        logins = Logins([], given) if given or anonymous else None
        sparing = None
        if missing:
            earlier = load_config(self.file).hosts if self.file.exists() else None
            sparing = Sparing(earlier or {}, refresh, clock)
        recorder = Recorder(self.tree, upstreams, recording, network, said.append, logins=logins, sparing=sparing)
        core = RegistryCore(self.tree, upstreams.hosts(None), origin=recorder.origin, default_host=upstreams.only)
        async with recorder:
            yield Session(core, recorder, recording, said)

    def replay(self) -> RegistryCore:
        """A registry that answers from the recording."""
        config = load_config(self.file)
        tree = Tree.open(self.tree.root, create=False)
        return RegistryCore(tree, config.hosts, default_host=config.server.defaultHost)

    def text(self) -> str:
        """The file."""
        return self.file.read_text()


async def token(core: RegistryCore, scope: str, host: str = "quay.io", authorization: str = "") -> str:
    """A token of a host's own endpoint."""
    headers = {"authorization": authorization} if authorization else {}
    reply = await ask(core, "GET", f"/token?service={host}&scope={scope}", host, headers)
    assert reply.status == 200, reply
    found: str = json.loads(reply.body)["token"]
    return found


def significant(reply: Reply, names: Sequence[str] = ()) -> tuple[int, dict[str, str], bytes]:
    """What has to be the same each time: status, headers that clients look at, body."""
    wanted = {"content-type", "docker-content-digest", "link", "www-authenticate", "location", "retry-after", *names}
    return reply.status, {name: value for name, value in reply.headers if name in wanted}, reply.body

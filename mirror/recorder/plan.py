"""What it takes to record: the recorder, and the hosts that there are while it runs."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from fake_registry.config import Hosts
from fake_registry.fixtures import Tree
from mirror.config import load_config
from mirror.recorder.forwarding import Say
from mirror.recorder.recording import Recording
from mirror.recorder.session import Recorder
from mirror.recorder.sparing import Sparing
from mirror.recorder.upstreams import Upstreams
from mirror.seed.remote.credentials import Logins
from mirror.seed.remote.network import Network
from mirror.seed.remote.proxies import Proxies, parse_proxy


class Access(NamedTuple):
    """How the real registries are reached. The fields are what the options of that name say."""

    ca: bytes | None = None
    insecure: bool = False
    logins: Logins | None = None
    connect: tuple[str, int] | None = None
    proxy: str | None = None

    def network(self) -> Network:
        """The connections (raises `InputError` for a proxy or authorities that cannot be used)."""
        proxy = {}
        if self.proxy is not None:
            parse_proxy(self.proxy, "--proxy")
            proxy = {"HTTP_PROXY": self.proxy, "HTTPS_PROXY": self.proxy}
        return Network(ca=self.ca, connect=self.connect, proxies=Proxies(proxy))


class RecordingPlan(NamedTuple):
    """What records, the hosts that there are, and the one that is meant by requests to the bare address."""

    recorder: Recorder
    hosts: Hosts
    default_host: str


def recording_plan(
    tree: Tree,
    upstreams: Upstreams,
    to: Path,
    access: Access,
    say: Say,
    *,
    hosts: Hosts | None,
    default_host: str,
    missing: bool = False,
    refresh: float | None = None,
) -> RecordingPlan:
    """What records `upstreams` into a tree and a file, beside the `hosts` that are configured.

    With `missing` only what neither of them has is asked; tags, lists and errors also if they are older than `refresh`
    seconds.

    Raises:
        InputError: something of it cannot be used.
    """
    network = access.network()
    recording = Recording(to, tree, upstreams)
    sparing = None
    if missing:
        earlier = load_config(to).hosts if to.exists() else None
        sparing = Sparing(earlier or {}, refresh)
    recorder = Recorder(
        tree, upstreams, recording, network, say, logins=access.logins, insecure=access.insecure, sparing=sparing
    )
    return RecordingPlan(recorder, upstreams.hosts(hosts), upstreams.only or default_host)

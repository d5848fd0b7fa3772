"""A recording while it is made: everything that it needs, opened and closed together."""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from types import TracebackType
from typing import Final, Self

from fake_registry.core.origin import Origin
from fake_registry.fixtures import Tree
from mirror.errors import InputError
from mirror.recorder.forwarding import Forwarder, Say
from mirror.recorder.keeping import Secrets
from mirror.recorder.origin import RecordingOrigin
from mirror.recorder.recording import Recording
from mirror.recorder.sparing import Sparing, SparingOrigin
from mirror.recorder.upstreams import Upstreams
from mirror.seed.remote.credentials import Logins
from mirror.seed.remote.network import Network

_PAUSE: Final = 5.0
_SHARE: Final = 20.0
"""Writing the file takes at most this part of the time."""


class Recorder:
    """Records real registries into a tree and a configuration file. An asynchronous context manager: leaving it writes
    the file and closes all connections.

    `logins` are for those that want one; with None clients bring theirs. `say` tells the user something, in one line.
    With `sparing` what is known is not asked again.
    """

    def __init__(
        self,
        tree: Tree,
        upstreams: Upstreams,
        recording: Recording,
        network: Network,
        say: Say,
        *,
        logins: Logins | None = None,
        insecure: bool = False,
        sparing: Sparing | None = None,
    ) -> None:
        secrets = Secrets()
        forwarder = Forwarder(network, upstreams, secrets, logins=logins, insecure=insecure)
        self._asking = RecordingOrigin(tree, upstreams, forwarder, recording, secrets, say)
        self.origin: Origin = self._asking
        if sparing is not None:
            self.origin = SparingOrigin(tree, upstreams, self._asking, recording, say, sparing)
        self._recording = recording
        self._network = network
        self._say = say
        self._writing: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._writing = asyncio.create_task(self._write_now_and_then())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._writing is not None
        self._writing.cancel()
        with suppress(asyncio.CancelledError):
            await self._writing
        await self._asking.close()
        await self._network.__aexit__(None, None, None)
        try:
            totals = await self._recording.close()
        except OSError as failure:
            reason = failure.strerror or failure
            raise InputError(f"{self._recording.path}: {reason}; its log has what it lacks, for the next one") from None
        lost = f", {totals.lost} answers could not be kept" if totals.lost else ""
        self._say(f"{self._recording.path}: {totals.routes} routes{lost}")

    async def _write_now_and_then(self) -> None:
        """Keeps the file up to date, for those who look at it meanwhile."""
        pause = _PAUSE
        while True:
            await asyncio.sleep(pause)
            if self._recording.has_changed:
                started = time.monotonic()
                try:
                    await asyncio.shield(self._recording.write())
                except OSError as error:
                    self._say(f"{self._recording.path}: {error.strerror or error}")
                pause = max(_PAUSE, _SHARE * (time.monotonic() - started))

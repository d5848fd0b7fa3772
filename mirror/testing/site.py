"""What there is of an `ImageApi` between its start and its end."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from fake_registry.core.registry import RegistryCore
from fake_registry.tls import CertificateAuthority
from mirror.api.access import Access
from mirror.api.app import ApiCore
from mirror.api.messages import ApiRequest, ApiResponse
from mirror.api.server import ApiServer
from mirror.api.timing import TurnedTiming
from mirror.clock import ManualClock, NamedUids
from mirror.errors import InputError
from mirror.loading import Loaded, load_object, load_objects
from mirror.serving import ApiSettings, ReadyApi, ready_api
from mirror.testing.requests import ApiRequests

_LOOPBACK: Final = "127.0.0.1"
_GRACE: Final = 0.5
"""Seconds that requests under way are waited for at the end: whoever left the API does not wait for them."""
_AT_REST: Final = 60.0
"""Seconds after which controllers that are still busy are given up."""

Source = str | Path | Mapping[str, Any]
"""Objects: a file of them, or one as plain data (a list, too)."""


@dataclass(frozen=True, slots=True)
class SiteOptions:
    """What an API is made with. `now` stands still; without it the time is that of the system."""

    settings: ApiSettings
    load: Sequence[Source]
    now: datetime | None
    http: bool


class Site:
    """An API over a registry core, and a listener. Started, used and closed in one event loop, that of the core."""

    def __init__(self, registry: RegistryCore, authority: CertificateAuthority, options: SiteOptions) -> None:
        self._registry = registry
        self._options = options
        self._authority = None if options.http else authority
        self.access = options.settings.access or Access()
        self._server = ApiServer(self, self._authority, grace=_GRACE)
        self._running = AsyncExitStack()
        self._scratch: tempfile.TemporaryDirectory[str] | None = None
        self._ready: ReadyApi | None = None
        self._clock: ManualClock | None = None
        self._timing: TurnedTiming | None = None
        self.requests = ApiRequests()

    @property
    def core(self) -> ApiCore:
        """The API without sockets."""
        return self._now_ready.api

    @property
    def ca_pem(self) -> bytes | None:
        """The certificate that clients have to trust; none in clear text."""
        return None if self._authority is None else self._authority.ca_pem

    async def start(self) -> None:
        """Listens on a free port of the loopback interface, with the objects of the start.

        Raises:
            InputError: something in the options cannot be used.
        """
        try:
            await self._open()
            self.address = await self._server.start(_LOOPBACK)
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Closes all connections, and removes what is temporary."""
        await self._server.close()
        await self._running.aclose()
        await asyncio.sleep(0)  # connections that were cut are closed by the loop, in its next round
        if self._scratch is not None:
            self._scratch.cleanup()
            self._scratch = None

    async def handle(self, request: ApiRequest) -> ApiResponse:
        """Answers a request, and remembers it."""
        response = await self.core.handle(request)
        self.requests.add(request, response)
        return response

    async def reset(self) -> None:
        """A new API in place of the one that there was. Watches end."""
        await self._running.aclose()
        await self._open()
        self.requests.clear()

    async def load(self, sources: Sequence[Source]) -> list[Loaded]:
        """Creates objects.

        Raises:
            InputError: a file cannot be read, or an object is refused.
        """
        found: list[Loaded] = []
        for number, source in enumerate(sources):
            if isinstance(source, Mapping):
                found += await load_object(self.core, f"object {number + 1}", source)
            else:
                found += await load_objects(self.core, [str(source)])
        return found

    async def settle(self) -> None:
        """Waits until the controllers have nothing to do at this time.

        Raises:
            TimeoutError: they are still busy after a minute.
        """
        controllers = self._now_ready.controllers
        if controllers is not None:
            async with asyncio.timeout(_AT_REST):
                await controllers.rest()

    async def advance(self, seconds: float) -> None:
        """Lets time pass, which only stands still otherwise.

        Raises:
            InputError: the time is that of the system.
        """
        if self._timing is None:
            raise InputError("only a clock that stands still can be advanced: give now to ImageApi")
        await self._timing.turn(seconds, self.settle)

    def file(self, name: str, write: Callable[[Path], object]) -> Path:
        """A temporary file, written when it is first asked for."""
        if self._scratch is None:
            self._scratch = tempfile.TemporaryDirectory(prefix="ismirror-", ignore_cleanup_errors=True)
        path = Path(self._scratch.name) / name
        if not path.exists():
            write(path)
        return path

    @property
    def _now_ready(self) -> ReadyApi:
        assert self._ready is not None
        return self._ready

    async def _open(self) -> None:
        options = self._options
        self._clock = None if options.now is None else ManualClock(options.now)
        self._timing = None if self._clock is None else TurnedTiming(self._clock)
        uids = None if self._clock is None else NamedUids()
        self._running = AsyncExitStack()
        self._ready = await self._running.enter_async_context(
            ready_api(self._registry, None, options.settings, self._clock, uids, self._timing)
        )
        await self.load(options.load)

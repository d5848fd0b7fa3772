"""Uploading one blob: small ones at once, large ones in chunks that go on where they were when a connection breaks.

Source: OCI distribution specification 1.1, "Pushing blobs", "Mounting a blob from another repository".
"""

from __future__ import annotations

from collections.abc import AsyncIterable, Callable
from typing import Final, NoReturn, Protocol
from urllib.parse import quote

from yarl import URL

from fake_registry.oci import Descriptor
from mirror.seed.remote.authorizing import push
from mirror.seed.remote.credentials import Login
from mirror.seed.remote.failures import RemoteError
from mirror.seed.remote.registry import Access, Registry, header_number
from mirror.seed.remote.response import RemoteResponse

CHUNK: Final = 32 << 20
"""Bytes of the largest blob that is sent with one request, and of each chunk of a larger one."""

Content = Callable[[int, int], AsyncIterable[bytes]]
"""Gives a part of a blob: from a byte on, and up to another."""

_LARGEST_CHUNK: Final = 1 << 30
_REFUSES_CHUNKS: Final = frozenset({400, 405, 411, 415, 416, 501})
_NOT_THE_BLOB: Final = frozenset({400, 404, 416})
_OCTETS: Final = {"Content-Type": "application/octet-stream"}


class Session(Protocol):
    """What is known of an upload beyond this run."""

    async def location(self) -> str:
        """Where an upload of an earlier run goes on; empty if there is none."""
        ...

    async def keep(self, location: str) -> None:
        """Takes note of where the upload goes on from now on; empty: there is nothing to go on with any more."""
        ...


class _NoSession:
    """Of an upload that no other run goes on with."""

    async def location(self) -> str:
        return ""

    async def keep(self, location: str) -> None:
        del location


NO_SESSION: Final[Session] = _NoSession()


class _ChunksRefused(RemoteError):
    """A registry knows whole blobs only."""


class BlobUpload:
    """The upload of a blob to a repository; `source` is another one of the registry that it may be mounted from.

    If the `session` knows of an earlier try, the upload goes on from there; it is told how this one goes on.
    """

    def __init__(
        self,
        registry: Registry,
        name: str,
        login: Login | None,
        descriptor: Descriptor,
        content: Content,
        source: str = "",
        session: Session = NO_SESSION,
    ) -> None:
        self._registry = registry
        self._name = name
        self._access = Access(push(name), login)
        self._beginning = Access(push(name, source), login)
        self._descriptor = descriptor
        self._content = content
        self._source = source
        self._session = session
        self._url = ""
        self._sent = 0
        self._least = 0
        self._sure = self._whole = True
        self._spoiled = 0

    async def run(self) -> bool:
        """Uploads the blob; returns whether it only had to be mounted.

        Raises:
            RemoteError: the registry does not take it.
        """
        if self._descriptor.size <= CHUNK or not self._registry.takes_chunks:
            return await self._registry.patiently(self._at_once)
        failures = 0
        if not self._source:
            self._url = _url_or_nothing(await self._session.location())
            self._sure = not self._url
        while True:
            before = self._sent
            self._registry.require_hope()
            try:
                return await self._in_chunks()
            except _ChunksRefused:
                self._registry.takes_chunks = False
                await self._session.keep("")
                return await self._registry.patiently(self._at_once)
            except RemoteError as found:
                error = found
            failures = 1 if self._sent > before else failures + 1
            if not error.passing or failures >= self._registry.attempts:
                self._registry.give_up(error)
                raise error
            self._sure = False
            await self._registry.pause(error, failures)

    async def _at_once(self) -> bool:
        if await self._begin():
            return True
        size = self._descriptor.size
        headers = {"Content-Length": str(size), **_OCTETS}
        ok = frozenset({201, 204})
        body = lambda: self._content(0, size)  # noqa: E731
        async with self._registry.exchange("PUT", self._closing(), self._access, headers=headers, body=body, ok=ok):
            return False

    async def _in_chunks(self) -> bool:
        """Goes on with an upload, or begins one."""
        if self._url and not self._sure and await self._look():
            await self._session.keep("")
            return False
        self._sure = True
        if not self._url:
            if await self._begin():
                return True
            await self._session.keep(self._url)
        while self._sent < self._descriptor.size:
            await self._chunk()
            await self._session.keep(self._url)
        await self._close()
        await self._session.keep("")
        return False

    async def _close(self) -> None:
        """Says that this was all."""
        headers = {"Content-Length": "0", **_OCTETS}
        ok = frozenset({201, 204})
        try:
            async with self._registry.exchange("PUT", self._closing(), self._access, headers=headers, body=b"", ok=ok):
                pass
        except RemoteError as error:
            if not self._whole and error.status in _NOT_THE_BLOB:
                await self._start_over(error)
            raise

    async def _start_over(self, error: RemoteError) -> NoReturn:
        """Something else is there than was thought: the blob is sent again, from its beginning."""
        self._url, self._sent, self._whole = "", 0, True
        await self._session.keep("")
        self._spoiled += 1
        # Counted apart: chunks that are taken set back the other count.
        raise RemoteError(str(error), status=error.status, passing=self._spoiled < self._registry.attempts) from None

    async def _begin(self) -> bool:
        """Asks for an upload; returns whether the blob was mounted, so that there is nothing left to do."""
        digest = quote(self._descriptor.digest, safe=":")
        query = f"?mount={digest}&from={quote(self._source, safe='')}" if self._source else ""
        path = f"/v2/{self._name}/blobs/uploads/{query}"
        headers = {"Content-Length": "0"}
        ok = frozenset({201, 202})
        async with self._registry.exchange("POST", path, self._beginning, headers=headers, body=b"", ok=ok) as response:
            if response.status == 201:
                return True
            self._least = header_number(response.headers.get("OCI-Chunk-Min-Length", "")) or 0
            self._url, self._sent = "", 0
            self._go_on_at(response)
        if not self._url:
            raise RemoteError(f"{self._registry.host}/{self._name}: an upload without a place to go on")
        return False

    async def _look(self) -> bool:
        """Finds out how far an upload got; returns whether it is complete. One that is gone begins again."""
        ok = frozenset({202, 204})
        self._whole = False
        try:
            async with self._registry.exchange("GET", self._url, self._access, ok=ok) as response:
                self._sent = min(_end(response), self._descriptor.size)
                self._go_on_at(response)
                return False
        except RemoteError as error:
            if error.passing:
                raise
        self._url, self._sent, self._whole = "", 0, True
        path = f"/v2/{self._name}/blobs/{self._descriptor.digest}"
        async with self._registry.exchange("HEAD", path, self._access, ok=frozenset({200, 404})) as response:
            return response.status == 200

    async def _chunk(self) -> None:
        start = self._sent
        stop = min(start + max(CHUNK, self._least), self._descriptor.size)
        if stop - start > _LARGEST_CHUNK:
            raise _ChunksRefused(f"{self._registry.host}: wants chunks of {self._least} bytes")
        headers = {"Content-Range": f"{start}-{stop - 1}", "Content-Length": str(stop - start), **_OCTETS}
        ok = frozenset({201, 202, 204})
        body = lambda: self._content(start, stop)  # noqa: E731
        try:
            async with self._registry.exchange(
                "PATCH", self._url, self._access, headers=headers, body=body, ok=ok
            ) as response:
                self._sent = stop
                self._go_on_at(response)
        except RemoteError as error:
            if error.status in _REFUSES_CHUNKS and self._sure and not start:
                raise _ChunksRefused(str(error)) from None
            if error.status == 416 or (not self._whole and error.status in _NOT_THE_BLOB):
                await self._start_over(error)
            raise

    def _go_on_at(self, response: RemoteResponse) -> None:
        location = response.headers.get("Location", "")
        if location:
            try:
                self._url = _url_or_nothing(str(response.url.join(URL(location, encoded=True))))
            except ValueError:
                self._url = ""

    def _closing(self) -> str:
        digest = quote(self._descriptor.digest, safe=":")
        return f"{self._url}{'&' if '?' in self._url else '?'}digest={digest}"


def _url_or_nothing(text: str) -> str:
    """A URL with which an upload can go on; what is none is as good as nothing."""
    try:
        url = URL(text, encoded=True)
        usable = url.scheme in {"http", "https"} and bool(url.host)
    except ValueError:
        usable = False
    return text if usable else ""


def _end(response: RemoteResponse) -> int:
    """How many bytes an upload has, by its ``Range``; ``0-0`` is what one has that nothing came of."""
    first, _, last = response.headers.get("Range", "").removeprefix("bytes=").partition("-")
    end = header_number(last) if first == "0" else None
    return end + 1 if end else 0

"""Real registries in the place of a tree's content, with everything that they say recorded."""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import AsyncGenerator, AsyncIterator
from pathlib import Path
from typing import Final, NamedTuple
from urllib.parse import unquote_plus

import msgspec
from yarl import URL

from fake_registry.core import errors, paths
from fake_registry.core.errors import RegistryError
from fake_registry.core.hosts import namespace_of
from fake_registry.core.messages import FileBody, Request, Response, StreamBody
from fake_registry.core.paths import Target
from fake_registry.errors import TreeError
from fake_registry.fixtures import Tree, is_repository
from fake_registry.oci import is_digest
from mirror.errors import IsmirrorError
from mirror.importer.challenge import parse_challenges
from mirror.recorder.exchanges import Given, Question, is_lasting
from mirror.recorder.forwarding import Forwarder, Say
from mirror.recorder.keeping import Secrets, is_secret_query, kept_headers
from mirror.recorder.manifests import kept_manifest
from mirror.recorder.recording import Recording
from mirror.recorder.upstreams import Upstream, Upstreams, needed
from mirror.seed.downloads import Download
from mirror.seed.remote.failures import RemoteError
from mirror.seed.remote.registry import header_number
from mirror.seed.remote.response import RemoteResponse

MAX_BODY: Final = 8 << 20
"""Bytes of the longest body that is no blob: a page of tags, an error."""

MAX_BLOB: Final = 64 << 30
"""Bytes of the largest blob."""

_MAX_FORM: Final = 64 * 1024
_FORWARDED: Final = (
    "Accept",
    "Authorization",
    "Content-Type",
    "If-Modified-Since",
    "If-None-Match",
    "Range",
    "User-Agent",
)
_METHODS: Final = ("GET", "HEAD", "POST")


class _Asked(NamedTuple):
    """A request, whom it is for, and what it is about. With ``lasting`` refusals and failures are not kept."""

    request: Request
    upstream: Upstream
    target: Target
    question: Question
    lasting: bool = False

    @property
    def headers(self) -> dict[str, str]:
        """The headers that the real registry gets."""
        found = self.request.headers
        return {name: found[name.lower()] for name in _FORWARDED if name.lower() in found}

    @property
    def can_be_kept(self) -> bool:
        """Whether the tree may have a blob like the one that is asked for."""
        return is_repository(self.target.name) and is_digest(self.target.argument)


class RecordingOrigin:
    """A `fake_registry.core.origin.Origin`: asks the real registries, and records.

    Manifests and blobs go into the tree, under the names that clients call the registries by. `say` tells the user what
    is missing. An answer that cannot be kept is given all the same.
    """

    def __init__(
        self,
        tree: Tree,
        upstreams: Upstreams,
        forwarder: Forwarder,
        recording: Recording,
        secrets: Secrets,
        say: Say,
    ) -> None:
        self._tree = tree
        self._upstreams = upstreams
        self._forwarder = forwarder
        self._recording = recording
        self._secrets = secrets
        self._say = say
        self._said: set[str] = set()
        self._completing: dict[tuple[str, str, str], asyncio.Task[None]] = {}

    async def close(self) -> None:
        """Waits for blobs that are still being completed."""
        await asyncio.gather(*self._completing.values(), return_exceptions=True)

    def covers(self, host: str) -> bool:
        """Whether a host is recorded."""
        return self._upstreams.get(host) is not None

    async def answer(self, request: Request, host: str, target: Target, *, lasting: bool = False) -> Response:
        """The real answer; 502 where there is none to be had (raises `RegistryError`).

        With `lasting` a refusal or failure is no part of the recording: it has something better.
        """
        upstream = self._upstreams.get(host)
        assert upstream is not None
        if request.method not in _METHODS:
            raise errors.unsupported(_METHODS)
        negotiable = target.pattern == paths.MANIFEST
        asked = _Asked(request, upstream, target, Question.of(request, host, negotiable=negotiable), lasting)
        self._secrets.add_header(request.headers.get("authorization", ""))
        body = await _form(request) if request.method == "POST" else None
        self._secrets.add_form(body or b"")
        try:
            response = await self._forwarder.send(
                request.method, upstream, _without_namespace(request), asked.headers, body, target.name
            )
        except RemoteError as error:
            return self._unanswered(asked, error)
        if target.pattern == paths.BLOB and request.method == "GET" and response.status in {200, 206}:
            return await self._blob(asked, response)
        return await self._small(asked, response)

    def _unanswered(self, asked: _Asked, error: RemoteError) -> Response:
        if error.hung_up:
            self._keep(asked, Given(close=True))
            return Response(0, drop=True)
        self._tell(f"{asked.upstream.host}: {error}")
        raise _bad_gateway(f"{asked.upstream.host}: {error}")

    async def _small(self, asked: _Asked, response: RemoteResponse) -> Response:
        """An answer that goes through memory."""
        request = asked.request
        try:
            data = b"" if request.method == "HEAD" else _decoded(response, await response.read(MAX_BODY))
        except RemoteError as error:
            raise _bad_gateway(str(error)) from None
        finally:
            response.release()
        headers = kept_headers(response.headers.items(), length=request.method == "HEAD")
        if response.status == 401:
            self._look_at_challenges(asked, response)
        digest = ""
        if asked.target.pattern == paths.MANIFEST and request.method == "GET" and response.status == 200:
            digest = await self._manifest(asked, headers, data)
        text = "" if digest else self._secrets.redacted_body(data)
        if text is None:
            self._lose(asked, "its answer is no text")
        else:
            self._keep(asked, Given(response.status, headers, text, digest))
        return Response(response.status, headers, data)

    async def _manifest(self, asked: _Asked, headers: list[tuple[str, str]], data: bytes) -> str:
        """Puts a manifest into the tree; its digest there, or an empty text if the tree cannot have it like that."""
        host, name, reference = asked.upstream.host, asked.target.name, asked.target.argument
        try:
            return await asyncio.to_thread(kept_manifest, self._tree, host, name, reference, headers, data)
        except TreeError as error:
            self._tell(f"{host}/{name}: {error}")
            return ""

    async def _blob(self, asked: _Asked, response: RemoteResponse) -> Response:
        """A blob, or a part of one, which reaches the client while it goes into the tree."""
        headers = kept_headers(response.headers.items(), length=False)
        length = _length(response)
        if length is not None and length > MAX_BLOB:
            response.close()
            raise _bad_gateway(f"a blob of {length} bytes; at most {MAX_BLOB} are taken")
        if response.status == 206 or not asked.can_be_kept:
            return self._part(asked, response, headers, length)
        if length is None:
            return await self._spooled(asked, response, headers)
        pieces = self._saved(asked, response, Given(200, headers, content=asked.target.argument), length)
        return Response(200, headers, StreamBody(length, _Passing(response, pieces)))

    def _part(
        self, asked: _Asked, response: RemoteResponse, headers: list[tuple[str, str]], length: int | None
    ) -> Response:
        """A part of a blob. The whole of it is fetched besides: parts are served from that later."""
        if length is None:
            response.close()
            raise _bad_gateway("a part of a blob without its length")
        if asked.can_be_kept:
            self._complete(asked)
            self._keep(asked, Given(response.status, headers, partial=True))
        else:
            self._lose(asked, "the tree can have no such blob")
        return Response(response.status, headers, StreamBody(length, _Passing(response, _passed(response))))

    async def _spooled(self, asked: _Asked, response: RemoteResponse, headers: list[tuple[str, str]]) -> Response:
        """A blob whose length nobody says goes into the tree before the client gets it."""
        digest = asked.target.argument
        pieces = self._saved(asked, response, Given(200, headers, content=digest), None)
        try:
            async for _ in pieces:
                pass
        finally:
            await pieces.aclose()
            response.close()
        found = self._tree.store.find(digest)
        if found is None:
            raise _bad_gateway(f"{digest} did not come whole")
        return Response(200, headers, FileBody(Path(found.path), 0, found.size))

    async def _saved(
        self, asked: _Asked, response: RemoteResponse, given: Given, length: int | None
    ) -> AsyncGenerator[bytes, None]:
        """The pieces of a blob. Before the last one is given, the blob is in the tree and its answer in the recording.

        Raises:
            ConnectionResetError: the rest does not come.
        """
        digest = asked.target.argument
        ended = False
        try:
            async with Download(self._tree.store, digest) as sink:
                if sink.size:
                    await sink.cut()
                async for piece in response.pieces():
                    await sink.write(piece)
                    if sink.size > MAX_BLOB:
                        raise ConnectionResetError(f"more than {MAX_BLOB} bytes")
                    if sink.size == length:
                        await self._commit(asked, sink, given)
                        ended = True
                    yield piece
                if not ended and length in {None, sink.size}:
                    await self._commit(asked, sink, given)
        except (RemoteError, OSError, TreeError) as error:
            self._lose(asked, str(error) or type(error).__name__)
            raise ConnectionResetError(str(error)) from None

    async def _commit(self, asked: _Asked, sink: Download, given: Given) -> None:
        host, name, digest = asked.upstream.host, asked.target.name, asked.target.argument
        if await sink.matches():
            await sink.commit()
            await asyncio.to_thread(self._tree.remember_blob, host, name, digest)
            self._keep(asked, given)
        else:
            self._lose(asked, "it came with other bytes than its digest says")

    def _complete(self, asked: _Asked) -> None:
        """Fetches all of a blob of which a client wants a part, once."""
        key = (asked.upstream.host, asked.target.name, asked.target.argument)
        if key not in self._completing and self._tree.store.find(asked.target.argument) is None:
            task = asyncio.create_task(self._fetch_whole(asked))
            self._completing[key] = task
            task.add_done_callback(lambda _: self._completing.pop(key, None))

    async def _fetch_whole(self, asked: _Asked) -> None:
        headers = {name: value for name, value in asked.headers.items() if name in {"Authorization", "User-Agent"}}
        target = _without_namespace(asked.request)
        try:
            response = await self._forwarder.send("GET", asked.upstream, target, headers, repository=asked.target.name)
            question = Question(asked.upstream.host, asked.request.target, "GET", asked.question.authorization)
            whole = asked._replace(question=question)
            kept = kept_headers(response.headers.items(), length=False)
            given = Given(200, kept, content=asked.target.argument)
            try:
                if response.status != 200:
                    self._lose(asked, f"all of it cannot be had: {response.status}")
                    return
                async for _ in self._saved(whole, response, given, _length(response)):
                    pass
            finally:
                response.close()
        except (IsmirrorError, ConnectionResetError) as error:
            self._lose(asked, str(error))

    def _look_at_challenges(self, asked: _Asked, response: RemoteResponse) -> None:
        """Tells the user if clients are sent somewhere else for their tokens."""
        for challenge in parse_challenges(response.headers.all("WWW-Authenticate")):
            realm = challenge.parameters.get("realm", "")
            if challenge.scheme != "bearer" or not realm:
                continue
            try:
                url = URL(realm, encoded=True)
                known = not url.host or self._upstreams.at(url) is not None
            except ValueError:
                continue
            if not known:
                host = asked.upstream.host
                self._tell(f"{host}: tokens come from {url.origin()}, which is not recorded: add {needed(url)}")

    def _keep(self, asked: _Asked, given: Given) -> None:
        """Records an answer."""
        if asked.lasting and not is_lasting(given.status):
            return
        if is_secret_query(asked.request.query):
            self._lose(asked, "its query holds credentials")
            return
        headers = [(name, self._secrets.redacted(value)) for name, value in given.headers]
        namespace = namespace_of(asked.request)
        if namespace and not given.close:
            headers.append(("OCI-Namespace", asked.upstream.host))
        self._recording.add(asked.question, msgspec.structs.replace(given, headers=headers))

    def _lose(self, asked: _Asked, reason: str) -> None:
        path = asked.request.path[:200]
        self._tell(f"{asked.upstream.host}: not recorded: {asked.request.method} {path}: {reason}")

    def _tell(self, text: str) -> None:
        """Tells the user something, once."""
        text = self._secrets.redacted(text)
        if text not in self._said:
            self._said.add(text)
            self._say(text)


class _Passing:
    """Pieces on their way to a client, and the answer that they come from."""

    def __init__(self, response: RemoteResponse, pieces: AsyncGenerator[bytes, None]) -> None:
        self._response = response
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    async def aclose(self) -> None:
        """Lets go of both, even if nothing was ever asked for."""
        try:
            await self._pieces.aclose()
        finally:
            self._response.close()


async def _passed(response: RemoteResponse) -> AsyncGenerator[bytes, None]:
    try:
        async for piece in response.pieces():
            yield piece
    except RemoteError as error:
        raise ConnectionResetError(str(error)) from None


async def _form(request: Request) -> bytes:
    """The form that a token endpoint gets."""
    data = b""
    if request.body is not None:
        async for piece in request.body:
            data += piece
            if len(data) > _MAX_FORM:
                raise errors.too_large(_MAX_FORM)
    return data


def _decoded(response: RemoteResponse, data: bytes) -> bytes:
    """A body without the coding that nobody asked for (raises `RemoteError` if that cannot be undone)."""
    coding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if coding == "identity" or not data:
        return data
    try:
        decoder = zlib.decompressobj(wbits=31) if coding in {"gzip", "x-gzip"} else None
        found = None if decoder is None else decoder.decompress(data, MAX_BODY)
    except zlib.error:
        found = None
    if decoder is None or found is None or not decoder.eof:
        raise RemoteError(f"{response.method} {response.url.with_query(None)}: a body in the coding {coding[:50]!r}")
    return found


def _length(response: RemoteResponse) -> int | None:
    return header_number(response.headers.get("Content-Length", ""))


def _without_namespace(request: Request) -> str:
    """The target as the real registry knows it: ``?ns=`` is for us."""
    if not namespace_of(request):
        return request.target
    query = "&".join(part for part in request.query.split("&") if unquote_plus(part.partition("=")[0]) != "ns")
    return f"{request.path}?{query}" if query else request.path


def _bad_gateway(text: str) -> RegistryError:
    return RegistryError(502, "UNAVAILABLE", f"cannot be recorded: {text}"[:2000])

"""The registry client of the importer: one repository, read only.

Source: library-go ``registryclient/client.go``, distribution ``registry/client/repository.go``.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, TypeVar

import msgspec

from fake_registry import oci
from fake_registry.errors import DigestError
from mirror.clock import RateLimit, Stopwatch
from mirror.gotext import GoUrlError, quote
from mirror.importer.authorization import Authorization, Login
from mirror.importer.failures import ClientFailure, CodeFailure, UnparsedFailure, UrlFailure
from mirror.importer.mime import parse_media_type
from mirror.importer.responses import answer_failure, decode_content, parse_tags
from mirror.importer.seen import remembered
from mirror.importer.transport import Answer
from mirror.importer.wire import Headers, Reads, Url, Wire, reads_body

T = TypeVar("T")

PING_TIMEOUT: Final = 15.0
ATTEMPTS: Final = 3
MAX_PAGES: Final = 10_000
"""Pages of one tag list. The real client has no limit and would follow a loop of links forever."""

ACCEPT_MANIFEST: Final[Headers] = tuple(
    ("accept", media_type)
    for media_type in (
        "application/vnd.docker.distribution.manifest.v1+prettyjws",
        "application/json",
        "application/vnd.docker.distribution.manifest.v2+json",
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.oci.image.manifest.v1+json",
        "application/vnd.oci.image.index.v1+json",
    )
)
"""Six header lines; the real order changes from request to request, ours is fixed."""

ACCEPT_CONFIG: Final[Headers] = (("accept-encoding", "zstd, gzip, deflate"),)
_DIGEST: Final = re.compile(r"[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9A-Fa-f]{32,}", re.ASCII)


class RawManifest(msgspec.Struct, frozen=True, gc=False):
    """A manifest as it came: its bytes, and the media type of the answer (empty if it had none)."""

    content: bytes
    media_type: str


class RepositoryContext:
    """What one pass knows of a repository: its ping, challenges, tokens, credentials.

    A failed ping is remembered like a good one, and so is the fall-back to http, whoever asked first.
    """

    def __init__(self, wire: Wire, host: str, name: str, login: Login | None, stopwatch: Stopwatch) -> None:
        self.wire = wire
        self.host = host
        self.name = name
        self.stopwatch = stopwatch
        self.authorization = Authorization(wire, name, login, stopwatch.clock)
        self.base: Url | None = None
        self._failure: ClientFailure | None = None
        self.lock = asyncio.Lock()

    async def connect(self, *, insecure: bool) -> Url:
        """The base URL after the ping.

        Raises:
            ClientFailure: the ping failed, now or before.
        """
        async with self.lock:
            if self.base is None and self._failure is None:
                try:
                    self.base = await self._ping("https", insecure=insecure)
                except ClientFailure as failure:
                    self._failure = failure
        if self._failure is not None:
            raise self._failure
        assert self.base is not None
        return self.base

    async def _ping(self, scheme: str, *, insecure: bool) -> Url:
        base = Url(scheme, self.host, "")
        ping = Url(scheme, self.host, "/v2/")
        try:
            answer, url = await self.wire.request(
                "GET", ping, (), insecure=insecure, timeout=PING_TIMEOUT, reads=_never
            )
        except ClientFailure:
            if insecure and scheme == "https":
                return await self._ping("http", insecure=insecure)
            raise
        if not _speaks_v2(answer):
            text = f'endpoint "{base}" does not support v2 API (got {answer.status_text})'
            raise ClientFailure(text).about("no-registry")
        self.authorization.remember(url, answer)
        return base


class RepositoryClient:
    """The requests about one repository, over the secure or the insecure transport."""

    def __init__(self, context: RepositoryContext, *, insecure: bool) -> None:
        self._context = context
        self._name = context.name
        self._stopwatch = context.stopwatch
        self._insecure = insecure

    @property
    def name(self) -> str:
        """Registry and repository."""
        return f"{self._context.host}/{self._name}"

    async def _base(self) -> Url:
        return self._context.base or await self._context.connect(insecure=self._insecure)

    async def _send(self, method: str, target: str, headers: Headers, reads: Reads = reads_body) -> Answer:
        base = self._context.base or await self._base()
        return await self._request(method, Url(base.scheme, base.host, target), headers, reads)

    async def _request(self, method: str, url: Url, headers: Headers, reads: Reads = reads_body) -> Answer:
        context = self._context
        answer, _ = await context.wire.request(
            method,
            url,
            headers,
            insecure=self._insecure,
            authorize=self._authorize if context.authorization.needed else None,
            reads=reads,
        )
        return answer

    async def _authorize(self, url: Url) -> Headers:
        async with self._context.lock:
            return await self._context.authorization.headers(url, insecure=self._insecure)

    async def _retrying(self, operation: Callable[[], Awaitable[T]]) -> T:
        """Repeats what the real client repeats; only the outermost kind of failure counts."""
        for _ in range(ATTEMPTS - 1):
            try:
                return await operation()
            except ClientFailure as failure:
                pause = _pause_before_retry(failure)
                if pause is None:
                    raise
            await self._stopwatch.sleep(pause)
        return await operation()

    async def manifest(self, reference: str, limit: RateLimit | None = None) -> RawManifest:
        """A manifest by tag or digest; by digest its content is checked.

        Raises:
            ClientFailure: the request failed, or the content is not that of the digest.
        """
        if self._context.base is None:
            await self._base()  # a ping is never repeated
        return await self._retrying(partial(self._manifest, reference, limit))

    async def _manifest(self, reference: str, limit: RateLimit | None) -> RawManifest:
        if limit is not None:
            await limit.take()
        answer = await self._send("GET", f"/v2/{self._name}/manifests/{reference}", ACCEPT_MANIFEST)
        if answer.status == 304:
            raise ClientFailure("manifest not modified")
        if not 200 <= answer.status <= 399:
            raise answer_failure(answer)
        return RawManifest(answer.body, parse_media_type(answer.header("content-type")))

    async def manifest_digest(self, reference: str, limit: RateLimit | None = None) -> str:
        """The digest of a manifest as the registry announces it, by HEAD; empty if it does not say. Never retried.

        The importer itself never asks for it.

        Raises:
            ClientFailure: the request failed.
        """
        await self._base()
        if limit is not None:
            await limit.take()
        answer = await self._send("HEAD", f"/v2/{self._name}/manifests/{reference}", ACCEPT_MANIFEST)
        return answer.header("docker-content-digest") if answer.status == 200 else ""

    async def config(self, digest: str) -> bytes:
        """A config blob, decompressed and checked. Never retried.

        Raises:
            ClientFailure: it cannot be had, or is not what the digest says.
        """
        check_digest_form(digest)
        answer = await self._send("GET", f"/v2/{self._name}/blobs/{digest}", ACCEPT_CONFIG, _reads_blob)
        if answer.status == 404:
            raise ClientFailure("unknown blob").about("no-blob")
        if not 200 <= answer.status <= 399:
            raise answer_failure(answer)
        content = decode_content(answer)
        check_content(content, digest, "blob")
        return content

    async def blob_size(self, digest: str, limit: RateLimit | None = None) -> int:
        """The size of a blob in bytes, by HEAD.

        Raises:
            ClientFailure: the request failed or the answer has no usable length.
        """
        check_digest_form(digest)
        if self._context.base is None:
            await self._base()  # a ping is never repeated
        return await self._retrying(partial(self._blob_size, digest, limit))

    async def _blob_size(self, digest: str, limit: RateLimit | None) -> int:
        if limit is not None:
            await limit.take()
        target = f"/v2/{self._name}/blobs/{digest}"
        answer = await self._send("HEAD", target, ())
        if answer.status == 404:
            raise ClientFailure("unknown blob").about("no-blob")
        if not 200 <= answer.status <= 399:
            raise answer_failure(answer)
        length = answer.header("content-length")
        if not length:
            raise ClientFailure(f"missing content-length header for request: {await self._base()}{target}")
        return _parse_int(length)

    async def tags(self, limit: RateLimit | None = None) -> list[str]:
        """All tags, pages joined, as the registry lists them.

        Raises:
            ClientFailure: a page failed; nothing of the others is kept.
        """
        if self._context.base is None:
            await self._base()  # a ping is never repeated
        return await self._retrying(partial(self._tags, limit))

    async def _tags(self, limit: RateLimit | None) -> list[str]:
        if limit is not None:
            await limit.take()
        base = await self._base()
        url = Url(base.scheme, base.host, f"/v2/{self._name}/tags/list")
        tags: list[str] = []
        for _ in range(MAX_PAGES):
            answer = await self._request("GET", url, ())
            if not 200 <= answer.status <= 399:
                raise answer_failure(answer)
            tags.extend(parse_tags(answer.body))
            link = answer.header("link")
            if not link:
                return tags
            url = _next_page(url, link)
        raise ClientFailure(f"more than {MAX_PAGES} pages of tags")


_digest_of: Final = remembered(oci.compute_digest)


def check_digest_form(digest: str) -> None:
    """What a URL is to be made of must look like a digest; nothing is asked for otherwise (``reference.WithDigest``).

    Raises:
        ClientFailure: it does not.
    """
    if _DIGEST.fullmatch(digest) is None:
        raise ClientFailure("invalid digest format")


def check_content(content: bytes, digest: str, what: str) -> None:
    """Content must be what its digest says; `what` is the subject of the message.

    Raises:
        ClientFailure: it is not.
    """
    try:
        found = _digest_of(content, digest.partition(":")[0])
    except DigestError:
        raise ClientFailure("unsupported digest algorithm") from None
    if found != digest:
        raise ClientFailure(
            f"content integrity error: the {what} retrieved with digest {digest} "
            f"does not match the digest calculated from the content {found}"
        ).about("content")


def _never(status: int) -> bool:
    """Of the answer to a ping nothing but status and headers is looked at."""
    del status
    return False


def _reads_blob(status: int) -> bool:
    return status < 500 and status != 404


def _speaks_v2(answer: Answer) -> bool:
    if any(value.split() for value in answer.header_lines("docker-distribution-api-version")):
        return True
    return 200 <= answer.status <= 299 or answer.status in (401, 403)


def _pause_before_retry(failure: ClientFailure) -> float | None:
    """Seconds to wait before the next attempt, or None for what is not tried again."""
    if isinstance(failure, UrlFailure):
        return 1.0 if failure.timeout else None
    if isinstance(failure, CodeFailure):
        return {"TOOMANYREQUESTS": 2.0, "UNAVAILABLE": 5.0}.get(failure.code)
    if isinstance(failure, UnparsedFailure):
        return 2.0 if failure.status == 429 else None
    return None


def _parse_int(text: str) -> int:
    """``strconv.ParseInt`` for a Content-Length."""
    problem = "invalid syntax"
    if re.fullmatch(r"[+-]?[0-9]+", text, re.ASCII):
        number = int(text) if len(text) < 64 else 1 << 64
        if -(1 << 63) <= number < 1 << 63:
            return number
        problem = "value out of range"
    raise ClientFailure(f"error parsing content-length: strconv.ParseInt: parsing {quote(text)}: {problem}")


def _next_page(url: Url, link: str) -> Url:
    """The URL of a ``Link`` header; ``rel`` is not looked at."""
    try:
        return url.resolve(link.partition(";")[0].strip("<>"))
    except GoUrlError as error:
        raise ClientFailure(str(error)) from None

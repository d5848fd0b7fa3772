"""One repository of a registry, as a client reads and writes it.

Source: OCI distribution specification 1.1.
"""

from __future__ import annotations

import asyncio
from typing import Final, NamedTuple, Protocol

import msgspec
from yarl import URL

from fake_registry.oci import (
    DOCKER_LIST,
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_SIGNED,
    MANIFEST_TYPES,
    MAX_MANIFEST,
    NOT_JSON,
    OCI_INDEX,
    OCI_MANIFEST,
    Descriptor,
    Index,
    compute_digest,
    guessed_media_type,
    is_digest,
    manifest_digest,
    manifest_links,
    matches_digest,
    parse_digest,
)
from fake_registry.simple_signing import Signature, decode_signatures
from mirror.seed.remote.authorizing import pull, push
from mirror.seed.remote.blob_upload import NO_SESSION, BlobUpload, Content, Session
from mirror.seed.remote.credentials import Login
from mirror.seed.remote.failures import RemoteError
from mirror.seed.remote.registry import Access, Registry, has_words, header_number
from mirror.seed.remote.response import RemoteResponse

_ACCEPTED: Final = (
    OCI_INDEX,
    OCI_MANIFEST,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    "application/vnd.oci.artifact.manifest.v1+json",
    DOCKER_SCHEMA1_SIGNED,
    DOCKER_SCHEMA1,
)
ACCEPT: Final = ", ".join(_ACCEPTED)
MAX_TAGS: Final = 1_000_000
_MAX_SIGNATURES: Final = 8 << 20
_MAX_PAGE: Final = 64 << 20
_PAGE: Final = 1000
_MAX_PAGES: Final = 10_000
MAX_REFERRERS: Final = 100_000
_ENOUGH: Final = 2


class Fetched(NamedTuple):
    """A manifest: what names it, and its bytes as they are."""

    descriptor: Descriptor
    data: bytes


class BlobSink(Protocol):
    """Takes a blob that comes in order, possibly over several tries. ``size`` is how many bytes it has."""

    size: int

    async def write(self, data: bytes) -> None:
        """Takes the next bytes."""
        ...

    async def cut(self) -> None:
        """Forgets everything: the blob comes from its beginning."""
        ...

    async def matches(self) -> bool:
        """Whether all that was taken is the blob."""
        ...


class _Tags(msgspec.Struct):
    tags: list[str] | None = None


class Repository:
    """Reads from a repository, and writes to it. Failures that may pass are tried again."""

    def __init__(self, registry: Registry, name: str, login: Login | None = None) -> None:
        self.registry = registry
        self.name = name
        self.login = login
        self._read = Access(pull(name), login)
        self._write = Access(push(name), login)
        self._lists_referrers: bool | None = None
        self._first_list = asyncio.Lock()

    def __str__(self) -> str:
        return f"{self.registry.host}/{self.name}"

    async def tags(self) -> list[str]:
        """All tags, in the order in which they come, each once.

        Raises:
            RemoteError: the registry does not say, or says too much.
        """
        path = f"/v2/{self.name}/tags/list?n={_PAGE}"
        found: dict[str, None] = {}
        for _ in range(_MAX_PAGES):
            tags, following = await self.registry.patiently(lambda path=path: self._tags(path))  # type: ignore[misc]
            before = len(found)
            found.update(dict.fromkeys(tags))
            if len(found) > MAX_TAGS:
                raise RemoteError(f"{self}: more than {MAX_TAGS} tags")
            if not following or len(found) == before:
                return list(found)
            path = following
        raise RemoteError(f"{self}: the list of tags does not end")

    async def _tags(self, path: str) -> tuple[list[str], str]:
        async with self.registry.exchange("GET", path, self._read) as response:
            data = await response.read(_MAX_PAGE)
            following = _next_page(response)
        try:
            return msgspec.json.decode(data, type=_Tags).tags or [], following
        except NOT_JSON:
            raise RemoteError(f"{self}: the list of tags is no JSON", passing=True) from None

    async def digest(self, reference: str) -> str | None:
        """The digest of the manifest under a tag, by one HEAD; None if the registry does not say.

        Raises:
            RemoteError: there is none, or no answer.
        """

        async def work() -> str:
            path = f"/v2/{self.name}/manifests/{reference}"
            async with self.registry.exchange("HEAD", path, self._read, headers={"Accept": ACCEPT}) as response:
                return response.headers.get("Docker-Content-Digest", "")

        found = await self.registry.patiently(work)
        return found if is_digest(found) else None

    async def manifest(self, reference: str, media_type: str = "") -> Fetched:
        """The manifest under a tag or digest, its bytes checked. `media_type` is what an index says that it is.

        Raises:
            RemoteError: there is none, no answer, or never the right bytes.
        """
        return await self.registry.patiently(lambda: self._manifest(reference, media_type))

    async def _manifest(self, reference: str, media_type: str) -> Fetched:
        path = f"/v2/{self.name}/manifests/{reference}"
        async with self.registry.exchange("GET", path, self._read, headers={"Accept": ACCEPT}) as response:
            data = await response.read(MAX_MANIFEST)
            stated = response.content_type
            named = response.headers.get("Docker-Content-Digest", "")
        where = f"{self}{'@' if ':' in reference else ':'}{reference}"
        if media_type not in MANIFEST_TYPES:
            media_type = stated if stated in MANIFEST_TYPES else guessed_media_type(data, manifest_links(data))
        if not media_type:
            # an artifact of a type of its own; the words of a proxy, or a manifest that came damaged
            if not stated.endswith("+json"):
                raise RemoteError(f"{where}: {stated} is no manifest", passing=True)
            media_type = stated
        wanted = reference if ":" in reference else named
        digest = wanted if is_digest(wanted) else manifest_digest(data, media_type)
        algorithm = parse_digest(digest)[0]
        if digest not in {manifest_digest(data, media_type, algorithm), compute_digest(data, algorithm)}:
            raise RemoteError(f"{where}: came with other bytes than {digest} has", passing=True)
        return Fetched(Descriptor(media_type=media_type, digest=digest, size=len(data)), data)

    async def referrers(self, digest: str) -> list[Descriptor] | None:
        """The manifests that refer to another one; None if the registry does not keep lists of them.

        A repository that has none is asked once, and a registry that does not know their paths for two repositories is
        not asked for others: one that has such lists never answers that with 404 (OCI distribution specification 1.1,
        "Listing Referrers").

        Raises:
            RemoteError: no answer.
        """
        if self._lists_referrers is None:
            async with self._first_list:  # whether there are such lists need not be asked by many at once
                return await self._listed(digest)
        return await self._listed(digest)

    async def _listed(self, digest: str) -> list[Descriptor] | None:
        if self._lists_referrers is False or len(self.registry.without_referrers) >= _ENOUGH:
            return None
        path: str = f"/v2/{self.name}/referrers/{digest}"
        found: list[Descriptor] = []
        for _ in range(_MAX_PAGES):
            page, following = await self.registry.patiently(lambda path=path: self._referrers(path))  # type: ignore[misc]
            self._lists_referrers = page is not None
            if page is None:
                return None
            found += page
            if len(found) > MAX_REFERRERS:
                raise RemoteError(f"{self}: more than {MAX_REFERRERS} manifests refer to {digest}")
            if not following:
                break
            path = following
        return found

    async def _referrers(self, path: str) -> tuple[list[Descriptor] | None, str]:
        """A page of a list, or None where there are no lists, and where the next one is."""
        ok = frozenset({200, 400, 404, 405, 501})
        async with self.registry.exchange("GET", path, self._read, headers={"Accept": OCI_INDEX}, ok=ok) as response:
            data = await response.read(MAX_MANIFEST)
            following, stated, status = _next_page(response), response.content_type, response.status
        if status != 200:
            if status == 404 and not has_words(data):
                self.registry.without_referrers.add(self.name)
            return None, ""
        try:
            manifests = msgspec.json.decode(data, type=Index).manifests
        except NOT_JSON:
            if stated != OCI_INDEX:  # something that answers everything, and knows no such lists
                return None, ""
            raise RemoteError(f"{self}: the list of referrers is no index", passing=True) from None
        return [manifest for manifest in manifests if is_digest(manifest.digest)], following

    async def small_blob(self, digest: str, limit: int) -> bytes:
        """A blob in memory, checked (raises `RemoteError` if it cannot be had or is longer than `limit`)."""

        async def work() -> bytes:
            async with self.registry.exchange("GET", self._blob_path(digest), self._read) as response:
                data = await response.read(limit)
            if not matches_digest(data, digest):
                raise RemoteError(f"{self}@{digest}: came with other bytes", passing=True)
            return data

        return await self.registry.patiently(work)

    async def blob(self, descriptor: Descriptor, sink: BlobSink) -> None:
        """A blob of any size. What came before a failure is not asked for again, unless it proves to be wrong.

        Raises:
            RemoteError: it cannot be had.
        """
        failures = spoiled = 0
        while True:
            before = sink.size
            self.registry.require_hope()
            try:
                if descriptor.size < 0 or sink.size < descriptor.size:
                    await self._blob(descriptor, sink)
                if await sink.matches():
                    return
                spoiled += 1
                passing = spoiled < self.registry.attempts  # counted apart: pieces that come set back the other count
                error = RemoteError(f"{self}@{descriptor.digest}: came with other bytes", passing=passing)
                await sink.cut()
            except RemoteError as found:
                error = found
            failures = 1 if sink.size > before else failures + 1
            if not error.passing or failures >= self.registry.attempts:
                self.registry.give_up(error)
                raise error
            await self.registry.pause(error, failures)

    async def _blob(self, descriptor: Descriptor, sink: BlobSink) -> None:
        headers = {"Range": f"bytes={sink.size}-"} if sink.size else {}
        path = self._blob_path(descriptor.digest)
        ok = frozenset({200, 206, 416})
        async with self.registry.exchange("GET", path, self._read, headers=headers, ok=ok) as response:
            if response.status == 416:  # there is no more of it
                return
            if sink.size and (response.status == 200 or _start(response) != sink.size):
                await sink.cut()
                if response.status == 206:
                    raise RemoteError(f"{self}@{descriptor.digest}: came from another place", passing=True)
            async for piece in response.pieces():
                if 0 <= descriptor.size < sink.size + len(piece):
                    await sink.cut()
                    raise RemoteError(
                        f"{self}@{descriptor.digest}: more than the {descriptor.size} bytes that it has", passing=True
                    )
                await sink.write(piece)

    async def signatures(self, digest: str) -> list[Signature]:
        """The signatures of an image (simple signing); none where the registry keeps none.

        Raises:
            RemoteError: no answer, or one that is none.
        """
        if not self.registry.offers_signatures:
            return []

        async def work() -> list[Signature]:
            ok = frozenset({200, 404, 405})
            async with self.registry.exchange("GET", self._signatures_path(digest), self._read, ok=ok) as response:
                data = await response.read(_MAX_SIGNATURES)
                if response.status != 200:
                    return []
            try:
                found = decode_signatures(data)
            except ValueError:
                raise RemoteError(f"{self}@{digest}: the list of signatures is none", passing=True) from None
            return [signature for signature in found if not signature.problem(digest)]

        return await self.registry.patiently(work)

    async def push_signature(self, digest: str, signature: Signature) -> None:
        """Adds a signature to an image, unless it has one of that name (raises `RemoteError`)."""

        async def work() -> None:
            headers = {"Content-Type": "application/json"}
            body, ok = msgspec.json.encode(signature), frozenset({200, 201, 409})
            path = self._signatures_path(digest)
            async with self.registry.exchange("PUT", path, self._write, headers=headers, body=body, ok=ok):
                pass

        await self.registry.patiently(work)

    async def blob_size(self, digest: str) -> int | None:
        """The size of a blob, or None if there is none or the registry does not say (raises `RemoteError`)."""

        async def work() -> int | None:
            path = self._blob_path(digest)
            async with self.registry.exchange("HEAD", path, self._read, ok=frozenset({200, 404})) as response:
                return header_number(response.headers.get("Content-Length", "")) if response.status == 200 else None

        return await self.registry.patiently(work)

    async def has_blob(self, digest: str) -> bool:
        """Whether the repository has a blob (raises `RemoteError`)."""

        async def work() -> bool:
            path = self._blob_path(digest)
            async with self.registry.exchange("HEAD", path, self._write, ok=frozenset({200, 404})) as response:
                return response.status == 200

        return await self.registry.patiently(work)

    async def has_manifest(self, reference: str, digest: str) -> bool:
        """Whether a tag or digest leads to a manifest with this digest (raises `RemoteError`)."""

        async def work() -> bool:
            path = f"/v2/{self.name}/manifests/{reference}"
            headers = {"Accept": ACCEPT}
            ok = frozenset({200, 404})
            async with self.registry.exchange("HEAD", path, self._write, headers=headers, ok=ok) as response:
                return response.status == 200 and response.headers.get("Docker-Content-Digest") == digest

        return await self.registry.patiently(work)

    async def push_blob(
        self, descriptor: Descriptor, content: Content, source: str = "", session: Session = NO_SESSION
    ) -> bool:
        """Uploads a blob, or mounts it from another repository if that works; returns whether it was mounted.

        A `session` that knows of an earlier try goes on with it.

        Raises:
            RemoteError: the registry does not take it.
        """
        return await BlobUpload(self.registry, self.name, self.login, descriptor, content, source, session).run()

    async def push_manifest(self, reference: str, descriptor: Descriptor, data: bytes) -> bool:
        """Puts a manifest under a tag or its digest; returns whether the registry lists it with what it refers to.

        Raises:
            RemoteError: the registry does not take it.
        """

        async def work() -> bool:
            path = f"/v2/{self.name}/manifests/{reference}"
            headers = {"Content-Type": descriptor.media_type}
            ok = frozenset({201, 202})
            async with self.registry.exchange("PUT", path, self._write, headers=headers, body=data, ok=ok) as response:
                found = response.headers.get("Docker-Content-Digest", "")
                listed = "OCI-Subject" in response.headers
            if is_digest(found) and found != descriptor.digest and found.startswith("sha256:"):
                raise RemoteError(f"{self}:{reference}: the registry made {found} of {descriptor.digest}")
            return listed

        return await self.registry.patiently(work)

    def _signatures_path(self, digest: str) -> str:
        return f"/extensions/v2/{self.name}/signatures/{digest}"

    def _blob_path(self, digest: str) -> str:
        return f"/v2/{self.name}/blobs/{digest}"


def _start(response: RemoteResponse) -> int:
    """Where the content of a 206 begins, or -1 if it does not say."""
    unit, _, rest = response.headers.get("Content-Range", "").strip().partition(" ")
    start = header_number(rest.partition("-")[0]) if unit.lower() == "bytes" else None
    return -1 if start is None else start


def _next_page(response: RemoteResponse) -> str:
    """Where the next page is, on the same server, or nothing. Source: RFC 8288; distribution writes no quotes."""
    for line in response.headers.all("Link"):
        target, _, parameters = line.strip().removeprefix("<").partition(">")
        if "rel=next" in parameters.replace('"', "").replace(" ", "").lower() and target:
            try:
                url = response.url.join(URL(target, encoded=True))
            except ValueError:
                return ""
            return url.raw_path_qs if url.origin() == response.url.origin() or target.startswith("/") else ""
    return ""

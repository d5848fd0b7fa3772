"""All that an image consists of, read from a tree: manifests and blobs, and what of it is not there."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from fake_registry.errors import ContentError
from fake_registry.fixtures import Snapshot
from fake_registry.oci import (
    DOCKER_CONFIG,
    DOCKER_LAYER,
    DOCKER_LIST,
    DOCKER_MANIFEST,
    INDEX_TYPES,
    NOT_JSON,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Index,
    compute_digest,
    manifest_links,
)
from mirror.errors import InputError
from mirror.seed.selection import Selected, manifest_of, platform_name

_CHUNK: Final = 1 << 20

_OCI_TYPES: Final = {
    DOCKER_MANIFEST: OCI_MANIFEST,
    DOCKER_LIST: OCI_INDEX,
    DOCKER_CONFIG: OCI_CONFIG,
    DOCKER_LAYER: OCI_LAYER,
    "application/vnd.docker.image.rootfs.diff.tar": "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip": (
        "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip"
    ),
}


class Content(msgspec.Struct, frozen=True):
    """A manifest: its descriptor and bytes."""

    descriptor: Descriptor
    data: bytes


class Closure(msgspec.Struct, frozen=True):
    """What an image consists of.

    ``manifests`` begins with its own; children of an index that the tree does not have are left out. ``absent`` are
    configs and layers that it does not have.
    """

    image: Selected
    manifests: list[Content]
    blobs: list[Descriptor]
    absent: list[Descriptor]

    @property
    def root(self) -> Content:
        """The image's own manifest."""
        return self.manifests[0]


def closure_of(image: Selected, *, metadata_only: bool = False) -> Closure:
    """Everything that belongs to an image; with `metadata_only` no layers.

    Raises:
        InputError: its manifest is missing, or something of it is damaged.
        TreeError: something cannot be read.
    """
    snapshot = image.snapshot
    found = Closure(image, [], [], [])
    queue = [Content(image.descriptor, manifest_of(snapshot, image.descriptor, str(image)))]
    seen = {image.descriptor.digest}
    for content in queue:
        found.manifests.append(content)
        links = manifest_links(content.data)
        for child in links.manifests():
            data = None if child.digest in seen else _read(snapshot, child, str(image))
            if data is not None:
                seen.add(child.digest)
                queue.append(Content(child, data))
        for blob in links.blobs():
            if blob.digest in seen or (metadata_only and blob != links.config):
                continue
            seen.add(blob.digest)
            there = snapshot.find_blob(blob.digest) is not None
            (found.blobs if there else found.absent).append(blob)
    return found


def require_layers(closure: Closure) -> None:
    """Raises `InputError` if the tree lacks something of an image."""
    if closure.absent:
        first, count = closure.absent[0].digest, len(closure.absent)
        more = f" and {count - 1} more" if count > 1 else ""
        raise InputError(f"{closure.image}: {first}{more} not in the tree, which has metadata; see --metadata-only")


def one_platform(closure: Closure, platform: str) -> Closure:
    """The image of one platform (``os/architecture[/variant]``) out of an index; what is no index stays as it is.

    Raises:
        InputError: the index has none for it.
    """
    if closure.root.descriptor.media_type not in INDEX_TYPES:
        return closure
    try:
        children = msgspec.json.decode(closure.root.data, type=Index).manifests
    except NOT_JSON as error:
        raise InputError(f"{closure.image}: {error}") from None
    names = {platform_name(child): child for child in reversed(children)}
    there = {content.descriptor.digest: content for content in closure.manifests}
    wanted = names.get(platform) or next(
        (child for name, child in names.items() if name.startswith(f"{platform}/")), None
    )
    if wanted is None or wanted.digest not in there:
        raise InputError(f"{closure.image}: no manifest for {platform}; there are {', '.join(sorted(names))}")
    content = there[wanted.digest]
    digests = {blob.digest for blob in manifest_links(content.data).blobs()}
    return Closure(
        closure.image,
        [content],
        [blob for blob in closure.blobs if blob.digest in digests],
        [blob for blob in closure.absent if blob.digest in digests],
    )


def converted(closure: Closure) -> Closure:
    """The image with OCI's media types in place of Docker's. Its manifests, and so its digests, are new.

    Raises:
        InputError: a manifest that is neither Docker's schema 2 nor OCI's, or no document at all.
    """
    done: dict[str, Content] = {}
    for content in _children_first(closure):
        done[content.descriptor.digest] = _converted(closure, content, done)
    return msgspec.structs.replace(
        closure, manifests=[done[content.descriptor.digest] for content in closure.manifests]
    )


def _children_first(closure: Closure) -> list[Content]:
    """The manifests of an image, each before the indexes that name it, on whatever level those are."""
    there = {content.descriptor.digest: content for content in closure.manifests}
    begun: set[str] = set()
    found: dict[str, Content] = {}
    stack = [closure.root]
    while stack:
        content = stack[-1]
        digest = content.descriptor.digest
        if digest in begun:
            found.setdefault(digest, content)
            stack.pop()
            continue
        begun.add(digest)
        named = {child.digest for child in manifest_links(content.data).manifests()}
        stack += [there[one] for one in sorted(named - begun) if one in there]
    return list(found.values())


def _converted(closure: Closure, content: Content, done: dict[str, Content]) -> Content:
    media_type = _OCI_TYPES.get(content.descriptor.media_type, content.descriptor.media_type)
    if media_type not in {OCI_MANIFEST, OCI_INDEX}:
        raise InputError(f"{closure.image}: no OCI image can be made of {content.descriptor.media_type or 'it'}")
    try:
        before, document = (msgspec.json.decode(content.data, type=dict[str, Any]) for _ in range(2))
    except NOT_JSON as error:
        raise InputError(f"{closure.image}: {error}") from None
    if media_type != content.descriptor.media_type:
        document["mediaType"] = media_type
    for entry in _entries(document):
        digest, stated = entry.get("digest"), entry.get("mediaType")
        child = done.get(digest) if isinstance(digest, str) else None
        if child is not None:
            entry |= {"digest": child.descriptor.digest, "size": len(child.data)}
        if isinstance(stated, str) and stated in _OCI_TYPES:
            entry["mediaType"] = _OCI_TYPES[stated]
    if document == before:
        return content
    data = msgspec.json.encode(document)
    return Content(
        msgspec.structs.replace(content.descriptor, media_type=media_type, digest=compute_digest(data), size=len(data)),
        data,
    )


def _entries(document: dict[str, Any]) -> Iterator[dict[str, Any]]:
    for key in ("config", "layers", "manifests"):
        value = document.get(key)
        for entry in value if isinstance(value, list) else [value]:
            if isinstance(entry, dict):
                yield entry


def chunks_of(path: str | Path) -> Iterator[bytes]:
    """A file's content, piece by piece."""
    with open(path, "rb") as file:  # noqa: PTH123
        while data := file.read(_CHUNK):
            yield data


def _read(snapshot: Snapshot, descriptor: Descriptor, name: str) -> bytes | None:
    try:
        return snapshot.read_manifest(descriptor)
    except ContentError as error:
        raise InputError(f"{name}: {error}; ismirror data verify says more") from None

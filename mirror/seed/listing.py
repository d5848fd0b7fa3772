"""What a fixture tree holds, said for people: repositories, tags, and one image in full."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import msgspec

from fake_registry.errors import ContentError, TreeError
from fake_registry.fixtures import Snapshot, Tree, canonical_host
from fake_registry.oci import INDEX_TYPES, NOT_JSON, Descriptor, Index, Links, manifest_links
from mirror.errors import InputError
from mirror.seed.selection import manifest_of, platform_name, repository_of, selected, words

_DEEPEST: Final = 8


class RepositoryEntry(msgspec.Struct, frozen=True):
    """A repository: how many tags it has, and how many manifests it leads to."""

    host: str
    repository: str
    tags: int
    manifests: int


class TagEntry(msgspec.Struct, frozen=True, rename="camel"):
    """A tag and the manifest that it names; an empty tag is a manifest without one."""

    tag: str
    digest: str
    media_type: str
    size: int


class LayerEntry(msgspec.Struct, frozen=True, rename="camel"):
    """A layer, and whether its bytes are in the tree."""

    digest: str
    media_type: str
    size: int
    present: bool


class PlatformEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """A manifest of an index. What is known only from its bytes is absent where the tree does not have them.

    ``total`` is what pulling it takes: the bytes of its config and layers. An index in an index has ``manifests``.
    """

    platform: str
    digest: str
    size: int
    media_type: str
    present: bool
    total: int | None = None
    config: str = ""
    layers: list[LayerEntry] | None = None
    manifests: list[PlatformEntry] | None = None


class ReferrerEntry(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A manifest whose subject is another: a signature, an attestation, a list of parts."""

    digest: str
    artifact_type: str
    media_type: str
    size: int


class Description(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One manifest: an index has ``manifests``, an image ``config`` (its JSON as it stands) and ``layers``.

    ``total`` is what pulling all of it takes, in bytes, each blob counted once. ``named_by`` are the indexes of the
    repository that lead to it, ``subject`` is what it refers to, ``referrers`` what refers to it.
    """

    image: str
    digest: str
    media_type: str
    size: int
    total: int
    tags: list[str]
    named_by: list[str] = []
    subject: str = ""
    referrers: list[ReferrerEntry] = []
    manifests: list[PlatformEntry] | None = None
    config: msgspec.Raw | None = None
    layers: list[LayerEntry] | None = None


def repositories(tree: Tree, host: str | None = None) -> Iterator[RepositoryEntry]:
    """The repositories of a tree, or of one of its hosts.

    Raises:
        InputError: the tree has no such host.
        TreeError: an ``index.json`` is broken.
    """
    if host is not None and canonical_host(host) not in tree.hosts():
        raise InputError(f"no host {host} in {tree.root}; there are {words(tree.hosts())}")
    for name in tree.hosts() if host is None else [canonical_host(host)]:
        for repository in tree.repositories(name):
            snapshot = repository_of(tree, name, repository)
            manifests = sum(1 for _ in snapshot.manifests())
            yield RepositoryEntry(name, repository, len(snapshot.tag_names), manifests)


def tags(tree: Tree, host: str, repository: str) -> Iterator[TagEntry]:
    """The tags of a repository in byte order, then the manifests that its index names without a tag.

    Raises:
        InputError: the tree has no such repository.
        TreeError: its ``index.json`` is broken.
    """
    snapshot = repository_of(tree, host, repository)
    tagged = {descriptor.digest for descriptor in snapshot.tags.values()}
    for tag in snapshot.tag_names:
        yield _tag_entry(tag, snapshot.tags[tag])
    for digest in sorted(snapshot.listed.keys() - tagged):
        yield _tag_entry("", snapshot.listed[digest])


def describe(tree: Tree, pull_spec: str) -> tuple[Description, bytes]:
    """One image of a tree, and its manifest as it stands.

    Raises:
        InputError: not a pull spec, or the tree has nothing under it.
        TreeError: an ``index.json`` is broken.
    """
    image = selected(tree, pull_spec)
    manifest = manifest_of(image.snapshot, image.descriptor, pull_spec)
    return _description(image.snapshot, pull_spec, image.descriptor, manifest), manifest


def _description(snapshot: Snapshot, pull_spec: str, descriptor: Descriptor, manifest: bytes) -> Description:
    links = manifest_links(manifest)
    referrers = [
        ReferrerEntry(
            digest=one.descriptor.digest,
            artifact_type=one.links.artifact_type,
            media_type=one.descriptor.media_type,
            size=one.descriptor.size,
        )
        for one in snapshot.referrers(descriptor.digest)
    ]
    base = Description(
        image=pull_spec,
        digest=descriptor.digest,
        media_type=descriptor.media_type,
        size=len(manifest),
        total=_total(snapshot, descriptor.digest, links),
        tags=[tag for tag in snapshot.tag_names if snapshot.tags[tag].digest == descriptor.digest],
        named_by=sorted(_named_by(snapshot, descriptor.digest)),
        subject=links.subject.digest if links.subject is not None else "",
        referrers=referrers,
    )
    if descriptor.media_type in INDEX_TYPES:
        return msgspec.structs.replace(base, manifests=_Platforms(snapshot).of(manifest, links, 0))
    return msgspec.structs.replace(base, layers=_layers(snapshot, links), config=_config(snapshot, links.config))


def _layers(snapshot: Snapshot, links: Links) -> list[LayerEntry]:
    return [
        LayerEntry(layer.digest, layer.media_type, layer.size, snapshot.find_blob(layer.digest) is not None)
        for layer in links.layers
    ]


def _named_by(snapshot: Snapshot, digest: str) -> Iterator[str]:
    """The indexes of a repository that name a manifest."""
    for descriptor in snapshot.manifests():
        links = _links(snapshot, descriptor)
        if links is not None and any(child.digest == digest for child in links.children):
            yield descriptor.digest


def _links(snapshot: Snapshot, descriptor: Descriptor) -> Links | None:
    """What a manifest leads to; None if it is not there, or cannot be read."""
    try:
        return snapshot.store.links(descriptor.digest, descriptor.media_type, snapshot.own)
    except (ContentError, TreeError):
        return None


def _total(snapshot: Snapshot, digest: str, links: Links) -> int:
    """The bytes of all configs and layers below a manifest, as far as they are stated, each counted once."""
    sizes: dict[str, int] = {}
    seen = {digest}
    queue = [links]
    for manifest in queue:
        for blob in manifest.blobs():
            sizes.setdefault(blob.digest, max(blob.size, 0))
        for child in manifest.manifests():
            below = None if child.digest in seen else _links(snapshot, child)
            seen.add(child.digest)
            if below is not None:
                queue.append(below)
    return sum(sizes.values())


def _config(snapshot: Snapshot, descriptor: Descriptor | None) -> msgspec.Raw | None:
    """The config of an image; None where there is none, or none that is JSON."""
    if descriptor is None:
        return None
    try:
        content = snapshot.read_blob(descriptor.digest)
        if not isinstance(content, bytes):
            return None
        msgspec.json.decode(content)
    except (ContentError, *NOT_JSON):
        return None
    return msgspec.Raw(content)


class _Known(msgspec.Struct, frozen=True):
    """What the bytes of a manifest say."""

    total: int
    config: str = ""
    layers: list[LayerEntry] | None = None
    manifests: list[PlatformEntry] | None = None


class _Platforms:
    """The manifests of an index. Each is looked at once, however often and in however many ways it is named."""

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._known: dict[str, _Known | None] = {}

    def of(self, manifest: bytes, links: Links, depth: int) -> list[PlatformEntry]:
        """What an index names, with what that names in turn."""
        try:
            children = msgspec.json.decode(manifest, type=Index).manifests
        except NOT_JSON:
            children = list(links.children)
        return [self._entry(child, depth) for child in children]

    def _entry(self, child: Descriptor, depth: int) -> PlatformEntry:
        entry = PlatformEntry(
            platform=platform_name(child),
            digest=child.digest,
            size=child.size,
            media_type=child.media_type,
            present=self._snapshot.find_blob(child.digest) is not None,
        )
        first = child.digest not in self._known
        if first and depth < _DEEPEST:
            self._known[child.digest] = self._looked_at(child, depth)
        known = self._known.get(child.digest)
        if known is None:
            return entry
        manifests = known.manifests if first else None  # or a few kilobytes could be shown as terabytes
        return msgspec.structs.replace(
            entry, total=known.total, config=known.config, layers=known.layers, manifests=manifests
        )

    def _looked_at(self, child: Descriptor, depth: int) -> _Known | None:
        links = _links(self._snapshot, child)
        if links is None:
            return None
        total = _total(self._snapshot, child.digest, links)
        if child.media_type in INDEX_TYPES:
            data = self._snapshot.read_manifest(child) or b""
            return _Known(total, manifests=self.of(data, links, depth + 1))
        config = links.config.digest if links.config is not None else ""
        return _Known(total, config, _layers(self._snapshot, links))


def _tag_entry(tag: str, descriptor: Descriptor) -> TagEntry:
    return TagEntry(tag, descriptor.digest, descriptor.media_type, descriptor.size)

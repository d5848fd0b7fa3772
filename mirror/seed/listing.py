"""What a fixture tree holds, said for people: repositories, tags, and one image in full."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from fake_registry.errors import ContentError
from fake_registry.fixtures import Snapshot, Tree, canonical_host
from fake_registry.oci import INDEX_TYPES, Descriptor, Index, Links, manifest_links
from mirror.errors import InputError
from mirror.reference import InvalidReference, Reference


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


class PlatformEntry(msgspec.Struct, frozen=True):
    """A manifest of an index."""

    platform: str
    digest: str
    size: int


class Description(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One manifest: an index has ``manifests``, an image ``config`` (its JSON as it stands) and ``layers``."""

    image: str
    digest: str
    media_type: str
    size: int
    tags: list[str]
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
        raise InputError(f"no host {host} in {tree.root}; there are {_words(tree.hosts())}")
    for name in tree.hosts() if host is None else [canonical_host(host)]:
        for repository in tree.repositories(name):
            snapshot = _snapshot(tree, name, repository)
            manifests = sum(1 for _ in snapshot.manifests())
            yield RepositoryEntry(name, repository, len(snapshot.tag_names), manifests)


def tags(tree: Tree, host: str, repository: str) -> Iterator[TagEntry]:
    """The tags of a repository in byte order, then the manifests that its index names without a tag.

    Raises:
        InputError: the tree has no such repository.
        TreeError: its ``index.json`` is broken.
    """
    snapshot = _snapshot(tree, canonical_host(host), repository)
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
    try:
        reference = Reference.parse(pull_spec).docker_client_defaults()
    except InvalidReference as error:
        raise InputError(f"{pull_spec}: {error}") from None
    snapshot = _snapshot(tree, canonical_host(reference.registry), reference.repository_name())
    wanted = reference.id or reference.tag
    descriptor = snapshot.resolve(wanted)
    if descriptor is None:
        raise InputError(f"{pull_spec}: no {wanted} in that repository; its tags are {_words(snapshot.tag_names)}")
    try:
        manifest = snapshot.read_manifest(descriptor)
    except ContentError as error:
        raise InputError(f"{pull_spec}: {error}; ismirror data verify says more") from None
    if manifest is None:
        raise InputError(f"{pull_spec}: {descriptor.digest} is not in the tree; ismirror data verify says more")
    return _description(snapshot, pull_spec, descriptor, manifest), manifest


def _description(snapshot: Snapshot, pull_spec: str, descriptor: Descriptor, manifest: bytes) -> Description:
    links = manifest_links(manifest)
    base = Description(
        image=pull_spec,
        digest=descriptor.digest,
        media_type=descriptor.media_type,
        size=len(manifest),
        tags=[tag for tag in snapshot.tag_names if snapshot.tags[tag].digest == descriptor.digest],
    )
    if descriptor.media_type in INDEX_TYPES:
        return msgspec.structs.replace(base, manifests=_platforms(manifest, links))
    layers = [
        LayerEntry(
            layer.digest, layer.media_type, layer.size, snapshot.store.find(layer.digest, snapshot.own) is not None
        )
        for layer in links.layers
    ]
    return msgspec.structs.replace(base, layers=layers, config=_config(snapshot, links.config))


def _config(snapshot: Snapshot, descriptor: Descriptor | None) -> msgspec.Raw | None:
    """The config of an image; None where there is none, or none that is JSON."""
    if descriptor is None:
        return None
    try:
        content = snapshot.read_blob(descriptor.digest)
        if not isinstance(content, bytes):
            return None
        msgspec.json.decode(content)
    except (ContentError, msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return msgspec.Raw(content)


def _platforms(manifest: bytes, links: Links) -> list[PlatformEntry]:
    try:
        children = msgspec.json.decode(manifest, type=Index).manifests
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        children = list(links.children)
    return [PlatformEntry(_platform(child), child.digest, child.size) for child in children]


def _platform(entry: Descriptor) -> str:
    platform = entry.platform
    return "/".join(filter(None, (platform.os, platform.architecture, platform.variant))) if platform else ""


def _snapshot(tree: Tree, host: str, repository: str) -> Snapshot:
    snapshot = tree.snapshot(host, repository)
    if snapshot is None:
        raise InputError(f"no repository {host}/{repository} in {tree.root}; ismirror data ls shows those there are")
    return snapshot


def _tag_entry(tag: str, descriptor: Descriptor) -> TagEntry:
    return TagEntry(tag, descriptor.digest, descriptor.media_type, descriptor.size)


def _words(names: list[str]) -> str:
    shown = [*names[:10], f"{len(names) - 10} more"] if len(names) > 11 else names
    return ", ".join(shown) or "none"

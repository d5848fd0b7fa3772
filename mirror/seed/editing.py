"""Taking images out of a tree, and giving them other names."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

import msgspec

from fake_registry.errors import ContentError
from fake_registry.fixtures import Batch, Snapshot, Tree, is_tag
from fake_registry.fixtures.disk import FoundFile
from fake_registry.oci import Descriptor, manifest_links
from mirror.errors import InputError
from mirror.seed.archives.closure import chunks_of, closure_of
from mirror.seed.selection import Selected, manifest_of, parsed, repository_of, selected


class Removal(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was taken out of a repository: a tag, a manifest, or all of it."""

    what: Literal["tag", "manifest", "repository"]
    name: str
    digest: str = ""


def remove_images(tree: Tree, names: Iterable[str], *, dry_run: bool = False) -> list[Removal]:
    """Takes away tags and manifests. Nothing happens if one of them is not there.

    With its last tag a manifest goes, too, unless an index of the repository leads to it. Content goes with the next
    collection of garbage.

    Raises:
        InputError: a name without tag and digest, or one that the tree does not have.
        TreeError: an ``index.json`` is broken, or cannot be written.
    """
    images = [_named(tree, name) for name in names]
    found: list[tuple[Selected, Removal]] = []
    gone: dict[tuple[str, str], set[str]] = {}
    for image in images:
        taken = gone.setdefault((image.host, image.repository), set())
        if image.tag:
            found.append((image, Removal(what="tag", name=str(image), digest=image.descriptor.digest)))
            taken.add(image.tag)
        if not image.tag or not _still_named(image, taken):
            name = f"{image.host}/{image.repository}@{image.descriptor.digest}"
            found.append((image, Removal(what="manifest", name=name, digest=image.descriptor.digest)))
    for image, removal in () if dry_run else found:
        if removal.what == "tag":
            tree.delete_tag(image.host, image.repository, image.tag)
        else:
            tree.delete_manifest(image.host, image.repository, removal.digest)
    return [removal for _, removal in found]


def remove_repositories(tree: Tree, names: Iterable[str], *, dry_run: bool = False) -> list[Removal]:
    """Takes away whole repositories (raises as `remove_images`). Those that lie below them stay."""
    places = []
    for name in names:
        reference = parsed(name)
        if reference.tag or reference.id:
            raise InputError(f"{name}: a repository has neither tag nor digest")
        repository_of(tree, reference.registry, reference.repository_name())
        places.append((reference.registry, reference.repository_name()))
    if not dry_run:
        for place in places:
            tree.delete_repository(*place)
    return [Removal(what="repository", name="/".join(place)) for place in places]


def tag_image(tree: Tree, source: str, targets: Iterable[str]) -> list[str]:
    """Gives an image further names: tags of its repository, or pull specs of other repositories of the tree.

    Returns the names in full. A tag that another image has goes over to this one, which stays without it.

    Raises:
        InputError: a name that cannot be, or an image that the tree does not have.
        TreeError: the tree cannot be written.
    """
    image = selected(tree, source)
    data = manifest_of(image.snapshot, image.descriptor, source)
    places = [_target(image, target) for target in targets]
    with Batch(tree) as batch:
        for host, repository, tag in places:
            if (host, repository) != (image.host, image.repository):
                _bring(tree, batch, image)
            digest = image.descriptor.digest
            batch.put_manifest(host, repository, data, image.descriptor.media_type, tag, digest=digest)
    return [f"{host}/{repository}:{tag}" for host, repository, tag in places]


def _named(tree: Tree, name: str) -> Selected:
    reference = parsed(name)
    if not reference.tag and not reference.id:
        raise InputError(f"{name}: name a tag or digest; --repository takes away all of it")
    return selected(tree, name)


def _still_named(image: Selected, gone: set[str]) -> bool:
    """Whether a manifest has other tags than those that go, or an index leads to it."""
    digest = image.descriptor.digest
    tags = (tag for tag, one in image.snapshot.tags.items() if one.digest == digest)
    return any(tag not in gone for tag in tags) or _is_child(image.snapshot, digest)


def _is_child(snapshot: Snapshot, digest: str) -> bool:
    for descriptor in snapshot.manifests():
        try:
            data = snapshot.read_manifest(descriptor)
        except ContentError:
            continue
        if data is not None and any(child.digest == digest for child in manifest_links(data).children):
            return True
    return False


def _target(image: Selected, target: str) -> tuple[str, str, str]:
    if is_tag(target):
        return image.host, image.repository, target
    reference = parsed(target)
    if reference.id:
        raise InputError(f"{target}: expected a tag, or HOST/REPOSITORY:TAG")
    return reference.registry, reference.repository_name(), reference.tag or "latest"


def _bring(tree: Tree, batch: Batch, image: Selected) -> None:
    """Copies what only the image's repository has, in a directory of blobs of its own, to where all can serve it."""
    if image.snapshot.own is None:
        return
    closure = closure_of(image)
    for content in closure.manifests[1:]:
        batch.put_manifest_content(content.data, content.descriptor.media_type, content.descriptor.digest)
    for blob in closure.blobs:
        file = image.snapshot.find_blob(blob.digest)
        if file is not None and tree.store.find(blob.digest) is None:
            _copy(tree, blob, file)


def _copy(tree: Tree, blob: Descriptor, file: FoundFile) -> None:
    with tree.blob_writer(blob.digest.partition(":")[0]) as writer:
        for chunk in chunks_of(file.path):
            writer.write(chunk)
        writer.commit(blob.digest)

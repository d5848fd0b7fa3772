"""Which images of a tree go to which repositories of another registry.

The names are those that oc-mirror gives: the path of a repository stays, its host goes, or becomes the first part of
the path.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from fake_registry.fixtures import Snapshot, Tree, canonical_host, is_host
from fake_registry.fixtures.names import host_directory, is_repository_name
from fake_registry.oci import Descriptor
from mirror.errors import InputError
from mirror.seed.selection import parsed, repository_of, selected
from mirror.seed.tag_filters import attached_to


class Target(msgspec.Struct, frozen=True):
    """A registry, and the path in it below which repositories are made. With ``keep_hosts`` their hosts stay."""

    host: str
    prefix: str = ""
    keep_hosts: bool = False

    def repository(self, host: str, repository: str) -> str:
        """The repository that stands for one of a host."""
        kept = host_directory(host).strip("[]").replace(":", "-") if self.keep_hosts else ""
        return "/".join(filter(None, (self.prefix, kept, repository)))


class Shipment(msgspec.Struct, frozen=True):
    """What goes from a repository of a tree to one of the target: manifests, each with a tag or (empty) without."""

    host: str
    repository: str
    snapshot: Snapshot
    target: str
    images: list[tuple[str, Descriptor]]

    @property
    def source(self) -> str:
        """The name of the repository in the tree."""
        return f"{self.host}/{self.repository}"


def parse_target(text: str, *, keep_hosts: bool = False) -> Target:
    """A target as people write it: ``registry.example.com:5000`` or ``registry.example.com/mirror``.

    Raises:
        InputError: it is none.
    """
    host, _, prefix = text.removeprefix("docker://").rstrip("/").partition("/")
    host = canonical_host(host)
    if not is_host(host) or (prefix and not is_repository_name(prefix)):
        raise InputError(f"{text}: expected a registry, with or without a path: registry.example.com:5000/mirror")
    return Target(host, prefix, keep_hosts)


def shipments(tree: Tree, target: Target, names: Sequence[str] = ()) -> list[Shipment]:
    """What to push: all of a tree, or the images and repositories of these names, with what refers to them.

    Raises:
        InputError: the tree is empty or has nothing under a name, or two images of different hosts would get the
            same name.
        TreeError: an ``index.json`` is broken.
    """
    found = list(_named(tree, target, names) if names else _all(tree, target))
    if not found:
        raise InputError(f"{tree.root}: no image in it; expected a fixture tree")
    _require_distinct(found, target)
    long = next((one for one in found if not is_repository_name(one.target)), None)
    if long is not None:
        raise InputError(f"{long.source}: no repository can be called {target.host}/{long.target}")
    return found


def _all(tree: Tree, target: Target) -> Iterator[Shipment]:
    for host in tree.hosts():
        for repository in tree.repositories(host):
            snapshot = repository_of(tree, host, repository)
            yield _shipment(target, host, repository, snapshot, _everything(snapshot))


def _named(tree: Tree, target: Target, names: Sequence[str]) -> Iterator[Shipment]:
    """Shipments by repository, however many names each is meant by."""
    chosen: dict[tuple[str, str], tuple[Snapshot, dict[tuple[str, str], Descriptor]]] = {}
    for name in names:
        reference = parsed(name)
        place = (reference.registry, reference.repository_name())
        snapshot, images = chosen.setdefault(place, (repository_of(tree, *place), {}))
        if not reference.tag and not reference.id:
            found = _everything(snapshot)
        else:
            image = selected(tree, name)
            found = [(reference.tag, image.descriptor), *_attached(snapshot, image.descriptor)]
        images.update({(tag, descriptor.digest): descriptor for tag, descriptor in found})
    for (host, repository), (snapshot, images) in chosen.items():
        listed = [(tag, descriptor) for (tag, _), descriptor in images.items()]
        yield _shipment(target, host, repository, snapshot, listed)


def _shipment(
    target: Target, host: str, repository: str, snapshot: Snapshot, images: list[tuple[str, Descriptor]]
) -> Shipment:
    return Shipment(host, repository, snapshot, target.repository(host, repository), images)


def _everything(snapshot: Snapshot) -> list[tuple[str, Descriptor]]:
    tagged = [(tag, snapshot.tags[tag]) for tag in snapshot.tag_names]
    digests = {descriptor.digest for _, descriptor in tagged}
    return tagged + [("", one) for one in snapshot.listed.values() if one.digest not in digests]


def _attached(snapshot: Snapshot, image: Descriptor) -> Iterator[tuple[str, Descriptor]]:
    """What refers to an image or to one of its platforms: by its subject, or by a tag as cosign's."""
    links = snapshot.store.links(image.digest, image.media_type, snapshot.own)
    digests = [image.digest, *(child.digest for child in (links.manifests() if links is not None else ()))]
    for digest in digests:
        for referrer in snapshot.referrers(digest):
            yield "", referrer.descriptor
            yield from (("", one.descriptor) for one in snapshot.referrers(referrer.descriptor.digest))
    yield from ((tag, snapshot.tags[tag]) for tag in snapshot.tag_names if attached_to(tag) in digests)


def _require_distinct(found: list[Shipment], target: Target) -> None:
    """Two hosts may share a repository of the target, but no tag of it for two images."""
    taken: dict[tuple[str, str], tuple[str, str]] = {}
    for shipment in found:
        for tag, descriptor in shipment.images:
            if not tag:
                continue
            name, digest = taken.setdefault((shipment.target, tag), (shipment.source, descriptor.digest))
            if digest != descriptor.digest:
                raise InputError(
                    f"{name}:{tag} and {shipment.source}:{tag} are different images, and both would be "
                    f"{target.host}/{shipment.target}:{tag}; --keep-hosts keeps them apart"
                )

"""What two fixture trees do not have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Literal

import msgspec

from fake_registry.fixtures import Snapshot, Tree

Progress = Callable[[int, int], None]
"""Is told how many of how many repositories were compared."""

What = Literal["repository", "tag", "manifest", "content"]
Change = Literal["added", "removed", "changed"]


class Difference(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Something that one tree has and the other has not, or has otherwise.

    ``name`` is ``HOST/REPOSITORY`` of a repository that is only in one of them, with ``:TAG`` of a tag, with
    ``@DIGEST`` of a manifest without a tag, or of content that is there in one only although both lead to it. ``left``
    and ``right`` are digests; an added one has no ``left``.
    """

    what: What
    change: Change
    name: str
    left: str = ""
    right: str = ""


def differences(left: Tree, right: Tree, progress: Progress | None = None) -> Iterator[Difference]:
    """Yields what differs: repositories in order, in each the tags, untagged manifests and content.

    That something else has the same name is all that counts: bytes are not compared, digests say that.

    Raises:
        TreeError: an ``index.json`` is broken.
    """
    sides = [{(host, name) for host in tree.hosts() for name in tree.repositories(host)} for tree in (left, right)]
    names = sorted(sides[0] | sides[1])
    for done, (host, name) in enumerate(names):
        if progress is not None:
            progress(done, len(names))
        yield from _of_repository(f"{host}/{name}", left.snapshot(host, name), right.snapshot(host, name))
    if progress is not None:
        progress(len(names), len(names))


def _of_repository(name: str, left: Snapshot | None, right: Snapshot | None) -> Iterator[Difference]:
    if left is None or right is None:
        yield Difference(what="repository", change="added" if left is None else "removed", name=name)
    tags = [{} if side is None else {tag: one.digest for tag, one in side.tags.items()} for side in (left, right)]
    for tag in sorted(tags[0].keys() | tags[1].keys()):
        yield from _pair("tag", f"{name}:{tag}", tags[0].get(tag, ""), tags[1].get(tag, ""))
    bare = [set() if side is None else _untagged(side) for side in (left, right)]
    for digest in sorted(bare[0] ^ bare[1]):
        yield from _pair("manifest", f"{name}@{digest}", *((digest if digest in side else "") for side in bare))
    if left is not None and right is not None:
        yield from _content(name, left, right)


def _pair(what: What, name: str, left: str, right: str) -> Iterator[Difference]:
    if left != right:
        change: Change = "added" if not left else "removed" if not right else "changed"
        yield Difference(what=what, change=change, name=name, left=left, right=right)


def _untagged(snapshot: Snapshot) -> set[str]:
    return snapshot.listed.keys() - {descriptor.digest for descriptor in snapshot.tags.values()}


def _content(name: str, left: Snapshot, right: Snapshot) -> Iterator[Difference]:
    """Content that both lead to, and only one has: layers of a mirror of metadata, platforms that nobody wanted."""
    common = reached(left) & reached(right)
    for digest in sorted(common):
        there = [side.find_blob(digest) is not None for side in (left, right)]
        if there[0] != there[1]:
            change: Change = "added" if there[1] else "removed"
            yield Difference(
                what="content",
                change=change,
                name=f"{name}@{digest}",
                left=digest if there[0] else "",
                right=digest if there[1] else "",
            )


def reached(snapshot: Snapshot) -> set[str]:
    """The digests of everything that a repository leads to, there or not."""
    found = {descriptor.digest for descriptor in snapshot.manifests()}
    return found | {blob.descriptor.digest for blob in snapshot.blobs()}

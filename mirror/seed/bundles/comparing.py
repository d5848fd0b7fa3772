"""What a tree has no more, compared with an earlier state of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

from fake_registry.fixtures.layout import INDEX, parse_index
from mirror.seed.bundles.records import Entry, Removal, place_of
from mirror.seed.bundles.states import Document

T = TypeVar("T")


def removals(before: Iterable[Document], now: Iterable[Document]) -> Iterator[Removal]:
    """What is gone: tags, manifests without a tag, repositories. Both sides are in the order of their paths.

    Raises:
        TreeError: an ``index.json`` is broken.
    """
    for old, new in _paired(_indexes(before), _indexes(now), lambda document: document.entry.path):
        place = None if old is None else place_of(old.entry.path)
        if old is None or place is None:
            continue
        repository = f"{place.host}/{place.name}"
        tags, digests = _names(old)
        left_tags, left_digests = (set(), set()) if new is None else _names(new)
        yield from (Removal(repository=repository, tag=tag) for tag in sorted(tags - left_tags))
        yield from (Removal(repository=repository, manifest=digest) for digest in sorted(digests - left_digests))
        if new is None:
            yield Removal(repository=repository)


def marked(blobs: Iterable[Entry], base: Iterable[Entry]) -> Iterator[Entry]:
    """The blobs, those that the base has marked as such. Both sides are in the order of their paths."""
    for now, before in _paired(blobs, base, lambda entry: entry.path):
        if now is not None:
            yield now if before is None else Entry(path=now.path, size=now.size, sha256=now.sha256, base=True)


def _indexes(documents: Iterable[Document]) -> Iterator[Document]:
    return (one for one in documents if one.entry.path.endswith(f"/{INDEX}"))


def _names(document: Document) -> tuple[set[str], set[str]]:
    """Tags and digests of an index."""
    descriptors = parse_index(document.data, document.entry.path)
    tags = {descriptor.tag for descriptor in descriptors if descriptor.tag is not None}
    return tags, {descriptor.digest for descriptor in descriptors}


def _paired(left: Iterable[T], right: Iterable[T], key: Callable[[T], str]) -> Iterator[tuple[T | None, T | None]]:
    """What has the same key on both sides, together; None for what one side lacks. Both are in order."""
    lefts, rights = iter(left), iter(right)
    one, other = next(lefts, None), next(rights, None)
    while one is not None or other is not None:
        if other is None or (one is not None and key(one) < key(other)):
            yield one, None
            one = next(lefts, None)
        elif one is None or key(other) < key(one):
            yield None, other
            other = next(rights, None)
        else:
            yield one, other
            one, other = next(lefts, None), next(rights, None)

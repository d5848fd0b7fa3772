"""Which images of a tree stay, and which go: the newest, those that are young, those with certain tags.

An image's age is what its configuration says, of an index the youngest of its images: a tree has no times of its own.
One that says nothing is never taken away.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Any, Final, NamedTuple

import msgspec
from msgspec import Meta

from fake_registry.errors import ContentError, TreeError
from fake_registry.fixtures import Snapshot, Tree, is_tag
from fake_registry.oci import Descriptor, Links, manifest_links
from mirror.config import decode_document, read_file
from mirror.gotext import GoTimeError, parse_rfc3339
from mirror.seed.editing import Removal, remove_images
from mirror.seed.tag_filters import attached_to

_AGE: Final = re.compile(r"(\d{1,6})([hdw])")
_HOURS: Final = {"h": 1, "d": 24, "w": 7 * 24}
_CREATED: Final = "org.opencontainers.image.created"
_MAX_DEPTH: Final = 8


class Retention(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stays of the repositories that fit a pattern: an image that any of these is true of, and its tags."""

    repositories: Annotated[
        str, Meta(description="Which ones, as HOST/REPOSITORY; a pattern, * stands for slashes, too.")
    ]
    newest: Annotated[int, Meta(ge=0, description="The so many newest images, however many tags each has.")] | None = (
        None
    )
    within: Annotated[str, Meta(description="Images that are not older: 12h, 30d, 8w.")] = ""
    tags: Annotated[list[str], Meta(description="Images with a tag that fits one of these patterns.")] = []

    def __post_init__(self) -> None:
        if self.within:
            hours(self.within)
        if self.newest is None and not self.within and not self.tags:
            raise ValueError("Expected at least one of `newest`, `within`, `tags`: otherwise nothing would stay")


class Retentions(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A file of such rules. The first one that fits a repository counts; what none fits stays as it is."""

    retention: list[Retention]


def hours(age: str) -> int:
    """The hours of an age.

    Raises:
        ValueError: it is none.
    """
    found = _AGE.fullmatch(age)
    if found is None:
        raise ValueError(f"{age!r} is no age such as 12h, 30d or 8w")
    return int(found[1]) * _HOURS[found[2]]


def read_retentions(path: Path) -> list[Retention]:
    """The rules of a file (raises `InputError`: file, line and field)."""
    return decode_document(read_file(path), Retentions, str(path)).retention


def prune(tree: Tree, rules: Iterable[Retention], now: datetime, *, dry_run: bool = False) -> list[Removal]:
    """Takes away what no rule keeps: tags, images, and what refers to them (signatures and the like).

    Raises:
        TreeError: an ``index.json`` is broken, or cannot be written.
    """
    rules = list(rules)
    names: list[str] = []
    for host in tree.hosts():
        for repository in tree.repositories(host):
            rule = next((one for one in rules if fnmatchcase(f"{host}/{repository}", one.repositories)), None)
            snapshot = None if rule is None else tree.snapshot(host, repository)
            if rule is not None and snapshot is not None:
                names += (f"{host}/{repository}{end}" for end in _going(snapshot, rule, now))
    return remove_images(tree, names, dry_run=dry_run)


class _Image(NamedTuple):
    """An image with its tags, without those of its signatures and the like."""

    descriptor: Descriptor
    tags: list[str]
    created: datetime | None


def _going(snapshot: Snapshot, rule: Retention, now: datetime) -> Iterator[str]:
    """What goes of a repository: ``:TAG`` and ``@DIGEST``."""
    images = _images(snapshot)
    kept = _kept(images, rule, now)
    gone = [image for image in images if image.descriptor.digest not in kept]
    for image in images:
        if image.descriptor.digest in kept:
            kept.update(_below(snapshot, image.descriptor))
    digests = {image.descriptor.digest for image in gone} - kept
    for image in gone:
        yield from (f":{tag}" for tag in image.tags)
    for digest in sorted(digests):
        yield from _attached(snapshot, digest, kept)


def _images(snapshot: Snapshot) -> list[_Image]:
    by_digest: dict[str, list[str]] = {}
    for tag in snapshot.tag_names:
        if attached_to(tag) is None:
            by_digest.setdefault(snapshot.tags[tag].digest, []).append(tag)
    return [
        _Image(snapshot.tags[tags[0]], tags, created(snapshot, snapshot.tags[tags[0]])) for tags in by_digest.values()
    ]


def _kept(images: list[_Image], rule: Retention, now: datetime) -> set[str]:
    """The digests of the images that stay."""
    kept = {
        one.descriptor.digest
        for one in images
        if any(fnmatchcase(tag, pattern) for tag in one.tags for pattern in rule.tags)
    }
    kept |= {one.descriptor.digest for one in images if one.created is None or not all(map(is_tag, one.tags))}
    dated = [(one.created, one.tags, one.descriptor.digest) for one in images if one.created is not None]
    if rule.newest:
        kept.update(digest for _, _, digest in sorted(dated, reverse=True)[: rule.newest])
    if rule.within:
        limit = hours(rule.within) * 3600
        kept.update(digest for when, _, digest in dated if (now - when).total_seconds() <= limit)
    return kept


def _below(snapshot: Snapshot, descriptor: Descriptor) -> Iterator[str]:
    """The digests of the manifests that an index leads to."""
    return (one.descriptor.digest for one in _led_to(snapshot, descriptor) if one.descriptor is not descriptor)


class _Met(NamedTuple):
    """A manifest, and its bytes and links if it is there."""

    descriptor: Descriptor
    data: bytes
    links: Links | None


def _led_to(snapshot: Snapshot, descriptor: Descriptor) -> Iterator[_Met]:
    """A manifest and those that it leads to, each once."""
    met = {descriptor.digest}
    level = [descriptor]
    for _ in range(_MAX_DEPTH + 1):
        below: list[Descriptor] = []
        for one in level:
            data = _manifest(snapshot, one)
            links = None if data is None else manifest_links(data)
            yield _Met(one, data or b"", links)
            for child in () if links is None else links.children:
                if child.digest not in met:
                    met.add(child.digest)
                    below.append(child)
        level = below


def _attached(snapshot: Snapshot, digest: str, kept: set[str]) -> Iterator[str]:
    """What refers to an image that goes, and is nothing by itself: by its tag, or by its subject."""
    for tag in snapshot.tag_names:
        if attached_to(tag) == digest:
            yield f":{tag}"
    tagged = {one.digest for one in snapshot.tags.values()}
    for referrer in snapshot.referrers(digest):
        found = referrer.descriptor.digest
        if found not in tagged and found not in kept and found in snapshot.listed:
            yield f"@{found}"
            yield from _attached(snapshot, found, kept)


def created(snapshot: Snapshot, descriptor: Descriptor) -> datetime | None:
    """When an image was made, as it says itself; None if it does not, or if that is not in the tree."""
    times = [
        _instant(
            _said_in_config(snapshot, links.config)
            or dict(links.annotations or {}).get(_CREATED)
            or _said_in_history(data)
        )
        for _, data, links in _led_to(snapshot, descriptor)
        if links is not None and not links.children
    ]
    return max((when for when in times if when is not None), default=None)


def _manifest(snapshot: Snapshot, descriptor: Descriptor) -> bytes | None:
    try:
        return snapshot.read_manifest(descriptor)
    except (ContentError, TreeError):
        return None


def _said_in_config(snapshot: Snapshot, config: Descriptor | None) -> Any:
    if config is None:
        return None
    try:
        content = snapshot.read_blob(config.digest)
    except (ContentError, TreeError):
        return None
    return _field(content, "created") if isinstance(content, bytes) else None


def _said_in_history(data: bytes) -> Any:
    """What the first entry of the history of a manifest of Docker's schema 1 says."""
    history = _field(data, "history")
    first = history[0] if isinstance(history, list) and history else None
    said = first.get("v1Compatibility") if isinstance(first, dict) else None
    return _field(said.encode(), "created") if isinstance(said, str) else None


def _field(content: bytes, name: str) -> Any:
    try:
        document = msgspec.json.decode(content)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return document.get(name) if isinstance(document, dict) else None


def _instant(said: Any) -> datetime | None:
    try:
        when = parse_rfc3339(said) if isinstance(said, str) else None
    except GoTimeError:
        return None
    return None if when is None or when.year <= 1 else when.astimezone(UTC)

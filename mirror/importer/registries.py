"""Which registries are insecure, blocked or mirrored (runtime-utils ``registries.EditRegistriesConfig``).

The cluster's objects are merged into an ordered list of entries, in the manner of registries.conf. The importer
then asks three questions of it, each with a rule of its own (importer.go), narrower than a container runtime's:
``insecure`` and ``blocked`` compare whole registry hosts only, ``pull_sources`` takes the longest scope, and what
is said of wildcard scopes is never found by any of them.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, Literal, TypeAlias, TypeVar

import msgspec

from mirror.errors import InputError
from mirror.reference import InvalidReference, Named, Reference, parse_canonical_named

__all__ = [
    "MirrorLocation",
    "MirrorSet",
    "PullSources",
    "RegistriesConfig",
    "RegistryEntry",
    "mirror_sets_of",
]

PullFromMirror: TypeAlias = Literal["digest-only", "tag-only"]

WILDCARD = "*."


class MirrorSet(msgspec.Struct, frozen=True):
    """One source (``host[:port][/path]``) and the locations that mirror it, in order of preference."""

    source: str
    mirrors: list[str]
    never_contact_source: bool = False


@dataclass(slots=True)
class MirrorLocation:
    """A mirror of an entry. ``insecure`` is merged as upstream does, but the importer never looks at it."""

    location: str
    insecure: bool
    pull_from_mirror: PullFromMirror


@dataclass(slots=True)
class RegistryEntry:
    """What holds for one scope. The entry of a wildcard scope has neither prefix nor location."""

    prefix: str
    location: str
    insecure: bool = False
    blocked: bool = False
    mirrors: list[MirrorLocation] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class PullSources:
    """The references to try, in order; never empty.

    ``error`` says why the mirrors cannot be used; the source is then the only reference.
    """

    references: tuple[str, ...]
    error: str | None = None


class RegistriesConfig:
    """The merged configuration. ``entries`` is in the order of construction, which decides first matches.

    ``problem`` is the error that ended the merge early, if any: the real server logs it and uses what it has.
    """

    def __init__(self, entries: Sequence[RegistryEntry] = (), problem: str | None = None) -> None:
        self.entries = list(entries)
        self.problem = problem
        self._by_location: dict[str, RegistryEntry] = {}
        self._without_mirrors: dict[str, RegistryEntry] = {}
        for entry in self.entries:
            self._by_location.setdefault(entry.location, entry)
            if not entry.mirrors:
                self._without_mirrors.setdefault(entry.location, entry)

    @property
    def has_mirrors(self) -> bool:
        """Whether anything is mirrored."""
        return any(entry.mirrors for entry in self.entries)

    @classmethod
    def merge(
        cls,
        *,
        insecure_registries: Sequence[str] = (),
        blocked_registries: Sequence[str] = (),
        icsp: Sequence[Sequence[MirrorSet]] = (),
        idms: Sequence[Sequence[MirrorSet]] = (),
        itms: Sequence[Sequence[MirrorSet]] = (),
    ) -> RegistriesConfig:
        """Merge the scopes of the cluster's image configuration and its mirror objects.

        Each element of ``icsp``, ``idms`` and ``itms`` is the list of one object. An ImageContentSourcePolicy has no
        source policy: its ``never_contact_source`` is not looked at.
        """
        permissive = [[msgspec.structs.replace(one, never_contact_source=False) for one in sets] for sets in icsp]
        by_digest = _merge_by_source([*idms, *permissive])
        by_tag = _merge_by_source(itms)

        merged = _Merged()
        merged.add_mirrors(by_digest, "digest-only")
        merged.add_mirrors(by_tag, "tag-only")
        for scope in blocked_registries:  # before the insecure ones, which shall find these nested in them
            merged.entry(scope)
        for scope in insecure_registries:
            merged.mark_insecure(scope)
        for scope in blocked_registries:
            merged.mark_blocked(scope)
        problem = merged.inherit_mirrors([one.source for one in [*by_digest, *by_tag]])
        return cls(list(merged.entries.values()), problem)

    def insecure(self, policy_insecure: bool, ref: Reference) -> bool:
        """Whether a reference may be fetched insecurely: by its import policy, or by its whole registry's entry."""
        entry = self._by_location.get(ref.docker_client_defaults().registry)
        return policy_insecure or (entry is not None and entry.insecure)

    def blocked(self, ref: Reference) -> bool:
        """Whether the whole registry of a reference is blocked; an entry with mirrors blocks nothing."""
        entry = self._without_mirrors.get(ref.docker_client_defaults().registry)
        return entry is not None and entry.blocked

    def match(self, named: Named) -> RegistryEntry | None:
        """The entry that decides where a reference is pulled from: the one of the longest scope around it."""
        scope = named.name() if self._by_location else ""
        while scope:
            entry = self._by_location.get(scope)
            if entry is not None:
                return entry
            scope = scope.rpartition("/")[0]
        return None

    def pull_sources(self, named: Named) -> PullSources:
        """The references to pull instead of ``named``: its mirrors that apply to it, then itself."""
        entry = self.match(named)
        if entry is None:
            return PullSources((str(named),))
        skipped: PullFromMirror = "tag-only" if named.digest else "digest-only"
        locations = [mirror.location for mirror in entry.mirrors if mirror.pull_from_mirror != skipped]
        try:
            return PullSources(tuple(_rewrite(named, entry.prefix, each) for each in [*locations, entry.location]))
        except InvalidReference as error:
            return PullSources((str(named),), f"unable to get all pull sources for {named}: {error}")


def _rewrite(named: Named, prefix: str, location: str) -> str:
    """Put a location in the place of the prefix. Raises InvalidReference with the text of containers/image."""
    if not location:
        raise InvalidReference(f"invalid prefix '{prefix}' for empty location, should be in the format: *.example.com")
    try:
        return str(parse_canonical_named(location + str(named)[len(prefix) :]))
    except InvalidReference as error:
        raise InvalidReference(f"rewriting reference: {error}") from None


def _is_nested(inner: str, outer: str) -> bool:
    """Whether the scope ``inner`` is ``outer`` or lies within it."""
    if inner == outer or inner.startswith(f"{outer}/"):
        return True
    if not outer.startswith(WILDCARD):
        return False
    # Before the first colon, where there is one, is the host; a slash there means that the colon is not a port's.
    host, colon, _ = inner.partition(":")
    if not colon:
        host = inner.partition("/")[0]
    return host.endswith(outer[1:]) and "/" not in host


class _Merged:
    """The entries while they are made, by scope."""

    def __init__(self) -> None:
        self.entries: dict[str, RegistryEntry] = {}

    def entry(self, scope: str) -> RegistryEntry:
        """The entry of a scope, made if absent.

        Upstream gives the entry of a wildcard the scope as prefix and no location, and later replaces every prefix
        by the location. So wildcards end up with neither, and match nothing.
        """
        location = "" if scope.startswith(WILDCARD) else scope
        return self.entries.setdefault(scope, RegistryEntry(location, location))

    def add_mirrors(self, sets: Iterable[MirrorSet], restriction: PullFromMirror) -> None:
        for one in sets:
            entry = self.entry(one.source)
            entry.blocked = entry.blocked or one.never_contact_source
            entry.mirrors += [MirrorLocation(mirror, False, restriction) for mirror in one.mirrors]

    def mark_insecure(self, outer: str) -> None:
        self.entry(outer)
        for scope, entry in self.entries.items():
            entry.insecure = entry.insecure or _is_nested(scope, outer)
            for mirror in entry.mirrors:
                mirror.insecure = mirror.insecure or _is_nested(mirror.location, outer)

    def mark_blocked(self, outer: str) -> None:
        for scope, entry in self.entries.items():
            entry.blocked = entry.blocked or _is_nested(scope, outer)

    def inherit_mirrors(self, sources: Iterable[str]) -> str | None:
        """Give the entries without mirrors those of the source around them, as only the longest scope is looked at.

        Returns the error that ends it: a wildcard source cannot be inherited from.
        """
        for source in sources:
            mirrors = self.entries[source].mirrors
            for scope, entry in self.entries.items():
                if scope == source or entry.mirrors or not _is_nested(scope, source):
                    continue
                if source.startswith(WILDCARD):
                    return f'internal error: mirrorsAdjustedForNestedScope for a wildcard scope "{source}"'
                rest = scope[len(source) :]
                entry.mirrors = [
                    MirrorLocation(each.location + rest, each.insecure, each.pull_from_mirror) for each in mirrors
                ]
        return None


def _merge_by_source(objects: Iterable[Iterable[MirrorSet]]) -> list[MirrorSet]:
    """One set for each source, ascending; its mirrors in an order that respects every list where that can be."""
    lists: dict[str, list[list[str]]] = {}
    never: set[str] = set()
    for one in (one for sets in objects for one in sets):
        if all(mirror == one.source for mirror in one.mirrors):
            continue  # mirrors nothing: left out altogether, its source policy too
        lists.setdefault(one.source, []).append(one.mirrors)
        if one.never_contact_source:
            never.add(one.source)
    return [MirrorSet(source, _merge_lists(source, lists[source]), source in never) for source in sorted(lists)]


def _merge_lists(source: str, lists: Iterable[list[str]]) -> list[str]:
    """Merge lists of mirrors. The source is tried last in any case, so it is only kept where it is not last."""
    successors: dict[str, set[str]] = {}
    for mirrors in lists:
        order = mirrors if source in mirrors else [*mirrors, source]
        for before, after in pairwise(order):
            successors.setdefault(before, set()).add(after)
            successors.setdefault(after, set())
    merged = _topological_order(successors)
    return merged[:-1] if merged[-1] == source else merged


def _topological_order(successors: Mapping[str, set[str]]) -> list[str]:
    """Sort a graph, first come first served, ties ascending; a cycle is broken at its first node in ascending order."""
    predecessors: dict[str, set[str]] = {node: set() for node in successors}
    for node, following in successors.items():
        for successor in following:
            predecessors[successor].add(node)

    nodes = sorted(successors)
    ready = deque(node for node in nodes if not predecessors[node])
    order: dict[str, None] = {}

    def emit(node: str) -> None:
        order[node] = None
        for successor in sorted(successors[node]):
            predecessors[successor].discard(node)
            if not predecessors[successor] and successor not in order:
                ready.append(successor)

    for node in nodes:
        while ready:
            emit(ready.popleft())
        if node not in order:  # every node left is on a cycle, or behind one
            emit(node)
    while ready:
        emit(ready.popleft())
    return list(order)


# Objects of the cluster


class _Rule(msgspec.Struct, rename="camel"):
    source: str
    mirrors: list[str] | None = None
    mirror_source_policy: Literal["", "AllowContactingSource", "NeverContactSource"] = ""


class _Metadata(msgspec.Struct):
    name: str = ""


class _Object(msgspec.Struct):
    kind: str
    metadata: _Metadata | None = None
    spec: dict[str, Any] | None = None


# The list of rules in the spec of each kind.
RULES = {
    "ImageContentSourcePolicy": "repositoryDigestMirrors",
    "ImageDigestMirrorSet": "imageDigestMirrors",
    "ImageTagMirrorSet": "imageTagMirrors",
}

_Decoded = TypeVar("_Decoded")


def mirror_sets_of(document: Mapping[str, Any], kind: str | None = None) -> list[MirrorSet]:
    """The mirror sets of a whole ImageContentSourcePolicy, ImageDigestMirrorSet or ImageTagMirrorSet.

    ``kind`` is the one that is expected in this place; any of the three when None. An absent or empty list is no
    error, an ImageContentSourcePolicy's source policy does not exist and is passed over.

    Raises InputError, which names the object and the field.
    """
    read = _decode(document, _Object, kind or "mirror object", "")
    name = read.metadata.name if read.metadata else ""
    if read.kind not in RULES or kind not in (None, read.kind):
        raise InputError(f"object {name!r}: kind: found {read.kind!r}, must be {kind or ' or '.join(RULES)}")
    rules_field = RULES[read.kind]
    listed = (read.spec or {}).get(rules_field)
    rules = _decode([] if listed is None else listed, list[_Rule], f"{read.kind} {name!r}", f"spec.{rules_field}")
    has_policy = read.kind != "ImageContentSourcePolicy"
    return [
        MirrorSet(
            rule.source,
            rule.mirrors or [],
            has_policy and rule.mirror_source_policy == "NeverContactSource",
        )
        for rule in rules
    ]


def _decode(value: Any, shape: type[_Decoded], subject: str, path: str) -> _Decoded:
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        problem, _, below = str(error).partition(" - at `$")
        place = (path + below.rstrip("`")).removeprefix(".")
        raise InputError(": ".join(text for text in (subject, place, problem) if text)) from None

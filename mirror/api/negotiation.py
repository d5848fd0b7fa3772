"""What form an answer has: the ``Accept`` header, pretty printing and compression as the real server reads them.

Sources: apiserver ``endpoints/handlers/negotiation``, ``endpoints/handlers/responsewriters``; goautoneg; go-restful
``Route.matchesAccept``.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from mirror.api import failures
from mirror.api.messages import ApiRequest

JSON: Final = "application/json"
YAML: Final = "application/yaml"
PROTOBUF: Final = "application/vnd.kubernetes.protobuf"
MEDIA_TYPES: Final = (JSON, YAML, PROTOBUF)
STREAM_TYPES: Final = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch")

_WRITTEN: Final = (JSON, YAML)
"""What this server writes. It says that it also writes protobuf, as the real one does; clients always allow JSON."""

_MANY_CLAUSES: Final = 12
_META_GROUP: Final = "meta.k8s.io"
_META_VERSIONS: Final = ("v1", "v1beta1")
_PRETTY_AGENTS: Final = ("curl", "Wget", "Mozilla/5.0")
_TRUE: Final = frozenset(("1", "t", "T", "TRUE", "true", "True"))


class Conversion(NamedTuple):
    """What an object is to be turned into: a kind in a group and version, each possibly empty."""

    kind: str
    group: str = ""
    version: str = ""

    @property
    def api_version(self) -> str:
        """``meta.k8s.io/v1``."""
        return f"{self.group}/{self.version}"


@dataclass(frozen=True, slots=True)
class Representation:
    """How an answer is written: media type, conversion, stream schema, and whether for people."""

    media: str
    convert: Conversion | None = None
    stream: str = ""
    pretty: bool = False


@dataclass(frozen=True, slots=True)
class _Clause:
    type: str
    subtype: str
    quality: float
    parameters: dict[str, str]

    def accepts(self, media: str) -> bool:
        main, _, sub = media.partition("/")
        if self.type == main:
            return self.subtype in (sub, "*")
        return self.type == self.subtype == "*"

    @property
    def wide(self) -> tuple[bool, bool]:
        return self.type == "*", self.subtype == "*"


Allows = Callable[[Conversion], bool]
"""Whether an endpoint can turn its objects into something."""


def no_conversion(wanted: Conversion) -> bool:
    """Of errors and of documents that are no objects: they are what they are."""
    del wanted
    return False


def metadata_only(wanted: Conversion) -> bool:
    """Of objects without a table: their metadata can be shown alone."""
    is_meta = wanted.group == _META_GROUP and wanted.version in _META_VERSIONS
    return is_meta and wanted.kind in ("PartialObjectMetadata", "PartialObjectMetadataList")


def tables(wanted: Conversion) -> bool:
    """Of objects with a table."""
    is_meta = wanted.group == _META_GROUP and wanted.version in _META_VERSIONS
    return is_meta and wanted.kind in ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")


def check_routable(accept: str, produced: Sequence[str] = MEDIA_TYPES) -> None:
    """The router's look at ``Accept``: some clause must name what the route produces; parameters do not count.

    Raises:
        ApiFailure: 406.
    """
    if not accept or accept == JSON:
        return
    for clause in accept.split(","):
        media = clause.partition(";")[0].strip(" ")
        if media == "*/*" or media in produced:
            return
    raise failures.not_acceptable(produced)


def negotiate(request: ApiRequest, allows: Allows = no_conversion) -> Representation:
    """Chooses the form of an answer: the first clause that can be had, in the order of their quality.

    Raises:
        ApiFailure: 406.
    """
    found = _negotiate(request.headers.get("accept", ""), allows, _WRITTEN)
    if found is None:
        raise failures.only_accepted(MEDIA_TYPES)
    if found.pretty or wants_pretty(request):
        return Representation(found.media, found.convert, found.stream, pretty=True)
    return found


def negotiate_stream(request: ApiRequest, allows: Allows = no_conversion) -> Representation:
    """Chooses the form of a watch: JSON is all that can be streamed.

    Raises:
        ApiFailure: 406.
    """
    found = _negotiate(request.headers.get("accept", ""), allows, _WRITTEN)
    if found is None or found.media != JSON:
        raise failures.only_accepted(STREAM_TYPES)
    return found


def offered(accept: str, media_types: Sequence[str]) -> str | None:
    """The media type of some that fits ``Accept`` best, whatever parameters it names; None if none does."""
    for clause in _clauses(accept or "*/*"):
        for media in media_types:
            if clause.accepts(media):
                return media
    return None


def _negotiate(accept: str, allows: Allows, offered: Sequence[str]) -> Representation | None:
    if not accept:
        return Representation(offered[0])
    for clause in _clauses(accept):
        for media in offered:
            if clause.accepts(media) and (found := _representation(media, clause.parameters, allows)):
                return found
    return None


def _representation(media: str, parameters: dict[str, str], allows: Allows) -> Representation | None:
    stream = parameters.get("stream", "")
    if parameters.get("sv") or (stream and (stream != "watch" or media != JSON)):
        return None
    convert = None
    if parameters.keys() & {"as", "g", "v"}:
        convert = Conversion(parameters.get("as", ""), parameters.get("g", ""), parameters.get("v", ""))
        if not allows(convert):
            return None
    return Representation(media, convert, stream, pretty=parameters.get("pretty") == "1")


@functools.lru_cache(256)
def _clauses(accept: str) -> tuple[_Clause, ...]:
    """The clauses of an ``Accept`` header, best first. What is no media range is passed over."""
    found: list[_Clause] = []
    for part in accept.split(","):
        media, *rest = part.strip(" ").split(";")
        main, slash, sub = media.partition("/")
        main, sub = main.strip(" "), sub.strip(" ")
        if not slash and main == "*":
            sub = "*"
        elif not slash or "/" in sub:
            continue
        parameters = dict(_pair(text) for text in rest if "=" in text)
        quality = _quality(parameters.pop("q", "1"))
        found.append(_Clause(main, sub, quality, parameters))
    if len(found) > _MANY_CLAUSES:
        return tuple(sorted(found, key=lambda clause: (-clause.quality, clause.wide)))
    return tuple(_by_insertion(found))


def _pair(text: str) -> tuple[str, str]:
    name, _, value = text.partition("=")
    return name.strip(" "), value.strip(" ")


def _quality(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return 0.0


def _by_insertion(clauses: list[_Clause]) -> list[_Clause]:
    """The order in which the real server looks at a few clauses.

    Its comparison is no order (a narrow range of low quality comes before a wide one of high quality, and the other way
    round, too), so that the result depends on how it sorts: by insertion.
    """
    ordered: list[_Clause] = []
    for clause in clauses:
        place = len(ordered)
        while place and _before(clause, ordered[place - 1]):
            place -= 1
        ordered.insert(place, clause)
    return ordered


def _before(one: _Clause, other: _Clause) -> bool:
    if one.quality > other.quality:
        return True
    return any(theirs and not ours for ours, theirs in zip(one.wide, other.wide, strict=True))


def wants_pretty(request: ApiRequest) -> bool:
    """Whether an answer is indented: ``?pretty`` says so, else who asks."""
    asked = request.parameter("pretty") if "pretty" in request.query else ""
    if asked:
        return asked in _TRUE
    return request.headers.get("user-agent", "").startswith(_PRETTY_AGENTS)


def accepts_gzip(request: ApiRequest) -> bool:
    """Whether a large answer may be compressed."""
    return any(coding.strip() == "gzip" for coding in request.headers.get("accept-encoding", "").split(","))

"""Limits on the size of image streams (openshift-apiserver ``admission/limitrange``; "Limit ranges" in the product's
documentation)."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

import msgspec

from mirror.errors import InputError
from mirror.gotext import aggregate, quote
from mirror.reference import InvalidReference, Reference
from mirror.v1.imagestream import ImageStream
from mirror.v1.meta import ObjectReference

__all__ = ["StreamLimits", "is_limit_exceeded"]

LIMIT_TYPE: Final = "openshift.io/ImageStream"
IMAGES: Final = "openshift.io/images"
IMAGE_TAGS: Final = "openshift.io/image-tags"

_EXCEEDS: Final = "exceeds the maximum limit"
_SUFFIXES: Final = ("", "k", "M", "G", "T", "P", "E")
_QUANTITY: Final = re.compile(r"([0-9]{1,18})([kMGTPE]?)")


class _Metadata(msgspec.Struct):
    name: str = ""
    namespace: str = ""


class _Limit(msgspec.Struct):
    type: str
    max: dict[str, str | int] | None = None


class _Spec(msgspec.Struct):
    limits: list[_Limit] | None = None


class _LimitRange(msgspec.Struct):
    kind: Literal["LimitRange"]
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    spec: _Spec = msgspec.field(default_factory=_Spec)


class StreamLimits:
    """How many images and tags the streams of a namespace may have, by whole LimitRange objects; one without a
    namespace is for every namespace. Limits of other types than image streams are passed over.

    Raises:
        InputError: an object is none, or what it says of image streams is no whole number.
    """

    def __init__(self, ranges: Sequence[Mapping[str, Any]] = ()) -> None:
        self._limits: list[tuple[str, str, int]] = []  # namespace, resource, limit
        for index, document in enumerate(ranges):
            try:
                read = msgspec.convert(document, _LimitRange)
            except msgspec.ValidationError as error:
                problem, _, place = str(error).partition(" - at `$")
                text = ": ".join(part for part in (place.strip(".`"), problem) if part)
                raise InputError(f"limitRanges[{index}]: {text}") from None
            for at, limit in enumerate(read.spec.limits or ()):
                if limit.type != LIMIT_TYPE:
                    continue
                for resource, given in (limit.max or {}).items():
                    found = _QUANTITY.fullmatch(str(given))
                    if found is None:
                        where = f"limitRanges[{index}]: spec.limits[{at}].max[{resource}]"
                        raise InputError(f"{where}: found {given!r}, must be a whole number")
                    number = int(found[1]) * 1000 ** _SUFFIXES.index(found[2])
                    self._limits.append((read.metadata.namespace, resource, number))

    def problem(self, stream: ImageStream) -> str:
        """The text of the error where a stream is larger than it may be; empty if it is not."""
        namespace, name = stream.metadata.namespace, stream.metadata.name
        problems = []
        for resource, count in ((IMAGES, _images), (IMAGE_TAGS, _image_tags)):
            limits = [one for where, what, one in self._limits if where in ("", namespace) and what == resource]
            if limits and (used := count(stream)) > min(limits):
                compared = f"({_shown(used)} > {_shown(min(limits))})"
                problems.append(f"requested usage of {resource} {_EXCEEDS} per {LIMIT_TYPE} {compared}")
        return f"ImageStream.image.openshift.io {quote(name)} is forbidden: {aggregate(problems)}" if problems else ""


def is_limit_exceeded(message: str) -> bool:
    """Whether an error is, or contains, that a limit is exceeded."""
    return _EXCEEDS in message.lower()


def _images(stream: ImageStream) -> int:
    """The images that a stream has in its history, each once."""
    return len({event.image for tag in stream.status.tags or () for event in tag.items or () if event.image})


def _image_tags(stream: ImageStream) -> int:
    """The references that the spec tags of a stream have, each once."""
    sources = (tag.from_ for tag in stream.spec.tags or ())
    return len({_unique(stream, source) for source in sources if source is not None})


def _unique(stream: ImageStream, source: ObjectReference) -> tuple[str, str]:
    """A source in full: as Docker would read it, or with its namespace and stream."""
    if source.kind == "DockerImage":
        try:
            return source.kind, Reference.parse(source.name).docker_client_defaults().exact()
        except InvalidReference:
            return source.kind, source.name
    separator = "@" if source.kind == "ImageStreamImage" else ":"
    name = source.name if separator in source.name else f"{stream.metadata.name}{separator}{source.name}"
    return source.kind, f"{source.namespace or stream.metadata.namespace}/{name}"


def _shown(number: int) -> str:
    """A number as Kubernetes writes quantities: thousands have a letter."""
    thousands = 0
    while number and number % 1000 == 0 and thousands < len(_SUFFIXES) - 1:
        number, thousands = number // 1000, thousands + 1
    return f"{number}{_SUFFIXES[thousands]}"

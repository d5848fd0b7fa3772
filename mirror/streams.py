"""Image streams and ImageStreamImports as people have them: files, directories, lists, what ``oc get`` prints."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO, Final

import msgspec

from mirror.api.app import GROUP_PATH
from mirror.documents import contents, documents, name_of_input
from mirror.errors import InputError
from mirror.gojson import GoJSONError
from mirror.kubejson import decode_object, peek_type_meta
from mirror.live_api import Connection, listed
from mirror.specs import API_VERSION
from mirror.v1.imagestream import ImageStream
from mirror.v1.imagestreamimport import ImageStreamImport

MAX_STREAMS: Final = 512 * 1024 * 1024
"""Bytes of one file: the image streams of the largest clusters, with what they remember, in YAML."""

_DEEPEST: Final = 8


@dataclass(frozen=True, slots=True)
class FoundStream:
    """An image stream, and where it was found. Its namespace is filled in."""

    source: str
    stream: ImageStream


@dataclass(frozen=True, slots=True)
class FoundImport:
    """An ImageStreamImport as it was found, decoded and as JSON. Its namespace is filled in."""

    source: str
    isi: ImageStreamImport
    body: bytes


Found = FoundStream | FoundImport


def read_streams(paths: Iterable[str], stdin: BinaryIO, namespace: str) -> list[Found]:
    """The image streams and ImageStreamImports of files and directories, in their order; ``-`` is standard input.

    Lists and templates are looked into; directories are walked in byte order for ``.json``, ``.yaml`` and ``.yml``, and
    what is something else there is passed over. `namespace` is for objects that name none. An image stream that is
    found again, the same in everything, is not another one.

    Raises:
        InputError: a file cannot be read, or there is no image stream in it; names file, document and problem.
    """
    found: list[Found] = []
    for path in paths:
        here: list[Found] = []
        for one in contents(path, stdin, MAX_STREAMS):
            here += read_objects(one.data, one.name, namespace, alone=one.is_named)
        if not here:
            raise InputError(f"{name_of_input(path)}: no ImageStream and no ImageStreamImport in it")
        found += here
    return list(_distinct(found))


def _distinct(found: Iterable[Found]) -> Iterator[Found]:
    known: dict[tuple[str, str], list[ImageStream]] = {}
    for one in found:
        if isinstance(one, FoundStream):
            same = known.setdefault(name_of(one), [])
            if one.stream in same:
                continue
            same.append(one.stream)
        yield one


def read_objects(content: bytes, name: str, namespace: str, *, alone: bool = True) -> Iterator[Found]:
    """The image streams and imports in the content of one file.

    With `alone` an object of another kind is refused, unless it stands in a list: it is the one that was asked for.

    Raises:
        InputError: names file, document and problem.
    """
    for where, document in documents(content, name):
        yield from _from_document(document, where, namespace, "", _DEEPEST, alone=alone)


async def live_streams(connection: Connection, namespace: str = "") -> list[Found]:
    """The image streams of a cluster, of a namespace or (an empty one) of all (raises `LiveApiError`)."""
    found: list[Found] = []
    where = str(connection.server)
    async for page in listed(connection, GROUP_PATH, "imagestreams", namespace):
        document = {"kind": "ImageStreamList", "items": page.get("items") or []}
        found += read_objects(msgspec.json.encode(document), where, namespace or connection.namespace)
    return found


class _Items(msgspec.Struct):
    items: list[msgspec.Raw] = []
    objects: list[msgspec.Raw] = []


def _from_document(
    data: bytes, where: str, namespace: str, of_kind: str, depth: int, *, alone: bool
) -> Iterator[Found]:
    """What a document holds. `of_kind` is the kind of what does not say it: the items of a typed list."""
    expected = "expected an ImageStream, an ImageStreamImport or a List of them"
    try:
        api_version, kind = peek_type_meta(data)
    except ValueError as error:
        if alone:
            raise InputError(f"{where}: {error}; {expected}") from None
        return
    kind = kind or of_kind
    if kind == "Template" or kind.endswith("List"):
        if not depth:
            raise InputError(f"{where}: nested too deeply")
        field = "objects" if kind == "Template" else "items"
        for index, item in enumerate(getattr(_items(data, where, field), field)):
            inner = kind.removesuffix("List")
            yield from _from_document(
                bytes(item), f"{where}, {field}[{index}]", namespace, inner, depth - 1, alone=False
            )
    elif kind in ("ImageStream", "ImageStreamImport") and api_version in ("", "v1", API_VERSION):
        yield _found(data, where, kind, namespace)
    elif alone:
        raise InputError(f"{where}: found kind {kind or 'none'}, apiVersion {api_version or 'none'}; {expected}")


def _items(data: bytes, where: str, field: str) -> _Items:
    try:
        return msgspec.json.decode(data, type=_Items)
    except (msgspec.MsgspecError, RecursionError):
        raise InputError(f"{where}: {field}: expected a list of objects") from None


def _found(data: bytes, where: str, kind: str, namespace: str) -> Found:
    try:
        if kind == "ImageStreamImport":
            isi = decode_object(data, ImageStreamImport).value
            isi.metadata.namespace = isi.metadata.namespace or namespace
            _check_name(isi.metadata.name or isi.metadata.generateName, where)
            return FoundImport(where, isi, data)
        stream = decode_object(data, ImageStream).value
    except GoJSONError as error:
        raise InputError(f"{where}: {error}") from None
    stream.metadata.namespace = stream.metadata.namespace or namespace
    _check_name(stream.metadata.name, where)
    for tag in stream.spec.tags or ():
        if tag.from_ is not None:
            tag.from_.name = sys.intern(tag.from_.name)  # reports say it again, for a hundred thousand tags
    return FoundStream(where, stream)


def _check_name(name: str, where: str) -> None:
    if not name:
        raise InputError(f"{where}: metadata.name: required; an image stream has a name")


def has_tags(found: Found) -> bool:
    """Whether there is anything to import, or any tag that follows another one."""
    if isinstance(found, FoundImport):
        return bool(found.isi.spec.images or found.isi.spec.repository)
    spec = found.stream.spec
    return bool(spec.dockerImageRepository) or any(tag.from_ is not None for tag in spec.tags or ())


def name_of(found: Found) -> tuple[str, str]:
    """Namespace and name of the stream that something is about."""
    meta: Any = found.stream.metadata if isinstance(found, FoundStream) else found.isi.metadata
    return meta.namespace, meta.name

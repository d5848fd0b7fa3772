"""The pull specs that files and clusters name: image streams, ImageStreamImports, lists of images of other tools."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO, Final

import msgspec

from mirror.documents import contents, documents, name_of_input
from mirror.errors import InputError

_LIST_LINE: Final = re.compile(r"[\w.\-:/@\[\]]+", re.ASCII)
_DEEPEST: Final = 8
_NOT_COPIED: Final = {
    "platform": "'oc adm release mirror' writes releases to files, which 'ismirror seed archive' reads",
    "operators": "the images of catalogs are not looked for; additionalImages can name them",
    "helm": "the images of charts are not looked for; additionalImages can name them",
    "samples": "'ismirror seed streams --live' reads the image streams of a cluster",
}
_TRANSPORT: Final = "docker://"  # skopeo and oc-mirror write it before pull specs

PassedOver = Callable[[str], None]
"""Is told what is not looked at, in a line."""


class NamedSpec(msgspec.Struct, frozen=True):
    """A pull spec as it is written, where it stands, and whether all tags of its repository are meant."""

    text: str
    source: str
    everything: bool = False


def pull_specs_of(
    paths: Iterable[Path], stdin: BinaryIO | None = None, passed_over: PassedOver = lambda line: None
) -> list[NamedSpec]:
    """What the files and directories name, in order, each once; ``-`` is standard input.

    Of an ImageStream these are the tags that follow a DockerImage and ``dockerImageRepository``; of an
    ImageStreamImport its images and its repository; of oc-mirror's ImageSetConfiguration ``additionalImages``. Lists
    are looked into, and templates. A file may also hold nothing but pull specs, one a line. Directories are walked,
    in byte order, for ``.json``, ``.yaml`` and ``.yml``. `passed_over` is told, a line for each, what they name besides
    that is not looked at.

    Raises:
        InputError: a file that cannot be read, or in which no image is named; names it.
    """
    found: dict[tuple[str, bool], NamedSpec] = {}
    for path in paths:
        count = 0
        for content in contents(str(path), stdin or BytesIO()):
            for spec in _of_content(content.data, content.name, passed_over):
                count += 1
                found.setdefault((spec.text, spec.everything), spec)
        if not count:
            name = name_of_input(str(path))
            raise InputError(f"{name}: no image stream in it that names an image, and no list of images")
    return list(found.values())


def pull_specs_in(document: Any, name: str) -> list[NamedSpec]:
    """What a document of a cluster names: an object, or a list of some."""
    return list(dict.fromkeys(_of_document(document, name, _DEEPEST, lambda line: None)))


def _of_content(content: bytes, name: str, passed_over: PassedOver) -> Iterator[NamedSpec]:
    lines = _lines(content)
    if lines is not None:
        yield from (NamedSpec(line.removeprefix(_TRANSPORT), f"{name}, line {number}") for number, line in lines)
        return
    for where, data in documents(content, name):
        try:
            document = msgspec.json.decode(data)
        except RecursionError:
            raise InputError(f"{where}: nested too deeply") from None
        if isinstance(document, list) and all(isinstance(one, str) for one in document):
            yield from (NamedSpec(text, where) for text in document)
        else:
            yield from _of_document(document, where, _DEEPEST, passed_over)


def _lines(content: bytes) -> list[tuple[int, str]] | None:
    """The lines of a plain list of pull specs, by number; None for anything else. ``#`` begins a comment."""
    try:
        lines = [line.partition("#")[0].strip() for line in content.decode().splitlines()]
    except UnicodeDecodeError:
        return None
    found = [(number, line) for number, line in enumerate(lines, 1) if line]
    specs = [line for _, line in found]
    # a word alone with a colon at its end is a key of YAML; three dashes are not a repository
    if not all(_LIST_LINE.fullmatch(one) and one[0].isalnum() and one[-1] != ":" for one in specs):
        return None
    return found or None


def _of_document(document: Any, name: str, depth: int, passed_over: PassedOver) -> Iterator[NamedSpec]:
    if not isinstance(document, dict) or not depth:
        return
    kind, spec = document.get("kind"), _mapping(document.get("spec"))
    if kind == "ImageStream":
        for tag in _mappings(spec.get("tags")):
            yield from _named(tag.get("from"), name)
        repository = spec.get("dockerImageRepository")
        if isinstance(repository, str) and repository:
            yield NamedSpec(repository, name, everything=True)
    elif kind == "ImageStreamImport":
        for image in _mappings(spec.get("images")):
            yield from _named(image.get("from"), name)
        yield from _named(_mapping(spec.get("repository")).get("from"), name, everything=True)
    elif kind == "ImageSetConfiguration":
        yield from _of_image_set(document, name, passed_over)
    elif isinstance(kind, str) and (kind.endswith("List") or kind == "Template"):
        for item in _mappings(document.get("objects" if kind == "Template" else "items")):
            # The items of an ImageStreamList need not say what they are.
            typed = item if "kind" in item else {**item, "kind": kind.removesuffix("List")}
            yield from _of_document(typed, name, depth - 1, passed_over)


def _of_image_set(document: dict[str, Any], name: str, passed_over: PassedOver) -> Iterator[NamedSpec]:
    """The images of oc-mirror's file that are named one by one (v1alpha2 and v2alpha1), but those it blocks."""
    mirror = _mapping(document.get("mirror"))
    for field in mirror:
        if mirror[field] and field not in {"additionalImages", "blockedImages"}:
            reason = _NOT_COPIED.get(field, "no such section is known")
            passed_over(f"{name}: mirror.{field}: not copied: {reason}")
    blocked = {image.get("name") for image in _mappings(mirror.get("blockedImages"))}
    for image in _mappings(mirror.get("additionalImages")):
        text = image.get("name")
        if isinstance(text, str) and text and text not in blocked:
            yield NamedSpec(text.removeprefix(_TRANSPORT), name)


def _named(source: Any, name: str, *, everything: bool = False) -> Iterator[NamedSpec]:
    fields = _mapping(source)
    text = fields.get("name")
    if fields.get("kind") == "DockerImage" and isinstance(text, str) and text:
        yield NamedSpec(text, name, everything)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

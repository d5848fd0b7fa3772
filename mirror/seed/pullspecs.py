"""The pull specs that files name: image streams, ImageStreamImports, templates with image streams in them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

import msgspec

from mirror.config import read_file
from mirror.errors import InputError
from mirror.kubejson import yaml_to_json

_SEPARATOR: Final = re.compile(rb"^---(?:[ \t].*)?\r?$", re.MULTILINE)
_SUFFIXES: Final = frozenset({".json", ".yaml", ".yml"})
_DEEPEST: Final = 8


class NamedSpec(msgspec.Struct, frozen=True):
    """A pull spec as it is written, where it stands, and whether all tags of its repository are meant."""

    text: str
    source: str
    everything: bool = False


def pull_specs_of(paths: Iterable[Path]) -> list[NamedSpec]:
    """What the image streams of files and directories name, in order, each once.

    Of an ImageStream these are the tags that follow a DockerImage and ``dockerImageRepository``; of an
    ImageStreamImport its images and its repository. Lists are looked into, and templates. Directories are walked, in
    byte order, for ``.json``, ``.yaml`` and ``.yml``.

    Raises:
        InputError: a file that cannot be read, or in which no image is named; names it.
    """
    found: dict[tuple[str, bool], NamedSpec] = {}
    for path in paths:
        count = 0
        for file in _files(path):
            for document in _documents(read_file(file), str(file)):
                for spec in _of_document(document, str(file), _DEEPEST):
                    count += 1
                    found.setdefault((spec.text, spec.everything), spec)
        if not count:
            raise InputError(f"{path}: no image stream in it that names an image")
    return list(found.values())


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    for directory, names, files in os.walk(path):
        names.sort()
        yield from (Path(directory, name) for name in sorted(files) if Path(name).suffix in _SUFFIXES)


def _documents(content: bytes, name: str) -> Iterator[Any]:
    """The documents of a file as plain data."""
    try:
        if content.lstrip()[:1] == b"{":
            yield msgspec.json.decode(content)
            return
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        pass  # YAML may begin with a brace, too
    for part in _SEPARATOR.split(content):
        try:
            yield msgspec.json.decode(yaml_to_json(part))
        except (ValueError, RecursionError) as error:
            raise InputError(f"{name}: {' '.join(str(error).split())}") from None


def _of_document(document: Any, name: str, depth: int) -> Iterator[NamedSpec]:
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
    elif isinstance(kind, str) and (kind.endswith("List") or kind == "Template"):
        for item in _mappings(document.get("objects" if kind == "Template" else "items")):
            # The items of an ImageStreamList need not say what they are.
            typed = item if "kind" in item else {**item, "kind": kind.removesuffix("List")}
            yield from _of_document(typed, name, depth - 1)


def _named(source: Any, name: str, *, everything: bool = False) -> Iterator[NamedSpec]:
    fields = _mapping(source)
    text = fields.get("name")
    if fields.get("kind") == "DockerImage" and isinstance(text, str) and text:
        yield NamedSpec(text, name, everything)


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _mappings(value: Any) -> list[dict[str, Any]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []

"""The documents of files as people have them: YAML or JSON, several in a file, whole directories, standard input."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple

from mirror.config import MAX_FILE, is_json, read_file
from mirror.errors import InputError
from mirror.kubejson import yaml_to_json

STDIN: Final = "-"
_SUFFIXES: Final = frozenset({".json", ".yaml", ".yml"})
_SEPARATOR: Final = re.compile(rb"^---(?:[ \t].*)?\r?$", re.MULTILINE)


class Content(NamedTuple):
    """What a file holds, what it is called in messages, and whether it was named itself, not the directory it is in."""

    name: str
    data: bytes
    is_named: bool


def contents(path: str, stdin: BinaryIO, most: int = MAX_FILE) -> Iterator[Content]:
    """The content of a file, of the files of a directory, or (``-``) of standard input; of each at most so many bytes.

    Raises:
        InputError: it cannot be read, or is too large; names it.
    """
    if path == STDIN:
        data = stdin.read(most + 1)
        if len(data) > most:
            raise InputError(f"{name_of_input(path)}: larger than {most} bytes")
        yield Content(name_of_input(path), data, is_named=True)
        return
    is_named = not Path(path).is_dir()
    for file in files_of(Path(path)):
        yield Content(str(file), read_file(file, most), is_named)


def name_of_input(path: str) -> str:
    """What a path that the user gave is called in messages."""
    return "standard input" if path == STDIN else path


def files_of(path: Path, also: str = "") -> Iterator[Path]:
    """A file itself, or the files of a directory: ``.json``, ``.yaml``, ``.yml`` and those called `also`, by name."""
    if not path.is_dir():
        yield path
        return
    for directory, names, files in os.walk(path):
        names.sort()
        yield from (Path(directory, name) for name in sorted(files) if name == also or Path(name).suffix in _SUFFIXES)


def documents(content: bytes, name: str) -> Iterator[tuple[str, bytes]]:
    """Where each document of a file stands, for messages, and its JSON text.

    A JSON file is taken as it stands, so that nothing in it is lost; documents that are empty are passed over.

    Raises:
        InputError: it is no YAML; names the file.
    """
    if content.lstrip()[:1] == b"{" and is_json(content):
        yield name, content
        return
    count = 0
    for part in _parts(content):
        try:
            data = yaml_to_json(part)
        except ValueError as error:
            raise InputError(f"{name}: {' '.join(str(error).split())}") from None
        if data.strip() != b"null":
            count += 1
            yield name if count == 1 else f"{name}, document {count}", data


def _parts(content: bytes) -> Iterator[bytes]:
    """What stands between the separators, one after the other; all of it where there are none."""
    start = 0
    for found in _SEPARATOR.finditer(content):
        yield content[start : found.start()]
        start = found.end()
    yield content[start:] if start else content

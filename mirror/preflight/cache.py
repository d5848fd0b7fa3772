"""Answers of earlier runs, kept in a file by digest: what a manifest was made into never changes.

Only successes are kept, and each is used only where the registry still says, to a HEAD, that this is the manifest.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from fake_registry.fixtures.disk import write_file
from mirror.config import read_file
from mirror.errors import InputError
from mirror.importer.manifests import Descriptor, Platform
from mirror.importer.tracing import ConversionKey, Outcome, Trace
from mirror.v1.image import Image

VERSION: Final = 1


class _Entry(msgspec.Struct, frozen=True):
    """An entry of an index."""

    digest: str
    architecture: str
    os: str

    @classmethod
    def of(cls, entry: Descriptor) -> _Entry:
        return cls(entry.digest, entry.platform.architecture, entry.platform.os)

    def descriptor(self) -> Descriptor:
        return Descriptor(digest=self.digest, platform=Platform(architecture=self.architecture, os=self.os))


class _Answer(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a manifest was made into: of the image only what a verdict needs."""

    repository: str
    wanted: str
    digest: str
    mode: str
    architecture: str
    os: str
    image: Image
    manifests: list[Image] | None = None
    entries: list[_Entry] = []
    chosen: _Entry | None = None


class _File(msgspec.Struct, frozen=True):
    version: int
    answers: list[_Answer]


class AnswerCache:
    """A file of answers; new if there is none.

    Raises:
        InputError: the file is no cache, or cannot be read.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.conversions: dict[ConversionKey, Outcome] = {}
        if path.exists():
            for answer in _read(path):
                key = (answer.repository, answer.wanted, answer.digest, answer.mode, answer.architecture, answer.os)
                self.conversions[key] = _outcome(answer)
        self.repositories = {str(key[0]) for key in self.conversions}

    def save(self) -> None:
        """Writes everything that is known, in one step (raises `InputError`)."""
        answers = [_answer(key, self.conversions[key]) for key in sorted(self.conversions)]
        content = msgspec.json.encode(_File(VERSION, answers))
        try:
            write_file(self._path, content)
        except OSError as error:
            raise InputError(f"--cache: {self._path}: {error.strerror or error}") from None


def _read(path: Path) -> list[_Answer]:
    try:
        file = msgspec.json.decode(read_file(path), type=_File)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise InputError(
            f"--cache: {path}: no cache of preflight: {problem}; name another file, or delete it"
        ) from None
    if file.version != VERSION:
        raise InputError(f"--cache: {path}: version {file.version} is not {VERSION}; name another file, or delete it")
    return file.answers


def _outcome(answer: _Answer) -> Outcome:
    trace = Trace(entries=[one.descriptor() for one in answer.entries])
    trace.chosen = None if answer.chosen is None else answer.chosen.descriptor()
    return Outcome(answer.image, answer.manifests, None, trace)


def _answer(key: ConversionKey, outcome: Outcome) -> _Answer:
    assert outcome.image is not None
    trace = outcome.trace or Trace()
    return _Answer(
        *key,
        image=outcome.image,
        manifests=outcome.manifests,
        entries=[_Entry.of(one) for one in trace.entries],
        chosen=None if trace.chosen is None else _Entry.of(trace.chosen),
    )

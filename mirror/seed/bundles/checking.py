"""Checking a bundle: every part, every file, and that documents and digests are what they have to be."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from fake_registry.errors import TreeError
from fake_registry.fixtures.layout import INDEX, IndexFile, parse_memory
from fake_registry.fixtures.store import parse_sizes
from fake_registry.oci import DOCKER_SCHEMA1_SIGNED, MAX_MANIFEST, manifest_digest
from mirror.errors import InputError
from mirror.seed.bundles.parts import Progress, complete_parts, damaged, found_files, is_sound, read_part
from mirror.seed.bundles.reading import BundleReader, Content
from mirror.seed.bundles.records import REMOVALS, SIZES, Entry, decode_removals, place_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_SHA256: Final = "sha256"


def is_signed_manifest(entry: Entry) -> bool:
    """Whether a blob can only be a signed manifest (Docker schema 1), which is named by the digest of its payload."""
    algorithm, _, digits = entry.digest.partition(":")
    return algorithm == _SHA256 and digits != entry.sha256


def check_contents(reader: BundleReader) -> None:
    """Reads all of a bundle (raises `InputError` for the first thing that is wrong)."""
    for content in reader.contents():
        if not content.entry.is_blob:
            _check_document(content, reader)
        elif not content.entry.digest.endswith(f":{content.entry.sha256}"):
            _check_digest(content, reader.name)


def problems(files: Sequence[Path], key: Ed25519PublicKey | None, progress: Progress | None = None) -> Iterator[str]:
    """Everything that is wrong with a bundle, in lines: all parts that are missing or damaged, else what is in them.

    Raises:
        InputError: a file is not there.
    """
    sound = True
    for path in found_files(files):
        try:
            part = read_part(path)
            if not is_sound(part, progress):
                raise damaged(part)
        except InputError as error:
            sound = False
            yield str(error)
    try:
        parts = complete_parts(files) if sound else []
    except InputError as error:
        yield str(error)
        return
    if not parts:
        return
    try:
        with BundleReader(parts, key=key, progress=progress) as reader:
            check_contents(reader)
    except InputError as error:
        yield str(error)


def _check_document(content: Content, reader: BundleReader) -> None:
    """Reads a document, which has to say something that a tree can take."""
    path, data = content.entry.path, content.data()
    if path == REMOVALS:
        found = len(decode_removals(data, reader.name))
        if found != reader.header.removals:
            raise InputError(f"{reader.name}: {REMOVALS}: {found} lines; expected {reader.header.removals}")
        return
    place = place_of(path)
    try:
        if path == SIZES:
            parse_sizes(data, path)
        elif place is not None and place.file == INDEX:
            IndexFile(data, path)
        else:
            parse_memory(data, path)
    except TreeError as error:
        raise InputError(f"{reader.name}: {error}") from None


def _check_digest(content: Content, name: str) -> None:
    """Reads a blob that is named by something else than its SHA-256."""
    entry = content.entry
    algorithm, _, digits = entry.digest.partition(":")
    if algorithm != _SHA256:
        digest = hashlib.new(algorithm)
        for piece in content.pieces():
            digest.update(piece)
        good = digest.hexdigest() == digits
    else:
        good = entry.size <= MAX_MANIFEST and (
            manifest_digest(content.data(), DOCKER_SCHEMA1_SIGNED, algorithm) == entry.digest
        )
    if not good:
        raise InputError(f"{name}: {entry.path}: content does not match the digest in its name")

"""What the members of a bundle say: header, manifest, removals, and the end of each part."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from fake_registry.fixtures import canonical_host, is_host, is_repository
from fake_registry.fixtures.layout import INDEX, MEMORY, json_text
from fake_registry.fixtures.names import directory_host, host_directory
from fake_registry.fixtures.tree import REGISTRIES
from fake_registry.oci import NOT_JSON, is_digest
from mirror.errors import InputError

FORMAT: Final = "ismirror-bundle"
VERSION: Final = 1

HEADER: Final = "bundle.json"
SIGNATURE: Final = "bundle.json.sig"
MANIFEST: Final = "manifest.jsonl"
REMOVALS: Final = "removals.jsonl"
SIZES: Final = "blobs/sizes.json"

LARGEST_HEADER: Final = 64 << 10
LONGEST_LINE: Final = 4096
LARGEST_MANIFEST: Final = 4 << 30
LARGEST_DOCUMENT: Final = 64 << 20
LARGEST_FILE: Final = 1 << 50

_BLOB: Final = re.compile(r"blobs/(sha256|sha384|sha512)/([0-9a-f]+)")
_HEX: Final = re.compile(r"[0-9a-f]{64}")


class Entry(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """A file, one line of the manifest: its path in the tree, its bytes and their SHA-256 (64 hexadecimal digits).

    With ``base`` it is a blob that the earlier bundle or tree has, and this bundle has not.
    """

    path: str
    size: int
    sha256: str
    base: bool = False

    @property
    def is_blob(self) -> bool:
        """Whether this is content named by a digest, not a document that says what the tree has."""
        return _BLOB.fullmatch(self.path) is not None

    @property
    def digest(self) -> str:
        """The digest of a blob, by which it is named."""
        _, algorithm, digits = self.path.split("/")
        return f"{algorithm}:{digits}"

    @property
    def order(self) -> tuple[bool, str]:
        """Where it stands in a manifest: documents first."""
        return self.is_blob, self.path


class Base(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What has to be there before: a state, and the bundle that leads to it (empty: it was a tree)."""

    state: str
    bundle: str = ""


class Amount(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Some files, and their bytes."""

    files: int = 0
    bytes: int = 0


class Summary(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The manifest: its bytes, their SHA-256, and how many lines it has."""

    size: int
    sha256: str
    lines: int


class Header(msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    """``bundle.json``: what the bundle is.

    ``state`` names what a tree is that has everything: the digest of the manifest's SHA-256 and paths.
    ``carried`` are the files in the bundle, ``in_base`` those that its base has to have.
    """

    format: str = FORMAT
    version: int = VERSION
    state: str
    base: Base | None = None
    manifest: Summary
    carried: Amount
    in_base: Amount
    repositories: int
    removals: int = 0

    def encoded(self) -> bytes:
        """The bytes of the member, whose digest is the id of the bundle."""
        return json_text(self)


class Removal(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Something that the base has and the tree has no more: a tag, a manifest without a tag, or (with neither) a
    repository that is gone itself."""

    repository: str
    tag: str = ""
    manifest: str = ""


class Trailer(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The end of a part: which one of how many of which bundle, and the SHA-256 of the bytes before it."""

    format: str = f"{FORMAT}-part"
    bundle: str
    part: int
    parts: int
    bytes: int
    sha256: str


class Version(msgspec.Struct):
    """What any version of a header says."""

    format: str
    version: int


class Place(NamedTuple):
    """Where a document of a repository belongs: canonical host, name, and ``index.json`` or the hidden file."""

    host: str
    name: str
    file: str


def identity(data: bytes) -> str:
    """The digest of some bytes, as an id."""
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def index_path(host: str, name: str) -> str:
    """The path of a repository's ``index.json``."""
    return f"{REGISTRIES}/{host_directory(host)}/{name}/{INDEX}"


def blob_path(digest: str) -> str:
    """The path of a blob."""
    return f"blobs/{digest.replace(':', '/')}"


def place_of(path: str) -> Place | None:
    """Reads the path of a document of a repository; None if it is something else."""
    top, _, rest = path.partition("/")
    directory, _, rest = rest.partition("/")
    name, _, file = rest.rpartition("/")
    host = directory_host(directory)
    good = top == REGISTRIES and file in {INDEX, MEMORY} and is_host(host) and canonical_host(host) == host
    if not good or host_directory(host) != directory or not is_repository(name):
        return None
    return Place(host, name, file)


def decode_entry(line: bytes, name: str) -> Entry:
    """Reads a line of a manifest; `name` says where it stands.

    Raises:
        InputError: it is none, or names what no bundle may have.
    """
    try:
        entry = msgspec.json.decode(line, type=Entry)
    except NOT_JSON as error:
        raise InputError(f"{name}: {error}; expected path, size and sha256 of a file") from None
    if not 0 <= entry.size <= LARGEST_FILE or not _HEX.fullmatch(entry.sha256):
        raise InputError(f"{name}: {entry.path[:200]!r}: a size or SHA-256 that cannot be")
    if entry.is_blob:
        if not is_digest(entry.digest):
            raise InputError(f"{name}: {entry.path[:200]!r}: expected a blob to be named by its digest")
    elif entry.path not in {REMOVALS, SIZES} and place_of(entry.path) is None:
        raise InputError(
            f"{name}: {entry.path[:200]!r} has no place in a fixture tree; expected blobs/ALGORITHM/DIGEST "
            f"or {REGISTRIES}/HOST/REPOSITORY/{INDEX}"
        )
    elif entry.base or entry.size > LARGEST_DOCUMENT:
        raise InputError(
            f"{name}: {entry.path[:200]!r}: expected it in the bundle, with at most {LARGEST_DOCUMENT} bytes"
        )
    return entry


def encode_removals(removals: Iterable[Removal]) -> bytes:
    """The content of ``removals.jsonl``, a line for each."""
    return b"".join(msgspec.json.encode(one) + b"\n" for one in removals)


def decode_removals(data: bytes, name: str) -> list[Removal]:
    """Reads ``removals.jsonl`` (raises `InputError` if something in it is none)."""
    found = []
    for number, line in enumerate(data.splitlines(), 1):
        try:
            one = msgspec.json.decode(line, type=Removal)
        except NOT_JSON as error:
            raise InputError(f"{name}: {REMOVALS}: line {number}: {error}") from None
        host, _, repository = one.repository.partition("/")
        good = is_host(host) and canonical_host(host) == host and is_repository(repository)
        if not good or (one.manifest and not is_digest(one.manifest)):
            raise InputError(f"{name}: {REMOVALS}: line {number}: expected HOST/REPOSITORY, with a tag or a digest")
        found.append(one)
    return found

"""Reading a bundle from front to end: nothing is taken on trust, and memory does not grow with it."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import msgspec

from fake_registry.oci import NOT_JSON, is_digest
from mirror.errors import InputError
from mirror.seed.archives.tar import BLOCK, Member, TarReader, tar_header, tar_padding
from mirror.seed.bundles.parts import Part, PartsReader, Progress
from mirror.seed.bundles.records import (
    FORMAT,
    HEADER,
    LARGEST_HEADER,
    LARGEST_MANIFEST,
    LONGEST_LINE,
    MANIFEST,
    REMOVALS,
    SIGNATURE,
    VERSION,
    Amount,
    Entry,
    Header,
    Version,
    decode_entry,
    identity,
    place_of,
)
from mirror.seed.bundles.signing import SIGNATURE_SIZE, is_signed_by

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

_CHUNK: Final = 1 << 20
_SMALL: Final = 64 << 10
_LINES: Final = 256 << 10


class Content:
    """A file of a bundle, to be read once, and before the next one is asked for."""

    def __init__(self, entry: Entry, tar: TarReader, stream: PartsReader, data: bytes | None = None) -> None:
        """With `data` it was read already."""
        self.entry = entry
        self._tar = tar
        self._stream = stream
        self._data = data
        self._ended = False

    def pieces(self, *, checked: bool = True) -> Iterator[bytes]:
        """The content, a MiB at a time. Raises `InputError` at its end if it does not have its SHA-256; who computes
        its digest anyway need not have it `checked`.
        """
        if self._data is not None:
            yield self.data(checked=checked)
            return
        found = hashlib.sha256()
        with _Blaming(self._stream):
            while data := self._tar.read(_CHUNK):
                if checked:
                    found.update(data)
                yield data
            self._ended = True
            if checked:
                self._compare(found.hexdigest())

    def data(self, *, checked: bool = True) -> bytes:
        """The whole content of a small file (raises as `pieces`)."""
        if self._data is None:
            return b"".join(self.pieces(checked=checked))
        data, self._data, self._ended = self._data, b"", True
        if checked:
            with _Blaming(self._stream):
                self._compare(hashlib.sha256(data).hexdigest())
        return data

    def finish(self) -> None:
        """Reads what nobody has read (raises as `pieces`)."""
        if self._ended:
            return
        if self._data is not None:
            self.data()
        else:
            for _ in self.pieces():
                pass

    def _compare(self, found: str) -> None:
        if found != self.entry.sha256:
            raise self._tar.refusal(f"{self.entry.path}: content does not have the SHA-256 of the manifest")


class BundleReader:
    """Reads a bundle. Opening it reads header, signature and manifest; `contents` then gives the files, once.

    ``id`` names the bundle, ``signature`` is empty where it is not signed, ``parts`` are its files.

    Raises `InputError` for whatever is not as `ismirror bundle create` writes it; if a part is damaged it says which.
    """

    def __init__(
        self,
        parts: Sequence[Part],
        *,
        key: Ed25519PublicKey | None = None,
        progress: Progress | None = None,
        again: bool = False,
    ) -> None:
        """With a `key` the bundle has to be signed by it.

        If it is read `again`, the parts were compared with their SHA-256 just now, and the lines of the manifest were
        looked at. Parts still are where content proves to be wrong.
        """
        self.parts = list(parts)
        self.name = str(parts[0].path)
        self.signature = b""
        self._key = key
        self._again = again
        self._stack = ExitStack()
        self._stream = PartsReader(parts, progress, hashed=not again)
        self._tar = TarReader(self._stream, self.name, remembered=False)
        self._members = iter(self._tar)
        self._offset = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            stack.enter_context(self._stream)
            self._manifest = stack.enter_context(tempfile.TemporaryFile())
            with _Blaming(self._stream):
                self._read_header()
                self._read_manifest()
            self._stack = stack.pop_all()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def entries(self) -> Iterator[Entry]:
        """The lines of the manifest: documents in the order of their paths, then blobs."""
        decoder = msgspec.json.Decoder(Entry)
        position = 0
        while True:
            self._manifest.seek(position)  # others may go over the lines in between
            data = self._manifest.read(_LINES)
            if not data:
                return
            lines = data[: data.rindex(b"\n") + 1]
            position += len(lines)
            yield from decoder.decode_lines(lines)

    def contents(self) -> Iterator[Content]:
        """The files, in the order of the manifest. What nobody reads is checked all the same."""
        with _Blaming(self._stream):
            for entry in self.entries():
                if not entry.base:
                    content = Content(entry, self._tar, self._stream, self._expect(entry.path, entry.size))
                    yield content
                    content.finish()
            self._end()

    def _read_header(self) -> None:
        member = self._next(HEADER)
        if member.name != HEADER or member.kind != "file" or member.size > LARGEST_HEADER:
            raise InputError(f"{self.name}: begins with {member.name!r}; expected {HEADER}, as bundles do")
        data = self._small(member.size)
        self.header = self._decoded(data)
        self.id = identity(data)
        if self.id != self.parts[0].trailer.bundle:
            raise InputError(f"{self.name}: holds the bundle {self.id}; its end says {self.parts[0].trailer.bundle}")
        self._advance(HEADER, member)
        self._following = self._next(MANIFEST)
        if self._following.name == SIGNATURE:
            if self._following.kind != "file" or self._following.size != SIGNATURE_SIZE:
                raise InputError(f"{self.name}: {SIGNATURE}: expected {SIGNATURE_SIZE} bytes of Ed25519")
            self.signature = self._small(SIGNATURE_SIZE)
            self._advance(SIGNATURE, self._following)
            self._following = self._next(MANIFEST)
        self._check_signature(data)

    def _decoded(self, data: bytes) -> Header:
        try:
            version = msgspec.json.decode(data, type=Version)
            if version.format == FORMAT and version.version > VERSION:
                raise InputError(
                    f"{self.name}: a bundle of version {version.version}; expected at most {VERSION}: update ismirror"
                )
            header = msgspec.json.decode(data, type=Header)
        except NOT_JSON as error:
            raise InputError(f"{self.name}: {HEADER}: {error}; expected the header of a bundle") from None
        states = [header.state, *([header.base.state] if header.base is not None else [])]
        if header.format != FORMAT or header.encoded() != data or not all(map(is_digest, states)):
            raise InputError(f"{self.name}: {HEADER}: expected the header of a bundle, version {VERSION}")
        return header

    def _check_signature(self, data: bytes) -> None:
        if self._key is None:
            return
        if not self.signature:
            raise InputError(f"{self.name}: not signed; --verify-key asks for a signature")
        if not is_signed_by(self._key, self.signature, data):
            raise InputError(f"{self.name}: signed by another key than that of --verify-key, or changed since")
        self._stream.trusted = True

    def _read_manifest(self) -> None:
        """Takes the manifest into a temporary file, and checks that it says what the header says."""
        stated = self.header.manifest
        member = self._following
        self._check(member, MANIFEST, stated.size)
        if stated.size > LARGEST_MANIFEST:
            raise InputError(f"{self.name}: {MANIFEST}: {stated.size} bytes; expected at most {LARGEST_MANIFEST}")
        digest = hashlib.sha256()
        while data := self._tar.read(_CHUNK):
            digest.update(data)
            self._manifest.write(data)
        self._advance(MANIFEST, member)
        if digest.hexdigest() != stated.sha256:
            raise InputError(f"{self.name}: {MANIFEST}: does not have the SHA-256 of the header")
        if self._again:  # these bytes were looked at: the parts name the same header, and that the same manifest
            return
        tally = Tally()
        self._manifest.seek(0)
        for number in itertools.count(1):
            line = self._manifest.readline(LONGEST_LINE)
            if not line:
                break
            name = f"{self.name}: {MANIFEST}: line {number}"
            if not line.endswith(b"\n"):
                raise InputError(f"{name}: expected a line of at most {LONGEST_LINE} bytes")
            tally.add(decode_entry(line, name), name)
        tally.compare(self.header, self.name)

    def _expect(self, path: str, size: int) -> bytes | None:
        """Goes on to the next member, which has to be this file. The content if that is small."""
        header = tar_header(path, size) if size <= _SMALL else b""
        if len(header) == BLOCK:
            data = self._tar.take(header, size)
            if data is not None:
                self._offset += BLOCK + size + -size % BLOCK
                return data
        member = self._next(path)
        self._check(member, path, size)
        self._advance(path, member)
        return None

    def _next(self, wanted: str) -> Member:
        member = next(self._members, None)
        if member is None:
            raise InputError(f"{self.name}: ends before {wanted}; the bundle is not whole")
        return member

    def _check(self, member: Member, path: str, size: int) -> None:
        if member.kind != "file":
            raise InputError(f"{self.name}: member {member.name!r} is a {member.kind}; a bundle has regular files only")
        if member.name != path:
            raise InputError(f"{self.name}: member {member.name!r} where the manifest has {path!r}")
        if member.size != size:
            raise InputError(f"{self.name}: member {path!r} of {member.size} bytes; the manifest says {size}")

    def _advance(self, path: str, member: Member) -> None:
        """Members lie one behind the other, with nothing in between."""
        header = len(tar_header(path, member.size))
        if member.offset != self._offset + header:
            raise InputError(f"{self.name}: something else before member {path!r}")
        self._offset += header + member.size + len(tar_padding(member.size))

    def _small(self, size: int) -> bytes:
        pieces = []
        while data := self._tar.read(size):
            pieces.append(data)
        return b"".join(pieces)

    def _end(self) -> None:
        """Nothing may follow the last file but the end of the tar: two blocks of zeros."""
        member = next(self._members, None)
        if member is not None:
            raise InputError(f"{self.name}: member {member.name!r} is not in the manifest")
        pieces = []
        while data := self._stream.read(2 * BLOCK):
            pieces.append(data)
            if len(pieces) > 4:
                break
        if b"".join(pieces) != bytes(BLOCK):
            raise InputError(f"{self.name}: something else behind the last file, or its end is missing")


class Tally:
    """Counts the lines of a manifest, and keeps the digest that names the state."""

    def __init__(self) -> None:
        self._state = hashlib.sha256()
        self._order = (False, "")
        self._counts = {"carried": [0, 0], "base": [0, 0]}
        self.repositories = self.lines = 0

    def add(self, entry: Entry, name: str = MANIFEST) -> None:
        """Takes the next line (raises `InputError` if the lines are out of order; `name` says which one it is)."""
        if entry.order <= self._order:
            raise InputError(f"{name}: {entry.path!r}: twice there, or out of order")
        self._order = entry.order
        self.lines += 1
        count = self._counts["base" if entry.base else "carried"]
        count[0] += 1
        count[1] += entry.size
        place = place_of(entry.path)
        self.repositories += place is not None and place.file == "index.json"
        if entry.path != REMOVALS:
            self._state.update(f"{entry.sha256}  {entry.path}\n".encode())

    @property
    def state(self) -> str:
        """The name of the state."""
        return f"sha256:{self._state.hexdigest()}"

    @property
    def carried(self) -> Amount:
        """The files in the bundle."""
        return Amount(files=self._counts["carried"][0], bytes=self._counts["carried"][1])

    @property
    def in_base(self) -> Amount:
        """The files that the base has to have."""
        return Amount(files=self._counts["base"][0], bytes=self._counts["base"][1])

    def compare(self, header: Header, name: str) -> None:
        """Raises `InputError` if a header says something else."""
        for what, found, stated in (
            ("lines", self.lines, header.manifest.lines),
            ("state", self.state, header.state),
            ("carried", self.carried, header.carried),
            ("inBase", self.in_base, header.in_base),
            ("repositories", self.repositories, header.repositories),
        ):
            if found != stated:
                raise InputError(f"{name}: {HEADER}: {what}: says {stated}; the manifest has {found}")
        if self.in_base.files and header.base is None:
            raise InputError(f"{name}: {HEADER}: no base; the manifest has files of one")


class _Blaming:
    """Where something is wrong with the content, finds out first whether the part in hand is damaged."""

    def __init__(self, stream: PartsReader) -> None:
        self._stream = stream

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if isinstance(error, InputError):
            self._stream.blame()

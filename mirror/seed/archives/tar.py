"""Tar archives from strangers: read member by member, in constant memory, refusing what no image archive needs.

Python's ``tarfile`` takes everything that ever was a tar; here is only what is written today (POSIX ustar and pax, GNU
long names), every length is bounded, and names cannot lead out of the archive. Sources: POSIX.1-2017, pax(1),
"ustar Interchange Format" and "pax Extended Header"; GNU tar manual, "Basic Tar Format".
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Literal, NamedTuple, Protocol

from mirror.errors import InputError

Kind = Literal["file", "directory", "symlink", "hardlink"]

BLOCK: Final = 512

_LONGEST_NAME: Final = 4096
_LONGEST_EXTENSION: Final = 64 << 10
_MOST_MEMBERS: Final = 4_000_000
_LARGEST: Final = 1 << 50
_SKIP: Final = 1 << 20
_OCTAL_LIMIT: Final = 8**11
_CONTROL: Final = re.compile(r"[\x00-\x1f]")

_KINDS: Final[dict[bytes, Kind]] = {
    b"0": "file",
    b"\0": "file",
    b"7": "file",
    b"5": "directory",
    b"2": "symlink",
    b"1": "hardlink",
}
_REFUSED: Final = {b"3": "a character device", b"4": "a block device", b"6": "a named pipe"}


class Readable(Protocol):
    """What a tar is read from."""

    def read(self, size: int, /) -> bytes:
        """Up to `size` bytes, none at the end."""
        ...

    def seek(self, offset: int, whence: int, /) -> int:
        """Goes to another place; only used where the length is known."""
        ...


class Member(NamedTuple):
    """A member of a tar.

    ``name`` has no leading ``./`` and no trailing slash; ``target`` is where a link leads, as it is written;
    ``offset`` says where the content begins, in bytes from the start of the archive.
    """

    name: str
    kind: Kind
    size: int
    target: str
    offset: int


class TarReader:
    """Reads a tar from front to end. Iterating gives the members; `read` the content of the one just given.

    With `length`, the bytes of the whole, what nobody reads is passed over by seeking.

    Raises `InputError`, with the archive's `name`, for what is no tar and for what nobody should unpack: names that
    leave the archive, devices and pipes, a name given twice, endless names. Readers that know the order of the members
    do not need the names to be `remembered`. ``ended`` says whether the mark was met that ends a tar.
    """

    def __init__(self, stream: Readable, name: str, *, length: int | None = None, remembered: bool = True) -> None:
        self._stream = stream
        self._name = name
        self._length = length
        self._position = 0
        self._left = 0
        self._padding = 0
        self._seen: set[str] | None = set() if remembered else None
        self._ahead = b""
        self.ended = False

    def __iter__(self) -> Iterator[Member]:
        count = 0
        while (member := self._next()) is not None:
            count += 1
            if count > _MOST_MEMBERS:
                raise self.refusal(f"more than {_MOST_MEMBERS} members")
            if member.name != ".":
                yield member

    def read(self, size: int) -> bytes:
        """Up to `size` bytes of the current member's content, none at its end."""
        data = self._stream.read(min(size, self._left)) if self._left else b""
        if self._left and size and not data:
            raise self.refusal("ends in the middle of a member; the archive is not whole")
        self._left -= len(data)
        self._position += len(data)
        return data

    def take(self, header: bytes, size: int) -> bytes | None:
        """The content of the next member, all `size` bytes of it, if its header is exactly these bytes; None if it is
        another one, which is still to come.

        For readers that know what has to come: comparing is all the checking that such a header needs.
        """
        self._skip()
        self._ahead = self._some(BLOCK)
        if self._ahead != header:
            return None
        self._ahead = b""
        data = self._some(size + -size % BLOCK)
        if len(data) < size + -size % BLOCK:
            raise self.refusal("ends in the middle of a member; the archive is not whole")
        return data[:size]

    def refusal(self, problem: str) -> InputError:
        """What is wrong with the archive, as an error to raise."""
        return InputError(f"{self._name}: {problem}")

    def _next(self) -> Member | None:
        self._skip()
        extended: dict[str, str] = {}
        while True:
            block = self._block()
            if block is None:
                return None
            flag = block[156:157]
            size = self._number(block[124:136])
            if flag in b"xgLK":
                extended |= self._extension(flag, size)
            else:
                return self._member(block, flag, size, extended)

    def _member(self, block: bytes, flag: bytes, size: int, extended: dict[str, str]) -> Member:
        name = self._checked_name(extended.get("path") or _name(block), what="member")
        size = self._size(extended["size"]) if "size" in extended else size
        kind = _KINDS.get(flag)
        if flag in _REFUSED or kind is None:
            found = _REFUSED.get(flag, f"of type {flag.decode('latin-1')!r}")
            raise self.refusal(f"member {name!r} is {found}; an image archive has files, directories and links only")
        if kind != "file":
            size = 0
        elif (extended.get("path") or _name(block)).endswith("/"):
            kind, size = "directory", 0
        if kind != "directory":
            self._once(name)
        target = extended.get("linkpath") or _text(block[157:257]) if kind in {"symlink", "hardlink"} else ""
        self._left, self._padding = size, -size % BLOCK
        return Member(name, kind, size, target, self._position)

    def _once(self, name: str) -> None:
        if self._seen is None:
            return
        if name in self._seen:
            raise self.refusal(f"member {name!r} is there twice; nobody can say which one is meant")
        self._seen.add(name)

    def _extension(self, flag: bytes, size: int) -> dict[str, str]:
        """What a header that precedes a member says of it."""
        if size > _LONGEST_EXTENSION:
            raise self.refusal(f"a header of {size} bytes; expected at most {_LONGEST_EXTENSION}")
        data = self._exactly(size + -size % BLOCK)[:size]
        if flag == b"L":
            return {"path": _text(data)}
        if flag == b"K":
            return {"linkpath": _text(data)}
        return dict(self._records(data)) if flag == b"x" else {}

    def _records(self, data: bytes) -> Iterator[tuple[str, str]]:
        """The records ``LENGTH KEY=VALUE\\n`` of a pax header that matter."""
        while data:
            digits, space, _ = data.partition(b" ")
            length = int(digits) if space and digits.isdigit() and len(digits) < 10 else 0
            record = data[len(digits) + 1 : length]
            key, equals, value = record.partition(b"=")
            if length > len(data) or not equals or not value.endswith(b"\n"):
                raise self.refusal("an extended header that is broken")
            if key.startswith(b"GNU.sparse."):
                raise self.refusal("a sparse file; no image archive has one")
            if key in {b"path", b"linkpath", b"size"}:
                if b"\0" in value:
                    raise self.refusal("an extended header with a zero byte in a name")
                yield key.decode(), _text(value[:-1])
            data = data[length:]

    def _checked_name(self, name: str, what: str) -> str:
        parts = name.split("/")
        if name.startswith("/") or ".." in parts:
            raise self.refusal(f"{what} {name[:200]!r} leads out of the archive")
        if not name or len(name) > _LONGEST_NAME or _CONTROL.search(name):
            raise self.refusal(f"{what} {name[:200]!r}: expected a file name of at most {_LONGEST_NAME} characters")
        return "/".join(part for part in parts if part not in {"", "."}) or "."

    def _skip(self) -> None:
        """Goes past what is left of the current member."""
        if self._length is not None and self._left:
            if self._position + self._left > self._length:
                raise self.refusal("ends in the middle of a member; the archive is not whole")
            self._stream.seek(self._left, 1)
            self._position += self._left
            self._left = 0
        while self._left:
            self.read(min(_SKIP, self._left))
        self._exactly(self._padding)
        self._padding = 0

    def _block(self) -> bytes | None:
        """The next header; None at the end, which is a block of zeros, or nothing more."""
        block, self._ahead = self._ahead or self._some(BLOCK), b""
        if not block.strip(b"\0"):
            self.ended = len(block) == BLOCK
            return None
        if len(block) < BLOCK:
            raise self.refusal("ends in the middle of a header; the archive is not whole")
        stated = _octal(block[148:156])
        if stated is None or stated != sum(block[:148]) + 8 * 32 + sum(block[156:]):
            raise self.refusal("not a tar archive, or a damaged one (a header's checksum does not match)")
        return block

    def _number(self, field: bytes) -> int:
        """A size: octal digits, or where the first bit is set a binary number (GNU tar)."""
        value = int.from_bytes(field[1:], "big") if field[:1] == b"\x80" else _octal(field)
        if value is None or value > _LARGEST:
            raise self.refusal("a header whose size cannot be")
        return value

    def _size(self, text: str) -> int:
        if not text.isascii() or not text.isdigit() or len(text) > 16 or int(text) > _LARGEST:
            raise self.refusal("an extended header whose size cannot be")
        return int(text)

    def _exactly(self, size: int) -> bytes:
        data = self._some(size)
        if len(data) < size:
            raise self.refusal("ends early; the archive is not whole")
        return data

    def _some(self, size: int) -> bytes:
        """`size` bytes, or fewer at the end."""
        data = self._stream.read(size) if size else b""
        pieces, found = [data], len(data)
        while found < size and (data := self._stream.read(size - found)):
            pieces.append(data)
            found += len(data)
        self._position += found
        return pieces[0] if len(pieces) == 1 else b"".join(pieces)


def tar_header(name: str, size: int = 0, kind: Kind = "file", target: str = "") -> bytes:
    """The header of a member that belongs to root and is as old as Unix: the same bytes for the same name and size."""
    plain = name.encode()
    extended = b""
    if len(plain) > 100 or size >= _OCTAL_LIMIT or len(target) > 100:
        records = {"path": name, **({"size": str(size)} if size >= _OCTAL_LIMIT else {})}
        records |= {"linkpath": target} if len(target) > 100 else {}
        content = b"".join(_record(key, value) for key, value in records.items())
        extended = _header(b"PaxHeader", len(content), b"x", b"") + content + bytes(-len(content) % BLOCK)
    flag = {"file": b"0", "directory": b"5", "symlink": b"2", "hardlink": b"1"}[kind]
    return extended + _header(plain[-100:], size if size < _OCTAL_LIMIT else 0, flag, target.encode()[:100])


def tar_padding(size: int) -> bytes:
    """What follows the content of a member of `size` bytes."""
    return bytes(-size % BLOCK)


TAR_END: Final = bytes(2 * BLOCK)
"""What ends an archive."""


def _header(name: bytes, size: int, flag: bytes, target: bytes) -> bytes:
    mode = b"0000755\0" if flag == b"5" else b"0000777\0" if flag == b"2" else b"0000644\0"
    fields = [
        name.ljust(100, b"\0"),
        mode,
        b"0000000\0" * 2,  # owner and group
        b"%011o\0" % size,
        b"%011o\0" % 0,  # modification time
        b" " * 8,  # the checksum counts as spaces
        flag,
        target.ljust(100, b"\0"),
        b"ustar\x0000",
        b"".ljust(64, b"\0"),  # names of owner and group
        b"0000000\0" * 2,  # numbers of devices
        b"".ljust(167, b"\0"),
    ]
    block = b"".join(fields)
    return block[:148] + b"%06o\0 " % sum(block) + block[156:]


def _record(key: str, value: str) -> bytes:
    """A record of an extended header, whose length counts its own digits."""
    rest = f" {key}={value}\n".encode()
    length = len(rest)
    while length != len(rest) + len(str(length)):
        length = len(rest) + len(str(length))
    return str(length).encode() + rest


def _name(block: bytes) -> str:
    prefix = _text(block[345:500]) if block[257:263] == b"ustar\0" else ""
    name = _text(block[:100])
    return f"{prefix}/{name}" if prefix else name


def _text(field: bytes) -> str:
    return field.partition(b"\0")[0].decode("utf-8", "backslashreplace")


def _octal(field: bytes) -> int | None:
    digits = field.strip(b" \0") or b"0"
    if len(digits) > 12 or any(digit not in b"01234567" for digit in digits):
        return None
    return int(digits, 8)

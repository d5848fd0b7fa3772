"""The files of an archive, be it a directory or a tar: named by relative paths, never followed out of it."""

from __future__ import annotations

import errno
import io
import os
import posixpath
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import Any, BinaryIO, Final, Protocol, cast

from mirror.errors import InputError
from mirror.seed.archives.tar import Member, TarReader

_MOST_LINKS: Final = 8
_LARGEST_LISTING: Final = 512 << 20
_WEIGHT: Final = 600


class Files(Protocol):
    """Files by name (``a/b``). What is a link counts as what it leads to, as long as that lies in the archive."""

    name: str
    """The archive, in messages."""

    def children(self, directory: str = "") -> list[str]:
        """The names in a directory, in byte order; none if there is no such directory.

        Links to directories are left out, so that whoever walks comes to an end.
        """
        ...

    def size(self, name: str) -> int | None:
        """Bytes of a file, or None if there is no such file."""
        ...

    def open(self, name: str) -> BinaryIO | None:
        """A file's content from its start, or None if there is no such file."""
        ...

    def real_name(self, name: str) -> str | None:
        """The name of the file that a name leads to by links, or None if there is none."""
        ...


def read_small(files: Files, name: str, limit: int) -> bytes | None:
    """The content of a file, or None if there is no such file.

    Raises:
        InputError: it has more than `limit` bytes.
    """
    stream = files.open(name)
    if stream is None:
        return None
    with stream:
        data = stream.read(limit + 1)
    if len(data) > limit:
        raise InputError(f"{files.name}: {name}: more than {limit} bytes; expected at most that many")
    return data


class DirectoryFiles:
    """The files of a directory. Links out of it are refused, whoever made them."""

    def __init__(self, path: Path) -> None:
        self.name = str(path)
        self._root = os.path.realpath(path)

    def children(self, directory: str = "") -> list[str]:
        path = self._inside(directory)
        if path is None:
            return []
        try:
            with os.scandir(path) as entries:
                return sorted(entry.name for entry in entries if not (entry.is_symlink() and entry.is_dir()))
        except (FileNotFoundError, NotADirectoryError):
            return []
        except OSError as error:
            raise self._unreadable(directory or ".", error) from None

    def size(self, name: str) -> int | None:
        status = self._status(name)
        return None if status is None else status.st_size

    def open(self, name: str) -> BinaryIO | None:
        path = self._inside(name)
        if path is None or self._status(name) is None:
            return None
        try:
            handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError as error:
            raise self._unreadable(name, error) from None
        if not stat.S_ISREG(os.fstat(handle).st_mode):  # it was one a moment ago
            os.close(handle)
            raise self._irregular(name)
        return os.fdopen(handle, "rb")

    def real_name(self, name: str) -> str | None:
        path = self._inside(name)
        return None if path is None or self._status(name) is None else os.path.relpath(path, self._root)

    def _status(self, name: str) -> os.stat_result | None:
        path = self._inside(name)
        status = None if path is None else self._lstat(path, name)
        if status is None or stat.S_ISDIR(status.st_mode):
            return None
        if not stat.S_ISREG(status.st_mode):
            raise self._irregular(name)
        return status

    def _lstat(self, path: str, name: str) -> os.stat_result | None:
        """The status of a file, or None where there is none; one that nobody may look at is not absent."""
        try:
            return os.lstat(path)
        except (FileNotFoundError, NotADirectoryError, ValueError):
            return None
        except OSError as error:
            if error.errno == errno.ENAMETOOLONG:
                return None
            raise self._unreadable(name, error) from None

    def _unreadable(self, name: str, error: OSError) -> InputError:
        return InputError(f"{self.name}: {name[:200]}: {error.strerror or error}; expected to be able to read it")

    def _irregular(self, name: str) -> InputError:
        return InputError(f"{self.name}: {name} is no regular file; an image archive has files, directories and links")

    def _inside(self, name: str) -> str | None:
        """The real path of something in the directory; None if it is not there."""
        if name.startswith("/") or ".." in name.split("/"):
            raise InputError(f"{self.name}: {name[:200]!r} leads out of the archive")
        path = f"{self._root}/{name}" if name else self._root
        if self._lstat(path, name) is None:
            return None
        real = os.path.realpath(path)
        if real != self._root and not real.startswith(self._root + os.sep):
            raise InputError(f"{self.name}: {name} is a link out of the archive, to {real}")
        return real


class TarFiles:
    """The files of a tar that can be read at any place: one pass says where everything lies."""

    def __init__(self, stream: BinaryIO, name: str) -> None:
        """Raises `InputError` as `TarReader` does, and for links that leave the archive."""
        self.name = name
        self._stream = stream
        self._files: dict[str, Member] = {}
        self._links: dict[str, str] = {}
        self._children: dict[str, set[str]] = {}
        self._weight = 0
        tar = TarReader(stream, name, length=os.fstat(stream.fileno()).st_size)
        for member in tar:
            self._take(member)
            if self._weight > _LARGEST_LISTING:
                raise tar.refusal(f"so many names, so long, that listing them takes more than {_LARGEST_LISTING} bytes")
        if not tar.ended:
            raise tar.refusal("ends without the mark that ends a tar; the archive is not whole")

    def children(self, directory: str = "") -> list[str]:
        return sorted(self._children.get(directory, ()))

    def size(self, name: str) -> int | None:
        real = self.real_name(name)
        return None if real is None else self._files[real].size

    def open(self, name: str) -> BinaryIO | None:
        real = self.real_name(name)
        if real is None:
            return None
        member = self._files[real]
        return cast("BinaryIO", io.BufferedReader(_Slice(self._stream, member.offset, member.size), 1 << 18))

    def real_name(self, name: str) -> str | None:
        for _ in range(_MOST_LINKS):
            if name in self._files:
                return name
            if name not in self._links:
                return None
            name = self._links[name]
        return None

    def _take(self, member: Member) -> None:
        if member.kind == "file":
            self._files[member.name] = member
        elif member.kind != "directory":
            self._links[member.name] = self._target(member)
        self._weight += _WEIGHT + len(member.name) + len(member.target)
        above, _, last = member.name.rpartition("/")
        while last:
            siblings = self._children.setdefault(above, set())
            if last in siblings:
                break
            siblings.add(last)
            self._weight += _WEIGHT + len(above) + len(last)
            above, _, last = above.rpartition("/")

    def _target(self, member: Member) -> str:
        """Where a link leads: hard links are named from the top of the archive, symbolic ones from where they lie."""
        base = posixpath.dirname(member.name) if member.kind == "symlink" else ""
        target = posixpath.normpath(posixpath.join(base, member.target))
        if member.target.startswith("/") or target.startswith("../") or target == "..":
            raise InputError(f"{self.name}: member {member.name!r} is a link out of the archive, to {member.target!r}")
        return target


class JoinedFiles:
    """The files of several tars that are one archive. Of those with one name the first counts."""

    def __init__(self, parts: Sequence[Files], name: str) -> None:
        self.name = name
        self._parts = parts

    def children(self, directory: str = "") -> list[str]:
        return sorted({child for part in self._parts for child in part.children(directory)})

    def size(self, name: str) -> int | None:
        return next((size for part in self._parts if (size := part.size(name)) is not None), None)

    def open(self, name: str) -> BinaryIO | None:
        return next((stream for part in self._parts if (stream := part.open(name)) is not None), None)

    def real_name(self, name: str) -> str | None:
        return next((real for part in self._parts if (real := part.real_name(name)) is not None), None)


class SubFiles:
    """The files below one directory of others."""

    def __init__(self, files: Files, directory: str) -> None:
        self.name = f"{files.name}: {directory}"
        self._files = files
        self._directory = directory

    def children(self, directory: str = "") -> list[str]:
        return self._files.children(f"{self._directory}/{directory}" if directory else self._directory)

    def size(self, name: str) -> int | None:
        return self._files.size(f"{self._directory}/{name}")

    def open(self, name: str) -> BinaryIO | None:
        return self._files.open(f"{self._directory}/{name}")

    def real_name(self, name: str) -> str | None:
        real = self._files.real_name(f"{self._directory}/{name}")
        return None if real is None else posixpath.relpath(real, self._directory)


class _Slice(io.RawIOBase):
    """A part of a file, read without moving the file's own position."""

    def __init__(self, stream: BinaryIO, offset: int, size: int) -> None:
        super().__init__()
        self._handle = stream.fileno()
        self._start = self._position = offset
        self._end = offset + size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        base = {os.SEEK_SET: self._start, os.SEEK_CUR: self._position, os.SEEK_END: self._end}[whence]
        self._position = min(max(base + offset, self._start), self._end)
        return self.tell()

    def tell(self) -> int:
        return self._position - self._start

    def readinto(self, buffer: Any) -> int:
        data = os.pread(self._handle, min(len(buffer), self._end - self._position), self._position)
        self._position += len(data)
        buffer[: len(data)] = data
        return len(data)

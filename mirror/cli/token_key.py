"""The key that signs tokens, where it is kept in a file: for registries that are to take each other's tokens."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

if TYPE_CHECKING:
    from mirror.errors import InputError

TokenKeyOption = Annotated[
    Path | None,
    typer.Option(
        "--token-key",
        metavar="FILE",
        help="The key that signs tokens, the same for registries that take each other's; made if it is not there.",
    ),
]

_LEAST: Final = 32
_MOST: Final = 4096


def load_or_create(file: Path) -> bytes:
    """The key in a file, which is made if it is not there, readable by its owner alone.

    Of several processes that make it at once all get the same.

    Raises:
        InputError: it cannot be read or made, or is too short to be one.
    """
    from mirror.config import read_file

    try:
        if not file.exists():
            _create(file)
    except OSError as error:
        raise _input_error(f"{file}: {error.strerror or error}") from None
    key = read_file(file, _MOST).strip()
    if len(key) < _LEAST:
        expected = f"expected {_LEAST} or more, as 'openssl rand -base64 32' writes them"
        raise _input_error(f"{file}: a key for tokens has {len(key)} bytes; {expected}")
    return key


def _create(file: Path) -> None:
    """Puts a new key in its place, unless somebody else has done so."""
    import os
    import secrets

    temporary = file.with_name(f".{file.name[:64]}.{secrets.token_hex(8)}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    try:
        with os.fdopen(descriptor, "w") as written:
            written.write(f"{secrets.token_urlsafe(32)}\n")
            written.flush()
            os.fsync(descriptor)
        try:
            os.link(temporary, file)  # unlike a rename it replaces nothing
        except FileExistsError:
            return
        directory = os.open(file.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(directory)
        finally:
            os.close(directory)
    finally:
        temporary.unlink(missing_ok=True)


def _input_error(problem: str) -> InputError:
    from mirror.errors import InputError

    return InputError(problem)

"""Files of users put in place, whole or not at all; those of a tree are `fake_registry.fixtures`'."""

from __future__ import annotations

import os
import secrets
from pathlib import Path


def replace_file(path: Path, data: bytes, *, mode: int | None = None) -> None:
    """Puts a file in the place of whatever is there: of a link, too, never of what a link leads to.

    Args:
        path: where; its directory has to be there.
        data: all of it.
        mode: its permissions, from the first byte on; what new files have if None.

    Raises:
        OSError: it cannot be written. What was there stays.
    """
    temporary = path.with_name(f".{path.name[:64]}.{secrets.token_hex(8)}.tmp")
    permissions = 0o666 if mode is None else 0o600
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, permissions)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            if mode is not None:
                os.fchmod(descriptor, mode)
            os.fsync(descriptor)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise

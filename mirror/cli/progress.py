"""How far a long command is: a bar on standard error where people look at it, a line now and then where they do not."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from mirror.cli.notes import is_quiet, note
from mirror.cli.sizes import size_text

Progress = Callable[[int, int], None]
"""Is told how much of how much is done."""

_LINE_EVERY: Final = 10.0


@contextmanager
def progress(what: str, *, in_bytes: bool = False) -> Iterator[Progress]:
    """Shows what is told to it while the block runs; nothing with -q."""
    if is_quiet():
        yield lambda done, total: None
    elif sys.stderr.isatty():
        with _bar(what, in_bytes=in_bytes) as tell:
            yield tell
    else:
        yield _lines(what, in_bytes=in_bytes)


@contextmanager
def _bar(what: str, *, in_bytes: bool) -> Iterator[Progress]:
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        DownloadColumn,
        MofNCompleteColumn,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )
    from rich.progress import Progress as Bar

    amounts = [DownloadColumn(), TransferSpeedColumn()] if in_bytes else [MofNCompleteColumn()]
    columns = [TextColumn("{task.description}"), BarColumn(), *amounts, TimeRemainingColumn()]
    with Bar(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _lines(what: str, *, in_bytes: bool) -> Progress:
    """A line every ten seconds, so that logs stay short and a command that hangs shows."""
    last = time.monotonic()

    def tell(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= _LINE_EVERY and done < total:
            last = now
            amounts = f"{size_text(done)} of {size_text(total)}" if in_bytes else f"{done} of {total}"
            note(f"{what}: {amounts}")

    return tell

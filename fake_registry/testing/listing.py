"""The journal as text, for people who look at a failed test."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from fake_registry.core.faults import FaultAccount
from fake_registry.core.journal import Entry

_SHOWN: Final = 200


def listing(entries: Sequence[Entry], faults: Iterable[FaultAccount] = (), handshakes: Sequence[Entry] = ()) -> str:
    """A line for each request, the last ones if there are many, one for each handshake that came to nothing, and one
    for each fault rule."""
    return "\n".join([*_lines(entries), *map(_handshake, handshakes[-_SHOWN:]), *map(str, faults)])


def _lines(entries: Sequence[Entry]) -> Iterator[str]:
    if not entries:
        yield "nothing was asked"
    if len(entries) > _SHOWN:
        yield f"({len(entries) - _SHOWN} earlier requests are left out)"
    yield from map(_line, entries[-_SHOWN:])


def _handshake(entry: Entry) -> str:
    return f"refused {entry.host or 'no host'}  ({entry.note})"


def _line(entry: Entry) -> str:
    line = f"{entry.status or 'dropped'} {entry.method} {entry.host}{entry.target}"
    remarks = [
        text
        for text in (
            f"user {entry.user}" if entry.user else "",
            f"fault {entry.fault}" if entry.fault else "",
            entry.note,
        )
        if text
    ]
    return f"{line}  ({'; '.join(remarks)})" if remarks else line

"""What changes between two reports: another policy, another tree, another day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from mirror.config import read_file
from mirror.errors import InputError
from mirror.preflight.causes import Cause
from mirror.preflight.report import Report, TagResult, Verdict, read_report

ChangeKind = Literal["worse", "better", "changed", "new", "gone"]


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a report says of a tag, as far as it can change."""

    verdict: Verdict
    cause: Cause | None
    source: str | None
    digest: str | None


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """A tag that is not as before: ``before`` is null where there was none, ``after`` where there is none any more."""

    namespace: str
    stream: str
    tag: str
    change: Annotated[
        ChangeKind, Meta(description="worse: it failed to stay, or is new and fails; changed: another cause or image.")
    ]
    before: State | None
    after: State | None
    remedy: str | None


class Changes(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that changed, the worst first, and how much of each there is."""

    summary: dict[ChangeKind, int]
    changes: list[Change]

    @property
    def is_worse(self) -> bool:
        """Whether something gets worse."""
        return self.summary["worse"] > 0


_ORDER: tuple[ChangeKind, ...] = ("worse", "better", "changed", "new", "gone")


def read_earlier(path: Path) -> Report:
    """The report of an earlier run.

    Raises:
        InputError: the file cannot be read, or is no report.
    """
    try:
        return read_report(read_file(path))
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        expected = "expected what 'ismirror preflight -o json' prints"
        raise InputError(f"{path}: no report of preflight: {' '.join(str(error).split())}; {expected}") from None


def compare(before: Report, after: Report) -> Changes:
    """What is different in a later report."""
    found = sorted(
        _changes(before, after), key=lambda one: (_ORDER.index(one.change), one.namespace, one.stream, one.tag)
    )
    summary: dict[ChangeKind, int] = {kind: sum(one.change == kind for one in found) for kind in _ORDER}
    return Changes(summary=summary, changes=found)


def _changes(before: Report, after: Report) -> Iterator[Change]:
    earlier = {_key(one): one for one in before.tags}
    later = {_key(one): one for one in after.tags}
    for key, one in later.items():
        old = earlier.get(key)
        kind = _kind(old, one)
        if kind is not None:
            yield _change(one, kind, old, one)
    for key, old in earlier.items():
        if key not in later:
            yield _change(old, "gone", old, None)


def _key(tag: TagResult) -> tuple[str, str, str, str]:
    # Images of an import without a tag are told apart by what they name.
    return tag.namespace, tag.stream, tag.tag, "" if tag.tag else tag.from_


def _kind(old: TagResult | None, new: TagResult) -> ChangeKind | None:
    if old is None:
        return "new" if new.imports else "worse"
    if old.imports != new.imports:
        return "better" if new.imports else "worse"
    return None if _state(old) == _state(new) else "changed"


def _change(tag: TagResult, kind: ChangeKind, old: TagResult | None, new: TagResult | None) -> Change:
    return Change(
        namespace=tag.namespace,
        stream=tag.stream,
        tag=tag.tag,
        change=kind,
        before=None if old is None else _state(old),
        after=None if new is None else _state(new),
        remedy=None if new is None or new.imports else new.remedy,
    )


def _state(tag: TagResult) -> State:
    return State(verdict=tag.verdict, cause=tag.cause, source=tag.source, digest=tag.digest)

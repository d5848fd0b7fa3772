"""What the pytest plugins have alike: options from markers, and what a failed test asked for in its report."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Generic, TypeVar

import pytest

T = TypeVar("T")


class FailureReport(Generic[T]):
    """Shows of failed tests what they asked of the thing that the fixture `name` made, and of that of the session.

    `total` says how often a thing was asked since it is there, `listing` what it was asked after so many times.
    """

    def __init__(self, name: str, total: Callable[[T], int], listing: Callable[[T, int], str]) -> None:
        self._name = name
        self._total = total
        self._listing = listing
        self._own = pytest.StashKey[T]()
        self._shared = pytest.StashKey[T]()
        self._asked_before = pytest.StashKey[int]()

    def has(self, item: pytest.Item, thing: T) -> None:
        """A test has a thing of its own."""
        item.stash[self._own] = thing

    @contextmanager
    def shares(self, config: pytest.Config, thing: T) -> Iterator[None]:
        """While the block runs there is a thing for all tests."""
        config.stash[self._shared] = thing
        yield
        del config.stash[self._shared]

    def begin(self, item: pytest.Item) -> None:
        """Remembers what the thing of the session was asked before this test."""
        shared = item.config.stash.get(self._shared, None)
        item.stash[self._asked_before] = 0 if shared is None else self._total(shared)

    def complete(self, item: pytest.Item, report: pytest.TestReport) -> None:
        """Adds its sections to the report of a test that has failed."""
        if not report.failed:
            return
        own = item.stash.get(self._own, None)
        if own is not None:
            report.sections.append((self._name, self._listing(own, 0)))
        shared = item.config.stash.get(self._shared, None)
        asked_before = item.stash.get(self._asked_before, 0)
        if shared is not None and self._total(shared) > asked_before:
            report.sections.append((f"{self._name}_session", self._listing(shared, asked_before)))


def marked_options(
    node: pytest.Item, marker: str, options: Mapping[str, Any], said: Callable[[pytest.Mark], Mapping[str, Any]]
) -> dict[str, Any]:
    """The options of the session under those that the markers of a test say; of each the nearest counts."""
    found = dict(options)
    for mark in reversed(list(node.iter_markers(marker))):
        found |= said(mark)
    return found


def check_options(options: Mapping[str, Any], known: Collection[str], where: str) -> None:
    """Fails a test whose options are not all known."""
    unknown = ", ".join(str(name) for name in options if name not in known)
    if unknown:
        pytest.fail(f"{where} know {', '.join(known)}; not {unknown}", pytrace=False)

"""How copying shows itself while it goes on: bars on a terminal, a line for each image elsewhere."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from mirror.cli.notes import is_quiet, note
from mirror.cli.output import printable
from mirror.cli.sizes import counted, size_text

if TYPE_CHECKING:
    from rich.progress import Progress as Bars
    from rich.progress import TaskID

    from mirror.seed.outcome import ImageResult, Progress

_MOST_BARS = 12


def line_of(result: ImageResult) -> str:
    """What became of an image, in a line."""
    text = f"{result.status} {result.image}"
    if result.target:
        text += f" as {result.target}"
    if result.status == "failed":
        return printable(f"{text}: {result.reason}")
    if result.blobs:
        text += f", {counted(result.blobs, 'blob')}, {size_text(result.bytes)}"
    if result.mounted:
        text += f", {result.mounted} mounted"
    if result.referrers:
        text += f", {counted(result.referrers, 'referrer')}"
    if result.missing:
        text += f"; {len(result.missing)} of its manifests are not there"
    return printable(text)


class Lines:
    """A line for each image; a `mirror.seed.outcome.Progress`."""

    def found(self, images: int) -> None:
        del images

    def begun(self, digest: str, size: int) -> None:
        del digest, size

    def received(self, digest: str, count: int) -> None:
        del digest, count

    def ended(self, digest: str) -> None:
        del digest

    def done(self, result: ImageResult) -> None:
        note(line_of(result))

    def waits(self, reason: str) -> None:
        note(printable(reason))


class Shown:
    """Bars: one for the images, one for all large blobs together, and one for each of them."""

    def __init__(self, bars: Bars) -> None:
        self._bars = bars
        self._images: TaskID = bars.add_task("images", total=0, unit="")
        self._bytes: TaskID = bars.add_task("blobs", total=0, unit="bytes")
        self._blobs: dict[str, TaskID] = {}
        self._expected = self._found = 0

    def found(self, images: int) -> None:
        self._found += images
        self._bars.update(self._images, total=self._found)

    def begun(self, digest: str, size: int) -> None:
        self._expected += max(size, 0)
        self._bars.update(self._bytes, total=self._expected)
        if len(self._blobs) < _MOST_BARS:
            name = digest.partition(":")[2][:12]
            self._blobs[digest] = self._bars.add_task(name, total=size if size >= 0 else None, unit="bytes")

    def received(self, digest: str, count: int) -> None:
        self._bars.advance(self._bytes, count)
        if digest in self._blobs:
            self._bars.advance(self._blobs[digest], count)

    def ended(self, digest: str) -> None:
        task = self._blobs.pop(digest, None)
        if task is not None:
            self._bars.remove_task(task)

    def done(self, result: ImageResult) -> None:
        self._bars.advance(self._images)
        if result.status == "failed":
            self._print(line_of(result))

    def waits(self, reason: str) -> None:
        self._print(printable(reason))

    def _print(self, line: str) -> None:
        self._bars.console.print(line, markup=False, highlight=False)


@contextmanager
def copy_progress() -> Iterator[Progress]:
    """Shows how a run goes on, on standard error."""
    if is_quiet() or not sys.stderr.isatty():
        yield Lines()
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Task as Bar
    from rich.text import Text

    class Amount(ProgressColumn):
        """How much of how much: images, or bytes with their rate."""

        def render(self, task: Bar) -> Text:
            total = int(task.total or 0)
            if task.fields["unit"] != "bytes":
                return Text(f"{int(task.completed)}/{total}")
            rate = f", {size_text(int(task.speed))}/s" if task.speed else ""
            return Text(f"{size_text(int(task.completed))} of {size_text(total)}{rate}")

    columns = (TextColumn("{task.description}"), BarColumn(), Amount(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bars:
        yield Shown(bars)

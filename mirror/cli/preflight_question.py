"""Options of ``ismirror preflight`` that say what is asked: under which policy, of which content."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mirror.cli.options import NowOption

if TYPE_CHECKING:
    from mirror.preflight.running import Question
    from mirror.streams import Found


_ARCHITECTURE: Final = re.compile(r"[a-z0-9]+", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class QuestionOptions:
    """The policy, what the registries hold, what if, and how much at once."""

    policy: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE",
            help="The cluster's policy: a policy file, or mirror sets, image config, pull secrets, authorities. "
            "Several make one policy.",
        ),
    ] = None
    data: Annotated[
        str | None, typer.Option("--data", metavar="TREE", help="What the registries hold: this fixture tree.")
    ] = None
    against: Annotated[
        list[str] | None,
        typer.Option(metavar="HOST=URL", help="Ask this real registry for HOST; other hosts do not exist."),
    ] = None
    without_source: Annotated[
        list[str] | None, typer.Option(metavar="HOST", help="What if this registry were gone; once for each.")
    ] = None
    add_policy: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE", help="What if this were applied, too; it replaces what it names."),
    ] = None
    node_arch: Annotated[
        list[str] | None, typer.Option(metavar="ARCH", help="Architecture of nodes, such as arm64; once for each.")
    ] = None
    cache: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Keep answers by digest here; the next run only checks them.")
    ] = None
    fail_fast: Annotated[bool, typer.Option("--fail-fast", help="Stop at the first stream with a tag that fails.")] = (
        False
    )
    concurrency: Annotated[
        int, typer.Option(min=1, max=1024, metavar="N", help="Streams at once; the report never depends on it.")
    ] = 16
    per_host: Annotated[
        int, typer.Option("--per-host", min=1, max=256, metavar="N", help="Requests to one real registry at once.")
    ] = 8
    now: NowOption = None

    def about(self, found: list[Found]) -> Callable[[], Question]:
        """The question, checked now; connections are made when it is called, in the loop that uses them.

        Raises:
            InputError: an option or a file cannot be used.
        """
        from mirror.clock import SystemClock
        from mirror.errors import InputError
        from mirror.preflight.cache import AnswerCache
        from mirror.preflight.content import of_registries, of_tree, parse_against
        from mirror.preflight.policy import read_policy
        from mirror.preflight.running import Question
        from mirror.session import clock_of, fixed_time

        wrong = next((one for one in self.node_arch or () if not _ARCHITECTURE.fullmatch(one)), None)
        if wrong is not None:
            raise InputError(
                f"--node-arch: {wrong!r} is not an architecture such as amd64 or arm64; give one each time"
            )
        rules = read_policy(self.policy or [], self.add_policy or [])
        gone = self.without_source or []
        clock = SystemClock() if self.data is None else clock_of(fixed_time(self.now), live=False)[0]
        places = dict(map(parse_against, self.against or []))
        answers = None if self.cache is None else AnswerCache(self.cache)
        if self.data is not None:
            content = of_tree(self.data, rules.config.hosts, gone, clock)
        else:
            content = of_registries(places, gone, rules.ca, per_host=self.per_host)
        return lambda: Question(
            found,
            rules,
            content,
            clock,
            architectures=self.node_arch or [],
            concurrency=self.concurrency,
            fail_fast=self.fail_fast,
            cache=answers,
        )

"""The check itself: every stream is tried on the cluster, and what came of its tags becomes a report."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mirror.api.app import ApiCore
from mirror.preflight.aliases import Aliases
from mirror.preflight.causes import Cause
from mirror.preflight.cluster import TrialCluster
from mirror.preflight.diagnosis import Diagnostician, Refusal, host_of
from mirror.preflight.report import Note, Report, TagResult
from mirror.preflight.trials import TagTrial, Trial, TrialAnswer, answer_to, remainder, trial_of, unique_tags
from mirror.streams import Found, FoundStream

Progress = Callable[[int, int], None]
"""Is told how many of how many streams are done."""


@dataclass(frozen=True, slots=True)
class CheckOptions:
    """`concurrency` streams are tried at once; with `fail_fast` none after the first that has a tag that fails."""

    concurrency: int = 8
    fail_fast: bool = False


class _Done(NamedTuple):
    """What became of the tags of a stream that follow images, and whether it can be created at all."""

    tags: list[TagResult]
    refused: Refusal | None


async def check(
    found: list[Found],
    cluster: TrialCluster,
    diagnostician: Diagnostician,
    options: CheckOptions,
    progress: Progress = lambda done, total: None,
) -> Report:
    """Tries the import of every stream. The report does not depend on what runs at the same time.

    `found` is let go of on the way: at the end there is only what aliases need.
    """
    api = ApiCore(cluster)
    results: list[_Done | None] = [None] * len(found)
    pending = iter(enumerate(found))
    stopped = False
    done = 0

    async def worker() -> None:
        nonlocal stopped, done
        for place, one in pending:
            answer = await answer_to(trial_of(one), api, cluster)
            own = list(_results(answer, diagnostician))
            results[place] = _Done(own, diagnostician.refused_stream(answer))
            found[place] = remainder(one)
            done += 1
            progress(done, len(found))
            if options.fail_fast and not all(tag.imports for tag in own):
                stopped = True
            if stopped:
                return

    async with asyncio.TaskGroup() as tasks:
        for _ in range(max(1, min(options.concurrency, len(found)))):
            tasks.create_task(worker())
    return _report(found, results, options)


def _report(found: Sequence[Found], results: Sequence[_Done | None], options: CheckOptions) -> Report:
    """Everything up to the first stream that fails, where that is the end; whatever else was under way is left out."""
    tags: list[TagResult] = []
    streams: dict[tuple[str, str], None] = {}
    aliases = Aliases(found)
    notes = []
    for one, result in zip(found, results, strict=True):
        if result is None:
            break
        own = result.tags
        meta = one.stream.metadata if isinstance(one, FoundStream) else one.isi.metadata
        streams[meta.namespace, meta.name] = None
        aliases.add(one, own, result.refused)
        tags += own
        if isinstance(one, FoundStream) and not own and not unique_tags(one.stream):
            notes.append(_without_tags(one))
        if options.fail_fast and not all(tag.imports for tag in own):
            break
    tags += aliases.results()
    return Report.of(len(streams), tags, notes)


def _without_tags(found: FoundStream) -> Note:
    meta = found.stream.metadata
    return Note(
        namespace=meta.namespace,
        stream=meta.name,
        cause=Cause.NOTHING_TO_IMPORT,
        explanation=f"{found.source}: the image stream {meta.name} has no tags, so that nothing is imported into it.",
        remedy="Give it tags under spec.tags, or a spec.dockerImageRepository.",
    )


def _results(answer: TrialAnswer, diagnostician: Diagnostician) -> Iterator[TagResult]:
    for tag in answer.tags:
        yield result_of(answer, tag, diagnostician)


def result_of(answer: TrialAnswer, tag: TagTrial, diagnostician: Diagnostician) -> TagResult:
    """What a report says of one tag."""
    trial: Trial = answer.trial
    if tag.digest is not None:
        return _imported(trial, tag, diagnostician)
    if answer.refusal is not None:
        diagnosis = diagnostician.refusal(answer, tag)
    else:
        diagnosis = diagnostician.tag(trial.namespace, tag)
    return TagResult(
        namespace=trial.namespace,
        stream=trial.name,
        tag=tag.tag,
        from_=tag.from_,
        verdict="fails",
        source=None,
        digest=None,
        status=tag.status,
        cause=diagnosis.cause,
        remedy=sys.intern(diagnosis.remedy),
        explanation=sys.intern(diagnosis.explanation),
        registry=host_of(tag.from_) or None,
        tried=tuple(diagnosis.tried),
        copies=tuple(diagnosis.copies),
    )


def _imported(trial: Trial, tag: TagTrial, diagnostician: Diagnostician) -> TagResult:
    tried = [] if tag.trace is None else diagnostician.tries(trial.namespace, tag.from_, tag.trace)
    remarks = diagnostician.remarks(tag)
    first = remarks[0] if remarks else None
    return TagResult(
        namespace=trial.namespace,
        stream=trial.name,
        tag=tag.tag,
        from_=tag.from_,
        verdict="imports",
        source=tried[-1].reference if tried else tag.pull_spec,
        digest=sys.intern(tag.digest) if tag.digest is not None else None,
        status=tag.status,
        cause=None if first is None else first.cause,
        remedy=None if first is None else first.remedy,
        explanation=None if first is None else first.explanation,
        registry=host_of(tag.from_) or None,
        tried=tuple(tried),
        remarks=tuple(remarks),
    )

"""One question to preflight, put together and answered."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import msgspec

from mirror.clock import Clock, NamedUids
from mirror.importer.policy import DEFAULT_MAXIMUM_TAGS
from mirror.preflight.cache import AnswerCache
from mirror.preflight.causes import Cause
from mirror.preflight.checking import CheckOptions, check
from mirror.preflight.cluster import TrialCluster
from mirror.preflight.commands import Commands, TriedTree
from mirror.preflight.content import Content
from mirror.preflight.credentials import Logins
from mirror.preflight.diagnosis import Diagnostician
from mirror.preflight.policy import Policy
from mirror.preflight.remedies import Remedies
from mirror.preflight.report import Note, Report
from mirror.preflight.trials import asked_again
from mirror.streams import Found


@dataclass(frozen=True, slots=True)
class Question:
    """Whether streams would be imported under a policy with some content.

    The streams are let go of while they are tried. `architectures` are those of the nodes.
    """

    streams: list[Found]
    policy: Policy
    content: Content
    clock: Clock
    architectures: Sequence[str] = ()
    concurrency: int = 16
    fail_fast: bool = False
    cache: AnswerCache | None = None


async def answer(question: Question, progress: Callable[[int, int], None] = lambda done, total: None) -> Report:
    """The report.

    Raises:
        InputError: an object of the policy cannot be used.
    """
    config = question.policy.config.cluster
    # Content that answers without waiting is asked stream by stream; nothing would be won by more.
    together = not question.content.in_order and not question.clock.virtual
    transport = question.content.transport
    try:
        cluster = TrialCluster(
            config,
            transport,
            question.clock,
            NamedUids(),
            concurrency=question.concurrency if together else 1,
            in_order=question.content.in_order,
            cache=question.cache,
            again=asked_again(question.streams),
        )
        diagnostician = diagnostician_of(cluster, question)
        options = CheckOptions(question.concurrency if together else 1, question.fail_fast)
        report = await check(question.streams, cluster, diagnostician, options, progress)
    finally:
        await transport.aclose()
    if question.cache is not None:
        question.cache.save()
    tried = question.content.tried
    damages: list[Note] = []
    if isinstance(tried, TriedTree):
        damages += [_damage(tried.path, one) for one in question.content.damages]
        damages += [_empty(tried.path)] if question.content.is_empty else []
    return msgspec.structs.replace(report, notes=[*question.policy.notes, *damages, *report.notes])


def _damage(tree: str, problem: str) -> Note:
    return Note(
        cause=Cause.REGISTRY_ERROR,
        explanation=f"{tree}: {problem}.",
        remedy=f"ismirror data verify --data {shlex.quote(tree)} says more.",
    )


def _empty(tree: str) -> Note:
    return Note(
        cause=Cause.NOT_MIRRORED,
        explanation=f"{tree}: there is nothing in the tree, no registry and no image.",
        remedy=f"Name the tree that has the images, or fill it: ismirror seed copy IMAGE --data {shlex.quote(tree)}",
    )


def diagnostician_of(cluster: TrialCluster, question: Question) -> Diagnostician:
    """Who explains what happens on a cluster."""
    settings = cluster.settings
    limit = question.policy.config.cluster.maxImagesBulkImportedPerRepository or DEFAULT_MAXIMUM_TAGS
    return Diagnostician(
        settings.registries,
        settings.allowed,
        Logins(settings.secrets, settings.node_secrets),
        Remedies(Commands(question.content.tried), limit),
        question.architectures,
    )

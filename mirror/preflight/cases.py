"""The report as test cases, for build servers: a suite an image stream, a case a tag."""

from __future__ import annotations

from collections.abc import Iterator

from mirror.junit import Case
from mirror.preflight.causes import Cause
from mirror.preflight.report import Report


def junit_cases(report: Report) -> Iterator[Case]:
    """A case for each tag; that of a tag that fails says the cause, and below it all that is known."""
    for entry in report.tags:
        suite, name = f"{entry.namespace}/{entry.stream}", entry.tag or entry.from_
        if entry.imports:
            yield Case(suite, name)
            continue
        cause = entry.cause or Cause.OTHER
        said = (entry.status.message if entry.status else "") or ""
        facts = (entry.from_, entry.explanation or cause.explanation, entry.remedy, said)
        yield Case(suite, name, cause.heading, "\n".join(fact for fact in facts if fact))

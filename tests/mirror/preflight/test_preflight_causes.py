"""Every cause, produced for real over sockets, TLS and tokens; and its remedy, applied, makes the tag import."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from support.preflight_cases import BOTH, CASES, MIRROR, Setup, report_on, tag

from fake_registry import FakeRegistry
from mirror.preflight.causes import Cause
from mirror.preflight.report import Report, TagResult


def the_tag(report: Report) -> TagResult:
    return next(one for one in report.tags if one.tag == "1")


async def with_digest(setup: Setup, folder: Path) -> Setup:
    """The set-up in which ``DIGEST`` is the digest of the image of the mirror."""
    if not any(one["from"]["name"] == "DIGEST" for one in setup.tags):
        return setup
    with FakeRegistry(folder / "digest") as registry:
        digest = registry.push_image(f"{MIRROR}/team/app:1", platforms=BOTH)
    return replace(setup, tags=(tag(source=f"quay.io/team/app@{digest}"),))


@pytest.mark.parametrize(
    ("cause", "setup", "remedy", "word"),
    [pytest.param(*case, id=f"{case[0]}-{number}") for number, case in enumerate(CASES)],
)
async def test_a_cause_is_found_and_its_remedy_helps(
    cause: Cause, setup: Setup, remedy: dict[str, Any], word: str, tmp_path: Path
) -> None:
    setup = await with_digest(setup, tmp_path)
    broken = the_tag(await report_on(setup, tmp_path / "before"))
    assert (broken.verdict, broken.cause) == ("fails", cause), broken
    assert broken.explanation is not None
    assert word in broken.explanation
    assert broken.remedy
    repaired = the_tag(await report_on(replace(setup, **remedy), tmp_path / "after"))
    assert (repaired.verdict, repaired.cause) == ("imports", None), repaired
    assert repaired.digest is not None
    assert repaired.status is not None
    assert repaired.status.status == "Success"

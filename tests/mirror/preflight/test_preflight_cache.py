"""Answers that are kept: what a second run asks of a real registry, counted by the registry's own journal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from support.preflight_world import BOTH, Setup, question, tag, write_policy

from fake_registry import FakeRegistry
from fake_registry.core.journal import Entry
from mirror.preflight.report import Report, report_text
from mirror.preflight.running import answer

TAGS = (tag("1", "quay.io/team/app:1"), tag("2", "quay.io/team/app:2"), tag("3", "quay.io/team/single:1"))
SETUP = Setup(tags=TAGS)


def asked(journal: Iterable[Entry]) -> Counter[str]:
    """How often something was asked for: method, and kind of request; pings aside."""
    return Counter(f"{one.method} {one.kind}" for one in journal if one.kind != "ping")


async def run(registry: FakeRegistry, folder: Path, cache: Path) -> tuple[Report, Counter[str]]:
    """A run with the cache: what it says, and what it asks for."""
    registry.journal.clear()
    paths = write_policy(SETUP, folder, registry.ca_pem)
    against = [f"quay.io={registry.url('quay.io')}"]
    report = await answer(question(SETUP, folder, paths, against, cache=cache))
    return report, asked(registry.journal)


async def test_a_second_run_asks_by_head_only(tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    async with FakeRegistry(tmp_path / "tree", hosts={"quay.io": {}}) as registry:
        for number in ("1", "2"):
            registry.push_image(f"quay.io/team/app:{number}", platforms=BOTH)
        registry.push_image("quay.io/team/single:1")
        first, before = await run(registry, tmp_path, cache)
        second, after = await run(registry, tmp_path, cache)
        # One of the three is another image now: that one is fetched, and only that one.
        registry.push_image("quay.io/team/app:2", platforms=BOTH, labels={"made": "later"})
        third, changed = await run(registry, tmp_path, cache)
    assert first.summary.imports == 3
    # Two indexes with the manifest of one platform each, and one manifest; each with its config.
    assert before == {"GET manifest": 5, "GET blob": 3}
    assert after == {"HEAD manifest": 3}
    assert b"".join(report_text(second)) == b"".join(report_text(first))
    assert changed == {"HEAD manifest": 3, "GET manifest": 2, "GET blob": 1}
    assert [one.digest == other.digest for one, other in zip(first.tags, third.tags, strict=True)] == [
        True,
        False,
        True,
    ]

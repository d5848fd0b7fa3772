"""What connections that fail are called, and what is said while somebody waits for the next try."""

from __future__ import annotations

import errno
import socket
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.registry import HOST, put_image
from support.seeding import upstream
from yarl import URL

from fake_registry.config import Fault, FaultAction, FaultMatch, TooManyRequests
from fake_registry.fixtures import Tree
from mirror.clock import ManualClock
from mirror.seed.remote.failures import ConnectingError, RemoteError, no_answer
from mirror.seed.remote.network import Network
from mirror.seed.remote.registry import Registry


@pytest.mark.parametrize(
    ("error", "text", "passing"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "no such host", False),
        (
            socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"),
            "temporary failure in name resolution",
            True,
        ),
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('::1', 443)"),
            "connection refused",
            True,
        ),
        (OSError("Multiple exceptions: [1], [2]"), "multiple exceptions: [1], [2]", True),
    ],
)
def test_why_nobody_answers(error: OSError, text: str, passing: bool) -> None:
    found = no_answer("GET", URL("https://quay.io/v2/?a=b"), ConnectingError(error))
    assert (str(found), found.passing) == (f"GET https://quay.io/v2/: {text}", passing)


async def test_a_wait_is_said_once_however_many_wait() -> None:
    told: list[str] = []
    clock = ManualClock(datetime(2026, 1, 1, tzinfo=UTC))
    registry = Registry(Network(), HOST, clock=clock, waits=told.append)
    for _ in range(3):
        await registry.pause(RemoteError("busy", status=429, wait=30.0), 1)
    await registry.pause(RemoteError("hung up", passing=True), 1)
    assert told == ["busy; tried again in 30 seconds"]
    await clock.sleep(31)
    await registry.pause(RemoteError("busy", status=429, wait=7.0), 1)
    assert told[1:] == ["busy; tried again in 7 seconds"]


async def test_those_who_copy_are_told_of_waits(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    put_image(tree, "app", "v1")
    action = FaultAction(too_many_requests=TooManyRequests(retry_after=30))
    async with upstream(tree, [Fault(match=FaultMatch(kind="manifest", nth=1), action=action)]) as registry:
        assert (await registry.copy(tmp_path / "target", f"{HOST}/app:v1")).copied == 1
    [reason] = registry.told
    assert reason.startswith("GET https://quay.io/v2/app/manifests/v1: 429 TOOMANYREQUESTS: ")
    assert reason.endswith("; tried again in 30 seconds")

"""What the processes do that a supervisor starts: serve the registry, or its control plane."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
from collections.abc import Coroutine, Mapping
from typing import Any, Final

import msgspec

from fake_registry.control import JournalFilter, Metrics
from fake_registry.control.controlled import journal_page, tree_problems
from fake_registry.control.documents import JournalPage
from fake_registry.control.metrics import Exposition, Family, exposition
from fake_registry.core.changes import AddFault, Change, ClearFaults, Configure, Forget, Made, RemoveFault, Reset, make
from fake_registry.core.registry import RegistryCore
from fake_registry.errors import TallyFull
from fake_registry.processes.channel import Answer, Ask, AskHealth, AskJournal, AskMetrics, LoopChannel
from fake_registry.processes.plan import Plan
from fake_registry.processes.serving import listen, log_access, metrics, serve_control, stop_signal
from fake_registry.racing import first_of

_CHANGES: Final = (Configure, AddFault, RemoveFault, ClearFaults, Forget, Reset)

_PAUSE: Final = 0.1
"""Seconds between two looks at the journals of the workers, for those who wait for something."""


async def work(plan: Plan, end: socket.socket) -> None:
    """Serves the registry until a signal says so, or nobody is at the other end of the channel."""
    counted = metrics(plan) if plan.control else None
    async with contextlib.AsyncExitStack() as stack:
        if plan.access_log:
            log_access(stack, plan.core)
        stopped = stop_signal(signal.SIGTERM)
        channel = await _channel(stack, end)
        await listen(stack, plan)
        await _until(stopped, _answer(channel, plan.core, counted))


async def control(plan: Plan, end: socket.socket, workers: int) -> None:
    """Serves the control plane of a registry whose processes are at the other end of the channel."""
    async with contextlib.AsyncExitStack() as stack:
        stopped = stop_signal(signal.SIGTERM)
        fleet = Fleet(plan.core, await _channel(stack, end), workers)
        await serve_control(stack, plan, fleet)
        await _until(stopped, fleet.listen())


async def _channel(stack: contextlib.AsyncExitStack, end: socket.socket) -> LoopChannel:
    channel = await LoopChannel.over(end)
    stack.push_async_callback(channel.close)
    return channel


async def _until(stopped: asyncio.Event, work: Coroutine[Any, Any, None]) -> None:
    """Works until there is a signal, or until the work is done; what that raises is raised."""
    working = asyncio.ensure_future(work)
    if working in await first_of(stopped.wait(), working):
        working.result()


async def _answer(channel: LoopChannel, core: RegistryCore, counted: Metrics | None) -> None:
    """Makes the changes and answers the questions that come, in order."""
    while isinstance(asked := await channel.receive(), Ask):
        value: object = None
        match asked.about:
            case AskJournal(wanted):
                value = journal_page(core, wanted)
            case AskMetrics():
                value = None if counted is None else counted.families()
            case AskHealth():
                pass
            case change:
                _make(core, change)
        await channel.send(Answer(asked.number, {"": msgspec.msgpack.encode(value)}))


def _make(core: RegistryCore, change: Change) -> None:
    """Makes a change as the supervisor did. Where that failed, this does, too, and those who asked know already."""
    with contextlib.suppress(TallyFull):
        make(core, change)


class Fleet:
    """A registry whose processes are at the other end of a channel. `core` is kept as theirs are."""

    def __init__(self, core: RegistryCore, channel: LoopChannel, workers: int) -> None:
        self.core = core
        self._channel = channel
        self._workers = workers
        self._number = 0
        self._waiting: dict[int, asyncio.Future[Answer]] = {}

    async def listen(self) -> None:
        """Takes what comes through the channel, until nothing more comes."""
        try:
            while (message := await self._channel.receive()) is not None:
                if isinstance(message, Answer):
                    waiting = self._waiting.pop(message.number, None)
                    if waiting is not None and not waiting.done():
                        waiting.set_result(message)
                elif isinstance(message.about, _CHANGES):
                    _make(self.core, message.about)
        finally:
            for waiting in self._waiting.values():
                waiting.cancel()

    async def change(self, change: Change) -> Made:
        answer = await self._ask(change)
        if answer.problem:
            raise TallyFull(answer.problem)
        return msgspec.msgpack.decode(answer.values[""], type=Made)

    async def journal(self, wanted: JournalFilter) -> JournalPage:
        answer = await self._ask(AskJournal(wanted))
        pages = [msgspec.msgpack.decode(value, type=JournalPage) for value in answer.values.values()]
        entries = sorted((entry for page in pages for entry in page.entries), key=lambda entry: entry.time)
        return JournalPage(sum(page.total for page in pages), entries[max(len(entries) - wanted.limit, 0) :])

    async def more(self, seconds: float) -> None:
        await asyncio.sleep(min(seconds, _PAUSE))  # the workers are asked, and do not tell

    async def metrics(self) -> Exposition | None:
        answer = await self._ask(AskMetrics())
        found: Mapping[str, list[Family] | None] = {
            name: msgspec.msgpack.decode(value, type=list[Family] | None) for name, value in answer.values.items()
        }
        families = {name: its for name, its in found.items() if its is not None}
        return exposition(families, self.core.faults) if families else None

    async def problems(self) -> list[str]:
        found = await asyncio.to_thread(tree_problems, self.core)
        there = len((await self._ask(AskHealth())).values)
        return found if there == self._workers else [*found, f"{there} of {self._workers} workers answer"]

    async def _ask(self, about: Change | AskJournal | AskMetrics | AskHealth) -> Answer:
        self._number += 1
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting[self._number] = answer
        await self._channel.send(Ask(self._number, about))
        return await answer

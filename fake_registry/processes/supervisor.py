"""The process that looks after the others: it starts them, starts them again, and passes on what they are told.

It serves nothing itself. Its core is what a new process begins with, so that it makes every change first; whatever it
does it does to the end before the next thing, and so all processes are changed in the same order. Listening sockets are
open here as long as it runs: clients that come while a worker is away wait for the next one.
"""

from __future__ import annotations

import contextlib
import gc
import os
import select
import signal
import socket
import sys
import time
import traceback
from collections import deque
from collections.abc import Callable, Coroutine, Iterator, Sequence
from dataclasses import dataclass, replace
from types import FrameType
from typing import Any, Final, Protocol

import msgspec

from fake_registry.core.changes import Change, Made, make
from fake_registry.core.registry import RegistryCore
from fake_registry.errors import TallyFull, WorkersFailed
from fake_registry.processes.channel import Answer, Ask, AskHealth, AskJournal, AskMetrics, Channel
from fake_registry.processes.plan import Listening, Plan, Reading
from fake_registry.processes.worker import control, work

PATIENCE: Final = 10.0
"""Seconds in which a process has to answer; one that does not is ended, as what it serves may be out of date."""

GRACE: Final = 15.0
"""Seconds that processes have to end when they are told to."""

RESTARTS: Final = 5
WINDOW: Final = 60.0
"""A process that ends by itself is started again, but no more than so many times in so many seconds."""

_HANDLED: Final = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)

_PASSED_ON: Final = frozenset({signal.SIGINT, signal.SIGHUP})
"""A terminal sends them to all processes; those that are looked after are told what follows from them."""


class Body(Protocol):
    """What a process does, given its end of the channel, until it is told to stop."""

    def __call__(self, end: socket.socket, /) -> None: ...


@dataclass(frozen=True)
class Role:
    """A process that there is always to be one of."""

    name: str
    body: Body
    asks: bool = False
    """It asks the others, and is not asked itself."""


@dataclass(frozen=True)
class _Child:
    role: Role
    pid: int
    channel: Channel


class Restarts:
    """Counts how often something ended by itself."""

    def __init__(self, limit: int = RESTARTS, window: float = WINDOW) -> None:
        self._limit = limit
        self._window = window
        self._times: deque[float] = deque()

    def too_many(self, now: float) -> bool:
        """Counts one more, at `now`; whether there were more than the limit within the window."""
        self._times.append(now)
        while self._times[0] <= now - self._window:
            self._times.popleft()
        return len(self._times) > self._limit


class Supervisor:
    """Runs the processes of a registry. `tell` says things to people; `reload` reads the configuration again."""

    def __init__(
        self,
        core: RegistryCore,
        roles: Sequence[Role],
        tell: Callable[[str], None],
        reload: Callable[[], Reading | None] | None = None,
    ) -> None:
        self._core = core
        self._roles = roles
        self._tell = tell
        self._reload = reload
        self._children: dict[str, _Child] = {}
        self._signals: deque[int] = deque()
        self._restarts = Restarts()
        self._number = 0

    def run(self) -> None:
        """Runs until SIGTERM or SIGINT, which the processes are told to end by, too.

        Raises:
            WorkersFailed: they end by themselves again and again.
        """
        with self._listening_to_signals() as wake:
            try:
                for role in self._roles:
                    self._start(role)
                self._look_after(wake)
            finally:
                self._end(wake)

    @contextlib.contextmanager
    def _listening_to_signals(self) -> Iterator[socket.socket]:
        """A socket that can be read from when there are signals."""
        wake, woken = socket.socketpair()
        with wake, woken:
            wake.setblocking(False)
            woken.setblocking(False)
            handled = [one for one in _HANDLED if one is not signal.SIGHUP or self._reload is not None]
            before = {number: signal.signal(number, self._note) for number in handled}
            descriptor = signal.set_wakeup_fd(woken.fileno())
            try:
                yield wake
            finally:
                signal.set_wakeup_fd(descriptor)
                for number, handler in before.items():
                    signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        del frame
        self._signals.append(number)

    def _look_after(self, wake: socket.socket) -> None:
        while True:
            asking = [child for child in self._children.values() if child.role.asks]
            readable = _readable([wake.fileno(), *(child.channel.fileno() for child in asking)])
            with contextlib.suppress(BlockingIOError):
                wake.recv(4096)
            while self._signals:
                number = self._signals.popleft()
                if number in {signal.SIGTERM, signal.SIGINT}:
                    return
                if number == signal.SIGHUP:
                    self._read_again()
                else:
                    self._start_again()
            for child in asking:
                if child.channel.fileno() in readable and child in self._children.values():
                    self._serve(child)

    def _start(self, role: Role) -> None:
        """Starts a process, which has the core as it is now."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        sys.stdout.flush()
        sys.stderr.flush()
        signal.pthread_sigmask(signal.SIG_BLOCK, _HANDLED)  # what comes now finds the new process as it is to be
        pid = os.fork()
        if pid == 0:
            ours.close()
            self._become(role, theirs)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
        theirs.close()
        self._children[role.name] = _Child(role, pid, Channel(ours, PATIENCE))

    def _become(self, role: Role, end: socket.socket) -> None:
        """The rest of the life of a process that was just started."""
        code = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in _HANDLED:
                signal.signal(number, signal.SIG_IGN if number in _PASSED_ON else signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, _HANDLED)
            for child in self._children.values():
                child.channel.close()
            role.body(end)
            code = 0
        except BaseException:  # noqa: BLE001 - nothing of it may reach what this process was forked from
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)

    def _start_again(self) -> None:
        """Starts those again that have ended (raises `WorkersFailed` if that has been done too often)."""
        for child in list(self._children.values()):
            pid, status = os.waitpid(child.pid, os.WNOHANG)
            if pid == 0:
                continue
            child.channel.close()
            del self._children[child.role.name]
            how = _ending(os.waitstatus_to_exitcode(status))
            if self._restarts.too_many(time.monotonic()):
                raise WorkersFailed(
                    f"{child.role.name} (process {pid}) {how}: more than {RESTARTS} processes ended within "
                    f"{WINDOW:.0f} seconds, no more are started"
                )
            self._start(child.role)
            self._tell(f"{child.role.name} (process {pid}) {how}; started again")

    def _read_again(self) -> None:
        """Reads the configuration again; one that cannot be used changes nothing."""
        reading = None if self._reload is None else self._reload()
        if reading is not None:
            try:
                self._made(reading.configuration)
            except TallyFull as error:
                self._tell(str(error))
            else:
                reading.confirm()

    def _serve(self, child: _Child) -> None:
        """Does what a process asks for, and answers it."""
        try:
            asked = child.channel.receive()
            assert isinstance(asked, Ask)
            about = asked.about
            if isinstance(about, AskJournal | AskMetrics | AskHealth):
                answer = Answer(asked.number, self._ask(about))
            else:
                answer = self._answer_to(asked.number, about)
            child.channel.send(answer)
        except (EOFError, TimeoutError):
            self._give_up(child)

    def _answer_to(self, number: int, change: Change) -> Answer:
        try:
            return Answer(number, {"": msgspec.msgpack.encode(self._made(change))})
        except TallyFull as error:
            return Answer(number, problem=str(error))

    def _made(self, change: Change) -> Made:
        """Makes a change here, and in all processes; also one that fails, as it fails in all of them alike."""
        try:
            return make(self._core, change)
        finally:
            self._ask(change)

    def _ask(self, about: Change | AskJournal | AskMetrics | AskHealth) -> dict[str, bytes]:
        """Asks all workers, and tells those that only ask; the answers by the names of the workers."""
        self._number += 1
        asked = Ask(self._number, about)
        is_question = isinstance(about, AskJournal | AskMetrics | AskHealth)
        waiting = []
        for child in list(self._children.values()):
            if child.role.asks and is_question:
                continue
            try:
                child.channel.send(asked)
            except (EOFError, TimeoutError):
                self._give_up(child)
            else:
                if not child.role.asks:
                    waiting.append(child)
        answers = {}
        for child in waiting:
            try:
                answer = child.channel.receive()
            except (EOFError, TimeoutError):
                self._give_up(child)
            else:
                assert isinstance(answer, Answer)
                answers[child.role.name] = answer.values[""]
        return answers

    def _give_up(self, child: _Child) -> None:
        """Ends a process that does not answer; that it has ended is noticed as with any other."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(child.pid, signal.SIGKILL)

    def _end(self, wake: socket.socket) -> None:
        """Has all processes end, and waits for them: not for ever, and not if told to stop once more."""
        for child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
        self._signals.clear()
        deadline = time.monotonic() + GRACE
        while self._children:
            for child in list(self._children.values()):
                if os.waitpid(child.pid, os.WNOHANG)[0]:
                    child.channel.close()
                    del self._children[child.role.name]
            again = any(number in {signal.SIGTERM, signal.SIGINT} for number in self._signals)
            if again or time.monotonic() > deadline:
                for child in self._children.values():
                    os.kill(child.pid, signal.SIGKILL)
            if self._children:
                _readable([wake.fileno()], 0.5)
                with contextlib.suppress(BlockingIOError):
                    wake.recv(4096)


def _readable(descriptors: Sequence[int], seconds: float | None = None) -> set[int]:
    """Waits until some of these can be read from. `select` would not take those above 1023: listeners may be many."""
    poll = select.poll()
    for one in descriptors:
        poll.register(one, select.POLLIN)
    return {one for one, _ in poll.poll(None if seconds is None else seconds * 1000)}


def _ending(code: int) -> str:
    return f"ended with exit code {code}" if code >= 0 else f"was ended by signal {-code}"


def supervise(
    plan: Plan,
    workers: Sequence[Sequence[Listening]],
    run: Callable[[Coroutine[Any, Any, None]], None],
    tell: Callable[[str], None],
) -> None:
    """Serves a plan by several processes, each with listening sockets of its own, until told to stop.

    The core of the plan has to count in a `fake_registry.core.tally.SharedTally`. `run` runs an event loop.

    Raises:
        WorkersFailed: they end by themselves again and again.
    """

    gc.freeze()  # what is here now stays, in all processes; it is not copied for the sake of marks on it

    def body(number: int) -> Body:
        def worker(end: socket.socket) -> None:
            for other in (one for position, one in enumerate(workers) if position != number):
                _close(other)
            for one in plan.control:
                one.close()
            gc.enable()
            run(work(replace(plan, listening=workers[number]), end))

        return worker

    def plane(end: socket.socket) -> None:
        for listening in workers:
            _close(listening)
        gc.enable()
        run(control(plan, end, len(workers)))

    roles = [Role(f"worker {number + 1}", body(number)) for number in range(len(workers))]
    if plan.control:
        roles.append(Role("control plane", plane, asks=True))
    try:
        Supervisor(plan.core, roles, tell, plan.reload).run()
    finally:
        for listening in workers:
            _close(listening)


def _close(listening: Sequence[Listening]) -> None:
    for one in listening:
        for listener in one.sockets:
            listener.close()

"""The parts that several processes of a registry are made of: shared counters, messages, when to give up."""

from __future__ import annotations

import fcntl
import json
import os
import resource
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from support.registry import ask

from fake_registry.config import Fault, FaultAction, FaultMatch, Host, Route
from fake_registry.control import AccessLog, JournalFilter
from fake_registry.core.changes import AddFault, ClearFaults, Configure, Forget, RemoveFault, Reset, make
from fake_registry.core.registry import RegistryCore
from fake_registry.core.tally import SharedTally
from fake_registry.errors import TallyFull
from fake_registry.fixtures import Tree
from fake_registry.listening import Address, bind_shared
from fake_registry.processes.channel import Answer, Ask, AskHealth, AskJournal, AskMetrics, Channel, LoopChannel
from fake_registry.processes.supervisor import Restarts

ROOT = Path(__file__).resolve().parents[2]


def run(program: str) -> str:
    """What a Python program prints: forking is for processes without threads, which pytest's may have."""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


class TestSharedTally:
    def test_forked_processes_count_together(self) -> None:
        program = """
import os
from fake_registry.core.tally import SharedTally
tally = SharedTally()
tally.allocate(2)
number = tally.allocate(1)
children = []
for _ in range(3):
    pid = os.fork()
    if pid == 0:
        for _ in range(2000):
            with tally.locked():
                tally.set(number, tally.get(number) + 1)
        os._exit(0)
    children.append(pid)
print([os.waitpid(pid, 0)[1] for pid in children], tally.get(number), tally.get(0), tally.allocate(1))
"""
        assert run(program) == "[0, 0, 0] 6000 0 3\n"

    def test_a_lock_ends_with_its_process(self) -> None:
        program = """
import os, signal
from fake_registry.core.tally import SharedTally
tally = SharedTally()
first = tally.allocate(1)
ready, told = os.pipe()
pid = os.fork()
if pid == 0:
    with tally.locked():
        os.write(told, b"x")
        signal.pause()
os.read(ready, 1)
os.kill(pid, signal.SIGKILL)
with tally.locked():
    print("locked")
"""
        assert run(program) == "locked\n"

    def test_there_is_an_end(self) -> None:
        tally = SharedTally(4)
        assert tally.allocate(3) == 0
        with pytest.raises(TallyFull, match="all 4 counters are taken"):
            tally.allocate(2)
        assert tally.allocate(1) == 3


def test_the_same_changes_give_the_same_rules(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "tree")
    tally = SharedTally()
    first = RegistryCore(tree, {"quay.io": Host(faults=[Fault(action=FaultAction(status=500))])}, tally=tally)
    fault = Fault(match=FaultMatch(kind="ping"), action=FaultAction(status=418), times=1)
    changes = [
        AddFault("*", fault),
        AddFault("quay.io", fault),
        RemoveFault("2"),
        Configure({"quay.io": Host(routes=[Route(path="/a", times=1)] * 3, faults=[fault])}, require_references=True),
        AddFault("*", fault),
    ]
    made = [make(first, change) for change in changes]
    assert [one.added and one.added.id for one in made] == ["2", "3", None, None, "5"]
    assert [account.id for account in first.faults] == ["4", "3", "5"]
    assert not make(first, RemoveFault("2")).found
    make(first, ClearFaults())
    assert [account.id for account in first.faults] == ["4"]


async def test_resetting_and_forgetting(tmp_path: Path) -> None:
    hosts = {"quay.io": Host(routes=[Route(path="/once", status=299, times=1)])}
    core = RegistryCore(Tree.open(tmp_path / "tree"), hosts, tally=SharedTally())
    assert [(await ask(core, "/once")).status for _ in range(2)] == [299, 404]
    make(core, Forget())
    assert (len(core.journal), (await ask(core, "/once")).status) == (0, 404)
    make(core, Reset())
    assert (await ask(core, "/once")).status == 299


MESSAGES = [
    Ask(1, AskHealth()),
    Ask(2, AskMetrics()),
    Ask(3, AskJournal(JournalFilter(host="quay.io", since=1.5, limit=3))),
    Ask(4, AddFault("*", Fault(action=FaultAction(latency="20s", cut="before")))),
    Ask(5, Configure({"q": Host(scheme="http", routes=[Route(path="/x", body="é")])}, require_references=False)),
    Ask(6, Configure(None, require_references=True)),
    Answer(7, {"worker 1": b"\x00" * 300_000}),
    Answer(8, problem="no"),
]


async def test_messages_come_as_they_were_sent() -> None:
    ours, theirs = socket.socketpair()
    channel, loop_channel = Channel(ours, 30), await LoopChannel.over(theirs)
    for message in MESSAGES[:-2]:
        channel.send(message)
        assert await loop_channel.receive() == message
    await loop_channel.send(MESSAGES[-1])
    assert channel.receive() == MESSAGES[-1]
    channel.close()
    assert await loop_channel.receive() is None
    await loop_channel.close()


def test_who_is_gone_and_who_says_nothing() -> None:
    ours, theirs = socket.socketpair()
    channel = Channel(ours, 0.01)
    with pytest.raises(TimeoutError):
        channel.receive()
    with pytest.raises(TimeoutError):
        channel.send(Answer(1, {"": b"\x00" * (64 << 20)}))
    theirs.close()
    with pytest.raises(EOFError):
        channel.receive()
    with pytest.raises(EOFError):
        channel.send(Answer(1))
    channel.close()


def test_when_to_give_up() -> None:
    restarts = Restarts(limit=2, window=10)
    assert [restarts.too_many(time) for time in (0, 1, 11, 12, 21, 21.5)] == [False, False, False, False, False, True]


def test_one_port_for_several() -> None:
    groups = bind_shared("127.0.0.1", 0, 3)
    try:
        assert len({Address.of(listener) for listeners in groups for listener in listeners}) == 1
        with pytest.raises(OSError, match="in use"):
            bind_shared("127.0.0.1", Address.of(groups[0][0]).port, 2)
    finally:
        for listeners in groups:
            for listener in listeners:
                listener.close()


class TestAccessLogOnAPipe:
    async def test_nobody_waits_for_who_does_not_read(self, tmp_path: Path) -> None:
        core = RegistryCore(Tree.open(tmp_path / "tree"))
        read, write = os.pipe()
        log = AccessLog(core, write)
        try:
            for _ in range(400):
                await ask(core, "/v2/", headers={"user-agent": "x" * 1000})
            os.set_blocking(read, False)
            data = b""
            while (piece := os.read(read, 1 << 20)) and len(piece) == 1 << 20:
                data += piece
            kept = (data + piece).count(b"\n")
            assert 0 < kept < 400
            await ask(core, "/v2/")
            assert f'"lost":{400 - kept}}}'.encode() in os.read(read, 1 << 20)
            await ask(core, "/v2/")
            assert b"lost" not in os.read(read, 1 << 20)
            assert os.get_blocking(write), "who else writes there still waits"
        finally:
            log.close()
            os.close(write)
            os.close(read)

    async def test_nobody_reads_any_more(self, tmp_path: Path) -> None:
        core = RegistryCore(Tree.open(tmp_path / "tree"))
        read, write = os.pipe()
        log = AccessLog(core, write)
        os.close(read)
        assert [(await ask(core, "/v2/")).status for _ in range(2)] == [200, 200]
        log.close()
        os.close(write)

    async def test_a_line_that_is_cut_short_does_not_spoil_the_next_one(self, tmp_path: Path) -> None:
        """A pipe takes a part of what is longer than 4096 bytes, if it has no room for all of it."""
        core = RegistryCore(Tree.open(tmp_path / "tree"))
        read, write = os.pipe()
        log = AccessLog(core, write)
        try:
            os.set_blocking(write, False)
            size = fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 4096)  # as large as a page, which may be larger
            os.write(write, b"-" * (size - 4096))
            await ask(core, "/v2/", headers={"user-agent": '"' * 2040})  # each takes two
            assert len(os.read(read, 1 << 20)) == size
            await ask(core, "/v2/")
            rest, line = os.read(read, 1 << 20).splitlines()
            assert rest == b""
            assert json.loads(line)["lost"] == 1
        finally:
            log.close()
            os.close(write)
            os.close(read)

    async def test_a_disk_that_is_full_costs_lines_and_no_answers(self, tmp_path: Path) -> None:
        core = RegistryCore(Tree.open(tmp_path / "tree"))
        full = os.open("/dev/full", os.O_WRONLY)
        log = AccessLog(core, full)
        assert [(await ask(core, "/v2/")).status for _ in range(2)] == [200, 200]
        log.close()
        os.close(full)


def test_a_supervisor_may_have_many_files_open() -> None:
    """As one has that listens at many ports for each of many workers."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if most != resource.RLIM_INFINITY and most < 1200:
        pytest.skip(f"no process here may have more than {most} files open")
    program = """
import os, resource, signal, tempfile
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.processes.supervisor import Role, Supervisor

resource.setrlimit(resource.RLIMIT_NOFILE, (1200, resource.getrlimit(resource.RLIMIT_NOFILE)[1]))
for _ in range(1050):
    os.dup(0)
with tempfile.TemporaryDirectory() as tree:
    stop = lambda end: os.kill(os.getppid(), signal.SIGTERM)
    Supervisor(RegistryCore(Tree.open(tree)), [Role("worker", stop)], lambda text: None).run()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=False, capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_a_request_that_needs_aiohttp_while_that_is_being_loaded() -> None:
    program = """
import asyncio, socket, sys, tempfile, urllib.request
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.server import RegistryServer

def post(address):
    with socket.create_connection(address) as client:
        client.sendall(b"POST /v2/app/blobs/uploads/ HTTP/1.1\\r\\nHost: q\\r\\nContent-Length: 0\\r\\n\\r\\n")
        return client.recv(100).split(b" ")[1].decode()

async def main():
    with tempfile.TemporaryDirectory() as tree:
        async with RegistryServer(RegistryCore(Tree.open(tree))) as server:
            address = await server.start()
            assert "aiohttp" not in sys.modules
            loading = asyncio.create_task(server.load())
            print(*await asyncio.gather(*(asyncio.to_thread(post, address) for _ in range(4))))
            await loading

asyncio.run(main())
"""
    assert run(program) == "202 202 202 202\n"

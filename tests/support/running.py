"""``ismirror registry`` while it runs: what it prints, its processes, and requests to it."""

from __future__ import annotations

import http.client
import json
import os
import re
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from support.forked import Forked

ADDRESS = re.compile(r"127\.0\.0\.1:(\d+)")


class Answer(NamedTuple):
    """What a server answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    port: int, path: str, method: str = "GET", body: bytes | None = None, *, host: str | None = None, **headers: str
) -> Answer:
    """One request in clear text on a connection of its own."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    fields = {name.replace("_", "-"): value for name, value in headers.items()}
    try:
        connection.request(method, path, body, fields | ({} if host is None else {"Host": host}))
        answer = connection.getresponse()
        return Answer(answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read())
    finally:
        connection.close()


class Running(NamedTuple):
    """A command that serves, and the ports that it printed, by what they are for."""

    process: Forked
    ports: dict[str, int]
    ca_file: Path

    @property
    def port(self) -> int:
        return self.ports["registry"]

    def control(self, path: str, method: str = "GET", document: Any = None, **headers: str) -> Answer:
        """A request to the control plane."""
        body = None if document is None else json.dumps(document).encode()
        return ask(self.ports["control plane"], f"/_ismirror/{path}", method, body, **headers)

    def children(self, count: int) -> list[int]:
        """The processes that it started, in this order, as soon as there are so many."""
        pid = self.process.pid
        file = Path(f"/proc/{pid}/task/{pid}/children")
        while len(children := sorted(map(int, file.read_text().split()))) < count:
            os.sched_yield()
        return children

    def says(self) -> str:
        """The next line on standard error."""
        return self.process.stderr.readline().rstrip("\n")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def end(self) -> str:
        """Has it end, which it has to do well; the rest of standard error."""
        self.send(signal.SIGTERM)
        _, stderr = self.process.communicate()
        assert self.process.returncode == 0, stderr
        assert "Traceback" not in stderr, stderr
        return stderr


@contextmanager
def serving(*arguments: str, command: str = "registry", last: str = "CA certificate") -> Iterator[Running]:
    """A command on free ports; it is killed at the end of the block unless it has ended. `last` begins the last line
    that it prints before it serves."""
    options = [] if "--registry" in arguments else ["--registry", "127.0.0.1:0"]
    if command == "registry":
        last = "control plane" if "--control" in arguments else last
    with Forked((command, *arguments, *options), os.environ) as process:
        lines: list[str] = []
        while not lines or not lines[-1].startswith(last):
            lines.append(process.stdout.readline())
            assert lines[-1], (lines, process.communicate())
        yield Running(process, _ports(lines), _ca_file(lines))


def _ports(lines: list[str]) -> dict[str, int]:
    ports = {}
    for line in lines:
        found = ADDRESS.search(line)
        if found is not None:
            ports[re.split(r" listening|:", line)[0]] = int(found[1])
    return ports


def _ca_file(lines: list[str]) -> Path:
    return Path(next(line for line in lines if line.startswith("CA certificate: ")).split(": ", 1)[1].rstrip("\n"))

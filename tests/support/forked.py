"""Processes of ``ismirror`` that are forked from one which has loaded it: that takes longer than most commands do."""

from __future__ import annotations

import atexit
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from support.forking import begin, line

ROOT = Path(__file__).resolve().parents[2]
HASH_SEED = "0"
"""Of all these processes: what they print is the same in every run, even where it should not be."""


@cache
def server() -> str:
    """The socket of the process that all others are forked from; it ends with this one."""
    # In /tmp, since the path of a socket has to be short.
    folder = tempfile.mkdtemp(prefix="ismirror-", dir="/tmp")
    path = f"{folder}/socket"
    process = subprocess.Popen(
        [sys.executable, str(Path(__file__).with_name("command_server.py")), path],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONHASHSEED": HASH_SEED, "PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"},
    )

    def end() -> None:
        process.communicate()
        shutil.rmtree(folder)

    atexit.register(end)
    assert process.stdout is not None
    assert process.stdout.readline() == b"ready\n"
    return path


class Forked:
    """A process, with as much of the interface of `subprocess.Popen` as there is use for."""

    def __init__(self, arguments: Sequence[str], environment: Mapping[str, str], cwd: Path | None = None) -> None:
        with open(os.devnull) as nothing:  # noqa: PTH123
            (out, out_end), (err, err_end) = os.pipe(), os.pipe()
            self.stdout: IO[str] = os.fdopen(out)
            self.stderr: IO[str] = os.fdopen(err)
            try:
                self._connection, self.pid = begin(
                    server(), arguments, environment, str(cwd or Path.cwd()), (nothing.fileno(), out_end, err_end)
                )
            finally:
                os.close(out_end)
                os.close(err_end)
        self.returncode: int | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes what is open; what still runs is killed."""
        self.stdout.close()
        self.stderr.close()
        if self.returncode is None:
            self._connection.shutdown(socket.SHUT_WR)
            self.wait()
        self._connection.close()

    def send_signal(self, number: signal.Signals) -> None:
        """Sends a signal, unless it has ended."""
        if self.returncode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Tells it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it."""
        self.send_signal(signal.SIGKILL)

    def wait(self) -> int:
        """The exit code, as soon as it has ended."""
        if self.returncode is None:
            self.returncode = int(line(self._connection))
        return self.returncode

    def communicate(self) -> tuple[str, str]:
        """The rest of what it prints, and says; it has ended then."""
        errors: list[str] = []
        reading = threading.Thread(target=lambda: errors.append(self.stderr.read()))
        reading.start()
        printed = self.stdout.read()
        reading.join()
        self.wait()
        return printed, errors[0]

"""Runs ``ismirror`` for tests: it loads all of the command once, and forks a process for each run.

``python command_server.py SOCKET`` takes requests at a socket of that path until its standard input ends. What is sent
there is a length (4 bytes) and a JSON object with ``arguments``, ``environment`` and ``cwd``, and with it the three
standard streams. The answer is two lines: the id of the process, and how it ended, as ``subprocess`` has it. Whoever
goes before has the process killed.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import pkgutil
import random
import selectors
import signal
import socket
import sys
import threading
import time
import traceback
from contextlib import suppress
from typing import NoReturn

from support.disk import fsync


def load() -> None:
    """Imports every module of the project, since commands import what they need when they need it."""
    for package in ("fake_registry", "mirror"):
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith(("__main__", "pytest_plugin")):
                importlib.import_module(module.name)
    gc.collect()
    gc.freeze()


def serve(path: str) -> bool:
    """Serves until standard input ends. In a forked process it comes back at once, with True."""
    with socket.socket(socket.AF_UNIX) as listener, selectors.DefaultSelector() as selector:
        listener.bind(path)
        listener.listen(64)
        print("ready", flush=True)  # noqa: T201
        selector.register(0, selectors.EVENT_READ)
        selector.register(listener, selectors.EVENT_READ)
        running: dict[socket.socket, tuple[int, int]] = {}  # the id of the process, and a descriptor of it
        while True:
            for key, _ in selector.select():
                if key.fileobj == 0:
                    for pid, _ in running.values():
                        os.kill(pid, signal.SIGKILL)
                    return False
                if key.fileobj is listener:
                    client = listener.accept()[0]
                    pid = start(client)
                    if pid == 0:
                        for other, (_, descriptor) in running.items():
                            other.close()
                            os.close(descriptor)
                        client.close()
                        return True
                    running[client] = (pid, os.pidfd_open(pid))
                    selector.register(client, selectors.EVENT_READ)
                    selector.register(running[client][1], selectors.EVENT_READ, client)
                elif key.data is None:  # who asked has gone
                    if key.fileobj in running:
                        selector.unregister(key.fileobj)
                        os.kill(running[key.fileobj][0], signal.SIGKILL)
                else:
                    client = key.data
                    pid, descriptor = running.pop(client)
                    _, status = os.waitpid(pid, 0)
                    with suppress(OSError):
                        client.sendall(b"%d\n" % os.waitstatus_to_exitcode(status))
                    selector.unregister(descriptor)
                    os.close(descriptor)
                    with suppress(KeyError):
                        selector.unregister(client)
                    client.close()


def start(client: socket.socket) -> int:
    """Forks a process for what a client asks for; its id, or 0 in it."""
    data, streams, _, _ = socket.recv_fds(client, 4, 3)
    request = json.loads(client.recv(int.from_bytes(data), socket.MSG_WAITALL))
    pid = os.fork()
    if pid == 0:
        for number, stream in enumerate(streams):
            os.dup2(stream, number)
        os.chdir(request["cwd"])
        os.environ.clear()
        os.environ.update(request["environment"])
        time.tzset()
        random.seed()
        sys.argv[1:] = request["arguments"]
    else:
        with suppress(OSError):
            client.sendall(b"%d\n" % pid)
    for stream in streams:
        os.close(stream)
    return pid


def run() -> NoReturn:
    """The command, in a forked process. What is loaded is left as it is at the end: taking it apart would copy all of
    the memory that the processes share."""
    from mirror.cli.main import main

    code: object = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    except BaseException:  # noqa: BLE001 - as the interpreter does
        traceback.print_exc()
        code = 1
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    os.fsync = fsync
    load()
    if serve(sys.argv[1]):
        run()

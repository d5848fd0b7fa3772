"""What commands that serve have in common: sockets that listen, and the signal to stop."""

from __future__ import annotations

import asyncio
import errno
import signal
import socket

from fake_registry.fixtures import Tree
from fake_registry.fixtures.switching import SWITCHING, is_switching
from fake_registry.listening import bind
from mirror.cli.addresses import parse_address
from mirror.cli.notes import note
from mirror.errors import InputError


def listen(option: str, address: str) -> list[socket.socket]:
    """Listening sockets; from here on clients that connect are not refused any more.

    Raises:
        InputError: nobody can listen there; names the option.
    """
    try:
        return bind(*parse_address(option, address))
    except OSError as error:
        remedy = "; stop what listens there, or choose another port" if error.errno == errno.EADDRINUSE else ""
        raise InputError(f"{option}: cannot listen on {address}: {error.strerror or error}{remedy}") from None


def tree_to_serve(data: str, *, read_only: bool) -> Tree:
    """Opens a tree. Where applying a bundle was interrupted halfway through the repositories, that is completed first.

    Raises:
        TreeError: it cannot be opened, or not be written where it has to be.
    """
    tree = Tree.open(data)
    if is_switching(tree.root):
        if read_only:
            note(f"{data}: {SWITCHING}")
        else:
            from mirror.seed.bundles.journal import complete_interrupted

            if complete_interrupted(tree):
                note(f"{data}: completed what a bundle that was being applied has changed")
    return tree


def stop_signal() -> asyncio.Event:
    """An event that the first SIGINT or SIGTERM sets. The second one ends the process as ever."""
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()

    def stop() -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.remove_signal_handler(number)
        stopped.set()

    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop)
    return stopped

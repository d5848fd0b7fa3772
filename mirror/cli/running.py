"""What commands that serve have in common: sockets that listen, and a tree that can be served."""

from __future__ import annotations

import errno
import socket
from collections.abc import Callable
from contextlib import ExitStack
from typing import TypeVar

from fake_registry.fixtures import Tree
from fake_registry.fixtures.switching import SWITCHING, is_switching
from fake_registry.listening import bind, bind_shared
from mirror.addresses import parse_address
from mirror.cli.notes import note
from mirror.errors import InputError

T = TypeVar("T")


def listen(option: str, address: str) -> list[socket.socket]:
    """Listening sockets; from here on clients that connect are not refused any more.

    Raises:
        InputError: nobody can listen there; names the option.
    """
    host, port = parse_address(option, address)
    return _reported(option, address, lambda: bind(host, port))


def listen_for(workers: int, option: str, address: str) -> list[list[socket.socket]]:
    """As `listen`, so many times on one port: the system deals the clients out."""
    host, port = parse_address(option, address)
    if workers == 1:
        return [listen(option, address)]
    return _reported(option, address, lambda: bind_shared(host, port, workers))


def closed_with(stack: ExitStack, sockets: list[socket.socket]) -> list[socket.socket]:
    """The same sockets, which are closed when the stack is."""
    for one in sockets:
        stack.callback(one.close)
    return sockets


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


def _reported(option: str, address: str, work: Callable[[], T]) -> T:
    try:
        return work()
    except OSError as error:
        remedy = "; stop what listens there, or choose another port" if error.errno == errno.EADDRINUSE else ""
        raise InputError(f"{option}: cannot listen on {address}: {error.strerror or error}{remedy}") from None

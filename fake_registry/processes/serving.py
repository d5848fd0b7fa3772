"""A registry in one process: its listeners, its control plane, and the signals that it knows."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Callable
from typing import TYPE_CHECKING, Final

from fake_registry.core.changes import Configure, make
from fake_registry.core.registry import RegistryCore
from fake_registry.one_host import OneHost
from fake_registry.processes.plan import Listening, Plan
from fake_registry.server import RegistryServer

if TYPE_CHECKING:
    from fake_registry.control import Controlled, Metrics

LEISURE: Final = 0.5
"""Seconds after the start that belong to clients that have waited for it."""


@contextlib.asynccontextmanager
async def serving(plan: Plan, reloaded: Callable[[Configure], None] | None = None) -> AsyncIterator[None]:
    """Serves a registry, and its control plane, from this process alone.

    SIGHUP has the configuration read again, if there is one; `reloaded` is told what came of it.
    """
    core = plan.core
    counted = metrics(plan) if plan.control else None
    async with contextlib.AsyncExitStack() as stack:
        if plan.access_log:
            log_access(stack, core)
        await listen(stack, plan)
        if plan.control:
            from fake_registry.control import OneProcess  # noqa: PLC0415 - not loaded where it is not wanted

            await serve_control(stack, plan, OneProcess(core, counted))
        if plan.reload is not None:
            read = plan.reload

            def again() -> None:
                reading = read()
                if reading is not None:
                    make(core, reading.configuration)
                    if reloaded is not None:
                        reloaded(reading.configuration)
                    reading.confirm()

            loop = asyncio.get_running_loop()
            loop.add_signal_handler(signal.SIGHUP, again)
            stack.callback(loop.remove_signal_handler, signal.SIGHUP)
        yield


def log_access(stack: contextlib.AsyncExitStack, core: RegistryCore) -> None:
    """Writes a line for each request until the stack is closed."""
    from fake_registry.control import AccessLog  # noqa: PLC0415 - not loaded where it is not wanted

    stack.enter_context(contextlib.closing(AccessLog(core)))


def metrics(plan: Plan) -> Metrics | None:
    """Counts from now on, if what counts is installed."""
    from fake_registry.control import Metrics  # noqa: PLC0415 - not loaded where it is not wanted

    try:
        return Metrics(plan.core)
    except ImportError:
        return None


async def listen(stack: contextlib.AsyncExitStack, plan: Plan) -> None:
    """Serves all listeners of a registry until the stack is closed."""
    for one in plan.listening:
        server = await stack.enter_async_context(_server(plan, one))
        await server.listen(list(one.sockets), serving=one.serving)
        if one is plan.listening[0]:
            loading = asyncio.create_task(_load_at_leisure(server))
            stack.callback(loading.cancel)


async def serve_control(stack: contextlib.AsyncExitStack, plan: Plan, controlled: Controlled) -> None:
    """Serves the control plane until the stack is closed."""
    from fake_registry.control import ControlPlane  # noqa: PLC0415 - not loaded where it is not wanted

    plane = ControlPlane(controlled, token=plan.token)
    server = await stack.enter_async_context(RegistryServer(plane, plan.authority))
    stack.callback(plane.stop)  # before the server waits for requests under way
    await server.listen(list(plan.control))


def stop_signal(*numbers: signal.Signals) -> asyncio.Event:
    """An event that the first of these signals (SIGINT or SIGTERM) sets. The second one ends the process as ever.

    Where they were held back until here, they are let through.
    """
    loop = asyncio.get_running_loop()
    stopped = asyncio.Event()
    handled = numbers or (signal.SIGINT, signal.SIGTERM)

    def stop() -> None:
        for number in handled:
            loop.remove_signal_handler(number)
        stopped.set()

    for number in handled:
        loop.add_signal_handler(number, stop)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, handled)
    return stopped


def _server(plan: Plan, listening: Listening) -> RegistryServer:
    if listening.serving is None:
        return RegistryServer(plan.core, plan.authority)
    return RegistryServer(OneHost(plan.core, listening.serving, plan.port_of), plan.authority)


async def _load_at_leisure(server: RegistryServer) -> None:
    """Loads what most first requests can do without, when those that waited for the start are answered."""
    await asyncio.sleep(LEISURE)
    await server.load()

"""``ismirror registry``: a fixture tree as all the registries it holds, on one port."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.option_groups import grouped
from mirror.cli.options import UsageError
from mirror.cli.recording import RecordingOptions
from mirror.cli.registry_env import env
from mirror.cli.server_options import RegistryFlags, ServerOptions

if TYPE_CHECKING:
    import socket

    from fake_registry.processes import Listening, Plan

app = typer.Typer(
    invoke_without_command=True,
    subcommand_metavar="[env]",
    epilog="Example: ismirror registry --data data/tree --registry 127.0.0.1:5000",
)
app.command("env", epilog="Example: ismirror registry env --data data/tree --tls-dir out/tls")(env)


@app.callback()
@grouped
def registry(
    context: typer.Context,
    data: Annotated[
        str | None, typer.Option("--data", metavar="TREE", help="The directory of the fixture tree.  [required]")
    ] = None,
    *,
    flags: RegistryFlags,
    recording: RecordingOptions,
) -> None:
    """Serves a fixture tree as all the registries that are in it.

    HTTP and HTTPS on one port, every host under its own name. Prints the address and the file of the CA that signs the
    certificates, and serves until interrupted.
    """
    if context.invoked_subcommand is not None:
        return
    import gc

    from mirror.cli.server_options import settle

    gc.disable()  # until everything is loaded: it would only look at modules, which stay
    if data is None:
        raise UsageError("Missing option '--data'.", ctx=context)
    _serve(data, settle(flags), recording)


def _serve(data: str, options: ServerOptions, recording: RecordingOptions) -> None:
    """Serves until interrupted. Without a directory the CA lives as long as this, and its file, too."""
    from fake_registry.core.registry import RegistryCore
    from fake_registry.core.tally import SharedTally
    from fake_registry.directory import directory_of
    from fake_registry.processes import Plan
    from mirror.cli.reloading import reading_again
    from mirror.cli.running import closed_with, tree_to_serve
    from mirror.cli.server_options import authority, control_sockets, say_what_is_served

    recording.require_sources()
    tree = tree_to_serve(data, read_only=options.read_only)
    plan = recording.plan(tree, options) if recording.record_from else None
    core = RegistryCore(
        tree,
        options.hosts if plan is None else plan.hosts,
        token_key=options.token_key,
        read_only=options.read_only,
        require_references=options.require_references,
        tally=SharedTally() if options.workers > 1 else None,
        origin=None if plan is None else plan.recorder.origin,
        default_host=options.default_host if plan is None else plan.default_host,
        certificates=options.certificates,
        directories=directory_of,
    )
    with contextlib.ExitStack() as stack:
        workers = _listening(stack, options)
        control = closed_with(stack, control_sockets(options))
        signing, ca_file = authority(stack, options.tls_dir)
        # Clients that connect from here on wait for the rest to be loaded, and so does whoever stops it.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
        stack.callback(signal.pthread_sigmask, signal.SIG_SETMASK, before)
        _print_addresses(workers[0], ca_file, control)
        say_what_is_served(core, options)
        served = Plan(
            core=core,
            authority=signing,
            listening=workers[0],
            control=control,
            token=options.token,
            access_log=options.access_log,
            reload=reading_again(options) if plan is None else None,
        )
        _run(served, workers, contextlib.nullcontext() if plan is None else plan.recorder)


def _listening(stack: contextlib.ExitStack, options: ServerOptions) -> list[list[Listening]]:
    """The listeners of each worker: one for all hosts, and one for each host that has a port of its own."""
    from fake_registry.listening import Address
    from fake_registry.processes import Listening
    from mirror.addresses import parse_address
    from mirror.cli.running import closed_with, listen_for

    interface = parse_address("--registry", options.address)[0]
    wanted: list[tuple[str, str, str | None]] = [("--registry", options.address, None)]
    wanted += [("--host-port", str(Address(interface, port)), host) for host, port in options.host_ports.items()]
    workers: list[list[Listening]] = [[] for _ in range(options.workers)]
    for option, address, serving in wanted:
        for worker, sockets in zip(workers, listen_for(options.workers, option, address), strict=True):
            worker.append(Listening(closed_with(stack, sockets), serving))
    return workers


def _print_addresses(listening: list[Listening], ca_file: Path, control: list[socket.socket]) -> None:
    from fake_registry.listening import Address

    typer.echo(f"registry listening on {Address.of(listening[0].sockets[0])}")
    typer.echo(f"CA certificate: {ca_file}")
    for one in listening[1:]:
        typer.echo(f"{one.serving} listening on {Address.of(one.sockets[0])}")
    if control:
        from fake_registry.control.documents import PREFIX

        typer.echo(f"control plane: http://{Address.of(control[0])}{PREFIX}")


def _run(plan: Plan, workers: list[list[Listening]], around: contextlib.AbstractAsyncContextManager[object]) -> None:
    from mirror.cli.loop import run

    if len(workers) == 1:
        run(_serving(plan, around))
        return
    from fake_registry.errors import WorkersFailed
    from fake_registry.processes.supervisor import supervise
    from mirror.cli.notes import note, problem

    try:
        supervise(plan, workers, run, note)
    except WorkersFailed as error:
        problem(str(error))
        raise typer.Exit(1) from None


async def _serving(plan: Plan, around: contextlib.AbstractAsyncContextManager[object]) -> None:
    import gc

    from fake_registry.processes import serving, stop_signal

    stopped = stop_signal()
    async with around, serving(plan):
        gc.freeze()
        gc.enable()
        await stopped.wait()

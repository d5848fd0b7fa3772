"""``ismirror import``: what the API server would say."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.notes import note
from mirror.cli.options import ConcurrencyOption, NowOption, PolicyOption, TransportOption, transport_kind
from mirror.cli.output import Format, OutputOption, print_document, print_table, printable

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from fake_registry.core.registry import RegistryCore
    from mirror.clock import Clock, Uids
    from mirror.config import Config
    from mirror.importer.transport import Transport
    from mirror.session import TransportKind
    from mirror.specs import Answer, Spec


def import_(
    specs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SPEC]...", help="Files and directories of ImageStreamImports, YAML or JSON; - is standard input."
        ),
    ] = None,
    data: Annotated[
        str | None, typer.Option("--data", metavar="TREE", help="Import from this fixture tree, without a server.")
    ] = None,
    transport: TransportOption = "embedded",
    connect: Annotated[
        str | None,
        typer.Option(metavar="ADDR", help="Send every host's requests to this host:port, under their real names."),
    ] = None,
    ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The CA that the registries' certificates are checked by.")
    ] = None,
    policy: PolicyOption = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NAMESPACE", help="For objects that name none.")
    ] = "default",
    from_: Annotated[
        str | None, typer.Option("--from", metavar="IMAGE", help="Import this image, without a file.")
    ] = None,
    everything: Annotated[bool, typer.Option("--all", help="With --from: all tags of its repository.")] = False,
    insecure: Annotated[bool, typer.Option("--insecure", help="With --from: allow bad certificates and HTTP.")] = False,
    import_mode: Annotated[
        str, typer.Option(metavar="Legacy|PreserveOriginal", help="With --from: what becomes of multi-arch images.")
    ] = "Legacy",
    now: NowOption = None,
    concurrency: ConcurrencyOption = 8,
    output: OutputOption = Format.TABLE,
) -> None:
    """Resolves ImageStreamImports as the API server would.

    Shows the answers. All specs share one cluster, empty at first, in order. Exits with 1 if something could not be
    imported, with 2 if that is because the tree is damaged.
    """
    from mirror.errors import InputError
    from mirror.session import clock_of, fixed_time
    from mirror.specs import read_specs, spec_of_image

    if (data is None) == (connect is None):
        raise InputError("give either --data TREE or --connect ADDR: where the images come from")
    if not specs and from_ is None:
        raise InputError("nothing to import: give files of ImageStreamImports, or --from IMAGE")
    if import_mode not in ("Legacy", "PreserveOriginal"):
        raise InputError(f"--import-mode: {import_mode!r} is not one of Legacy, PreserveOriginal")
    wanted = read_specs(specs or [], sys.stdin.buffer, namespace)
    if from_ is not None:
        wanted.append(spec_of_image(from_, namespace, everything=everything, insecure=insecure, mode=import_mode))
    clock, uids = clock_of(fixed_time(now), live=connect is not None)
    config = _config(policy)
    opened, core = _open(data, connect, ca, transport_kind(transport), config, clock, concurrency)
    answers = _run(opened, policy, config, clock, uids, wanted, sockets=connect is not None or transport == "http")
    failed = _show(answers, output)
    for entry in () if core is None else core.journal:
        if entry.status >= 500 and entry.note:
            raise InputError(f"{data}: {entry.note}")
    if failed:
        raise typer.Exit(1)


def _config(policy: Path | None) -> Config:
    from mirror.config import Config, load_config

    return Config() if policy is None else load_config(policy)


def _open(
    data: str | None,
    connect: str | None,
    ca: Path | None,
    kind: TransportKind,
    config: Config,
    clock: Clock,
    concurrency: int,
) -> tuple[AbstractAsyncContextManager[Transport], RegistryCore | None]:
    """The way to the registries; and the registries themselves where they are ours."""
    from mirror.errors import InputError
    from mirror.session import connected_transport, open_transport

    if connect is not None:
        from mirror.addresses import parse_address
        from mirror.config import read_file

        address = parse_address("--connect", connect)
        trusted = None if ca is None else read_file(ca)
        try:
            return connected_transport(address, config.hosts, trusted, concurrency=concurrency), None
        except InputError as error:
            raise InputError(f"--ca: {ca}: {error}") from None
    from fake_registry.core.registry import RegistryCore
    from fake_registry.fixtures import Tree

    assert data is not None
    core = RegistryCore(Tree.open(data), config.hosts, clock=lambda: clock.now().timestamp())
    return open_transport(core, config.hosts, kind, concurrency=concurrency), core


def _run(
    opened: AbstractAsyncContextManager[Transport],
    policy: Path | None,
    config: Config,
    clock: Clock,
    uids: Uids,
    specs: list[Spec],
    *,
    sockets: bool,
) -> list[Answer]:
    from mirror.api.app import ApiCore
    from mirror.api.cluster import Cluster
    from mirror.cli.loop import run
    from mirror.errors import InputError
    from mirror.specs import run_specs

    async def work() -> list[Answer]:
        async with opened as transport:
            try:
                cluster = Cluster(config.cluster, transport, clock, uids)
            except InputError as error:
                raise InputError(f"{policy}: {error}") from None
            return await run_specs(ApiCore(cluster), specs)

    return run(work(), sockets=sockets)


def _show(answers: list[Answer], output: Format) -> int:
    """Prints the answers; how many images could not be imported."""
    from mirror.specs import rows_of

    for answer in answers:
        for warning in answer.warnings:
            note(f"{answer.spec.source}: warning: {warning}")
    rows = list(rows_of(answers))
    failed = sum(bool(row.problem) for row in rows)
    if output is Format.TABLE:
        _show_table(answers)
    elif len(answers) == 1:
        print_document(answers[0].document, output)
    else:
        items = [answer.document for answer in answers]
        print_document({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}, output)
    note(f"{len(rows) - failed} of {len(rows)} imported")
    return failed


def _show_table(answers: list[Answer]) -> None:
    from mirror.specs import additional_tags, rows_of

    print_table(
        ("STREAM", "TAG", "DIGEST", "SIZE", "PLATFORM", "RESULT"),
        (
            (
                row.stream,
                row.tag or "-",
                row.digest or "-",
                "-" if row.size is None else row.size,
                row.platform or "-",
                row.problem or "imported",
            )
            for row in rows_of(answers)
        ),
    )
    for stream, tags in additional_tags(answers):
        typer.echo(f"{stream}: not imported, over the limit: {printable(', '.join(tags))}")

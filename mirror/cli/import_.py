"""``ismirror import``: what the API server would say."""

from __future__ import annotations

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from mirror.cli.notes import note
from mirror.cli.option_groups import grouped
from mirror.cli.options import ConcurrencyOption, NowOption, PolicyOption, TransportOption, transport_kind
from mirror.cli.output import Format, OutputOption, print_document, print_table, printable

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager

    from fake_registry.core.registry import RegistryCore
    from mirror.clock import Clock, Uids
    from mirror.config import Config
    from mirror.importer.transport import Transport
    from mirror.specs import Answer, Spec

_UNKNOWN_HOST: Final = re.compile(r": lookup ([^ /]+): no such host")


@dataclass(frozen=True, kw_only=True)
class RegistriesOptions:
    """Where the images come from."""

    data: Annotated[
        str | None, typer.Option("--data", metavar="TREE", help="Import from this fixture tree, without a server.")
    ] = None
    transport: TransportOption = "embedded"
    connect: Annotated[
        str | None,
        typer.Option(metavar="ADDR", help="Send every host's requests to this host:port, under their real names."),
    ] = None
    ca: Annotated[
        Path | None, typer.Option(metavar="FILE", help="The CA that the registries' certificates are checked by.")
    ] = None

    def check(self) -> None:
        """Raises `InputError` if they name no registries, or two kinds of them."""
        from mirror.errors import InputError

        if (self.data is None) == (self.connect is None):
            raise InputError("give either --data TREE or --connect ADDR: where the images come from")

    @property
    def sockets(self) -> bool:
        """Whether there are sockets between importer and registries."""
        return self.connect is not None or self.transport == "http"

    def open(
        self, config: Config, clock: Clock, concurrency: int
    ) -> tuple[AbstractAsyncContextManager[Transport], RegistryCore | None]:
        """The way to the registries; and the registries themselves where they are ours."""
        from mirror.errors import InputError
        from mirror.session import connected_transport, open_transport

        kind = transport_kind(self.transport)
        if self.connect is not None:
            from mirror.addresses import parse_address
            from mirror.config import read_file

            address = parse_address("--connect", self.connect)
            trusted = None if self.ca is None else read_file(self.ca)
            try:
                return connected_transport(address, config.hosts, trusted, concurrency=concurrency), None
            except InputError as error:
                raise InputError(f"--ca: {self.ca}: {error}") from None
        from fake_registry.core.registry import RegistryCore
        from mirror.cli.care import tree_to_look_at

        assert self.data is not None
        core = RegistryCore(tree_to_look_at(self.data), config.hosts, clock=lambda: clock.now().timestamp())
        return open_transport(core, config.hosts, kind, concurrency=concurrency), core


@dataclass(frozen=True, kw_only=True)
class ImageOptions:
    """An image that is imported without a file."""

    from_: Annotated[
        str | None,
        typer.Option("--from", metavar="IMAGE", help="Import this image, without a file."),
    ] = None
    everything: Annotated[bool, typer.Option("--all", help="With --from: all tags of its repository.")] = False
    insecure: Annotated[bool, typer.Option("--insecure", help="With --from: allow bad certificates and HTTP.")] = False
    import_mode: Annotated[
        str, typer.Option(metavar="Legacy|PreserveOriginal", help="With --from: what becomes of multi-arch images.")
    ] = "Legacy"

    def spec(self, namespace: str) -> Spec | None:
        """The import of this image, or None if none is named (raises `InputError`)."""
        from mirror.errors import InputError
        from mirror.specs import spec_of_image

        if self.import_mode not in ("Legacy", "PreserveOriginal"):
            raise InputError(f"--import-mode: {self.import_mode!r} is not one of Legacy, PreserveOriginal")
        if self.from_ is None:
            return None
        return spec_of_image(
            self.from_, namespace, everything=self.everything, insecure=self.insecure, mode=self.import_mode
        )


@grouped
def import_(
    specs: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[SPEC]...", help="Files and directories of ImageStreamImports, YAML or JSON; - is standard input."
        ),
    ] = None,
    *,
    registries: RegistriesOptions,
    policy: PolicyOption = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", metavar="NAMESPACE", help="For objects that name none.")
    ] = "default",
    image: ImageOptions,
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
    from mirror.specs import read_specs

    registries.check()
    if not specs and image.from_ is None:
        raise InputError("nothing to import: give files of ImageStreamImports, or --from IMAGE")
    named = image.spec(namespace)
    wanted = read_specs(specs or [], sys.stdin.buffer, namespace)
    if named is not None:
        wanted.append(named)
    clock, uids = clock_of(fixed_time(now), live=registries.connect is not None)
    config = _config(policy)
    opened, core = registries.open(config, clock, concurrency)
    answers = _run(opened, policy, config, clock, uids, wanted, sockets=registries.sockets)
    failed = _show(answers, output)
    if registries.data is not None:
        _say_unknown_hosts(answers, registries.data, policy, listed=config.hosts is not None)
    for entry in () if core is None else core.journal:
        if entry.status >= 500 and entry.note:
            raise InputError(f"{registries.data}: {entry.note}")
    if failed:
        raise typer.Exit(1)


def _config(policy: Path | None) -> Config:
    from mirror.config import Config, load_config

    return Config() if policy is None else load_config(policy)


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


def _say_unknown_hosts(answers: list[Answer], tree: str, policy: Path | None, *, listed: bool) -> None:
    """Says which hosts are not there, and what says so: the cluster's own message is of a name server."""
    from mirror.specs import rows_of

    for host in dict.fromkeys(name for row in rows_of(answers) for name in _UNKNOWN_HOST.findall(row.problem)):
        if listed:
            note(printable(f"{host}: not among the hosts of {policy}; name it there if the cluster reaches it"))
        else:
            note(printable(f"{host}: the tree {tree} has nothing of it; 'ismirror data ls' shows what it has"))


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

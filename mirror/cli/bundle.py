"""``ismirror bundle``: carrying a fixture tree over a gap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mirror.cli.notes import note
from mirror.cli.options import DataOption, DryRunOption
from mirror.cli.output import Format, OutputOption, print_document, print_facts, print_table, printable
from mirror.cli.progress import progress
from mirror.cli.sizes import counted, parse_size, size_text

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    from mirror.seed.bundles.records import Amount, Header

app = typer.Typer(help="Carries a fixture tree over a gap, or what has changed in it.", no_args_is_help=True)

FilesArgument = Annotated[
    list[Path],
    typer.Argument(
        metavar="FILE...", help="The file, or all parts in any order; the name without .001 means them all."
    ),
]
VerifyKeyOption = Annotated[
    Path | None,
    typer.Option("--verify-key", metavar="FILE", help="An Ed25519 public key (PEM) that must have signed the bundle."),
]


@app.callback()
def _group() -> None:
    """Carries a fixture tree over a gap, or what has changed in it."""


@app.command(epilog="Example: ismirror bundle create out/web.tar.zst --data data/tree --part-size 4GiB")
def create(
    out: Annotated[Path, typer.Argument(metavar="OUT", help="The file to write; parts are OUT.001, OUT.002, ...")],
    data: DataOption,
    since: Annotated[
        Path | None,
        typer.Option(metavar="FILE|TREE", help="Only what is new since an earlier bundle (its first part), or a tree."),
    ] = None,
    part_size: Annotated[
        str, typer.Option(metavar="SIZE", help="Parts of at most this size: 4GiB, 650MB, 4G as split(1) has it.")
    ] = "",
    sign: Annotated[
        Path | None, typer.Option(metavar="KEY", help="Signs the bundle: an Ed25519 private key (PEM).")
    ] = None,
    level: Annotated[int, typer.Option(min=1, max=19, metavar="N", help="How hard zstd tries.")] = 3,
    force: Annotated[bool, typer.Option("--force", help="Replaces a bundle of that name.")] = False,
    dry_run: DryRunOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Makes a bundle of a tree. The same tree gives the same bytes."""
    from mirror.cli.care import tree_to_look_at
    from mirror.seed.bundles.creating import Options, create_bundle, planned
    from mirror.seed.bundles.records import identity
    from mirror.seed.bundles.signing import load_private_key

    options = Options(
        part_size=parse_size("--part-size", part_size) if part_size else None,
        key=None if sign is None else load_private_key(sign),
        level=level,
        replace=force,
    )
    tree = tree_to_look_at(data)
    with ExitStack() as stack:
        with progress("Looking at repositories") as tell:
            plan = stack.enter_context(planned(tree, since, tell))
        files: list[Path] = []
        if not dry_run:
            with progress("Writing", in_bytes=True) as tell:
                files = create_bundle(plan, out, options, tell)
        header = plan.header
    _warn_of_ratio(out, header, files, signed=sign is not None)
    if output is not Format.TABLE:
        print_document(_document(identity(header.encoded()), header, files, signed=sign is not None), output)
        return
    _show(identity(header.encoded()), header, signed=sign is not None)
    for file in files:
        typer.echo(f"{printable(file)}  {file.stat().st_size}")
    if dry_run:
        note(f"{out}: not written")


@app.command(epilog="Example: ismirror bundle apply web.tar.zst --data tree --verify-key mirror.pub")
def apply(
    files: FilesArgument,
    data: DataOption,
    verify_key: VerifyKeyOption = None,
    any_base: Annotated[
        bool, typer.Option("--any-base", help="Takes a bundle made since another one, though that was not applied.")
    ] = False,
    dry_run: DryRunOption = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Applies a bundle to a tree. All of it is checked first; then all of it takes effect, or nothing.

    Stopped at any moment, it goes on when the same command is run again.
    """
    from mirror.seed.bundles.applying import apply_bundle

    key = _public_key(verify_key)
    with _phases() as tell:
        applied = apply_bundle(files, data, key=key, dry_run=dry_run, any_base=any_base, progress=tell)
    if applied.signed and key is None:
        note(f"{files[0]}: signed, but nobody has checked by whom: --verify-key does")
    if output is not Format.TABLE:
        print_document(applied, output)
        return
    if applied.repositories:
        print_table(
            ("REPOSITORY", "TAGS SET", "TAGS REMOVED"),
            (
                (one.repository, len(one.tags_set), "all" if one.gone else len(one.tags_removed))
                for one in applied.repositories
            ),
        )
    would = "would be " if dry_run else ""
    note(f"{data}: {would}{'' if dry_run else 'now '}at {applied.state}")
    note(f"{_amount(applied.new)} {would}written, {_amount(applied.present)} there already")


@app.command(epilog="Example: ismirror bundle inspect web.tar.zst.001")
def inspect(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The bundle, or its first part: that is enough.")],
    files: Annotated[bool, typer.Option("--files", help="Lists the files of the manifest instead.")] = False,
    output: OutputOption = Format.TABLE,
) -> None:
    """Shows what a bundle has in it. Nothing but the beginning is read, and checked."""
    from mirror.seed.bundles.inspecting import inspected, listed

    if files:
        rows = listed(file)
        if output is Format.TABLE:
            for entry in rows:
                typer.echo(f"{entry.sha256}  {printable(entry.path)}" + ("  (in the base)" if entry.base else ""))
        else:
            print_document(list(rows), output)
        return
    found = inspected(file)
    if output is not Format.TABLE:
        print_document(found, output)
        return
    _show(found.bundle, found.header, signed=found.signed, parts=found.parts)
    if found.repositories:
        typer.echo()
        rows_ = ((one.repository, one.tags, one.manifests) for one in found.repositories)
        print_table(("REPOSITORY", "TAGS", "MANIFESTS"), rows_)
    if found.removals:
        typer.echo()
        print_table(("REMOVED", "WHAT"), ((one.name, one.what) for one in found.removed()))


@app.command(epilog="Example: ismirror bundle verify web.tar.zst.* --verify-key mirror.pub")
def verify(files: FilesArgument, verify_key: VerifyKeyOption = None, output: OutputOption = Format.TABLE) -> None:
    """Checks a bundle without applying it.

    Looked at are every part, the signature if a key is given, and every file in it. Exits with 1 if something is wrong,
    and names the part.
    """
    from mirror.seed.bundles.checking import problems

    key = _public_key(verify_key)
    with progress("Checking", in_bytes=True) as tell:
        found = list(problems(files, key, tell))
    if output is not Format.TABLE:
        print_document(found, output)
    else:
        for line in found:
            typer.echo(printable(line))
    note(f"{files[0]}: {counted(len(found), 'problem', 'no')}")
    if found:
        raise typer.Exit(1)


def _warn_of_ratio(out: Path, header: Header, files: list[Path], *, signed: bool) -> None:
    """What compresses this well is taken for a decompression bomb on the other side, unless a signature vouches."""
    from mirror.seed.bundles.parts import is_suspicious

    if files and not signed and is_suspicious(header.carried.bytes, sum(file.stat().st_size for file in files)):
        note(f"{out}: compresses so well that it will only be applied with a signature: --sign")


def _public_key(path: Path | None) -> Ed25519PublicKey | None:
    from mirror.seed.bundles.signing import load_public_key

    return None if path is None else load_public_key(path)


@contextmanager
def _phases() -> Iterator[Callable[[str, int, int], None]]:
    """A progress for each thing that is done, one after the other."""
    with ExitStack() as stack:
        now = ""
        show: Callable[[int, int], None] = lambda done, total: None  # noqa: E731

        def tell(what: str, done: int, total: int) -> None:
            nonlocal now, show
            if what != now:
                stack.close()
                now = what
                show = stack.enter_context(progress(what, in_bytes=what != "Switching"))
            show(done, total)

        yield tell


def _show(bundle: str, header: Header, *, signed: bool, parts: int = 0) -> None:
    facts: list[tuple[str, object]] = [("Bundle", bundle), ("State", header.state)]
    if header.base is not None:
        facts.append(("Since", header.base.bundle or f"a tree in the state {header.base.state}"))
    facts += [
        ("Repositories", header.repositories),
        ("Content", _amount(header.carried)),
    ]
    if header.base is not None:
        facts += [("In the base", _amount(header.in_base)), ("Removed", header.removals)]
    facts.append(("Signed", "yes" if signed else "no"))
    if parts:
        facts.append(("Parts", parts))
    print_facts(facts)


def _document(bundle: str, header: Header, files: list[Path], *, signed: bool) -> dict[str, object]:
    shown = [{"file": str(file), "size": file.stat().st_size} for file in files]
    return {"bundle": bundle, "signed": signed, "header": header, "files": shown}


def _amount(amount: Amount) -> str:
    return f"{counted(amount.files, 'file')}, {size_text(amount.bytes)}"

"""All of ``ismirror``: its commands, and the one place where errors become lines and exit codes.

What a command needs is imported when it runs, and the command itself when it is asked for.
"""

from __future__ import annotations

import errno
import os
import sys
from typing import Annotated, Any

import typer

from mirror.cli.commands import Commands
from mirror.cli.notes import hoisted, set_up
from mirror.cli.options import UsageError

app = typer.Typer(
    name="ismirror",
    cls=Commands,
    help="An offline container registry and OpenShift image-import simulator.",
    epilog="Example: ismirror import spec.yaml --data tree",
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        typer.echo(f"ismirror {version('ismirror')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Show the version and exit.")
    ] = False,
    verbose: Annotated[bool, typer.Option("--verbose", "-v", help="Say more on standard error.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="Say nothing but errors on standard error.")] = False,
) -> None:
    """An offline container registry and OpenShift image-import simulator."""
    del version
    set_up(verbose=verbose, quiet=quiet)


def run() -> None:
    """Runs the command line and ends: exit code 2 and one line for what cannot be used, never a traceback."""
    from fake_registry.errors import FakeRegistryError
    from mirror.errors import IsmirrorError

    try:
        code = app(args=hoisted(sys.argv[1:]), prog_name="ismirror", standalone_mode=False)
    except UsageError as error:
        _stop(_wrong_use(error))
    except (IsmirrorError, FakeRegistryError) as error:
        _stop(str(error))
    except BrokenPipeError:
        _unread()
    except SystemExit as ended:
        if isinstance(ended.__context__, BrokenPipeError):  # of which click makes a 1, which is the answer "no"
            _unread()
        raise
    except OSError as error:
        file = error.filename2 or error.filename  # where a file was to be put, not what it was called until then
        where = file or ("standard output, or a file" if error.errno == errno.ENOSPC else "")
        _stop(f"{where}: {error.strerror}" if where else str(error))
    else:
        sys.exit(code if isinstance(code, int) else 0)


def _unread() -> None:
    """Ends, since whoever read our output has gone. Nothing more is to be said, not even at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(141)


def _wrong_use(error: Any) -> str:
    """What is wrong with the arguments, and where to read more. A command alone is answered with its help."""
    message = str(error.format_message())
    if "\n" in message:
        sys.stderr.write(f"{message}\n")
        sys.exit(2)
    command = error.ctx.command_path if error.ctx is not None else "ismirror"
    return f"{message.rstrip('.')}; see '{command} --help'"


def _stop(problem: str) -> None:
    from mirror.cli.output import printable

    sys.stderr.write(f"ismirror: error: {printable(' '.join(problem.split()))}\n")
    sys.exit(2)

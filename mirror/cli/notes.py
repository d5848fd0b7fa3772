"""What commands say besides their data: on standard error, as much of it as -v and -q ask for."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from typing import Final

_LOGGER: Final = logging.getLogger("ismirror")
_HOISTED: Final = frozenset({"-v", "--verbose", "-q", "--quiet"})


def set_up(*, verbose: bool, quiet: bool) -> None:
    """Sends notes, and the log of the libraries, to standard error: all with -v, nothing but errors with -q."""
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(message)s"))
    _LOGGER.addHandler(handler)
    _LOGGER.propagate = False
    _LOGGER.setLevel(level)
    logging.basicConfig(
        level=logging.DEBUG if verbose else logging.ERROR if quiet else logging.WARNING,
        stream=sys.stderr,
        format="%(levelname)s %(name)s: %(message)s",
    )


def is_quiet() -> bool:
    """Whether nothing but errors is wanted."""
    return not _LOGGER.isEnabledFor(logging.INFO)


def note(text: str) -> None:
    """Says something in passing."""
    _LOGGER.info("%s", text)


def problem(text: str) -> None:
    """Says what is wrong, also where nothing but errors is wanted."""
    _LOGGER.error("%s", text)


def hoisted(arguments: Sequence[str]) -> list[str]:
    """The arguments with -v and -q in front, where the program takes them: they may stand anywhere before ``--``."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    front = [argument for argument in arguments[:end] if argument in _HOISTED]
    return [*front, *(argument for argument in arguments[:end] if argument not in _HOISTED), *arguments[end:]]

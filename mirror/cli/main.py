"""The program ``ismirror``: what has to be in order before anything else is loaded, and how it ends when told to."""

from __future__ import annotations

import os
import sys


def main() -> None:
    """Runs the command line and ends. Ctrl-C ends it with 130, as shells have it, from the first moment on."""
    try:
        _open_streams()
        from mirror.cli.application import run

        run()
    except KeyboardInterrupt:
        sys.exit(130)


def _open_streams() -> None:
    """Has the null device stand in for standard streams that were closed (``>&-``).

    Else the first file that is opened takes the place of one, and what is printed ends up in it.
    """
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            null = os.open(os.devnull, os.O_RDWR)
            if null != descriptor:
                os.dup2(null, descriptor)
                os.close(null)
            mode = "r" if name == "stdin" else "w"
            setattr(sys, name, os.fdopen(descriptor, mode, encoding="utf-8", closefd=False))


if __name__ == "__main__":
    main()

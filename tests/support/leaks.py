"""What a process holds, so that a test sees what was left."""

from __future__ import annotations

import gc
import os
import threading


def held() -> tuple[list[str], list[threading.Thread]]:
    """What this process holds: open files, sockets among them, and threads. Linux only: it looks in ``/proc``."""
    gc.collect()
    names = []
    for descriptor in os.listdir("/proc/self/fd"):  # noqa: PTH208 - numbers, no paths
        try:
            names.append(f"{descriptor} {os.readlink(f'/proc/self/fd/{descriptor}')}")  # noqa: PTH115
        except FileNotFoundError:  # the one that lists them
            continue
    return sorted(names), threading.enumerate()

"""The collector of cyclic garbage, in processes that are ours alone."""

from __future__ import annotations

import gc
from typing import Final

_NEW_OBJECTS: Final = 20_000
"""After so many the youngest are looked at."""


def spare_the_collector() -> None:
    """Tells the collector that what there is by now stays, and to look less often at what comes.

    Of imports and requests next to nothing is left that only it could find, and looking at all that they hold takes
    long. For commands; who uses the packages from Python keeps what is set there.
    """
    gc.freeze()
    gc.set_threshold(_NEW_OBJECTS, 20, 50)

"""A store in memory: what is in it is gone with the process."""

from __future__ import annotations

from mirror.store.history import History
from mirror.store.interface import FIRST_VERSION, HISTORY, HISTORY_BYTES, Change
from mirror.store.state import State, StateStore, Write, change_of


class MemoryStore(StateStore):
    """Objects in dictionaries. Each call is one step: nothing else happens in between."""

    def __init__(
        self, first_version: int = FIRST_VERSION, *, history: int = HISTORY, history_bytes: int = HISTORY_BYTES
    ) -> None:
        super().__init__(State(History(first_version - 1, 0, history, history_bytes)))

    async def _write(self, write: Write) -> Change:
        self._check_open()
        before = self._state.judge(write)
        change = change_of(write, before, self._state.history.version + 1)
        self._state.apply(change)
        return change

"""A store in a database: read from memory, written by a thread of its own.

Writers that wait at the same time share a transaction: while one is being committed, the next ones gather. A write
happens, in memory and for watches, when its transaction has been committed; its caller hears of it then. So nobody
ever sees what a crash could take back, and the state in memory is always that of the database.

That one process owns the database is assumed; a second one would want versions that are taken, which the database
refuses.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

from sqlalchemy.exc import SQLAlchemyError

from mirror.errors import InputError
from mirror.store.interface import FIRST_VERSION, HISTORY, HISTORY_BYTES, Change, Record, StoreFailure
from mirror.store.ledger import Database, Ledger, idle_after
from mirror.store.state import State, StateStore, Write, change_of

_Key = tuple[str, str, str]


class _Batch:
    """Writes that become one transaction. `done` tells what went wrong with it."""

    def __init__(self) -> None:
        self.writes: dict[_Key, tuple[Write, Record | None]] = {}
        self.changes: dict[_Key, Change] = {}
        self.done: asyncio.Future[BaseException | None] = asyncio.get_running_loop().create_future()


class SqlStore(StateStore):
    """Objects in a database. `open` makes one; it belongs to the event loop that it was opened in."""

    def __init__(
        self, database: Database, ledger: Ledger, thread: ThreadPoolExecutor, state: State, idle: list[int]
    ) -> None:
        super().__init__(state)
        self._database = database
        self._ledger = ledger
        self._thread = thread
        self._idle = idle  # versions of rows to be removed with the next transaction
        self._pending: dict[_Key, _Batch] = {}
        self._committing: _Batch | None = None
        self._gathering: _Batch | None = None

    @classmethod
    async def open(
        cls,
        database: Database,
        first_version: int = FIRST_VERSION,
        *,
        history: int = HISTORY,
        history_bytes: int = HISTORY_BYTES,
    ) -> SqlStore:
        """Opens a database, and reads all of it.

        Raises:
            InputError: it cannot be used.
        """
        thread = ThreadPoolExecutor(1, thread_name_prefix="store")
        ledger = Ledger(database)
        loop = asyncio.get_running_loop()
        try:
            state, idle = await loop.run_in_executor(thread, ledger.open, first_version, history, history_bytes)
        except BaseException as error:
            thread.submit(ledger.close)
            thread.shutdown()
            if isinstance(error, SQLAlchemyError | OSError):
                raise InputError(f"{database.name}: {database.explain(error)}") from error
            raise
        return cls(database, ledger, thread, state, idle)

    async def _write(self, write: Write) -> Change:
        key = (write.resource, write.namespace, write.name)
        # What is being written decides what may be written next, and may yet fail: each key waits its turn.
        while (ahead := self._pending.get(key)) is not None:
            await asyncio.wait([ahead.done])
        self._check_open()
        before = self._state.judge(write)
        batch = self._gathering
        if batch is None:
            batch = self._gathering = _Batch()
            if self._committing is None:
                asyncio.get_running_loop().call_soon(self._commit)  # with what else is written in this turn
        batch.writes[key] = (write, before)
        self._pending[key] = batch
        error = await asyncio.shield(batch.done)
        if error is not None:
            raise StoreFailure(f"{self._database.name}: {self._database.explain(error)}") from error
        return batch.changes[key]

    def _commit(self) -> None:
        """Hands what has gathered to the thread."""
        batch = self._gathering
        assert batch is not None
        self._committing, self._gathering = batch, None
        version = self._state.history.version
        batch.changes = {
            key: change_of(write, before, version + number)
            for number, (key, (write, before)) in enumerate(batch.writes.items(), 1)
        }
        idle, self._idle = self._idle, []
        compacted = self._state.history.compacted
        loop = asyncio.get_running_loop()
        committed = loop.run_in_executor(self._thread, self._ledger.write, [*batch.changes.values()], idle, compacted)
        committed.add_done_callback(lambda future: self._committed(batch, idle, future))

    def _committed(self, batch: _Batch, idle: list[int], committed: asyncio.Future[None]) -> None:
        """Lets happen what now lasts, and goes on with what has gathered meanwhile."""
        error = committed.exception()
        if error is None:
            for change in batch.changes.values():
                self._idle += idle_after(self._state.apply(change))
        else:
            self._idle += idle
        for key in batch.writes:
            del self._pending[key]
        batch.done.set_result(error)
        self._committing = None
        if self._gathering is not None:
            self._commit()

    async def close(self) -> None:
        if self._closed:
            return
        await super().close()
        while (batch := self._gathering or self._committing) is not None:
            await asyncio.wait([batch.done])
        await asyncio.get_running_loop().run_in_executor(self._thread, self._shut)
        self._thread.shutdown()

    def _shut(self) -> None:
        try:
            if self._idle:
                self._ledger.write((), self._idle, self._state.history.compacted)
        except SQLAlchemyError:
            pass  # what is idle goes another time
        finally:
            self._ledger.close()

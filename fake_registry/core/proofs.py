"""Passwords that take their time to be checked, and who has proved to know one.

They are checked beside the event loop. Who has proved to know a password is remembered, so that a hundred requests cost
one check: by a keyed hash that ends with the process, never by the password.
"""

from __future__ import annotations

import asyncio
import hmac
import math
import secrets
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final, NamedTuple, Protocol
from weakref import WeakValueDictionary

from fake_registry.core.threads import in_thread
from fake_registry.errors import DirectoryError

_REMEMBERED: Final = 1024
_MOST_WAITING: Final = 256
"""Names and passwords that wait for their turn; whoever guesses keeps others waiting no longer than that."""


class User(NamedTuple):
    """Who makes a request (empty: nobody in particular), the groups that access rules may name, and whether the
    password is kept elsewhere, so that nobody here knows when it changes."""

    name: str
    groups: frozenset[str] = frozenset()
    elsewhere: bool = False


NOBODY: Final = User("")


class TooManyWaiting(Exception):
    """More passwords are to be checked than anybody should wait for."""


class Passwords(Protocol):
    """Where the passwords of some users can be checked, ``at_once`` of them at most; what was found is good for
    ``lasts`` seconds."""

    @property
    def at_once(self) -> int:
        """How many are checked at the same time."""
        ...

    @property
    def lasts(self) -> float:
        """Seconds for which who has proved to know a password need not do so again."""
        ...

    def user(self, name: bytes, password: bytes) -> User | None:
        """Whose name and password these are; None: nobody's. Called in a thread.

        Raises:
            DirectoryError: nobody can say.
        """
        ...


class Proofs:
    """Who has proved to know a password. `clock` gives seconds since 1970, `groups_of` the groups of a user that count
    here, of all that there are."""

    def __init__(
        self,
        passwords: Passwords,
        clock: Callable[[], float],
        groups_of: Callable[[User], frozenset[str]] = lambda user: user.groups,
    ) -> None:
        self._passwords = passwords
        self._groups_of = groups_of
        self._clock = clock
        self._key = secrets.token_bytes(32)
        self._proved: OrderedDict[bytes, tuple[User, float]] = OrderedDict()
        self._alike: WeakValueDictionary[bytes, asyncio.Lock] = WeakValueDictionary()
        self._turns = asyncio.Semaphore(passwords.at_once)
        self._waiting = 0
        self._failures = 0
        self._failure = DirectoryError("")

    async def user(self, name: bytes, password: bytes) -> User | None:
        """Whose name and password these are; None: nobody's.

        Whoever waits while it turns out that nobody can say is told so, and does not ask again.

        Raises:
            DirectoryError: nobody can say.
            TooManyWaiting: too many others are before it.
        """
        mark = hmac.digest(self._key, b"%d:%b%b" % (len(name), name, password), "sha256")
        known = self._known(mark)
        if known is not None:
            return known
        failures = self._failures
        alike = self._alike.setdefault(mark, asyncio.Lock())
        async with alike:
            known = self._known(mark)
            if known is not None:  # somebody else has waited for the same
                return known
            async with self._turn():
                if self._failures != failures:
                    raise DirectoryError(str(self._failure))
                return await self._checked(mark, name, password)

    @asynccontextmanager
    async def _turn(self) -> AsyncIterator[None]:
        """Waits until one more password may be checked."""
        if self._waiting >= _MOST_WAITING:
            raise TooManyWaiting
        self._waiting += 1
        try:
            await self._turns.acquire()
        finally:
            self._waiting -= 1
        try:
            yield
        finally:
            self._turns.release()

    async def _checked(self, mark: bytes, name: bytes, password: bytes) -> User | None:
        try:
            found = await in_thread(self._passwords.user, name, password)
        except DirectoryError as error:
            self._failures, self._failure = self._failures + 1, error
            raise
        if found is None:
            return None
        found = found._replace(groups=self._groups_of(found))
        if self._passwords.lasts > 0:
            self._proved[mark] = (found, self._clock() + self._passwords.lasts)
            if len(self._proved) > _REMEMBERED:
                self._proved.popitem(last=False)
        return found

    def _known(self, mark: bytes) -> User | None:
        found = self._proved.get(mark)
        if found is None:
            return None
        user, until = found
        now = self._clock()
        if now >= until or (until < math.inf and until - now > self._passwords.lasts):  # the clock was set back
            del self._proved[mark]
            return None
        self._proved.move_to_end(mark)
        return user

"""Real registries that are asked as little as can be: what is known already is answered without them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final, NamedTuple
from weakref import WeakValueDictionary

import msgspec

from fake_registry.config import Host, Hosts, Route
from fake_registry.core import paths
from fake_registry.core.call import Content
from fake_registry.core.errors import RegistryError
from fake_registry.core.messages import Request, Response
from fake_registry.core.paths import Target
from fake_registry.core.registry import RegistryCore
from fake_registry.core.replaying import scripted
from fake_registry.errors import TreeError
from fake_registry.fixtures import Tree
from fake_registry.oci import is_digest
from mirror.recorder.exchanges import Question, is_lasting
from mirror.recorder.forwarding import Say
from mirror.recorder.origin import RecordingOrigin
from mirror.recorder.recording import Recording, route_of
from mirror.recorder.upstreams import Upstreams

_READING: Final = frozenset({"GET", "HEAD"})
_SPARED: Final = frozenset({paths.BASE, paths.CATALOG, paths.TAGS, paths.MANIFEST, paths.BLOB, paths.REFERRERS})
"""What need not be asked twice. Tokens are for one client and one moment."""

_DIGEST: Final = "docker-content-digest"
Clock = Callable[[], float]


class Sparing(NamedTuple):
    """What need not be asked: the hosts of an `earlier` recording, and how many seconds tags, lists and errors are good
    for (None: for ever)."""

    earlier: Hosts
    refresh: float | None = None
    clock: Clock = time.monotonic


class _Latest(NamedTuple):
    """What a tag led to when the real registry was asked last, and when that was."""

    digest: str
    time: float


class SparingOrigin:
    """A `fake_registry.core.origin.Origin`: answers from the tree and the recording, and has `origin` asked only for
    what neither of them has.

    Content that is named by its digest is never asked for again. Tags, lists and errors are once they are too old, as
    all are that an earlier process left if they may become that. Where the real registry does not answer, or answers
    429 or a status from 500 on, the answer before that is given, however old.
    """

    def __init__(
        self,
        tree: Tree,
        upstreams: Upstreams,
        origin: RecordingOrigin,
        recording: Recording,
        say: Say,
        sparing: Sparing,
    ) -> None:
        self._tree = tree
        self._origin = origin
        self._recording = recording
        self._say = say
        self._refresh = sparing.refresh
        self._clock = sparing.clock
        self._content = Content(tree)
        self._core = RegistryCore(tree, {one.host: _lasting(sparing.earlier.get(one.host)) for one in upstreams})
        self._asked: dict[Question, float] = {}
        self._latest: dict[tuple[str, str], _Latest] = {}
        self._turns: WeakValueDictionary[tuple[str, str], asyncio.Lock] = WeakValueDictionary()
        self._said: set[str] = set()

    def covers(self, host: str) -> bool:
        """Whether a host is recorded."""
        return self._origin.covers(host)

    async def answer(self, request: Request, host: str, target: Target) -> Response:
        """An answer that is known, or the real one; 502 where there is neither (raises `RegistryError`)."""
        if request.method not in _READING or target.pattern not in _SPARED:
            return await self._origin.answer(request, host, target)
        question = Question.of(request, host, negotiable=target.pattern == paths.MANIFEST)
        if target.pattern == paths.BLOB:  # takes as long as the client likes: nobody waits for another one's
            return await self._answer(request, question, target)
        turn = self._turns.setdefault((host, request.target), asyncio.Lock())
        async with turn:  # who asks the same meanwhile gets the answer to this
            return await self._answer(request, question, target)

    async def _answer(self, request: Request, question: Question, target: Target) -> Response:
        known = await self._known(request, question) if self._is_good(question, target) else None
        return await self._ask(request, question, target) if known is None else known

    def _is_good(self, question: Question, target: Target) -> bool:
        """Whether what is known need not be asked again."""
        if _is_content(target):
            return self._tree.store.find(target.argument) is not None
        if self._refresh is None:
            return True
        latest = self._latest.get(_place(question)) if target.pattern == paths.MANIFEST else None
        asked = self._asked.get(question) if latest is None else latest.time
        return asked is not None and self._clock() - asked < self._refresh

    async def _known(self, request: Request, question: Question) -> Response | None:
        """What the recording or the tree answers, unless a tag has led somewhere else since."""
        given = self._recording.last(question)
        found = None
        if given is not None and is_lasting(given.status) and not given.partial and not given.close:
            route = msgspec.convert(route_of(question, {}, given), Route)
            try:
                found = await scripted(route, self._content)
            except TreeError:
                found = None  # the content is gone
        if found is None or self._is_superseded(question, found):
            host = question.host
            asked = msgspec.structs.replace(request, host=host, sni=host, secure=True, certified=None, body=None)
            found = await self._core.handle(asked)
            if found.drop or not is_lasting(found.status) or self._is_superseded(question, found):
                return None
        headers = [line for line in found.headers if line[0].lower() != "oci-namespace"]
        return Response(found.status, headers, found.body)

    def _is_superseded(self, question: Question, response: Response) -> bool:
        latest = self._latest.get(_place(question))
        return latest is not None and latest.digest != _digest(response)

    async def _ask(self, request: Request, question: Question, target: Target) -> Response:
        """The real answer, or what is known where there is none."""
        known = await self._known(request, question)
        if known is None:
            response = await self._origin.answer(request, question.host, target)
        else:
            response = await self._asked_anew(request, question, target, known)
        if response is not known:
            self._remember(question, target, response)
        return response

    async def _asked_anew(self, request: Request, question: Question, target: Target, known: Response) -> Response:
        """The real answer to what was answered before, or that.

        Whether a tag has moved is found out by HEAD: that does not count where pulls are limited.
        """
        is_tag = target.pattern == paths.MANIFEST and request.method == "GET" and known.status == 200
        for method in ("HEAD", "GET") if is_tag else (request.method,):
            asked = msgspec.structs.replace(request, method=method)
            try:
                response = await self._origin.answer(asked, question.host, target, lasting=True)
            except RegistryError:
                return self._instead(question.host, "does not answer", known)
            if response.drop or response.status == 429 or response.status >= 500:
                reason = "hangs up" if response.drop else f"answers {response.status}"
                return self._instead(question.host, reason, known)
            digest = _digest(response)
            if is_tag and method == "HEAD" and response.status == 200 and digest and digest == _digest(known):
                self._remember(question, target, response)
                return known
        return response

    def _instead(self, host: str, reason: str, known: Response) -> Response:
        """What is known, where the real registry has no answer. The user is told so once for each host."""
        if host not in self._said:
            self._said.add(host)
            self._say(f"{host}: {reason}; what it answered before is given instead")
        return known

    def _remember(self, question: Question, target: Target, response: Response) -> None:
        """Takes note of when something that can change was asked, and where a tag leads."""
        if _is_content(target) or response.drop or response.status == 429 or response.status >= 500:
            return
        if is_lasting(response.status):
            self._asked[question] = self._clock()
        if target.pattern == paths.MANIFEST:
            self._latest[_place(question)] = _Latest(_digest(response), self._clock())


def _lasting(host: Host | None) -> Host:
    """What was recorded of a host before, without what was only so at that moment."""
    routes = [] if host is None or not host.recorded else host.routes
    kept = [
        route
        for route in routes
        if route.times == -1
        and not route.close
        and is_lasting(route.status)
        and paths.parse_path(route.path.partition("?")[0]).pattern in _SPARED
    ]
    return Host(recorded=True, routes=kept)


def _is_content(target: Target) -> bool:
    """Whether a path names content by its digest."""
    return target.pattern in {paths.BLOB, paths.MANIFEST} and is_digest(target.argument)


def _place(question: Question) -> tuple[str, str]:
    return question.host, question.target


def _digest(response: Response) -> str:
    return next((value for name, value in response.headers if name.lower() == _DIGEST), "")

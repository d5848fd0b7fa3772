"""The control plane's requests and answers."""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final, NamedTuple
from urllib.parse import unquote

import msgspec

from fake_registry.addresses import is_address
from fake_registry.config import Host
from fake_registry.control.controlled import Controlled, JournalFilter
from fake_registry.control.documents import (
    PREFIX,
    FaultReport,
    Health,
    HostContent,
    JournalPage,
    NewFault,
    Page,
    Problem,
    TreeState,
)
from fake_registry.control.holdings import host_content, tree_state
from fake_registry.core.changes import AddFault, ClearFaults, Forget, RemoveFault, Reset
from fake_registry.core.faults import EVERYWHERE
from fake_registry.core.messages import JSON, Request, Response
from fake_registry.core.paths import parameters
from fake_registry.core.registry import RegistryCore
from fake_registry.errors import FakeRegistryError, TallyFull
from fake_registry.fixtures import canonical_host, is_host
from fake_registry.racing import first_of

MAX_BODY: Final = 1024 * 1024
DEFAULT_LIMIT: Final = 1000
LONGEST_WAIT: Final = 300
"""Seconds that a request may wait for something to be asked; more count as this."""
MOST_WAITING: Final = 256
"""Requests that wait at the same time: each of them looks through the journal whenever something was asked."""
OPEN: Final = frozenset({"healthz", "readyz"})
"""What takes no token: those who look after processes have none."""

_BREATH: Final = 0.02
"""Seconds that one who waits lets pass after something was asked: a busy registry has more to do than to look."""

_TEXT: Final = "text/plain; charset=utf-8"


class ControlError(FakeRegistryError):
    """A request that is not done; the text says why."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class Asked(NamedTuple):
    """A request to the control plane: the part of the path that stands for something, the query, the body."""

    argument: str
    query: dict[str, str]
    body: bytes


Handler = Callable[["ControlPlane", Asked], Awaitable[Response]]


class Endpoint(NamedTuple):
    """What one method does at one path; documented where it stands, by the docstring of its handler.

    ``{…}`` at the end of a path is its argument; ``query`` are the parameters that it takes, ``takes`` and ``gives``
    what bodies are.
    """

    method: str
    path: str
    handler: Handler
    status: int
    gives: type | None = None
    takes: type | None = None
    query: tuple[str, ...] = ()


class ControlPlane:
    """Looks at a registry and tells it what to do. A core of its own kind: `handle` answers requests.

    `names` are the host names, besides ``localhost`` and addresses, under which it may be asked: requests to others
    come from browsers that were lured here. With a `token` whoever asks for more than `OPEN` has to bring it, as
    ``Authorization: Bearer TOKEN``, and may use any name.
    """

    def __init__(self, controlled: Controlled, *, names: frozenset[str] = frozenset(), token: str = "") -> None:
        self.controlled = controlled
        self._names = names | {"localhost"}
        self._token = token.encode()
        self._stop = asyncio.Event()
        self._waiting = 0

    @property
    def stopped(self) -> bool:
        """Whether nobody is to wait any more."""
        return self._stop.is_set()

    def stop(self) -> None:
        """Has all answered who wait for something to be asked: the registry is about to end."""
        self._stop.set()

    @contextmanager
    def waiting(self) -> Iterator[None]:
        """Lets one more request wait (raises `ControlError` if too many do)."""
        if self._waiting >= MOST_WAITING:
            raise ControlError(429, f"{self._waiting} requests wait already; expected at most {MOST_WAITING} at a time")
        self._waiting += 1
        try:
            yield
        finally:
            self._waiting -= 1

    async def more(self, seconds: float) -> None:
        """Returns when something may have been asked, when nobody is to wait any more, or after so many seconds."""
        await first_of(self._stop.wait(), self.controlled.more(seconds))

    @property
    def core(self) -> RegistryCore:
        """A core with the tree, the hosts and the accounts of the faults."""
        return self.controlled.core

    def host(self, name: str) -> Host:
        """Whatever it is called, it speaks clear text."""
        del name
        return Host(scheme="http")

    def known_hosts(self) -> list[str]:
        """None: see `host`."""
        return []

    def certificate(self, name: str) -> None:
        """No TLS, no certificates."""
        del name

    def handshake(self, name: str) -> None:
        """No TLS, no faults."""
        del name

    def handshake_failed(self, name: str, remote: str, problem: str) -> None:
        """No TLS: a client that begins with it is told so."""
        del name, remote, problem

    async def handle(self, request: Request) -> Response:
        """Answers one request."""
        try:
            self._check_origin(request)
            endpoint, argument = _endpoint(request)
            self._check_token(request, endpoint)
            query = dict(parameters(request.query))
            unknown = query.keys() - set(endpoint.query)
            if unknown:
                raise ControlError(400, f"no such parameter: {', '.join(sorted(unknown))}")
            body = await _body(request) if endpoint.takes is not None else b""
            response = await endpoint.handler(self, Asked(argument, query, body))
        except ControlError as error:
            response = _json(Problem(str(error)), error.status)
            if error.status == 401:
                scheme = "Basic" if _is_page(request) else "Bearer"
                response.headers.append(("WWW-Authenticate", f'{scheme} realm="ismirror"'))
        except TallyFull as error:
            response = _json(Problem(str(error)), 507)
        if request.method == "HEAD":
            response = Response(response.status, [*response.headers, ("Content-Length", str(response.length))])
        return response

    def _check_origin(self, request: Request) -> None:
        """Refuses what a web page sends: none is meant to be here, and a name may be made to lead here."""
        name = re.sub(r":\d+$", "", request.host).strip("[]").lower()
        if "origin" in request.headers or not (self._token or name in self._names or is_address(name)):
            raise ControlError(403, "the control plane is not for web pages")

    def _check_token(self, request: Request, endpoint: Endpoint) -> None:
        if not self._token or endpoint.path in OPEN:
            return
        scheme, _, token = request.headers.get("authorization", "").partition(" ")
        given = token.strip().encode("utf-8", "surrogateescape")
        if endpoint.gives is Page and scheme.lower() == "basic":  # browsers can say nothing else; any name will do
            scheme, given = "bearer", _password(given)
        if not (hmac.compare_digest(given, self._token) and scheme.lower() == "bearer"):
            raise ControlError(401, "the control plane has a token: send it as Authorization: Bearer TOKEN")


async def health(plane: ControlPlane, asked: Asked) -> Response:
    """Says that the process answers."""
    del plane, asked
    return _json(Health("ok"))


async def readiness(plane: ControlPlane, asked: Asked) -> Response:
    """Says whether the registry can serve: 200, or 503 and why not."""
    del asked
    problems = await plane.controlled.problems()
    return _json(Health("not ready", problems), 503) if problems else _json(Health("ok"))


async def reset(plane: ControlPlane, asked: Asked) -> Response:
    """Forgets the journal and the fault rules that were added, and counts routes and faults from the start again."""
    del asked
    await plane.controlled.change(Reset())
    return Response(204)


FILTERS: Final = (
    *("host", "method", "status", "kind", "repository", "user", "fault", "target", "since", "limit"),
    *("wait", "count"),
)


async def journal(plane: ControlPlane, asked: Asked) -> Response:
    """What was asked, by whom, and what was answered: the last requests that match all filters.

    ``target`` is a part of path and query, ``since`` a time in seconds since 1970, ``limit`` how many at most (1000).
    With ``wait`` the answer comes when there are ``count`` (1), and at the latest after so many seconds.
    """
    filters: dict[str, Any] = dict(asked.query)
    limit = _number(filters.pop("limit", str(DEFAULT_LIMIT)), "limit")
    wait = min(_number(filters.pop("wait", "0"), "wait"), LONGEST_WAIT)
    count = min(_number(filters.pop("count", "1"), "count"), limit)
    if "status" in filters:
        filters["status"] = _number(filters["status"], "status")
    if "since" in filters:
        filters["since"] = _time(filters["since"])
    wanted = JournalFilter(**filters, limit=limit)
    page = await plane.controlled.journal(wanted)
    if wait and len(page.entries) < count:
        with plane.waiting():
            page = await _awaited(plane, wanted, count, wait, page)
    return _json(page)


async def _awaited(plane: ControlPlane, wanted: JournalFilter, count: int, wait: int, page: JournalPage) -> JournalPage:
    """The page when it has so many entries, and at the latest after so many seconds."""
    end = asyncio.get_running_loop().time() + wait
    while len(page.entries) < count and (rest := end - asyncio.get_running_loop().time()) > 0 and not plane.stopped:
        await plane.more(rest)
        await asyncio.sleep(_BREATH)
        page = await plane.controlled.journal(wanted)
    return page


async def forget(plane: ControlPlane, asked: Asked) -> Response:
    """Forgets the journal."""
    del asked
    await plane.controlled.change(Forget())
    return Response(204)


async def faults(plane: ControlPlane, asked: Asked) -> Response:
    """The fault rules of all hosts in order, with how often each was met."""
    del asked
    return _json([FaultReport.of(account) for account in plane.core.faults])


async def fault(plane: ControlPlane, asked: Asked) -> Response:
    """One fault rule."""
    account = plane.core.faults.get(asked.argument)
    if account is None:
        raise ControlError(404, f"no fault {asked.argument}")
    return _json(FaultReport.of(account))


async def add_fault(plane: ControlPlane, asked: Asked) -> Response:
    """Adds a fault rule, behind those that there are."""
    try:
        new = msgspec.json.decode(asked.body, type=NewFault)
        rule = new.rule()
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        raise ControlError(400, str(error) or "nested too deeply") from None
    if new.host != EVERYWHERE and not is_host(canonical_host(new.host)):
        raise ControlError(400, f"{new.host!r} is no host such as quay.io or quay.io:8443")
    made = await plane.controlled.change(AddFault(new.host, rule))
    assert made.added is not None
    response = _json(FaultReport.of(made.added), 201)
    response.headers.append(("Location", f"{PREFIX}faults/{made.added.id}"))
    return response


async def remove_fault(plane: ControlPlane, asked: Asked) -> Response:
    """Takes a fault rule away; one of the configuration comes back when that is read again."""
    made = await plane.controlled.change(RemoveFault(asked.argument))
    if not made.found:
        raise ControlError(404, f"no fault {asked.argument}")
    return Response(204)


async def remove_faults(plane: ControlPlane, asked: Asked) -> Response:
    """Takes all fault rules away that were added."""
    del asked
    await plane.controlled.change(ClearFaults())
    return Response(204)


async def tree(plane: ControlPlane, asked: Asked) -> Response:
    """The hosts of the tree and of the configuration."""
    del asked
    return _json(await asyncio.to_thread(tree_state, plane.core))


async def host(plane: ControlPlane, asked: Asked) -> Response:
    """The repositories of one host."""
    name = canonical_host(asked.argument)
    if name not in await asyncio.to_thread(plane.core.known_hosts):
        raise ControlError(404, f"no host {asked.argument}")
    return _json(await asyncio.to_thread(host_content, plane.core.tree, name))


async def page(plane: ControlPlane, asked: Asked) -> Response:
    """A page for a browser: the hosts, the fault rules and the last requests."""
    del asked
    from fake_registry.control import pages  # noqa: PLC0415 - not loaded where nobody looks

    state = await asyncio.to_thread(tree_state, plane.core)
    journal = await plane.controlled.journal(JournalFilter(limit=pages.LAST_REQUESTS))
    rules = [FaultReport.of(account) for account in plane.core.faults]
    return pages.overview(plane.core.tree.root, state.hosts, rules, journal)


async def host_page(plane: ControlPlane, asked: Asked) -> Response:
    """A page for a browser: the repositories of one host, with tags and sizes."""
    from fake_registry.control import pages  # noqa: PLC0415 - not loaded where nobody looks

    name = canonical_host(asked.argument)
    if name not in await asyncio.to_thread(plane.core.known_hosts):
        raise ControlError(404, f"no host {asked.argument}")
    return await asyncio.to_thread(pages.host_page, plane.core.tree.root, name)


async def metrics(plane: ControlPlane, asked: Asked) -> Response:
    """Counters in the text format of Prometheus."""
    del asked
    found = await plane.controlled.metrics()
    if found is None:
        raise ControlError(501, "no metrics: install ismirror[metrics], which brings prometheus-client")
    return Response(200, [("Content-Type", found.content_type)], found.text)


async def openapi(plane: ControlPlane, asked: Asked) -> Response:
    """This description."""
    del plane, asked
    from fake_registry.control.openapi import document  # noqa: PLC0415 - made from the table below

    return _json(document())


ENDPOINTS: Final = (
    Endpoint("GET", "healthz", health, 200, gives=Health),
    Endpoint("GET", "readyz", readiness, 200, gives=Health),
    Endpoint("POST", "reset", reset, 204),
    Endpoint("GET", "journal", journal, 200, gives=JournalPage, query=FILTERS),
    Endpoint("DELETE", "journal", forget, 204),
    Endpoint("GET", "faults", faults, 200, gives=list[FaultReport]),
    Endpoint("POST", "faults", add_fault, 201, gives=FaultReport, takes=NewFault),
    Endpoint("DELETE", "faults", remove_faults, 204),
    Endpoint("GET", "faults/{id}", fault, 200, gives=FaultReport),
    Endpoint("DELETE", "faults/{id}", remove_fault, 204),
    Endpoint("GET", "tree", tree, 200, gives=TreeState),
    Endpoint("GET", "tree/{host}", host, 200, gives=HostContent),
    Endpoint("GET", "page", page, 200, gives=Page),
    Endpoint("GET", "page/{host}", host_page, 200, gives=Page),
    Endpoint("GET", "metrics", metrics, 200, gives=str),
    Endpoint("GET", "openapi.json", openapi, 200, gives=dict),
)
"""All that the control plane does, below `PREFIX`. HEAD is done as GET."""


def _password(credentials: bytes) -> bytes:
    """The password of Basic credentials; empty if they are none (RFC 7617)."""
    try:
        return base64.b64decode(credentials, validate=True).partition(b":")[2]
    except ValueError:
        return b""


def _is_page(request: Request) -> bool:
    return request.path == f"{PREFIX}page" or request.path.startswith(f"{PREFIX}page/")


def _by_path() -> dict[str, dict[str, Endpoint]]:
    table: dict[str, dict[str, Endpoint]] = {}
    for endpoint in ENDPOINTS:
        table.setdefault(endpoint.path.partition("{")[0], {})[endpoint.method] = endpoint
    return table


_BY_PATH: Final = _by_path()


def _endpoint(request: Request) -> tuple[Endpoint, str]:
    """What a request is for, and the argument in its path."""
    if not request.path.startswith(PREFIX):
        raise ControlError(404, f"the control plane lies below {PREFIX}")
    path = request.path.removeprefix(PREFIX)
    methods, argument = _BY_PATH.get(path), ""
    if methods is None:
        head, slash, argument = path.partition("/")
        methods = _BY_PATH.get(head + slash)
        argument = unquote(argument)
    if methods is None or (not argument and path.endswith("/")):
        raise ControlError(404, f"no {PREFIX}{path}")
    endpoint = methods.get("GET" if request.method == "HEAD" else request.method)
    if endpoint is None:
        raise ControlError(405, f"{request.method} is not possible here, but {', '.join(sorted(methods))}")
    return endpoint, argument


async def _body(request: Request) -> bytes:
    pieces: list[bytes] = []
    length = 0
    if request.body is not None:
        async for piece in request.body:
            length += len(piece)
            if length > MAX_BODY:
                raise ControlError(413, f"a body of more than {MAX_BODY} bytes")
            pieces.append(piece)
    return b"".join(pieces)


def _json(value: object, status: int = 200) -> Response:
    return Response(status, [("Content-Type", JSON), ("Cache-Control", "no-store")], msgspec.json.encode(value))


def _number(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 19):
        raise ControlError(400, f"{name}: {text[:100]!r} is no number")
    return int(text)


def _time(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ControlError(400, f"since: {text[:100]!r} is no number of seconds since 1970") from None

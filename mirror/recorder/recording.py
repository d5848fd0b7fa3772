"""A recording: content goes into a tree, everything else into the ``routes`` of a configuration file.

A route is only written for an answer that the tree does not give by itself. What was answered is on the disk, in a log
beside the file, before anybody has the answer; the file is made of that now and then, and at the end.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from fake_registry.config import Host, Route
from fake_registry.core.messages import Response
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.fixtures.disk import write_file
from fake_registry.oci import NOT_JSON
from mirror.config import load_config, read_file
from mirror.errors import InputError
from mirror.kubejson import to_yaml, yaml_to_json
from mirror.recorder.exchanges import Given, Question
from mirror.recorder.upstreams import Upstreams

_COMPARED: Final = frozenset({"content-type", "docker-content-digest", "warning", "location", "link", "content-range"})
_LOG_SUFFIX: Final = ".log"
_COUNTED: Final = 100
"""So many times in a row an answer goes into the log: whoever asks for ever does not fill the disk."""

_MAX_LOG: Final = 1 << 30


class _Line(msgspec.Struct, frozen=True):
    """A line of the log."""

    question: Question
    given: Given


class _Run(NamedTuple):
    """An answer that was given so many times in a row."""

    given: Given
    times: int


class Totals(NamedTuple):
    """What a recording has: routes, and answers that could not be kept."""

    routes: int
    lost: int


class Recording:
    """What was answered since it was begun, on top of what the file had.

    What is asked again replaces what the file has for it; everything else in the file stays.
    """

    def __init__(self, path: Path, tree: Tree, upstreams: Upstreams) -> None:
        """Reads the file, if there is one, and what a recording that was killed has left.

        Raises:
            InputError: one of them cannot be read, or is none.
        """
        self.path = path
        self._upstreams = upstreams
        self._log_path = path.with_name(f".{path.name}{_LOG_SUFFIX}")
        self._document = _document(path)
        self._runs: dict[Question, list[_Run]] = {}
        self._core = RegistryCore(tree, {one.host: Host(recorded=True) for one in upstreams})
        for line in _lines(self._log_path):
            self._add(line.question, line.given)
        self._changed = bool(self._runs)
        self._writing = asyncio.Lock()
        try:
            self._log = os.open(self._log_path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
            if self._runs:
                os.write(self._log, b"\n")  # the last line may have no end
        except OSError as error:
            raise InputError(f"{self._log_path}: {error.strerror}; --record-to names the file to write") from None

    @property
    def has_changed(self) -> bool:
        """Whether there is anything that the file does not have."""
        return self._changed

    def add(self, question: Question, given: Given) -> None:
        """Keeps an answer. When this returns, killing the process loses nothing of it."""
        if self._add(question, given) <= _COUNTED:
            os.write(self._log, msgspec.json.encode(_Line(question, given)) + b"\n")
        self._changed = True

    def last(self, question: Question) -> Given | None:
        """The answer that was given last since the recording was begun, if any was."""
        runs = self._runs.get(question)
        return runs[-1].given if runs else None

    async def write(self) -> Totals:
        """Writes the file, durably.

        Raises:
            OSError: it cannot be written.
        """
        async with self._writing:
            return await self._write()

    async def _write(self) -> Totals:
        self._changed = False
        routes: dict[str, list[dict[str, Any]]] = {one.host: [] for one in self._upstreams}
        lost = 0
        protected = self._protected()
        for group in _groups(self._runs):
            written, missing = await self._routes(group, protected=group[0].host in protected)
            routes[group[0].host] += written
            lost += missing
        document = self._merged(routes)
        await asyncio.to_thread(write_file, self.path, to_yaml(document).encode())
        return Totals(sum(len(host.get("routes", ())) for host in document["hosts"].values()), lost)

    async def close(self) -> Totals:
        """Writes the file, and ends (raises `OSError` if it cannot be written; the log stays then)."""
        try:
            totals = await self.write()
            self._log_path.unlink(missing_ok=True)
        finally:
            os.close(self._log)
        return totals

    def _add(self, question: Question, given: Given) -> int:
        """Takes an answer; returns how many times in a row it has come now."""
        runs = self._runs.setdefault(question, [])
        if runs and runs[-1].given.is_like(given):
            runs[-1] = runs[-1]._replace(times=runs[-1].times + 1)
        else:
            runs.append(_Run(given, 1))
        return runs[-1].times

    async def _routes(self, group: list[Question], *, protected: bool) -> tuple[list[dict[str, Any]], int]:
        """The routes for requests that differ in their headers only, and how many answers are lost."""
        routes: list[dict[str, Any]] = []
        lost = 0
        accept = len({question.accept for question in group}) > 1 and not self._are_alike(group)
        part = any(question.part or question.known for question in group)
        for question in group:
            when = question.conditions(authorization=protected, accept=accept, part=part)
            runs = self._runs[question]
            kept = runs[:-1] if await self._gives(question, runs[-1].given) else runs
            for run in kept:
                if run.given.partial:
                    lost += 1
                    continue
                route = route_of(question, when, run.given)
                if run is not runs[-1]:
                    route["times"] = run.times
                if route not in routes:
                    routes.append(route)
        return routes, lost

    def _protected(self) -> set[str]:
        """The hosts to which it makes a difference who asks."""
        return {
            question.host
            for question, runs in self._runs.items()
            if question.authorization or any(run.given.status == 401 for run in runs)
        }

    def _are_alike(self, group: Iterable[Question]) -> bool:
        """Whether the Accept header made no difference."""
        first: dict[Question, list[_Run]] = {}
        for question in group:
            runs = self._runs[question]
            other = first.setdefault(msgspec.structs.replace(question, accept=""), runs)
            if len(other) != len(runs) or not all(
                one.given.is_like(two.given) for one, two in zip(other, runs, strict=True)
            ):
                return False
        return True

    async def _gives(self, question: Question, given: Given) -> bool:
        """Whether the tree answers the same by itself."""
        if given.close:
            return False
        response = await self._core.handle(question.request())
        return response.status == given.status and _is_same(question, response, given)

    def _merged(self, routes: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
        document: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(self._document))
        hosts = document["hosts"] = document.get("hosts") or {}
        asked: dict[tuple[str, str, str], list[Question]] = {}
        for question in self._runs:
            asked.setdefault((question.host, question.target, question.method), []).append(question)
        for upstream in self._upstreams:
            host = hosts.setdefault(upstream.host, {})
            kept = [route for route in host.get("routes") or () if not _is_replaced(upstream.host, route, asked)]
            host |= {"recorded": True, "scheme": host.get("scheme", upstream.scheme)}
            host["routes"] = sorted([*kept, *routes[upstream.host]], key=_place)
            if not host["routes"]:
                del host["routes"]
        if self._upstreams.only:
            document["server"] = {"defaultHost": self._upstreams.only} | (document.get("server") or {})
        return document


def _is_replaced(host: str, route: dict[str, Any], asked: dict[tuple[str, str, str], list[Question]]) -> bool:
    """Whether what an earlier route is for was asked again."""
    known = msgspec.convert(route, Route)
    return any(question.meets(known.when) for question in asked.get((host, known.path, known.method), ()))


def _groups(runs: Iterable[Question]) -> list[list[Question]]:
    """Questions that differ in their headers only, in order."""
    groups: dict[tuple[str, str, str], list[Question]] = {}
    for question in sorted(runs):
        groups.setdefault((question.host, question.target, question.method), []).append(question)
    return list(groups.values())


def _is_same(question: Question, response: Response, given: Given) -> bool:
    """Whether an answer with the right status says the same."""
    found: dict[str, str] = {name.lower(): value for name, value in response.headers}
    is_blob = "/blobs/" in question.target
    compared = {"content-range", "warning"} if is_blob else _COMPARED
    if any(found.get(name, "") != given.header(name) for name in compared):
        return False
    if question.method == "HEAD":
        return found.get("content-length", "") == given.header("content-length")
    if given.partial or given.status in {304, 416}:
        return True
    return bool(given.content) and found.get("docker-content-digest", "") == given.content


def route_of(question: Question, when: dict[str, str | None], given: Given) -> dict[str, Any]:
    """The route that gives an answer, as a file has it; only what is not the default is said."""
    headers: dict[str, Any] = {}
    for name, value in given.headers:
        there = headers.get(name)
        headers[name] = value if there is None else [*([there] if isinstance(there, str) else there), value]
    said: dict[str, Any] = {"body": given.body, "close": given.close, "content": given.content, "headers": headers}
    said |= {"status": 0 if given.status == 200 or given.close else given.status, "when": when}
    route: dict[str, Any] = {"method": question.method, "path": question.target}
    route |= {name: value for name, value in said.items() if value}
    return route


def _place(route: dict[str, Any]) -> tuple[str, str, str]:
    """Where a route stands; those for one request stay in the order in which they answer."""
    return (
        route["path"],
        route.get("method", "GET"),
        msgspec.json.encode(route.get("when") or {}, order="sorted").decode(),
    )


def _document(path: Path) -> dict[str, Any]:
    """What the file holds, checked."""
    if not path.exists():
        return {}
    load_config(path)
    document = msgspec.json.decode(yaml_to_json(read_file(path)))
    return document if isinstance(document, dict) else {}


def _lines(path: Path) -> list[_Line]:
    """The whole lines of a log. The last one may not have come to its end."""
    try:
        with path.open("rb") as file:
            data = file.read(_MAX_LOG)
    except FileNotFoundError:
        return []
    except OSError as error:
        raise InputError(f"{path}: {error.strerror}") from None
    found = []
    for line in data.splitlines():
        try:
            found.append(msgspec.json.decode(line, type=_Line))
        except NOT_JSON:
            continue
    return found

"""Objects from files into an API: what a server starts with."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import msgspec

from mirror.api.app import ApiCore
from mirror.api.groups import ApiGroup
from mirror.api.messages import JSON, ApiRequest, ApiResponse
from mirror.config import read_file
from mirror.documents import documents
from mirror.errors import InputError

NAMESPACE: Final = "default"
"""Where objects go that name no namespace."""

_OF_THE_SERVER: Final = ("uid", "resourceVersion", "generation", "creationTimestamp", "selfLink", "managedFields")


@dataclass(frozen=True, slots=True)
class Loaded:
    """An object of a file: where it stands, what it is called, and what became of it."""

    source: str
    name: str
    created: bool
    warnings: list[str]


async def load_objects(api: ApiCore, paths: Iterable[str]) -> list[Loaded]:
    """Creates the objects of YAML or JSON files, in their order. What is there already stays as it is.

    Objects may come from a cluster: what only a server fills in is passed over, and a status is written, too.

    Raises:
        InputError: a file cannot be read, or an object is refused; names file, document and problem.
    """
    return [await _load(api, where, document) for path in paths for where, document in _objects(path)]


async def load_object(api: ApiCore, where: str, document: Mapping[str, Any]) -> list[Loaded]:
    """Creates one object, or those of a list, as `load_objects` does; `where` names it in messages.

    Raises:
        InputError: an object is refused.
    """
    return [await _load(api, place, one) for place, one in _flat(where, dict(document))]


def _objects(path: str) -> Iterator[tuple[str, dict[str, Any]]]:
    for where, data in documents(read_file(Path(path)), path):
        yield from _flat(where, msgspec.json.decode(data))


def _flat(where: str, document: Any) -> Iterator[tuple[str, dict[str, Any]]]:
    """The document itself, or the members of a list."""
    if not isinstance(document, dict):
        raise InputError(f"{where}: no object")
    if str(document.get("kind", "")).endswith("List") and isinstance(document.get("items"), list):
        for index, item in enumerate(document["items"]):
            yield from _flat(f"{where}, items[{index}]", item)
        return
    yield where, document


async def _load(api: ApiCore, where: str, document: dict[str, Any]) -> Loaded:
    group, resource = _resource(api, where, document)
    meta = document.get("metadata")
    if not isinstance(meta, dict):
        raise InputError(f"{where}: metadata: expected an object")
    document = {**document, "metadata": {key: value for key, value in meta.items() if key not in _OF_THE_SERVER}}
    namespace = str(meta.get("namespace") or NAMESPACE) if group.routes[resource].namespaced else ""
    path = f"{group.path}/namespaces/{quote(namespace)}/{resource}" if namespace else f"{group.path}/{resource}"
    response = await _send(api, "POST", path, document)
    name = "/".join(part for part in (resource, namespace, str(meta.get("name", ""))) if part)
    if response.status == 409:
        return Loaded(where, name, created=False, warnings=[])
    answer = _checked(where, response)
    if document.get("status") and "update" in group.routes[resource].subresources.get("status", {}):
        changed = {**answer, "status": document["status"]}
        _checked(where, await _send(api, "PUT", f"{path}/{quote(answer['metadata']['name'])}/status", changed))
    return Loaded(where, name, created=True, warnings=response.header_lines("warning"))


def _resource(api: ApiCore, where: str, document: dict[str, Any]) -> tuple[ApiGroup, str]:
    """The group and resource of an object's kind.

    Raises:
        InputError: nothing of that kind can be created.
    """
    version, kind = document.get("apiVersion"), document.get("kind")
    for group in api.groups:
        if group.api_version != version:
            continue
        for name, resource in group.resources.items():
            route = group.routes.get(name)
            if resource.kind == kind and route is not None and "create" in group.verbs(name):
                return group, name
    named = f"kind {kind or 'none'}, apiVersion {version or 'none'}"
    raise InputError(f"{where}: found {named}; expected an object of a kind that can be created here")


async def _send(api: ApiCore, method: str, path: str, document: dict[str, Any]) -> ApiResponse:
    headers = {"content-type": JSON, "accept": JSON, "user-agent": "ismirror"}
    return await api.answer(ApiRequest(method, path, "", headers, msgspec.json.encode(document)))


def _checked(where: str, response: ApiResponse) -> dict[str, Any]:
    answer: dict[str, Any] = msgspec.json.decode(response.body)
    if response.status >= 400:
        raise InputError(f"{where}: {answer.get('message', response.status)}")
    return answer

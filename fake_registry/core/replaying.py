"""Answers that were given before: scripted ones, and those of hosts whose answers were recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

from fake_registry.config import Route
from fake_registry.core import errors, paths
from fake_registry.core.call import Call, Content
from fake_registry.core.errors import RegistryError
from fake_registry.core.messages import FileBody, Response
from fake_registry.errors import TreeError
from fake_registry.fixtures import FoundFile
from fake_registry.oci import MANIFEST_TYPES

_CONTENT: Final = frozenset({paths.MANIFEST, paths.BLOB})
_READING: Final = frozenset({"GET", "HEAD"})


async def scripted(route: Route, content: Content) -> Response:
    """The answer of a route.

    Raises:
        ContentError: its content does not match the digest.
        TreeError: its content is not in the tree, or cannot be read.
    """
    if route.close:
        return Response(0, drop=True)
    headers = [(name, value) for name, values in route.headers.items() for value in _lines(values)]
    body = await _content(route, content) if route.content else route.body.encode()
    return Response(route.status, headers, body)


async def recorded(call: Call, handler: Callable[[Call], Awaitable[Response]] | None) -> Response:
    """What a recorded host answers where no route does: content that is in the tree, as its `handler` gives it.

    Raises:
        RegistryError: this was not recorded. It may well have been there.
    """
    request = call.request
    if handler is not None and call.target.pattern in _CONTENT and request.method in _READING:
        try:
            return await handler(call)
        except RegistryError as error:
            if error.status == 416:  # a part that a blob of the tree does not have
                raise
    raise errors.not_recorded(call.host.name, request.method, request.target)


def _lines(values: str | list[str]) -> list[str]:
    return [values] if isinstance(values, str) else values


async def _content(route: Route, content: Content) -> bytes | FileBody:
    """The content of a route. Signed manifests are named by their payload, so the media type counts."""
    store, digest = content.tree.store, route.content
    types = (_lines(values)[-1:] for name, values in route.headers.items() if name.lower() == "content-type")
    media_type = next((line for lines in types for line in lines), "")
    found: bytes | FoundFile | None
    found = store.read_manifest(digest, media_type) if media_type in MANIFEST_TYPES else store.read_blob(digest)
    if found is None:
        raise TreeError(f"blobs: no {digest}; expected the content of the route {route.path} to be in the tree")
    if isinstance(found, FoundFile):
        await content.verify(found, digest)
        return FileBody(Path(found.path), 0, found.size)
    return found

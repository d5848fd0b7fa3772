"""The images that image streams and lists name, as sources of a copy."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable

import msgspec

from mirror.api.app import GROUP_PATH
from mirror.errors import InputError
from mirror.live_api import Connection, listed
from mirror.seed.outcome import ImageResult
from mirror.seed.pullspecs import NamedSpec, pull_specs_in
from mirror.seed.sources import Source, parse_source


def sources_of(specs: Iterable[NamedSpec]) -> tuple[list[Source], list[ImageResult]]:
    """Sources, each once, and what became of pull specs that are none. Without tag and digest ``latest`` is meant."""
    found: dict[Source, None] = {}
    refused = []
    for spec in specs:
        try:
            source = parse_source(spec.text)
        except InputError as error:
            refused.append(ImageResult(image=spec.text, status="failed", reason=f"{spec.source}: {error}"))
            continue
        if spec.everything:
            source = msgspec.structs.replace(source, tag="", digest="")
        elif source.is_repository:
            source = msgspec.structs.replace(source, tag="latest")
        found[source] = None
    return list(found), refused


async def live_pull_specs(connection: Connection, namespace: str = "") -> AsyncIterator[NamedSpec]:
    """What the image streams of a cluster name, in a namespace or (an empty one) in all (raises `LiveApiError`)."""
    async for page in listed(connection, GROUP_PATH, "imagestreams", namespace):
        for spec in pull_specs_in(
            {"kind": "ImageStreamList", "items": page.get("items")}, connection.server.host or ""
        ):
            yield spec

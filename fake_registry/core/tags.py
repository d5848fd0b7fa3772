"""Lists of tags and of repositories (distribution specification, "Listing Tags"; distribution, "Catalog")."""

from __future__ import annotations

import asyncio
import re
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple
from urllib.parse import urlencode

import msgspec

from fake_registry.core import errors
from fake_registry.core.call import Call
from fake_registry.core.errors import API_VERSION
from fake_registry.core.hosts import namespace_of
from fake_registry.core.messages import JSON, Response
from fake_registry.core.paths import first_parameters

_COUNT: Final = re.compile(r"[+]?[0-9]{1,19}")
_MAX_COUNT: Final = (1 << 63) - 1


class Page(NamedTuple):
    """Which part of a list is asked for: at most `size` entries (None: all) that come after `last`."""

    size: int | None
    last: str

    def of(self, names: Sequence[str]) -> tuple[Sequence[str], bool]:
        """The entries of a sorted list that are on the page, and whether more come after them."""
        start = bisect_right(names, self.last) if self.last else 0
        if self.size is None:
            return names[start:], False
        return names[start : start + self.size], start + self.size < len(names)


async def listing(call: Call) -> Response:
    """``/v2/NAME/tags/list``: tags in byte order; ``n`` of the request wins over the host's page size."""
    snapshot = call.snapshot()
    page = _page(call, call.host.config.page or None)
    names, more = page.of(snapshot.tag_names)
    return _list(call, page, {"name": call.target.name, "tags": names}, names if more else ())


async def catalog(call: Call) -> Response:
    """``/v2/_catalog``: the repositories of the host that the user may read, in byte order."""
    page = _page(call, None)
    repositories = await asyncio.to_thread(call.content.tree.repositories, call.host.name)
    if call.host.access is not None:
        repositories = [name for name in repositories if "pull" in call.host.access.allowed(call.user, name)]
    names, more = page.of(repositories)
    return _list(call, page, {"repositories": names}, names if more else ())


def _page(call: Call, default: int | None) -> Page:
    query = call.request.query
    return page_of(first_parameters(query), default) if query else Page(default, "")


def page_of(asked: Mapping[str, str], default: int | None) -> Page:
    """The page that the parameters of a query ask for, with so many entries if they do not say how many.

    Raises:
        RegistryError: that is no number, negative or absurd.
    """
    count = asked.get("n") or None
    if count is None:
        return Page(default, asked.get("last", ""))
    if not _COUNT.fullmatch(count) or int(count) > _MAX_COUNT:
        raise errors.page_size_invalid(count)
    return Page(int(count), asked.get("last", ""))


def _list(call: Call, page: Page, body: dict[str, object], before_more: Sequence[str]) -> Response:
    """The answer; `before_more` are the entries of a page that others follow. No page follows one of no entries."""
    headers = [("Content-Type", JSON), API_VERSION]
    if before_more:
        query = {"last": before_more[-1], "n": str(page.size)}
        namespace = namespace_of(call.request)
        if namespace:
            query["ns"] = namespace
        path = call.target.pattern.replace("{name}", call.target.name)
        headers.append(("Link", f'<{path}?{urlencode(query)}>; rel="next"'))
    return Response(200, headers, msgspec.json.encode(body))

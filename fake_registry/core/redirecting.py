"""Registries that send clients elsewhere for blobs, and the hosts of links: a CDN, or a store.

Sources: distribution, ``registry/storage/blobserver.go``, which answers with Go's ``http.Redirect``; Amazon S3,
"Error responses".
"""

from __future__ import annotations

import html
from typing import Final

from fake_registry.config import BlobRedirects
from fake_registry.core import blobs, paths
from fake_registry.core.answers import Answer, ranged
from fake_registry.core.call import Call
from fake_registry.core.errors import API_VERSION, RegistryError
from fake_registry.core.links import DENIED, Destination, Refusal, SignedLinks
from fake_registry.core.messages import Response
from fake_registry.core.reasons import reason_phrase
from fake_registry.oci import OCTET_STREAM

_HTML: Final = "text/html; charset=utf-8"
_READING: Final = frozenset({"GET", "HEAD"})
_NO_SUCH_KEY: Final = Refusal("NoSuchKey", "The specified key does not exist.")
_INVALID_RANGE: Final = Refusal("InvalidRange", "The requested range is not satisfiable")


async def blob(call: Call, redirects: BlobRedirects, destination: Destination) -> Response:
    """GET and HEAD of a blob: where it is, unless it is sent directly, or there is none."""
    snapshot = call.snapshot()
    digest = await blobs.served_digest(call, snapshot)
    file = snapshot.find_blob(digest)
    only_head = call.request.method == "HEAD" and not redirects.head
    if file is None:
        if redirects.host:
            return await blobs.get(call)  # which says what is missing
        known = blobs.described(call, snapshot) if only_head else None
        if known is not None:
            return known
    elif only_head or file.size < redirects.min_size or (redirects.store and redirects.when == "absent"):
        return await blobs.get(call)
    return _redirect(call, redirects.status, destination.url(call.request.method, call.target.name, digest))


def _redirect(call: Call, status: int, url: str) -> Response:
    """A redirect as Go's ``http.Redirect`` writes it."""
    body = f'<a href="{html.escape(url)}">{reason_phrase(status)}</a>.\n\n' if call.request.method == "GET" else ""
    return Response(status, [API_VERSION, ("Content-Type", _HTML), ("Location", url)], body.encode())


async def linked(call: Call, links: SignedLinks) -> Response:
    """What a host gives for a link, or a range of it, whoever asks: GET and HEAD. All else is forbidden."""
    request = call.request
    link = paths.parse_link(request.path)
    if link is None or call.target.pattern != paths.LINK or request.method not in _READING:
        return _refused(call, 403, DENIED)
    problem = links.problem(call.host.name, request.path, request.query)
    if problem is not None:
        return _refused(call, 403, problem)
    try:
        snapshot = call.content.tree.snapshot(link[0], call.target.name)
        answer = None if snapshot is None else await blobs.content(call, snapshot)
        return _refused(call, 404, _NO_SUCH_KEY) if answer is None else ranged(_as_stored(answer), request)
    except RegistryError as error:
        if error.status == 416:
            return _refused(call, 416, _INVALID_RANGE, *error.headers)
        return _refused(call, 404, _NO_SUCH_KEY)


def _as_stored(answer: Answer) -> Answer:
    """The answer of a host that knows nothing of registries."""
    headers = (("Accept-Ranges", "bytes"), ("Content-Type", OCTET_STREAM), ("ETag", answer.tag))
    return Answer(headers, answer.body, answer.tag)


def _refused(call: Call, status: int, refusal: Refusal, *headers: tuple[str, str]) -> Response:
    call.note = f"{refusal.code}: {refusal.message}"
    body = (
        '<?xml version="1.0" encoding="UTF-8"?>\n'
        f"<Error><Code>{refusal.code}</Code><Message>{refusal.message}</Message></Error>"
    )
    return Response(status, [("Content-Type", "application/xml"), *headers], body.encode())

"""``/openapi/v2`` and ``/openapi/v3`` (kube-openapi ``handler``, ``handler3``).

Documents are made when they are first asked for, and kept as bytes.
"""

from __future__ import annotations

import gzip
import hashlib
from collections.abc import Sequence
from datetime import UTC, datetime
from email.utils import format_datetime
from functools import cached_property
from typing import Any, Final, NamedTuple

import msgspec

from mirror.api.groups import ApiGroup
from mirror.api.messages import TEXT, ApiRequest, ApiResponse
from mirror.api.negotiation import JSON, accepts_gzip, offered
from mirror.api.openapi.documents import version2, version3
from mirror.api.openapi.gnostic import encode_document

_ROOT: Final = "/openapi/v3"
_PROTOBUF_V2: Final = (
    "application/com.github.proto-openapi.spec.v2@v1.0+protobuf",
    "application/com.github.proto-openapi.spec.v2.v1.0+protobuf",
)


class _Stored(NamedTuple):
    data: bytes
    hash: str


def _stored(data: bytes) -> _Stored:
    return _Stored(data, hashlib.sha512(data).hexdigest().upper())


class OpenApi:
    """Answers the paths of the OpenAPI documents of some groups."""

    paths = ("/openapi/v2", _ROOT, f"{_ROOT}/")

    def __init__(self, groups: Sequence[ApiGroup], version: str) -> None:
        self._version = version
        self._makers = version3(groups, version)
        self._made: dict[str, dict[str, Any]] = {}
        self._stored: dict[str, _Stored] = {}

    def handle(self, request: ApiRequest) -> ApiResponse | None:
        """Answers a request; None if its path is none of these."""
        path = request.path
        if path == "/openapi/v2":
            return self._version2(request)
        if path == _ROOT:
            return _json(request, self._index, (JSON,), immutable=False)
        if path.startswith(f"{_ROOT}/"):
            return self._group(request, path.removeprefix(f"{_ROOT}/"))
        return None

    def _group(self, request: ApiRequest, name: str) -> ApiResponse:
        if name not in self._makers:
            return ApiResponse(404, [("Vary", "Accept")])
        stored = self._version3(name)
        given = request.parameter("hash")
        if given and given != stored.hash:
            return ApiResponse(301, [("Location", _url(name, stored.hash)), ("Vary", "Accept")])
        return _json(request, stored, (JSON,), immutable=bool(given))

    def _document(self, name: str) -> dict[str, Any]:
        if name not in self._made:
            self._made[name] = self._makers[name]()
        return self._made[name]

    def _version3(self, name: str) -> _Stored:
        if name not in self._stored:
            self._stored[name] = _stored(msgspec.json.encode(self._document(name)))
        return self._stored[name]

    @cached_property
    def _index(self) -> _Stored:
        paths = {name: {"serverRelativeURL": _url(name, self._version3(name).hash)} for name in self._makers}
        return _stored(msgspec.json.encode({"paths": paths}))

    def _version2(self, request: ApiRequest) -> ApiResponse:
        media = offered(request.headers.get("accept", ""), (JSON, *_PROTOBUF_V2))
        if media in _PROTOBUF_V2:
            # The name with the @ is no media type; the answer has the other one, as new servers have it.
            return _answer(request, self._as_protobuf, _PROTOBUF_V2[1], immutable=False)
        return _json(request, self._as_json, (JSON, *_PROTOBUF_V2), immutable=False)

    @cached_property
    def _swagger(self) -> dict[str, Any]:
        return version2([self._document(name) for name in self._makers], self._version)

    @cached_property
    def _as_json(self) -> _Stored:
        return _stored(msgspec.json.encode(self._swagger))

    @cached_property
    def _as_protobuf(self) -> _Stored:
        return _stored(encode_document(self._swagger))


def _url(name: str, hash_: str) -> str:
    return f"{_ROOT}/{name}?hash={hash_}"


def _json(request: ApiRequest, stored: _Stored, media_types: Sequence[str], *, immutable: bool) -> ApiResponse:
    if offered(request.headers.get("accept", ""), media_types) != JSON:
        return ApiResponse(406, [("Content-Type", TEXT), ("Vary", "Accept")])
    return _answer(request, stored, JSON, immutable=immutable)


def _answer(request: ApiRequest, stored: _Stored, media: str, *, immutable: bool) -> ApiResponse:
    """A document with what caches want to know of it; one that was asked for by its hash never changes."""
    tag = f'"{stored.hash}"'
    headers = [("Content-Type", media), ("Etag", tag), ("Vary", "Accept")]
    if immutable:
        expires = datetime.now(UTC)
        expires = expires.replace(year=expires.year + 1, day=min(expires.day, 28))
        headers += [("Cache-Control", "public, immutable"), ("Expires", format_datetime(expires, usegmt=True))]
    if request.headers.get("if-none-match") == tag:
        return ApiResponse(304, headers)
    data = stored.data
    if accepts_gzip(request):
        headers.append(("Content-Encoding", "gzip"))
        data = gzip.compress(data, 5, mtime=0)
    return ApiResponse(200, headers, data)

"""The registry's errors: every code that goes over the wire is made here, and one function makes the answer.

Codes and messages: distribution specification, "Error Codes"; distribution, ``registry/api/errcode``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec

from fake_registry.core.messages import JSON, Response
from fake_registry.errors import FakeRegistryError

API_VERSION: Final = ("Docker-Distribution-Api-Version", "registry/2.0")

Detail = Mapping[str, str]

STANDARD_MESSAGES: Final = {
    "UNKNOWN": "unknown error",
    "UNSUPPORTED": "The operation is unsupported.",
    "UNAUTHORIZED": "authentication required",
    "DENIED": "requested access to the resource is denied",
    "UNAVAILABLE": "service unavailable",
    "TOOMANYREQUESTS": "too many requests",
    "DIGEST_INVALID": "provided digest did not match uploaded content",
    "SIZE_INVALID": "provided length did not match content length",
    "RANGE_INVALID": "invalid content range",
    "NAME_INVALID": "invalid repository name",
    "TAG_INVALID": "manifest tag did not match URI",
    "NAME_UNKNOWN": "repository name not known to registry",
    "MANIFEST_UNKNOWN": "manifest unknown",
    "MANIFEST_INVALID": "manifest invalid",
    "MANIFEST_UNVERIFIED": "manifest failed signature verification",
    "MANIFEST_BLOB_UNKNOWN": "blob unknown to registry",
    "BLOB_UNKNOWN": "blob unknown to registry",
    "BLOB_UPLOAD_UNKNOWN": "blob upload unknown to registry",
    "BLOB_UPLOAD_INVALID": "blob upload invalid",
    "SIGNATURE_INVALID": "invalid image signature",
    "SIGNATURE_EXISTS": "image signature already exists",
    "MISSING_REQUIRED_FIELD": "missing required field",
    "UNSUPPORTED_VALUE": "unsupported value",
    "PAGINATION_NUMBER_INVALID": "invalid number of results requested",
}
"""The codes that clients know, with their messages (distribution ``errcode`` and ``v2`` error registers)."""

_CODES: Final = {
    400: "NAME_INVALID",
    401: "UNAUTHORIZED",
    403: "DENIED",
    404: "NAME_UNKNOWN",
    405: "UNSUPPORTED",
    413: "SIZE_INVALID",
    416: "RANGE_INVALID",
    429: "TOOMANYREQUESTS",
    503: "UNAVAILABLE",
}
_CODES_BY_KIND: Final = {
    (400, "manifest"): "MANIFEST_INVALID",
    (400, "upload"): "BLOB_UPLOAD_INVALID",
    (400, "blob"): "DIGEST_INVALID",
    (404, "manifest"): "MANIFEST_UNKNOWN",
    (404, "blob"): "BLOB_UNKNOWN",
    (404, "upload"): "BLOB_UPLOAD_UNKNOWN",
}
_DOCKER_HUB_LIMIT: Final = (
    "You have reached your pull rate limit. You may increase the limit by authenticating and upgrading: "
    "https://www.docker.com/increase-rate-limit"
)


class RegistryError(FakeRegistryError):
    """An answer that is an error: status, code and message, and a detail where one helps.

    ``headers`` come first in the answer. ``note`` is for the journal; ``because`` is what only that says.
    """

    def __init__(
        self,
        status: int,
        code: str,
        message: str,
        detail: Detail | None = None,
        headers: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(f"{code}: {message}")
        self.status = status
        self.code = code
        self.message = message
        self.detail = detail
        self.headers = headers
        self.because = ""

    @property
    def note(self) -> str:
        """One line for the journal."""
        known = [*(self.detail or {}).values(), *([self.because] if self.because else [])]
        detail = f" ({', '.join(known)})" if known else ""
        return f"{self.code}: {self.message}{detail}"


def _standard(
    status: int, code: str, detail: Detail | None = None, headers: tuple[tuple[str, str], ...] = ()
) -> RegistryError:
    """An error with the message that its code has."""
    return RegistryError(status, code, STANDARD_MESSAGES[code], detail, headers)


def error_response(error: RegistryError) -> Response:
    """The answer that an error is, as JSON."""
    entry: dict[str, object] = {"code": error.code, "message": error.message}
    if error.detail is not None:
        entry["detail"] = {name: _as_json_takes_it(value) for name, value in error.detail.items()}
    headers = [("Content-Type", JSON), API_VERSION, *error.headers]
    return Response(error.status, headers, msgspec.json.encode({"errors": [entry]}))


def _as_json_takes_it(text: str) -> str:
    """Header lines that are not UTF-8 come with surrogates, which no JSON text can have."""
    return text.encode("utf-8", "replace").decode()


def page_not_found() -> Response:
    """What Go's ``http.NotFound`` answers, for paths that no registry has."""
    headers = [("Content-Type", "text/plain; charset=utf-8"), API_VERSION, ("X-Content-Type-Options", "nosniff")]
    return Response(404, headers, b"404 page not found\n")


def name_unknown(name: str) -> RegistryError:
    """The host has no such repository."""
    return _standard(404, "NAME_UNKNOWN", {"name": name})


def name_invalid(name: str) -> RegistryError:
    """The repository's name breaks the grammar."""
    return _standard(400, "NAME_INVALID", {"name": name})


def tag_unknown(tag: str) -> RegistryError:
    """The repository has no such tag."""
    return _standard(404, "MANIFEST_UNKNOWN", {"Tag": tag})


def manifest_unknown(digest: str) -> RegistryError:
    """The repository has no manifest with this digest."""
    return _standard(404, "MANIFEST_UNKNOWN", {"digest": digest})


def blob_unknown(digest: str) -> RegistryError:
    """The repository has no such blob."""
    return _standard(404, "BLOB_UNKNOWN", {"digest": digest})


def blob_not_mirrored(digest: str) -> RegistryError:
    """The repository has the layer's metadata and not its content."""
    reason = "only metadata is mirrored: the content of this layer is not in the fixture tree"
    return _standard(404, "BLOB_UNKNOWN", {"digest": digest, "reason": reason})


def digest_invalid(digest: str) -> RegistryError:
    """The text in place of a digest is none, or of an unknown algorithm, or what was uploaded has another one."""
    return _standard(400, "DIGEST_INVALID", {"digest": digest[:300]})


def tag_invalid(tag: str) -> RegistryError:
    """The tag breaks the grammar."""
    return _standard(400, "TAG_INVALID", {"Tag": tag[:300]})


def manifest_invalid(reason: str) -> RegistryError:
    """What is pushed is no manifest, or not what it is said to be."""
    return _standard(400, "MANIFEST_INVALID", {"reason": reason[:1000]})


def manifest_blob_unknown(digest: str, more: int) -> RegistryError:
    """A manifest names content that the repository does not have (`more`: and so many others)."""
    detail = {"digest": digest} | ({"reason": f"and {more} more"} if more else {})
    return _standard(400, "MANIFEST_BLOB_UNKNOWN", detail)


def too_large(limit: int) -> RegistryError:
    """A manifest or blob has more than `limit` bytes."""
    detail = {"reason": f"more than {limit} bytes"}
    return _standard(413, "SIZE_INVALID", detail)


def size_invalid(expected: int, found: int) -> RegistryError:
    """The body has not as many bytes as its headers say."""
    detail = {"reason": f"{expected} bytes were announced, and {found} came"}
    return _standard(400, "SIZE_INVALID", detail)


def upload_unknown(session: str) -> RegistryError:
    """The repository has no such upload (any more)."""
    return _standard(404, "BLOB_UPLOAD_UNKNOWN", {"upload": session[:300]})


def upload_busy(session: str) -> RegistryError:
    """Another request writes to the upload."""
    detail = {"upload": session, "reason": "another request is writing to this upload"}
    return _standard(409, "BLOB_UPLOAD_INVALID", detail)


def chunk_invalid(content_range: str) -> RegistryError:
    """The range of a chunk is none."""
    return _standard(400, "BLOB_UPLOAD_INVALID", {"range": content_range[:300]})


def out_of_order(content_range: str, where: tuple[tuple[str, str], ...]) -> RegistryError:
    """A chunk does not begin where the upload ends; `where` are the headers that say where that is."""
    return _standard(416, "BLOB_UPLOAD_INVALID", {"range": content_range[:300]}, headers=where)


def too_many(reason: str) -> RegistryError:
    """More of something at once than there may be."""
    headers = (("Retry-After", "1"),)
    return _standard(429, "TOOMANYREQUESTS", {"reason": reason}, headers)


def page_size_invalid(count: str) -> RegistryError:
    """``n`` is no number, negative or absurd."""
    return _standard(400, "PAGINATION_NUMBER_INVALID", {"n": count[:300]})


def signature_invalid(reason: str) -> RegistryError:
    """What was put is no signature of that image."""
    return _standard(400, "SIGNATURE_INVALID", {"reason": reason[:300]})


def signature_exists(name: str) -> RegistryError:
    """The image has a signature of this name."""
    return _standard(409, "SIGNATURE_EXISTS", {"name": name})


def range_invalid(requested: str, size: int) -> RegistryError:
    """The requested range is malformed, or begins behind the end of the blob (`size` bytes)."""
    headers = (("Content-Range", f"bytes */{size}"),)
    return _standard(416, "RANGE_INVALID", {"range": requested[:300]}, headers)


def unauthorized(challenge: str, because: str = "") -> RegistryError:
    """No credentials, or none that suffice; `challenge` says how to come back, `because` is for the journal."""
    error = _standard(401, "UNAUTHORIZED", headers=(("WWW-Authenticate", challenge),))
    error.because = because
    return error


def refused() -> RegistryError:
    """As `unauthorized`, of a host that has nothing to come back with."""
    return _standard(401, "UNAUTHORIZED")


def wrong_credentials(challenge: str) -> RegistryError:
    """User name or password at the token endpoint are wrong."""
    headers = (("WWW-Authenticate", challenge),)
    return RegistryError(401, "UNAUTHORIZED", "incorrect username or password", headers=headers)


def service_unknown(service: str) -> RegistryError:
    """The token endpoint issues no tokens for this service."""
    return _standard(400, "UNSUPPORTED_VALUE", {"service": service[:300]})


def field_missing(name: str) -> RegistryError:
    """A request for a token does not say something that it has to."""
    return _standard(400, "MISSING_REQUIRED_FIELD", {"reason": f"missing {name} value"})


def field_unsupported(reason: str) -> RegistryError:
    """A request for a token says something that it cannot."""
    return _standard(400, "UNSUPPORTED_VALUE", {"reason": reason})


def denied() -> RegistryError:
    """It is known who asks, and they may not."""
    return _standard(403, "DENIED")


def directory_unavailable(reason: str) -> RegistryError:
    """It cannot be found out who asks. The reason is for the journal alone: it names machines that are no client's
    business."""
    error = _standard(503, "UNAVAILABLE", headers=(("Retry-After", "5"),))
    error.because = reason
    return error


def of_status(status: int, kind: str, code: str = "", message: str = "") -> RegistryError:
    """The error that a registry gives with a status to a request of some kind, unless code or message are given."""
    code = code or _CODES_BY_KIND.get((status, kind)) or _CODES.get(status, "UNKNOWN")
    return RegistryError(status, code, message or STANDARD_MESSAGES.get(code, ""))


def rate_limited(message: str, code: str, headers: tuple[tuple[str, str], ...]) -> RegistryError:
    """Too many requests, as Docker Hub says it unless a message is given; `headers` tell when to come back."""
    return RegistryError(429, code or "TOOMANYREQUESTS", message or _DOCKER_HUB_LIMIT, headers=headers)


def not_recorded(host: str, method: str, target: str) -> RegistryError:
    """A recording of the host has no answer to this. It says nothing of what the real registry has."""
    return RegistryError(501, "UNKNOWN", f"not recorded: {method} {target[:1000]}", {"host": host})


def unsupported(allowed: tuple[str, ...]) -> RegistryError:
    """The path exists, but not with this method."""
    headers = (("Allow", ", ".join(allowed)),)
    return _standard(405, "UNSUPPORTED", headers=headers)


def content_damaged(digest: str, reason: str) -> RegistryError:
    """The tree's content for a digest is something else."""
    return _standard(500, "UNKNOWN", {"digest": digest, "reason": reason})


def tree_broken(reason: str) -> RegistryError:
    """A file of the tree cannot be used; `reason` names it relative to the tree."""
    return _standard(500, "UNKNOWN", {"reason": reason})

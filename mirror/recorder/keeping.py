"""What is kept of an answer: the headers that clients look at, the body as text, and no secrets.

Recordings are made to be shared and kept with tests, so whatever could let somebody in is left out of them.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections import OrderedDict
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

_KEPT: Final = frozenset(
    {
        "accept-ranges",
        "allow",
        "content-range",
        "content-type",
        "docker-content-digest",
        "docker-distribution-api-version",
        "etag",
        "last-modified",
        "link",
        "location",
        "retry-after",
        "warning",
        "www-authenticate",
        "x-content-type-options",
        "x-registry-supports-signatures",
    }
)
_KEPT_KINDS: Final = ("oci-", "ratelimit-", "x-ratelimit-")

UNSTEADY: Final = frozenset({"retry-after", "last-modified", "etag"})
UNSTEADY_KINDS: Final = ("ratelimit-", "x-ratelimit-")

REDACTED: Final = "redacted"
_TOKEN_FIELDS: Final = ("token", "access_token", "refresh_token", "id_token", "identity_token")
_SECRET_PARAMETERS: Final = re.compile(
    r"(?:x-(?:amz|goog)-(?:signature|credential|security-token)|signature|sig|policy|key-pair-id|verify|__gda__|"
    r"(?:access_|refresh_|id_)?token|password|client_secret|hmac|expires_signature|x-oss-signature)",
    re.IGNORECASE,
)
_URL: Final = re.compile(r"https?://[^\s\"'<>\\]+")
_MOST_SECRETS: Final = 1000
_LEAST_SECRET: Final = 4


def kept_headers(headers: Iterable[tuple[str, str]], *, length: bool) -> list[tuple[str, str]]:
    """The headers that clients look at, in order; of HEAD answers (`length`) with the length that GET would have."""
    return [
        (str(name), value)
        for name, value in headers
        if (lower := name.lower()) in _KEPT
        or lower.startswith(_KEPT_KINDS)
        or (length and lower == "content-length" and value.isascii() and value.isdigit())
    ]


def is_steady(name: str) -> bool:
    """Whether a header says the same each time while nothing changes."""
    lower = name.lower()
    return lower not in UNSTEADY and not lower.startswith(UNSTEADY_KINDS)


def is_secret_query(query: str) -> bool:
    """Whether a query lets in whoever has it: a signed URL, or one with a token."""
    return any(_SECRET_PARAMETERS.fullmatch(name) for name, _ in parse_qsl(query, keep_blank_values=True))


class Secrets:
    """What clients and registries told each other in confidence, so that it can be taken out of what is kept."""

    def __init__(self) -> None:
        self._texts: OrderedDict[str, None] = OrderedDict()

    def add(self, text: str) -> None:
        """Takes note of a secret. Very short ones would make holes into everything."""
        if len(text) >= _LEAST_SECRET:
            self._texts[text] = None
            self._texts.move_to_end(text)
            if len(self._texts) > _MOST_SECRETS:
                self._texts.popitem(last=False)

    def add_header(self, authorization: str) -> None:
        """Takes note of what an Authorization header holds."""
        scheme, _, credentials = authorization.partition(" ")
        credentials = credentials.strip()
        self.add(credentials or scheme)
        if scheme.lower() == "basic":
            try:
                password = base64.b64decode(credentials, validate=True).decode("utf-8", "replace").partition(":")[2]
            except binascii.Error:
                return
            self.add(password)

    def add_form(self, form: bytes) -> None:
        """Takes note of what a token endpoint is sent."""
        for name, value in parse_qsl(form.decode("utf-8", "replace")):
            if _SECRET_PARAMETERS.fullmatch(name):
                self.add(value)

    def redacted(self, text: str) -> str:
        """A text without them, and without what makes the URLs in it good for anything."""
        for secret in self._texts:
            if secret in text:
                text = text.replace(secret, REDACTED)
        return _URL.sub(lambda found: _unsigned(found[0]), text) if "://" in text else text

    def redacted_body(self, data: bytes) -> str | None:
        """A body as text without secrets; None if it is no text.

        The tokens of a token endpoint go, and when they were made: a recorded one is as good as new.
        """
        try:
            text = data.decode()
        except UnicodeDecodeError:
            return None
        document = _object(text)
        if any(isinstance(document.get(field), str) for field in _TOKEN_FIELDS):
            for field in _TOKEN_FIELDS:
                value = document.get(field)
                if isinstance(value, str) and value:
                    self.add(value)
                    document[field] = REDACTED
            document.pop("issued_at", None)
            text = msgspec.json.encode(document).decode()
        return self.redacted(text)


def _object(text: str) -> dict[str, Any]:
    if not text.lstrip().startswith("{"):
        return {}
    try:
        document = msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}
    return document if isinstance(document, dict) else {}


def _unsigned(url: str) -> str:
    """A URL without user information and without the query of a signed one."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    authority = authority.rpartition("@")[2]
    path, question, query = path.partition("?")
    if question and is_secret_query(query):
        query = REDACTED
    return f"{scheme}{separator}{authority}{slash}{path}{question}{query}"

"""Bodies of registry answers: errors, tokens, tag lists, encoded content.

Source: distribution client ``errors.go``, ``auth/session.go``, ``repository.go``, ``transport/http_reader.go``.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from fake_registry.core.errors import STANDARD_MESSAGES
from mirror import gojson
from mirror.gotext import ZERO_TEXT, quote
from mirror.importer.challenge import parse_challenges
from mirror.importer.failures import (
    ClientFailure,
    CodeFailure,
    CodesFailure,
    UnparsedFailure,
)
from mirror.importer.inflating import MAX_BODY, gunzip, inflate
from mirror.importer.transport import Answer

_DETAILS: Final = gojson.Struct(go="struct { Details string }", fields=[("details", gojson.String)])
_ERROR: Final = gojson.Struct(
    go="errcode.Error",
    fields=[
        ("code", gojson.Text("errcode.ErrorCode")),
        ("message", gojson.String),
        ("detail", gojson.Any),
    ],
)
_ERRORS: Final = gojson.Struct(
    go="struct { Errors []errcode.Error }", fields=[("Errors", gojson.List(_ERROR, go="[]errcode.Error"))]
)
_ZSTD_MAGIC: Final = b"\x28\xb5\x2f\xfd"
_ENDS: Final = frozenset({"EOF", "unexpected EOF"})
_TAGS: Final = gojson.Struct(
    go='struct { Tags []string "json:\\"tags\\"" }', fields=[("tags", gojson.List(gojson.String, go="[]string"))]
)
_TOKEN: Final = gojson.Struct(
    go="auth.getTokenResponse",
    fields=[
        ("token", gojson.String),
        ("access_token", gojson.String),
        ("expires_in", gojson.Int),
        ("issued_at", gojson.Time),
        ("refresh_token", gojson.String),
    ],
)


class _TagList(msgspec.Struct, forbid_unknown_fields=True):
    """The fast path. What it refuses goes to Go's rules: other fields, keys in another case, nulls in the list."""

    name: msgspec.Raw = msgspec.Raw()
    tags: list[str] | None = None


class _Error(msgspec.Struct, forbid_unknown_fields=True):
    """An entry of `_Errors`; of its details it only counts that there are some."""

    code: str = "UNKNOWN"
    message: str = ""
    detail: str | dict[str, str] | None = None


class _Errors(msgspec.Struct, forbid_unknown_fields=True):
    """The fast path: what registries mostly answer, and nothing beside it."""

    errors: list[_Error]


_TAG_LIST: Final = msgspec.json.Decoder(_TagList)
_ERROR_LIST: Final = msgspec.json.Decoder(_Errors)


@dataclass(frozen=True, slots=True)
class TokenResponse:
    """A token; ``expires_in`` in seconds from ``issued_at`` (None: from now)."""

    token: str
    expires_in: int
    issued_at: datetime | None


def answer_failure(answer: Answer) -> ClientFailure:
    """The failure that an answer outside 200 to 399 stands for."""
    if not 400 <= answer.status <= 499:
        return ClientFailure(f"received unexpected HTTP status: {answer.status_text}").about("server-error")
    failure = _body_failure(answer.status, answer.body)
    if answer.status == 401:
        challenged = _challenge_failure(answer)
        if challenged is not None:
            rest = failure.failures if isinstance(failure, CodesFailure) else (failure,)
            return CodesFailure([challenged, *rest])
        if isinstance(failure, UnparsedFailure):
            return CodeFailure("UNAUTHORIZED", STANDARD_MESSAGES["UNAUTHORIZED"])
    return failure


def _challenge_failure(answer: Answer) -> ClientFailure | None:
    """What the ``error`` parameter of a Bearer challenge says."""
    for challenge in parse_challenges(answer.header_lines("www-authenticate")):
        if challenge.scheme != "bearer":
            continue
        code = {"invalid_token": "UNAUTHORIZED", "insufficient_scope": "DENIED"}.get(
            challenge.parameters.get("error", "")
        )
        if code is not None:
            return CodeFailure(code, challenge.parameters.get("error_description") or STANDARD_MESSAGES[code])
    return None


def _body_failure(status: int, body: bytes) -> ClientFailure:
    regular = _regular_errors(body)
    return CodesFailure(regular) if regular else _odd_body_failure(status, body)


def _regular_errors(body: bytes) -> list[CodeFailure]:
    """The errors of a body that msgspec and Go read the same way; none where Go's rules are needed."""
    if body.count(b'"errors"') != 1 or b"\\u" in body:  # Go merges what is there twice; a key may be escaped
        return []
    try:
        errors = _ERROR_LIST.decode(body).errors
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return []
    return [_code_failure(error.code, error.message, bare=error.detail is None) for error in errors]


def _odd_body_failure(status: int, body: bytes) -> ClientFailure:
    try:
        details = gojson.decode(body, _DETAILS).get("details")
    except gojson.GoJSONError:
        details = None
    if details:
        code = {401: "UNAUTHORIZED", 403: "DENIED", 429: "TOOMANYREQUESTS"}.get(status, "UNKNOWN")
        return CodeFailure(code, details)
    parsing = f"error parsing HTTP {status} response body:"
    try:
        errors: list[dict[str, Any] | None] = gojson.decode(body, _ERRORS).get("Errors") or []
    except gojson.GoJSONError as error:
        return UnparsedFailure(f"{parsing} {error}: {quote(body)}", status)
    if not errors:
        text = f"{parsing} no error details found in HTTP response body: {quote(body)}"
        return UnparsedFailure(text, status)
    return CodesFailure(
        [
            _code_failure(entry.get("code", "UNKNOWN"), entry.get("message", ""), bare=entry.get("detail") is None)
            for entry in (entry or {} for entry in errors)
        ]
    )


def _code_failure(code: str, message: str, *, bare: bool) -> CodeFailure:
    """An error with its message, unless that is none of its own and nothing more is known (`bare`)."""
    if code not in STANDARD_MESSAGES:
        code = "UNKNOWN"
    return CodeFailure(code, None if bare and message in ("", STANDARD_MESSAGES[code]) else message)


def parse_token(answer: Answer) -> TokenResponse:
    """The answer of a token endpoint; ``access_token`` wins over ``token``.

    It is read as far as it needs to be: what comes behind the JSON does not count, not even that it does not come.

    Raises:
        ClientFailure: it is not JSON of the right shape, or has no token.
    """
    try:
        fields = gojson.decode_stream(answer.partial, _TOKEN)
    except gojson.GoJSONError as error:
        cause = answer.broken if answer.broken is not None and str(error) in _ENDS else error
        raise ClientFailure(f"unable to decode token response: {cause}") from None
    token = fields.get("access_token") or fields.get("token")
    if not token:
        raise ClientFailure("authorization server did not include a token in the response")
    issued = fields.get("issued_at", ZERO_TEXT)
    issued_at = None if issued == ZERO_TEXT else datetime.fromisoformat(issued)
    return TokenResponse(token, fields.get("expires_in", 0), issued_at)


def parse_tags(body: bytes) -> list[str]:
    """The tags of one page.

    Raises:
        ClientFailure: with the text of Go's decoder.
    """
    try:
        return _TAG_LIST.decode(body).tags or []
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        pass
    try:
        tags = gojson.decode(body, _TAGS).get("tags") or []
    except gojson.GoJSONError as error:
        raise ClientFailure(str(error)) from None
    return [tag or "" for tag in tags]


def decode_content(answer: Answer) -> bytes:
    """The body of a blob, decompressed as its Content-Encoding says: what was applied last is undone first.

    Raises:
        ClientFailure: an encoding that is not known, or data that does not decompress.
    """
    content = answer.body
    encodings = answer.header("content-encoding")
    for encoding in reversed(encodings.lower().replace(",", " ").split() if encodings else ()):
        match encoding:
            case "gzip":
                content = gunzip(content)
            case "deflate":
                content = inflate(content)
            case "zstd":
                content = _unzstd(content)
            case _:
                raise ClientFailure(f"unsupported Content-Encoding algorithm: {encoding}")
    return content


def _unzstd(data: bytes) -> bytes:
    import zstandard  # noqa: PLC0415 - only who meets a zstd answer pays for it

    if not data:
        return b""
    try:
        with zstandard.ZstdDecompressor().stream_reader(data) as reader:
            content = reader.read(MAX_BODY + 1)
    except zstandard.ZstdError:
        known = data.startswith(_ZSTD_MAGIC) or _ZSTD_MAGIC.startswith(data)
        raise ClientFailure("unexpected EOF" if known else "invalid input: magic number mismatch") from None
    if len(content) > MAX_BODY:
        raise ClientFailure(f"body of more than {MAX_BODY} bytes")
    return content

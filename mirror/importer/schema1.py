"""Signed docker schema 1 manifests: the payload that the signatures sign (docker/libtrust ``jsonsign.go``).

The signatures themselves are not verified, as the real client does not; their keys must be readable, though.
"""

from __future__ import annotations

from typing import Any, Final

from mirror import gojson
from mirror.gotext import GoBase64Error, decode_base64, quote
from mirror.importer.failures import ClientFailure

_SIGNATURE: Final = gojson.Struct(
    go="libtrust.jsParsedSignature",
    fields=[
        (
            "header",
            gojson.Struct(
                go="libtrust.jsParsedHeader",
                fields=[
                    ("jwk", gojson.Raw),
                    ("alg", gojson.String),
                    ("x5c", gojson.List(gojson.String, go="[]string")),
                ],
            ),
        ),
        ("signature", gojson.String),
        ("protected", gojson.String),
    ],
)
_CONTENT: Final = gojson.Map(gojson.Raw, go="map[string]json.RawMessage")
_SIGNATURES: Final = gojson.List(_SIGNATURE, go="[]libtrust.jsParsedSignature")
_PROTECTED: Final = gojson.Map(gojson.Any, go="map[string]interface {}")
_KEY: Final = gojson.Map(gojson.Any, go="map[string]interface {}")


def signed_payload(content: bytes) -> bytes:
    """The bytes that were signed: the beginning of the body and the tail that every signature repeats.

    Raises:
        ClientFailure: with libtrust's text.
    """
    fields = _decode(content, _CONTENT, "error unmarshalling content: ") or {}
    raw = fields.get("signatures")
    if raw is None:
        raise ClientFailure("missing signature key")
    signatures = _decode(bytes(raw), _SIGNATURES, "error unmarshalling signatures: ") or []
    length: int | None = None
    tail: bytes | None = None
    for signature in (item or {} for item in signatures):
        own_length, own_tail = _protected_format(signature.get("protected", ""))
        if length and length != own_length:  # nothing conflicts with what is empty
            raise ClientFailure("conflicting format length")
        if tail and tail != own_tail:
            raise ClientFailure("conflicting format tail")
        length, tail = own_length, own_tail
        _check_key(signature)
    if length is None or tail is None:
        return b""
    if not 0 <= length <= len(content):
        raise ClientFailure("invalid format length")
    return content[:length] + tail


def _decode(content: bytes, shape: gojson.Shape, prefix: str) -> Any:
    try:
        return gojson.decode(content, shape)
    except gojson.GoJSONError as error:
        raise ClientFailure(f"{prefix}{error}") from None


def _protected_format(protected: str) -> tuple[int, bytes]:
    try:
        header = _base64url(protected)
    except GoBase64Error as error:
        raise ClientFailure(f"base64 decode error: {error}") from None
    fields = _decode(header, _PROTECTED, "error unmarshalling protected header: ") or {}
    length = fields.get("formatLength")
    if not isinstance(length, int | float) or isinstance(length, bool):
        raise ClientFailure("missing formatted length")
    tail = fields.get("formatTail")
    if not isinstance(tail, str):
        raise ClientFailure("missing formatted tail")
    try:
        return int(length), _base64url(tail)
    except GoBase64Error as error:
        raise ClientFailure(f"base64 decode error on tail: {error}") from None


def _base64url(text: str) -> bytes:
    """``joseBase64UrlDecode``: newlines and blanks are dropped, padding may be missing.

    Raises:
        GoBase64Error: it is no base64.
    """
    packed = text.replace("\n", "").replace(" ", "").encode("utf-8", "surrogatepass")
    match len(packed) % 4:
        case 2:
            packed += b"=="
        case 3:
            packed += b"="
        case 1:
            raise GoBase64Error("illegal base64url string")
    return decode_base64(packed, url=True)


def _check_key(signature: dict[str, Any]) -> None:
    """The ``jwk`` of a header must be a public key that can be read."""
    header = signature.get("header") or {}
    raw = header.get("jwk")
    if raw is None:
        return
    try:
        key = gojson.decode(bytes(raw), _KEY) or {}
    except gojson.GoJSONError as error:
        raise _unreadable(f"decoding JWK Public Key JSON data: {error}\n") from None
    match _text(key, "kty", "JWK Public Key type"):
        case "EC":
            _check_elliptic_key(key)
        case "RSA":
            _number_of(key, "n", "JWK RSA Public Key modulus")
            _number_of(key, "e", "JWK RSA Public Key exponent")
            _check_key_id(key, "JWK RSA Public Key ID")
        case kind:
            raise _unreadable(f"JWK Public Key type not supported: {quote(kind)}\n")


_COORDINATES: Final = {"P-256": 32, "P-384": 48, "P-521": 66}
"""Octets of a coordinate, by curve."""


def _check_elliptic_key(key: dict[str, Any]) -> None:
    curve = _text(key, "crv", "JWK EC Public Key curve identifier")
    if curve not in _COORDINATES:
        raise _unreadable(f"JWK EC Public Key curve identifier not supported: {quote(curve)}\n")
    for name in ("x", "y"):
        what = f"JWK EC Public Key {name}-coordinate"
        size = len(_number_of(key, name, what))
        if size != _COORDINATES[curve]:
            raise _unreadable(f"{what}: invalid number of octets: got {size}, should be {_COORDINATES[curve]}")
    _check_key_id(key, "JWK EC Public Key ID")


def _check_key_id(key: dict[str, Any], what: str) -> None:
    """An id is a text where there is one. Whether it is that of the key is not looked at."""
    if "kid" in key:
        _text(key, "kid", what)


def _text(key: dict[str, Any], name: str, what: str) -> str:
    value = key.get(name)
    if not isinstance(value, str):
        problem = "must be a string" if name in key else "not specified"
        raise _unreadable(f'{what}: "{name}" value {problem}')
    return value


def _number_of(key: dict[str, Any], name: str, what: str) -> bytes:
    try:
        return _base64url(_text(key, name, what))
    except GoBase64Error as error:
        raise _unreadable(f"{what}: invalid base64 URL encoding: {error}") from None


def _unreadable(problem: str) -> ClientFailure:
    return ClientFailure(f"error unmarshalling public key: {problem}")

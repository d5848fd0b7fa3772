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
        if length is not None and length != own_length:
            raise ClientFailure("conflicting format length")
        if tail is not None and tail != own_tail:
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
    except ClientFailure as error:
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
    except ClientFailure as error:
        raise ClientFailure(f"base64 decode error on tail: {error}") from None


def _base64url(text: str) -> bytes:
    """``joseBase64UrlDecode``: newlines and blanks are dropped, padding may be missing."""
    packed = text.replace("\n", "").replace(" ", "").encode("utf-8", "surrogatepass")
    match len(packed) % 4:
        case 2:
            packed += b"=="
        case 3:
            packed += b"="
        case 1:
            raise ClientFailure("illegal base64url string")
    try:
        return decode_base64(packed, url=True)
    except GoBase64Error as error:
        raise ClientFailure(str(error)) from None


def _check_key(signature: dict[str, Any]) -> None:
    """The ``jwk`` of a header must be a public key that can be read."""
    header = signature.get("header") or {}
    raw = header.get("jwk")
    if raw is None:
        return
    problem = _key_problem(
        _decode(bytes(raw), _KEY, "error unmarshalling public key: decoding JWK Public Key JSON data: ")
    )
    if problem:
        raise ClientFailure(f"error unmarshalling public key: {problem}")


_PARTS: Final = {
    "EC": (("crv", "curve identifier"), ("x", "x-coordinate"), ("y", "y-coordinate")),
    "RSA": (("n", "modulus"), ("e", "exponent")),
}


def _key_problem(key: dict[str, Any] | None) -> str:
    """What keeps a key from being read, as far as that is looked at: its kind, and that its parts are there."""
    key = key or {}
    kind = key.get("kty")
    if not isinstance(kind, str):
        return f"JWK Public Key type: {_absent(key, 'kty')}"
    if kind not in _PARTS:
        return f"JWK Public Key type not supported: {quote(kind)}\n"
    for name, part in _PARTS[kind]:
        if not isinstance(key.get(name), str):
            return f"JWK {kind} Public Key {part}: {_absent(key, name)}"
    return ""


def _absent(key: dict[str, Any], name: str) -> str:
    return f'"{name}" value {"must be a string" if name in key else "not specified"}'

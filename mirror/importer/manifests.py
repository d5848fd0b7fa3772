"""Manifests as the importer's client decodes them: by the answer's media type, with its checks and its words.

Source: distribution ``manifest/{schema1,schema2,ocischema,manifestlist}``.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from fake_registry import oci
from mirror import gojson
from mirror.importer.client import RawManifest
from mirror.importer.failures import ClientFailure
from mirror.importer.schema1 import signed_payload


class Layer(msgspec.Struct, frozen=True):
    """A layer's descriptor: digest, size in bytes (0 if missing), media type (empty if missing)."""

    digest: str = ""
    size: int = 0
    mediaType: str = ""


class ConfigDescriptor(msgspec.Struct, frozen=True):
    digest: str = ""


class Platform(msgspec.Struct, frozen=True):
    architecture: str = ""
    os: str = ""
    variant: str = ""


class Entry(msgspec.Struct, frozen=True):
    """An entry of a manifest list or index."""

    digest: str = ""
    mediaType: str = ""
    size: int = 0
    platform: Platform = Platform()


class ImageManifest(msgspec.Struct, frozen=True):
    """A schema 2 or OCI image manifest. ``content`` is its bytes, ``name`` their sha256 digest."""

    content: bytes
    name: str
    oci: bool
    schema_version: int
    media_type: str
    config_digest: str
    layers: list[Layer]


class ListManifest(msgspec.Struct, frozen=True):
    """A manifest list or OCI index."""

    content: bytes
    name: str
    media_type: str
    entries: list[Entry]


class Schema1Manifest(msgspec.Struct, frozen=True):
    """A signed schema 1 manifest; ``name`` is the digest of the payload without signatures."""

    content: bytes
    payload: bytes
    name: str
    layers: list[str]
    history: list[str]


Manifest = ImageManifest | ListManifest | Schema1Manifest


class _Image(msgspec.Struct):
    """The fast path of both image formats. What it refuses goes to Go's rules."""

    schemaVersion: int = 0
    mediaType: str = ""
    config: ConfigDescriptor = ConfigDescriptor()
    layers: list[Layer] = []
    manifests: msgspec.Raw | None = None


class _List(msgspec.Struct):
    schemaVersion: int = 0
    mediaType: str = ""
    manifests: list[Entry] = []
    config: msgspec.Raw | None = None
    layers: msgspec.Raw | None = None


_IMAGE: Final = msgspec.json.Decoder(_Image)
_LIST: Final = msgspec.json.Decoder(_List)

_STRING_LIST: Final = gojson.List(gojson.String, go="[]string")
_STRING_MAP: Final = gojson.Map(gojson.String, go="map[string]string")
_PLATFORM_FIELDS: Final = [
    ("architecture", gojson.String),
    ("os", gojson.String),
    ("os.version", gojson.String),
    ("os.features", _STRING_LIST),
    ("variant", gojson.String),
]
_DESCRIPTOR_FIELDS: Final[list[tuple[str, Any]]] = [
    ("mediaType", gojson.String),
    ("digest", gojson.Text("digest.Digest")),
    ("size", gojson.Int64),
    ("urls", _STRING_LIST),
    ("annotations", _STRING_MAP),
]
_DESCRIPTOR: Final = gojson.Struct(
    go="distribution.Descriptor",
    fields=[
        *_DESCRIPTOR_FIELDS,
        ("platform", gojson.Pointer(gojson.Struct(go="v1.Platform", fields=_PLATFORM_FIELDS))),
    ],
)
_ENTRY: Final = gojson.Struct(
    go="manifestlist.ManifestDescriptor",
    fields=[
        *(gojson.Field(name, shape, via=("Descriptor",)) for name, shape in _DESCRIPTOR_FIELDS),
        (
            "platform",
            gojson.Struct(go="manifestlist.PlatformSpec", fields=[*_PLATFORM_FIELDS, ("features", _STRING_LIST)]),
        ),
    ],
)


def _versioned(go: str, fields: list[tuple[str, Any]]) -> gojson.Shape:
    versioned = [
        gojson.Field("schemaVersion", gojson.Int, via=("Versioned",)),
        gojson.Field("mediaType", gojson.String, via=("Versioned",)),
    ]
    return gojson.Struct(go=go, fields=[*versioned, *fields])


_LAYERS: Final = gojson.List(_DESCRIPTOR, go="[]distribution.Descriptor")
_SCHEMA2: Final = _versioned("schema2.Manifest", [("config", _DESCRIPTOR), ("layers", _LAYERS)])
_OCI: Final = _versioned(
    "ocischema.Manifest", [("config", _DESCRIPTOR), ("layers", _LAYERS), ("annotations", _STRING_MAP)]
)
_MANIFEST_LIST: Final = _versioned(
    "manifestlist.ManifestList", [("manifests", gojson.List(_ENTRY, go="[]manifestlist.ManifestDescriptor"))]
)
_SCHEMA1: Final = _versioned(
    "schema1.Manifest",
    [
        ("name", gojson.String),
        ("tag", gojson.String),
        ("architecture", gojson.String),
        (
            "fsLayers",
            gojson.List(
                gojson.Struct(go="schema1.FSLayer", fields=[("blobSum", gojson.Text("digest.Digest"))]),
                go="[]schema1.FSLayer",
            ),
        ),
        (
            "history",
            gojson.List(
                gojson.Struct(go="schema1.History", fields=[("v1Compatibility", gojson.String)]),
                go="[]schema1.History",
            ),
        ),
    ],
)
_UNKNOWN: Final = gojson.Struct(
    go="ocischema.Manifest",
    fields=[("config", gojson.Any), ("layers", gojson.Any), ("manifests", gojson.Any)],
)


_KEYS: Final = tuple(
    (key, key.lower())
    for key in (
        b'"schemaVersion"',
        b'"mediaType"',
        b'"config"',
        b'"layers"',
        b'"manifests"',
        b'"digest"',
        b'"size"',
        b'"platform"',
        b'"architecture"',
        b'"os"',
    )
)
_FOLDED_LETTERS: Final = ("\u017f".encode(), "\u212a".encode())  # fold to s and k


def _has_plain_keys(content: bytes) -> bool:
    """Whether the fast path reads these keys as Go would: none in another case, none of the objects twice."""
    if not content.isascii() and any(letter in content for letter in _FOLDED_LETTERS):
        return False
    if content.replace(b"mediaType", b"").replace(b"schemaVersion", b"").islower():
        return content.count(b'"config"') <= 1 and content.count(b'"manifests"') <= 1
    lowered = content.lower()
    if any(lowered.count(low) != content.count(key) for key, low in _KEYS):
        return False
    return content.count(b'"config"') <= 1 and content.count(b'"manifests"') <= 1


def decode_manifest(raw: RawManifest) -> Manifest:
    """Decodes a manifest by its media type; what is not known is taken for signed schema 1.

    Raises:
        ClientFailure: with the client's own text.
    """
    match raw.media_type:
        case oci.DOCKER_MANIFEST:
            return _decode_image(raw.content, is_oci=False)
        case oci.OCI_MANIFEST:
            return _decode_image(raw.content, is_oci=True)
        case oci.DOCKER_LIST:
            return _decode_list(raw.content, is_oci=False)
        case oci.OCI_INDEX:
            return _decode_list(raw.content, is_oci=True)
        case _:
            return _decode_schema1(raw.content)


def content_digest(manifest: Manifest, algorithm: str) -> str:
    """The digest of a manifest's canonical bytes: for schema 1 the payload without signatures."""
    content = manifest.payload if isinstance(manifest, Schema1Manifest) else manifest.content
    return manifest.name if algorithm == "sha256" else oci.compute_digest(content, algorithm)


def _decode_image(content: bytes, *, is_oci: bool) -> ImageManifest:
    try:
        fields = _IMAGE.decode(content) if _has_plain_keys(content) else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        fields = None
    if fields is None:
        fields = _decode_image_slowly(content, is_oci=is_oci)
    if is_oci and fields.manifests is not None and bytes(fields.manifests) != b"null":
        raise ClientFailure("ocimanifest: expected manifest but found index")
    expected = oci.OCI_MANIFEST if is_oci else oci.DOCKER_MANIFEST
    if fields.mediaType != expected and not (is_oci and not fields.mediaType):
        condition = "if present, mediaType" if is_oci else "mediaType"
        raise ClientFailure(f"{condition} in manifest should be '{expected}' not '{fields.mediaType}'")
    return ImageManifest(
        content,
        oci.compute_digest(content),
        is_oci,
        fields.schemaVersion,
        fields.mediaType,
        fields.config.digest,
        fields.layers,
    )


def _decode_list(content: bytes, *, is_oci: bool) -> ListManifest:
    try:
        fields = _LIST.decode(content) if _has_plain_keys(content) else None
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        fields = None
    if fields is None:
        fields = _decode_list_slowly(content, is_oci=is_oci)
    if is_oci and any(raw is not None and bytes(raw) != b"null" for raw in (fields.config, fields.layers)):
        raise ClientFailure("index: expected index but found manifest")
    expected = oci.OCI_INDEX if is_oci else oci.DOCKER_LIST
    if fields.mediaType != expected and not (is_oci and not fields.mediaType):
        what = "if present, mediaType in image index" if is_oci else "mediaType in manifest list"
        raise ClientFailure(f"{what} should be '{expected}' not '{fields.mediaType}'")
    return ListManifest(content, oci.compute_digest(content), fields.mediaType, fields.manifests)


def _decode_schema1(content: bytes) -> Schema1Manifest:
    payload = signed_payload(content)
    layers, history = _compatibility(_go_decode(payload, _SCHEMA1))
    return Schema1Manifest(content, payload, oci.compute_digest(payload), layers, history)


def compatibility_of(content: bytes) -> tuple[list[str], list[str]]:
    """The ``fsLayers`` and ``history`` of any manifest, as the second pass reads them: digests and JSON texts.

    Raises:
        ClientFailure: with the text of Go's decoder.
    """
    return _compatibility(_go_decode(content, _SCHEMA1))


def _compatibility(fields: dict[str, Any]) -> tuple[list[str], list[str]]:
    layers = [(entry or {}).get("blobSum", "") for entry in fields.get("fsLayers") or []]
    history = [(entry or {}).get("v1Compatibility", "") for entry in fields.get("history") or []]
    return layers, history


def _go_decode(content: bytes, shape: gojson.Shape) -> dict[str, Any]:
    try:
        return gojson.decode(content, shape) or {}
    except gojson.GoJSONError as error:
        raise ClientFailure(str(error)) from None


def _decode_image_slowly(content: bytes, *, is_oci: bool) -> _Image:
    if is_oci and _go_decode(content, _UNKNOWN).get("manifests") is not None:
        raise ClientFailure("ocimanifest: expected manifest but found index")
    fields = _go_decode(content, _OCI if is_oci else _SCHEMA2)
    return _Image(
        schemaVersion=fields.get("schemaVersion", 0),
        mediaType=fields.get("mediaType", ""),
        config=ConfigDescriptor((fields.get("config") or {}).get("digest", "")),
        layers=[
            Layer(layer.get("digest", ""), layer.get("size", 0), layer.get("mediaType", ""))
            for layer in (entry or {} for entry in fields.get("layers") or [])
        ],
    )


def _decode_list_slowly(content: bytes, *, is_oci: bool) -> _List:
    if is_oci:
        unknown = _go_decode(content, _UNKNOWN)
        if unknown.get("config") is not None or unknown.get("layers") is not None:
            raise ClientFailure("index: expected index but found manifest")
    fields = _go_decode(content, _MANIFEST_LIST)
    entries = []
    for entry in (item or {} for item in fields.get("manifests") or []):
        platform = entry.get("platform") or {}
        entries.append(
            Entry(
                entry.get("digest", ""),
                entry.get("mediaType", ""),
                entry.get("size", 0),
                Platform(platform.get("architecture", ""), platform.get("os", ""), platform.get("variant", "")),
            )
        )
    return _List(schemaVersion=fields.get("schemaVersion", 0), mediaType=fields.get("mediaType", ""), manifests=entries)

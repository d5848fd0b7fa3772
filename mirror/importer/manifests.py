"""Manifests as the importer's client decodes them: by the answer's media type, with its checks and its words.

Source: distribution ``manifest/{schema1,schema2,ocischema,manifestlist}``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any, Final, TypeVar

import msgspec

from fake_registry import oci
from mirror import gojson
from mirror.importer.client import RawManifest
from mirror.importer.failures import ClientFailure
from mirror.importer.schema1 import signed_payload
from mirror.importer.seen import remembered
from mirror.v1.image import ImageLayer

T = TypeVar("T")

_Int64 = Annotated[int, msgspec.Meta(ge=-(2**63), le=2**63 - 1)]

# The first structs are what the rest of the importer sees, and the fast path as well: they have every field that Go
# looks at, in its type, and what manifests often have besides (as Raw), and no others. What they refuse goes to Go's
# rules: other types, null, keys in another case.


class Platform(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """For whom an entry of a list is."""

    architecture: str = ""
    os: str = ""
    variant: str = ""
    version: str = msgspec.field(name="os.version", default="")
    os_features: list[str] = msgspec.field(name="os.features", default=[])
    features: list[str] = []


_ANY: Final = Platform()


class Descriptor(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What names a config, a layer or an entry of a list: its digest, size in bytes and media type (0 or empty where
    missing)."""

    digest: str = ""
    size: _Int64 = 0
    mediaType: str = ""
    platform: Platform = _ANY
    urls: list[str] = []
    annotations: dict[str, str] = {}
    artifactType: msgspec.Raw = msgspec.Raw()
    data: msgspec.Raw = msgspec.Raw()


class ImageManifest(msgspec.Struct, frozen=True):
    """A schema 2 or OCI image manifest. ``content`` is its bytes, ``name`` their sha256 digest.

    ``layers`` are shared by the images that are made of it, and not to be changed. ``layers_size`` is how many bytes
    the distinct ones of them have; one that is also the config does not count.
    """

    content: bytes
    name: str
    oci: bool
    schema_version: int
    media_type: str
    config_digest: str
    layers: list[ImageLayer]
    layers_size: int


class ListManifest(msgspec.Struct, frozen=True):
    """A manifest list or OCI index."""

    content: bytes
    name: str
    media_type: str
    entries: list[Descriptor]


class Schema1Manifest(msgspec.Struct, frozen=True):
    """A signed schema 1 manifest; ``name`` is the digest of the payload without signatures. Schema version and media
    type are what it says of itself."""

    content: bytes
    payload: bytes
    name: str
    schema_version: int
    media_type: str
    layers: list[str]
    history: list[str]


Manifest = ImageManifest | ListManifest | Schema1Manifest


class _Image(msgspec.Struct, forbid_unknown_fields=True):
    """The fast path of both image formats."""

    schemaVersion: _Int64 = 0
    mediaType: str = ""
    config: Descriptor = Descriptor()
    layers: list[Descriptor] = []
    annotations: dict[str, str] = {}
    subject: msgspec.Raw = msgspec.Raw()
    artifactType: msgspec.Raw = msgspec.Raw()


class _List(msgspec.Struct, forbid_unknown_fields=True):
    """The fast path of both list formats."""

    schemaVersion: _Int64 = 0
    mediaType: str = ""
    manifests: list[Descriptor] = []
    annotations: msgspec.Raw = msgspec.Raw()
    subject: msgspec.Raw = msgspec.Raw()
    artifactType: msgspec.Raw = msgspec.Raw()


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


def _fast(content: bytes, decoder: msgspec.json.Decoder[T], *containers: bytes) -> T | None:
    """The document, if it is one that msgspec and Go read the same way.

    Go would merge what is there twice; `containers` are the keys for which that matters. Keys that are escaped are not
    looked into.
    """
    if b"\\" in content:
        return None
    for key in containers:
        if content.count(key) > 1:
            return None
    try:
        return decoder.decode(content)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return None


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


@remembered
def _decode_image(content: bytes, *, is_oci: bool) -> ImageManifest:
    fields = _fast(content, _IMAGE, b'"config"', b'"layers"') or _decode_image_slowly(content, is_oci=is_oci)
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
        [ImageLayer(layer.digest, layer.size, layer.mediaType) for layer in fields.layers],
        _distinct_size(fields.layers, fields.config.digest),
    )


def _distinct_size(layers: Sequence[Descriptor], config_digest: str) -> int:
    seen = {config_digest}
    size = 0
    for layer in layers:
        if layer.digest not in seen:
            seen.add(layer.digest)
            size += layer.size
    return size


@remembered
def _decode_list(content: bytes, *, is_oci: bool) -> ListManifest:
    fields = _fast(content, _LIST, b'"manifests"')
    if fields is None or content.count(b'"platform"') != sum(one.platform is not _ANY for one in fields.manifests):
        fields = _decode_list_slowly(content, is_oci=is_oci)
    expected = oci.OCI_INDEX if is_oci else oci.DOCKER_LIST
    if fields.mediaType != expected and not (is_oci and not fields.mediaType):
        what = "if present, mediaType in image index" if is_oci else "mediaType in manifest list"
        raise ClientFailure(f"{what} should be '{expected}' not '{fields.mediaType}'")
    return ListManifest(content, oci.compute_digest(content), fields.mediaType, fields.manifests)


def _decode_schema1(content: bytes) -> Schema1Manifest:
    payload = signed_payload(content)
    fields = _go_decode(payload, _SCHEMA1)
    version, media_type = fields.get("schemaVersion", 0), fields.get("mediaType", "")
    return Schema1Manifest(content, payload, oci.compute_digest(payload), version, media_type, *_compatibility(fields))


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
        config=_descriptor(fields.get("config")),
        layers=[_descriptor(layer) for layer in fields.get("layers") or []],
    )


def _decode_list_slowly(content: bytes, *, is_oci: bool) -> _List:
    if is_oci:
        unknown = _go_decode(content, _UNKNOWN)
        if unknown.get("config") is not None or unknown.get("layers") is not None:
            raise ClientFailure("index: expected index but found manifest")
    fields = _go_decode(content, _MANIFEST_LIST)
    entries = [_descriptor(entry) for entry in fields.get("manifests") or []]
    return _List(schemaVersion=fields.get("schemaVersion", 0), mediaType=fields.get("mediaType", ""), manifests=entries)


def _descriptor(fields: dict[str, Any] | None) -> Descriptor:
    fields = fields or {}
    platform = fields.get("platform") or {}
    return Descriptor(
        fields.get("digest", ""),
        fields.get("size", 0),
        fields.get("mediaType", ""),
        Platform(platform.get("architecture", ""), platform.get("os", ""), platform.get("variant", "")),
    )

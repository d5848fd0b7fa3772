"""Digests, media types, manifests and indexes.

Sources: OCI image specification (``descriptor.md``, ``manifest.md``, ``image-index.md``), Docker image
manifest version 2 schema 1 and schema 2.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from fake_registry.errors import DigestError

DOCKER_SCHEMA1: Final = "application/vnd.docker.distribution.manifest.v1+json"
DOCKER_SCHEMA1_SIGNED: Final = "application/vnd.docker.distribution.manifest.v1+prettyjws"
DOCKER_MANIFEST: Final = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST: Final = "application/vnd.docker.distribution.manifest.list.v2+json"
DOCKER_CONFIG: Final = "application/vnd.docker.container.image.v1+json"
DOCKER_LAYER: Final = "application/vnd.docker.image.rootfs.diff.tar.gzip"
DOCKER_SCHEMA1_LAYER: Final = "application/vnd.docker.container.image.rootfs.diff+x-gtar"
OCI_MANIFEST: Final = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX: Final = "application/vnd.oci.image.index.v1+json"
OCI_CONFIG: Final = "application/vnd.oci.image.config.v1+json"
OCI_LAYER: Final = "application/vnd.oci.image.layer.v1.tar+gzip"
OCI_EMPTY: Final = "application/vnd.oci.empty.v1+json"
OCTET_STREAM: Final = "application/octet-stream"

IMAGE_TYPES: Final = frozenset({DOCKER_MANIFEST, OCI_MANIFEST})
INDEX_TYPES: Final = frozenset({DOCKER_LIST, OCI_INDEX})
SCHEMA1_TYPES: Final = frozenset({DOCKER_SCHEMA1, DOCKER_SCHEMA1_SIGNED})
MANIFEST_TYPES: Final = IMAGE_TYPES | INDEX_TYPES | SCHEMA1_TYPES

TAG_ANNOTATION: Final = "org.opencontainers.image.ref.name"

MAX_MANIFEST: Final = 8 << 20
"""Bytes of the largest manifest that is read (clients and registries stop at 4 MiB)."""

NOT_JSON: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding raises for bytes that are no JSON, not what was expected, or nested without end."""

_HEX_LENGTHS: Final = {"sha256": 64, "sha384": 96, "sha512": 128}
_HEX: Final = re.compile(r"[0-9a-f]+")

_USUAL_KEYS: Final = frozenset(
    {"schemaVersion", "mediaType", "artifactType", "config", "layers", "manifests", "blobs", "subject", "annotations"}
    | {"fsLayers", "blobSum", "history", "signatures", "name", "tag", "architecture"}
    | {"digest", "size", "urls", "platform", "data"}
)
_SPELLINGS: Final = {key.lower(): key for key in _USUAL_KEYS}
_HASHES: Final = {"sha256": hashlib.sha256, "sha384": hashlib.sha384, "sha512": hashlib.sha512}


def parse_digest(text: str) -> tuple[str, str]:
    """Splits a digest into algorithm and lower-case hexadecimal digits.

    Raises:
        DigestError: not ``sha256:``, ``sha384:`` or ``sha512:`` with the right number of digits.
    """
    algorithm, colon, digits = text.partition(":")
    length = _HEX_LENGTHS.get(algorithm)
    if not colon or length is None or len(digits) != length or not _HEX.fullmatch(digits):
        expected = " or ".join(f"{name}:<{count} hex digits>" for name, count in _HEX_LENGTHS.items())
        raise DigestError(f"{text[:200]!r} is not a digest: expected {expected}")
    return algorithm, digits


def is_digest(text: str) -> bool:
    """Whether `parse_digest` accepts the text."""
    algorithm, _, digits = text.partition(":")
    return len(digits) == _HEX_LENGTHS.get(algorithm) and _HEX.fullmatch(digits) is not None


def is_algorithm(name: str) -> bool:
    """Whether digests here may be of this algorithm."""
    return name in _HEX_LENGTHS


def compute_digest(data: bytes, algorithm: str = "sha256") -> str:
    """The digest of some bytes.

    Raises:
        DigestError: an algorithm that digests here do not have.
    """
    if algorithm not in _HEX_LENGTHS:
        raise DigestError(f"digest algorithm {algorithm!r} is not one of {', '.join(_HEX_LENGTHS)}")
    return f"{algorithm}:{_HASHES[algorithm](data).hexdigest()}"


def matches_digest(data: bytes, digest: str) -> bool:
    """Whether some bytes have this digest (raises `DigestError` if that is none)."""
    return compute_digest(data, parse_digest(digest)[0]) == digest


def checked_digest(data: bytes, digest: str | None, algorithm: str = "sha256") -> str:
    """The digest of some bytes: the given one, or that of an algorithm.

    Raises:
        DigestError: they have another one than the given, or that is none.
    """
    found = compute_digest(data, algorithm if digest is None else parse_digest(digest)[0])
    if digest is not None and digest != found:
        raise DigestError(f"content has the digest {found}; expected {digest}")
    return found


class Platform(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What an image in an index runs on."""

    architecture: str = ""
    os: str = ""
    os_version: str = msgspec.field(default="", name="os.version")
    os_features: list[str] | None = msgspec.field(default=None, name="os.features")
    variant: str = ""
    features: list[str] | None = None

    def __str__(self) -> str:
        return "/".join(filter(None, (self.os, self.architecture, self.variant)))


class Descriptor(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What names a piece of content: its digest, size in bytes (-1: not known) and media type."""

    media_type: str = msgspec.field(default="", name="mediaType")
    digest: str
    size: int = -1
    urls: list[str] | None = None
    annotations: dict[str, str] | None = None
    platform: Platform | None = None
    artifact_type: str = msgspec.field(default="", name="artifactType")
    data: str | None = None

    @property
    def tag(self) -> str | None:
        """The tag that an image layout's index gives to this content."""
        return None if self.annotations is None else self.annotations.get(TAG_ANNOTATION)


class Manifest(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """An image or artifact manifest, Docker schema 2 or OCI."""

    schema_version: int = msgspec.field(name="schemaVersion")
    media_type: str = msgspec.field(default="", name="mediaType")
    artifact_type: str = msgspec.field(default="", name="artifactType")
    config: Descriptor | None = None
    layers: list[Descriptor]
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


class Index(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A manifest list or OCI index."""

    schema_version: int = msgspec.field(name="schemaVersion")
    media_type: str = msgspec.field(default="", name="mediaType")
    artifact_type: str = msgspec.field(default="", name="artifactType")
    manifests: list[Descriptor]
    subject: Descriptor | None = None
    annotations: dict[str, str] | None = None


class Links(msgspec.Struct, frozen=True, kw_only=True):
    """What a manifest of any kind leads to, and what the referrers API says of it.

    ``layers`` are the layers of an image (oldest first as written), the blobs of an artifact or the blobSums of
    schema 1; ``children`` the manifests of an index; ``subject`` the manifest that this one refers to.
    ``media_type`` is what the manifest says of itself, ``length`` how many bytes it has.
    """

    length: int
    media_type: str = ""
    config: Descriptor | None = None
    layers: tuple[Descriptor, ...] = ()
    children: tuple[Descriptor, ...] = ()
    subject: Descriptor | None = None
    artifact_type: str = ""
    annotations: dict[str, str] | None = None

    def blobs(self) -> Iterator[Descriptor]:
        """Config, layers, and children that are no manifests: what a registry serves as blobs."""
        if self.config is not None:
            yield self.config
        yield from self.layers
        yield from (child for child in self.children if not is_manifest_child(child))

    def manifests(self) -> Iterator[Descriptor]:
        """Children that are manifests."""
        return (child for child in self.children if is_manifest_child(child))

    def descriptors(self) -> Iterator[Descriptor]:
        """All of them: config, layers, children, subject."""
        if self.config is not None:
            yield self.config
        yield from self.layers
        yield from self.children
        if self.subject is not None:
            yield self.subject


def is_manifest_child(child: Descriptor) -> bool:
    """Whether what an index names is a manifest; an index may also name other content (BuildKit's caches do)."""
    return child.media_type in MANIFEST_TYPES or not child.media_type


def manifest_links(data: bytes) -> Links:
    """What the manifest in `data` leads to; nothing if it cannot be read.

    Odd manifests are served like any other, so reading is lenient: whatever is not a descriptor is passed over, and
    keys are found in any case, as Go's decoder does in the clients that then ask for what they found.
    """
    document = _lenient_object(data)
    if document is None:
        return Links(length=len(data))
    config = _descriptor(document.get("config"))
    artifact_type = _text(document.get("artifactType"))
    if not artifact_type and config is not None and not document.get("manifests"):
        artifact_type = config.media_type  # distribution spec, "Listing Referrers"
    layers = _descriptors(document.get("layers")) + _descriptors(document.get("blobs"))
    return Links(
        length=len(data),
        media_type=_text(document.get("mediaType")),
        config=config,
        layers=layers + _schema1_layers(document.get("fsLayers")),
        children=_descriptors(document.get("manifests")),
        subject=_descriptor(document.get("subject")),
        artifact_type=artifact_type,
        annotations=_annotations(document.get("annotations")),
    )


def _lenient_object(data: bytes) -> dict[str, Any] | None:
    """The JSON object in `data`, or None."""
    if len(data) > MAX_MANIFEST:
        return None
    try:
        document = msgspec.json.decode(data)
    except NOT_JSON:
        document = _lenient_json(data)
    return _fields(document) if isinstance(document, dict) else None


def _lenient_json(data: bytes) -> Any:
    # Go replaces what is not UTF-8 and takes lone surrogates, where msgspec refuses the document.
    try:
        return json.loads(data.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None


def _fields(value: dict[str, Any]) -> dict[str, Any]:
    """A JSON object under the usual spelling of its keys. Nearly all have that: those cost next to nothing."""
    if _USUAL_KEYS.issuperset(value):
        return value
    return {_SPELLINGS.get(key.lower(), key): item for key, item in value.items()}


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def _annotations(value: Any) -> dict[str, str] | None:
    if not isinstance(value, dict):
        return None
    return {key: item for key, item in value.items() if isinstance(item, str)}


def _descriptor(value: Any) -> Descriptor | None:
    if not isinstance(value, dict):
        return None
    fields = _fields(value)
    digest = _text(fields.get("digest"))
    if not is_digest(digest):
        return None
    size = fields.get("size")
    known = isinstance(size, int) and not isinstance(size, bool) and 0 <= size < 1 << 63
    return Descriptor(
        media_type=_text(fields.get("mediaType")),
        digest=digest,
        size=size if known else -1,  # type: ignore[arg-type]
        artifact_type=_text(fields.get("artifactType")),
    )


def _descriptors(value: Any) -> tuple[Descriptor, ...]:
    if not isinstance(value, list):
        return ()
    return tuple(found for item in value if (found := _descriptor(item)) is not None)


def _schema1_layers(value: Any) -> tuple[Descriptor, ...]:
    """The layers of a schema 1 manifest: it says their digests only, and the newest comes first."""
    if not isinstance(value, list):
        return ()
    sums = [_text(_fields(item).get("blobSum")) for item in value if isinstance(item, dict)]
    return tuple(Descriptor(media_type=DOCKER_SCHEMA1_LAYER, digest=digest) for digest in sums if is_digest(digest))


def manifest_digest(data: bytes, media_type: str, algorithm: str = "sha256") -> str:
    """The digest that names a manifest.

    It is that of the bytes, but a signed schema 1 manifest is named by its payload, the text without the signatures.
    """
    if media_type in SCHEMA1_TYPES:
        payload = signed_payload(data)
        if payload is not None:
            return compute_digest(payload, algorithm)
    return compute_digest(data, algorithm)


def signed_payload(data: bytes) -> bytes | None:
    """The payload of a signed schema 1 manifest, or None if `data` is not one.

    Each signature's ``protected`` header says how many bytes of the text are payload and what comes after them
    (``formatLength``, ``formatTail``; libtrust's "pretty" JSON web signature). All signatures must say the same.
    """
    if len(data) > MAX_MANIFEST:
        return None
    try:
        signatures = msgspec.json.decode(data, type=_Signed).signatures
        formats = {_signature_format(signature.protected) for signature in signatures}
    except (ValueError, RecursionError):
        return None
    if len(formats) != 1:
        return None
    length, tail = formats.pop()
    if not 0 <= length <= len(data):
        return None
    return data[:length] + tail


class _Signature(msgspec.Struct):
    protected: str


class _Signed(msgspec.Struct):
    signatures: list[_Signature]


class _Protected(msgspec.Struct):
    length: int = msgspec.field(name="formatLength")
    tail: str = msgspec.field(name="formatTail")


def _signature_format(protected: str) -> tuple[int, bytes]:
    header = msgspec.json.decode(_base64url(protected), type=_Protected)
    return header.length, _base64url(header.tail)


def _base64url(text: str) -> bytes:
    """Decodes base64url, padded or not; spaces and newlines do not count (libtrust, ``joseBase64UrlDecode``)."""
    text = text.replace("\n", "").replace(" ", "").rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except binascii.Error as error:
        raise ValueError(f"not base64url: {error}") from error


def guessed_media_type(data: bytes, links: Links) -> str:
    """The media type of a manifest that nobody stated: what it says itself, else what it looks like.

    OCI manifests need not say what they are (image specification, ``manifest.md``); schema 1 never does.
    """
    if links.media_type:
        return links.media_type
    try:
        document = msgspec.json.decode(data)
    except NOT_JSON:
        document = None
    if not isinstance(document, dict):
        return ""
    if document.get("schemaVersion") == 1:
        return DOCKER_SCHEMA1_SIGNED if document.get("signatures") else DOCKER_SCHEMA1
    if "manifests" in document:
        return OCI_INDEX
    if links.config is not None and links.config.media_type == DOCKER_CONFIG:
        return DOCKER_MANIFEST
    return OCI_MANIFEST if "config" in document or "layers" in document else ""

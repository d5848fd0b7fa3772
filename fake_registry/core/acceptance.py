"""What is taken as a manifest when it is pushed. What a tree holds already is served as it is.

Sources: OCI image specification (``manifest.md``, ``image-index.md``), Docker image manifest version 2 schema 1 and 2.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Annotated, Any, Final

import msgspec
from msgspec import Meta

from fake_registry.core import errors
from fake_registry.oci import (
    DOCKER_SCHEMA1_SIGNED,
    IMAGE_TYPES,
    INDEX_TYPES,
    MANIFEST_TYPES,
    OCI_INDEX,
    OCI_MANIFEST,
    OCTET_STREAM,
    SCHEMA1_TYPES,
    is_algorithm,
    is_digest,
    signed_payload,
)

_MEDIA_TYPE: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}/[A-Za-z0-9][A-Za-z0-9!#$&^_.+-]{0,126}")
_DIGEST: Final = re.compile(r"([a-z0-9]+(?:[+._-][a-z0-9]+)*):[A-Za-z0-9=_-]+")
_SAYS_NOTHING: Final = frozenset({"", "application/json", OCTET_STREAM})
"""What clients send that do not know what they push."""


class _Reference(msgspec.Struct):
    digest: str
    size: Annotated[int, Meta(ge=0, le=(1 << 63) - 1)]
    media_type: str = msgspec.field(default="", name="mediaType")
    annotations: dict[str, str] | None = None


class _Layer(msgspec.Struct):
    blob_sum: str = msgspec.field(name="blobSum")


class _Document(msgspec.Struct):
    """The fields of all kinds of manifests, each as it has to be where it is there."""

    schema_version: int | None = msgspec.field(default=None, name="schemaVersion")
    media_type: str = msgspec.field(default="", name="mediaType")
    config: _Reference | None = None
    layers: list[_Reference] | None = None
    manifests: list[_Reference] | None = None
    blobs: list[_Reference] | None = None
    subject: _Reference | None = None
    annotations: dict[str, str] | None = None
    fs_layers: list[_Layer] | None = msgspec.field(default=None, name="fsLayers")
    signatures: list[Any] | None = None

    def digests(self) -> Iterator[str]:
        for one in (self.config, self.subject):
            if one is not None:
                yield one.digest
        for several in (self.layers, self.manifests, self.blobs):
            yield from (reference.digest for reference in several or ())
        yield from (layer.blob_sum for layer in self.fs_layers or ())


def accepted_type(data: bytes, content_type: str) -> str:
    """The media type of a manifest that is pushed: what the client says, else what the manifest says or looks like.

    Raises:
        RegistryError: it is no manifest of that type.
    """
    try:
        document = msgspec.json.decode(data, type=_Document)
    except RecursionError:
        raise errors.manifest_invalid("nested too deeply") from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise errors.manifest_invalid(str(error)) from None
    media_type = content_type.partition(";")[0].strip()
    if media_type.lower() in _SAYS_NOTHING:
        media_type = document.media_type or _guess(document)
    if media_type.lower() in MANIFEST_TYPES:
        media_type = media_type.lower()
    wrong = _what_is_wrong(document, media_type, data)
    if wrong:
        raise errors.manifest_invalid(wrong)
    return media_type


def _guess(document: _Document) -> str:
    if document.fs_layers is not None:
        return DOCKER_SCHEMA1_SIGNED
    if document.manifests is not None:
        return OCI_INDEX
    return OCI_MANIFEST


def _what_is_wrong(document: _Document, media_type: str, data: bytes) -> str:
    """Why this is no manifest of that type; empty if it is one."""
    if not _MEDIA_TYPE.fullmatch(media_type):
        return f"{media_type[:200]!r} is no media type"
    if document.media_type and document.media_type.lower() != media_type.lower():
        return f"mediaType is {document.media_type[:200]}, but Content-Type {media_type}"
    for digest in document.digests():
        if not _is_possible(digest):
            return f"{digest[:200]!r} is no digest"
    if media_type in SCHEMA1_TYPES:
        return _wrong_in_schema1(document, media_type, data)
    if media_type in IMAGE_TYPES | INDEX_TYPES:
        return _wrong_in_schema2(document, index=media_type in INDEX_TYPES)
    return ""


def _wrong_in_schema1(document: _Document, media_type: str, data: bytes) -> str:
    if document.schema_version != 1:
        return "schemaVersion has to be 1"
    if document.fs_layers is None:
        return "fsLayers are missing"
    if media_type == DOCKER_SCHEMA1_SIGNED and signed_payload(data) is None:
        return "signatures are missing, or do not say what they sign"
    return ""


def _wrong_in_schema2(document: _Document, *, index: bool) -> str:
    if document.schema_version != 2:
        return "schemaVersion has to be 2"
    if index:
        if document.manifests is None:
            return "manifests are missing"
        return "" if document.config is None and document.layers is None else "an index with config or layers"
    if document.config is None or document.layers is None:
        return "config is missing" if document.config is None else "layers are missing"
    return "" if document.manifests is None else "an image with manifests"


def _is_possible(digest: str) -> bool:
    """Whether this is a digest, by any algorithm: of those that are known here the length has to be right, too."""
    found = _DIGEST.fullmatch(digest)
    return found is not None and (not is_algorithm(found[1]) or is_digest(digest))

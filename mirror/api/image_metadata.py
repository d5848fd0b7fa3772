"""``dockerImageMetadata`` as clients send it: what is known of it is kept, in the order in which it is always shown.

Source: openshift-apiserver ``apis/image/v1/conversion.go``, docker10 types.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from mirror import gojson
from mirror.gojson import GoJSONError
from mirror.gotext import ZERO_TEXT, quote
from mirror.importer.configs import CONTAINER_FIELDS, ImageConfig, container_of, docker_image_metadata
from mirror.kubejson import UnrecognizedError, peek_type_meta
from mirror.v1.image import EMPTY_METADATA, Image

VERSION: Final = "1.0"
_KIND: Final = "DockerImage"
_SCHEME: Final = "github.com/openshift/openshift-apiserver/pkg/image/apis/image/v1/conversion.go:20"
_KNOWN: Final = frozenset({"1.0", "image.openshift.io/1.0"})

_CONTAINER: Final = gojson.Struct(go="docker10.DockerConfig", fields=CONTAINER_FIELDS, fold=False)
_METADATA: Final = gojson.Struct(
    go="docker10.DockerImage",
    fields=[
        ("kind", gojson.String),
        ("apiVersion", gojson.String),
        ("Id", gojson.String),
        ("Parent", gojson.String),
        ("Comment", gojson.String),
        ("Created", gojson.MetaTime),
        ("Container", gojson.String),
        ("ContainerConfig", _CONTAINER),
        ("DockerVersion", gojson.String),
        ("Author", gojson.String),
        ("Config", gojson.Pointer(_CONTAINER)),
        ("Architecture", gojson.String),
        ("Size", gojson.Int64),
    ],
    fold=False,
)


class ConversionError(ValueError):
    """Something in an object cannot be converted; the text is that of the real server."""


def read_metadata(raw: msgspec.Raw) -> tuple[ImageConfig, int]:
    """What metadata say, and the size that they give in bytes.

    Raises:
        ConversionError: they cannot be read.
    """
    data = bytes(raw)
    try:
        version, kind = peek_type_meta(data)
        _check_kind(version, kind, data)
        fields = gojson.decode(data, _METADATA)
    except UnrecognizedError as error:
        raise ConversionError(error.problem) from None
    except GoJSONError as error:
        raise ConversionError(str(error)) from None
    return _config(fields), fields.get("Size", 0)


def _check_kind(version: str, kind: str, data: bytes) -> None:
    for what, text in (("Kind", kind), ("apiVersion", version)):
        if not text:
            raise ConversionError(f"Object '{what}' is missing in '{data.decode('utf-8', 'replace')}'")
    if kind != _KIND or version not in _KNOWN:
        where = f"registered for version {quote(version)} in scheme {quote(_SCHEME)}"
        raise ConversionError(f"no kind {quote(kind)} is {where}")


def _config(fields: dict[str, Any]) -> ImageConfig:
    created = fields.get("Created")
    config = fields.get("Config")
    return ImageConfig(
        fields.get("Id", ""),
        fields.get("Parent", ""),
        fields.get("Comment", ""),
        None if created == ZERO_TEXT else created,
        fields.get("Container", ""),
        container_of(fields.get("ContainerConfig") or {}),
        fields.get("DockerVersion", ""),
        fields.get("Author", ""),
        None if config is None else container_of(config),
        fields.get("Architecture", ""),
    )


def default_image(image: Image) -> None:
    """Completes an image: metadata in their normal form and version, nothing empty.

    Raises:
        ConversionError: the metadata cannot be read.
    """
    version = image.dockerImageMetadataVersion or VERSION
    if version != VERSION:
        named = quote(f"image.openshift.io/{version}")
        where = f"registered for version {named} in scheme {quote(_SCHEME)}"
        raise ConversionError(f"no kind {quote(_KIND)} is {where}")
    image.dockerImageMetadataVersion = version
    if bytes(image.dockerImageMetadata) not in (b"", b"null", bytes(EMPTY_METADATA)):
        config, size = read_metadata(image.dockerImageMetadata)
        image.dockerImageMetadata = docker_image_metadata(config, config.id, size)
    else:
        image.dockerImageMetadata = EMPTY_METADATA
    image.dockerImageLayers = image.dockerImageLayers or None
    image.dockerImageManifests = image.dockerImageManifests or None
    image.dockerImageSignatures = image.dockerImageSignatures or None
    image.signatures = image.signatures or None

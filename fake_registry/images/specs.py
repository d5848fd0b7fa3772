"""What images to make: the fields of a synthetic image."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec

from fake_registry import oci

Kind = Literal["oci", "docker"]

DEFAULT_PLATFORM: Final = "linux/amd64"
MULTI_ARCH: Final = (DEFAULT_PLATFORM, "linux/arm64", "linux/ppc64le", "linux/s390x")


class MediaTypes(msgspec.Struct, frozen=True):
    """The media types of one family of images."""

    manifest: str
    index: str
    config: str
    layer: str


MEDIA_TYPES: Final[dict[Kind, MediaTypes]] = {
    "oci": MediaTypes(manifest=oci.OCI_MANIFEST, index=oci.OCI_INDEX, config=oci.OCI_CONFIG, layer=oci.OCI_LAYER),
    "docker": MediaTypes(
        manifest=oci.DOCKER_MANIFEST, index=oci.DOCKER_LIST, config=oci.DOCKER_CONFIG, layer=oci.DOCKER_LAYER
    ),
}


class RunConfig(
    msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="pascal", forbid_unknown_fields=True
):
    """The ``config`` of an image configuration (OCI image-spec, config.md), written in Go's order."""

    user: str = ""
    exposed_ports: dict[str, dict[str, str]] = {}
    env: list[str] = []
    entrypoint: list[str] = []
    cmd: list[str] = []
    volumes: dict[str, dict[str, str]] = {}
    working_dir: str = ""
    labels: dict[str, str] = {}
    stop_signal: str = ""


class Template(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What images of one repository have in common.

    ``platforms`` are ``os/architecture[/variant]``; several of them, or ``index``, make an index (a manifest list
    for ``docker``). The first half of the ``layers`` comes from ``base`` and is shared by all images that name it.
    ``layer_size`` is the mean size in bytes that a manifest gives for a layer; ``real_layers`` makes the layers, and
    they are as large as they turn out: a few thousand bytes.
    """

    platforms: tuple[str, ...] = (DEFAULT_PLATFORM,)
    kind: Kind = "oci"
    index: bool = False
    base: str = "ubi9"
    layers: Annotated[int, msgspec.Meta(ge=0, le=127)] = 3
    layer_size: Annotated[int, msgspec.Meta(ge=64)] = 20_000_000
    real_layers: bool = False
    created: Annotated[datetime, msgspec.Meta(tz=True)] = datetime(2024, 1, 1, tzinfo=UTC)
    config: RunConfig = RunConfig()
    annotations: dict[str, str] = {}


class ImageSpec(Template, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One image to make. ``name`` and ``version`` seed its content: images that agree in all fields are the same.

    ``contents`` are layers on top of those that are made up: the files of one, by their paths, or the bytes of one as
    they are to be stored.
    """

    name: str
    version: str
    contents: tuple[dict[str, bytes] | bytes, ...] = ()

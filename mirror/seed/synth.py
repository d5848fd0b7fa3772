"""Synthetic images: manifests and configs that look real, made from a few words, always the same bytes.

Nothing here asks a clock, a random number or the machine's compressor: the same `ImageSpec` gives the same
digests everywhere. Layers are a digest and a size only, unless real ones are asked for.
"""

from __future__ import annotations

import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Annotated, Final, Literal

import msgspec

from fake_registry import oci
from fake_registry.oci import Descriptor, Index, Manifest, Platform, compute_digest
from mirror.errors import InputError

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
    """One image to make. ``name`` and ``version`` seed its content: images that agree in all fields are the same."""

    name: str
    version: str


class Layer(msgspec.Struct, frozen=True):
    """A layer: digest and size compressed, digest of its tar (``diff_id``), and its bytes if they were made."""

    digest: str
    size: int
    diff_id: str
    content: bytes | None = None


class BuiltImage(msgspec.Struct, frozen=True):
    """The image of one platform: manifest and config as they are stored, and its layers, the base first."""

    platform: str
    media_type: str
    manifest: bytes
    digest: str
    config: bytes
    config_digest: str
    layers: tuple[Layer, ...]


class BuiltIndex(msgspec.Struct, frozen=True):
    """An index or manifest list, and its images in the order of the platforms."""

    media_type: str
    manifest: bytes
    digest: str
    images: tuple[BuiltImage, ...]


def build(spec: ImageSpec) -> BuiltImage | BuiltIndex:
    """Makes an image, or an index where the spec asks for one.

    Raises:
        InputError: platforms or annotations that cannot be.
    """
    if spec.index or len(spec.platforms) != 1:
        return build_index(spec)
    return build_image(spec, spec.platforms[0])


def build_index(spec: ImageSpec) -> BuiltIndex:
    """Makes the images of all platforms, and the index (OCI) or manifest list (Docker) that leads to them.

    Raises:
        InputError: no platform, or the same one twice; and what `build_image` raises.
    """
    if not spec.platforms or len(set(spec.platforms)) != len(spec.platforms):
        raise InputError(f"platforms of {spec.name}: {list(spec.platforms)} has to name at least one, and none twice")
    images = tuple(build_image(spec, platform) for platform in spec.platforms)
    media_type = MEDIA_TYPES[spec.kind].index
    entries = [
        Descriptor(
            media_type=image.media_type,
            digest=image.digest,
            size=len(image.manifest),
            platform=_platform(image.platform),
        )
        for image in images
    ]
    manifest = _encode(spec.kind, Index(schema_version=2, media_type=media_type, manifests=entries))
    return BuiltIndex(media_type, manifest, compute_digest(manifest), images)


def build_image(spec: ImageSpec, platform: str) -> BuiltImage:
    """Makes the image of one platform.

    Raises:
        InputError: a platform that is not ``os/architecture[/variant]``, annotations on a Docker image, which has
            none.
    """
    if spec.annotations and spec.kind == "docker":
        raise InputError(f"annotations of {spec.name}: Docker manifests have none; use labels, or kind: oci")
    layers = tuple(_layers(spec, platform))
    config = _config(spec, _platform(platform), [layer.diff_id for layer in layers])
    media_types = MEDIA_TYPES[spec.kind]
    config_digest = compute_digest(config)
    manifest = _encode(
        spec.kind,
        Manifest(
            schema_version=2,
            media_type=media_types.manifest,
            config=Descriptor(media_type=media_types.config, digest=config_digest, size=len(config)),
            layers=[Descriptor(media_type=media_types.layer, digest=one.digest, size=one.size) for one in layers],
            annotations=spec.annotations or None,
        ),
    )
    digest = compute_digest(manifest)
    return BuiltImage(platform, media_types.manifest, manifest, digest, config, config_digest, layers)


# The image configuration, in the field order of the Go types that write it.


class _History(msgspec.Struct, frozen=True, omit_defaults=True):
    created: str
    created_by: str
    empty_layer: bool = False


class _RootFS(msgspec.Struct, frozen=True):
    type: str
    diff_ids: list[str]


class _Config(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    created: str
    author: str = ""
    docker_version: str = ""
    architecture: str
    variant: str = ""
    os: str
    config: RunConfig
    rootfs: _RootFS
    history: list[_History]


def _encode(kind: Kind, document: Manifest | Index) -> bytes:
    """A manifest as its tools write it: Docker's indented by three, others compact."""
    encoded = msgspec.json.encode(document, order="deterministic")
    return msgspec.json.format(encoded, indent=3) if kind == "docker" else encoded


def _platform(text: str) -> Platform:
    os, slash, rest = text.partition("/")
    architecture, _, variant = rest.partition("/")
    if not (os and slash and architecture) or "/" in variant:
        raise InputError(f"platform {text!r}: has to be os/architecture or os/architecture/variant")
    return Platform(architecture=architecture, os=os, variant=variant)


def _seed(*words: object) -> str:
    """64 hex digits that follow from some words."""
    return hashlib.sha256("\0".join(map(str, words)).encode()).hexdigest()


def _rfc3339(time: datetime) -> str:
    return time.astimezone(UTC).isoformat().replace("+00:00", "Z")


def _layers(spec: ImageSpec, platform: str) -> Iterator[Layer]:
    shared = (spec.layers + 1) // 2
    for number in range(spec.layers):
        origin = (spec.base,) if number < shared else (spec.name, spec.version)
        seed = _seed("layer", *origin, platform, number)
        if spec.real_layers:
            tar = _tar(f"usr/share/doc/{origin[0].rsplit('/', 1)[-1]}/layer-{number}", f"{seed}\n".encode())
            content = _gzip(tar)
            yield Layer(compute_digest(content), len(content), compute_digest(tar), content)
        else:
            # Between half and one and a half times the mean.
            size = spec.layer_size // 2 + int(seed[:8], 16) * spec.layer_size // 0xFFFFFFFF
            yield Layer(f"sha256:{_seed('gzip', seed)}", size, f"sha256:{_seed('tar', seed)}")


def _tar(path: str, content: bytes) -> bytes:
    """A tar archive of one file that belongs to root and is as old as Unix."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        member = tarfile.TarInfo(path)
        member.size = len(content)
        tar.addfile(member, io.BytesIO(content))
    return out.getvalue()


def _gzip(content: bytes) -> bytes:
    """Content in gzip framing (RFC 1952), not compressed: what a compressor makes depends on its version."""
    blocks = range(0, len(content), 0xFFFF) or (0,)
    parts = [b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\xff"]
    for start in blocks:
        block = content[start : start + 0xFFFF]
        final = start + 0xFFFF >= len(content)
        parts += [bytes([final]), len(block).to_bytes(2, "little"), (len(block) ^ 0xFFFF).to_bytes(2, "little"), block]
    parts += [zlib.crc32(content).to_bytes(4, "little"), (len(content) & 0xFFFFFFFF).to_bytes(4, "little")]
    return b"".join(parts)


def _config(spec: ImageSpec, platform: Platform, diff_ids: list[str]) -> bytes:
    run = msgspec.structs.replace(spec.config, labels=_labels(spec, platform))
    return msgspec.json.encode(
        _Config(
            created=_rfc3339(spec.created),
            docker_version="24.0.9" if spec.kind == "docker" else "",
            architecture=platform.architecture,
            variant=platform.variant,
            os=platform.os,
            config=run,
            rootfs=_RootFS("layers", diff_ids),
            history=list(_history(spec, run)),
        ),
        order="deterministic",  # as Go writes maps
    )


def _labels(spec: ImageSpec, platform: Platform) -> dict[str, str]:
    """The labels that image builders set, under those that the spec gives."""
    name = spec.name.rsplit("/", 1)[-1]
    labels = {
        "architecture": {"amd64": "x86_64", "arm64": "aarch64"}.get(platform.architecture, platform.architecture),
        "build-date": _rfc3339(spec.created),
        "io.k8s.display-name": f"{name} {spec.version}",
        "name": spec.name.partition("/")[2] or spec.name,
        "vcs-ref": _seed("commit", spec.name, spec.version)[:40],
        "version": spec.version,
        **spec.config.labels,
    }
    if spec.config.exposed_ports and "io.openshift.expose-services" not in labels:
        ports = (port.partition("/")[0] for port in spec.config.exposed_ports)
        labels["io.openshift.expose-services"] = ",".join(f"{port}:http" for port in ports)
    return labels


def _history(spec: ImageSpec, run: RunConfig) -> Iterator[_History]:
    created = _rfc3339(spec.created)
    shared = (spec.layers + 1) // 2
    for number in range(spec.layers):
        source = f"{spec.base} in /" if number < shared else f"layer-{number} in /usr/share"
        yield _History(created, f"/bin/sh -c #(nop) ADD {source}")
    for variable in run.env:
        yield _History(created, f"/bin/sh -c #(nop) ENV {variable}", empty_layer=True)
    for word, value in (("ENTRYPOINT", run.entrypoint), ("CMD", run.cmd)):
        if value:
            json = msgspec.json.encode(value).decode()
            yield _History(created, f"/bin/sh -c #(nop) {word} {json}", empty_layer=True)

"""Layers: digests and sizes that look real, or tar archives that always come out the same."""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from typing import Final

import msgspec

from fake_registry.errors import ImageError
from fake_registry.images.specs import ImageSpec
from fake_registry.oci import compute_digest

_GZIP: Final = b"\x1f\x8b"


class Layer(msgspec.Struct, frozen=True):
    """A layer: digest and size compressed, digest of its tar (``diff_id``), and its bytes if they were made."""

    digest: str
    size: int
    diff_id: str
    content: bytes | None = None


def seed(*words: object) -> str:
    """64 hex digits that follow from some words."""
    return hashlib.sha256("\0".join(map(str, words)).encode()).hexdigest()


def shared_layers(spec: ImageSpec) -> int:
    """How many of the layers come from the base."""
    return (spec.layers + 1) // 2


def layers_of(spec: ImageSpec, platform: str) -> Iterator[Layer]:
    """The layers of an image for one platform, the base first.

    Raises:
        ImageError: bytes that begin like a gzip stream and are none, or a path that a tar archive cannot have.
    """
    for number in range(spec.layers):
        origin = (spec.base,) if number < shared_layers(spec) else (spec.name, spec.version)
        origin_seed = seed("layer", *origin, platform, number)
        if spec.real_layers:
            path = f"usr/share/doc/{origin[0].rsplit('/', 1)[-1]}/layer-{number}"
            yield _packed({path: f"{origin_seed}\n".encode()})
        else:
            # Between half and one and a half times the mean.
            size = spec.layer_size // 2 + int(origin_seed[:8], 16) * spec.layer_size // 0xFFFFFFFF
            yield Layer(f"sha256:{seed('gzip', origin_seed)}", size, f"sha256:{seed('tar', origin_seed)}")
    for content in spec.contents:
        yield _finished(content) if isinstance(content, bytes) else _packed(content)


def _packed(files: Mapping[str, bytes]) -> Layer:
    """The layer of some files."""
    tar = _tar(files)
    content = _gzip(tar)
    return Layer(compute_digest(content), len(content), compute_digest(tar), content)


def _finished(content: bytes) -> Layer:
    """A layer that is there already, packed or not."""
    tar = content
    if content.startswith(_GZIP):
        try:
            tar = gzip.decompress(content)
        except (OSError, EOFError, zlib.error) as error:
            raise ImageError(f"layer {compute_digest(content)}: begins as gzip does, but {error}") from None
    return Layer(compute_digest(content), len(content), compute_digest(tar), content)


def _tar(files: Mapping[str, bytes]) -> bytes:
    """A tar archive of files that belong to root and are as old as Unix."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for path, content in files.items():
            member = tarfile.TarInfo(path)
            member.size = len(content)
            try:
                tar.addfile(member, io.BytesIO(content))
            except ValueError as error:
                raise ImageError(f"file {path!r} of a layer: {error}") from None
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

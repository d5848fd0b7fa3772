"""What ``docker save`` and skopeo's ``docker-archive:`` write: configs and layers, but no registry manifest.

The image keeps its ID, the digest of its config; the manifest is made here, so its digest is new. Layers are taken as
they lie in the archive, mostly uncompressed. Sources: Docker image specification v1.2, "Combined Image JSON +
Filesystem Changeset Format"; containers/image, ``docker/internal/tarfile``.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from typing import BinaryIO, Final, cast

import msgspec

from fake_registry import oci
from fake_registry.oci import MAX_MANIFEST, NOT_JSON, Descriptor, Manifest, compute_digest, is_digest
from mirror.errors import InputError
from mirror.seed.archives.contents import Archive, ArchivedImage
from mirror.seed.archives.files import Files, read_small
from mirror.seed.archives.layout import split_reference
from mirror.seed.archives.spool import compression, decompressed

_CHUNK: Final = 1 << 20
_MANIFEST: Final = "manifest.json"
_MOST_OF_CONFIGS: Final = 256 << 20
_LAYER_TYPES: Final = {"": "application/vnd.docker.image.rootfs.diff.tar", "gzip": oci.DOCKER_LAYER}


class _Entry(msgspec.Struct):
    """An image of ``manifest.json``."""

    config: str = msgspec.field(name="Config")
    tags: list[str] | None = msgspec.field(name="RepoTags", default=None)
    layers: list[str] | None = msgspec.field(name="Layers", default=None)


class _RootFS(msgspec.Struct):
    diff_ids: list[str] = []


class _Config(msgspec.Struct):
    rootfs: _RootFS = msgspec.field(default_factory=_RootFS)


class DockerArchive(Archive):
    """A docker-archive."""

    form = "a docker-archive"
    new_digests = True

    def __init__(self, files: Files) -> None:
        super().__init__(files)
        self._layers: dict[tuple[str, str], Descriptor] = {}
        self._made: dict[str, bytes] = {}
        self._names: dict[str, str] = {}
        self._configs: dict[str, tuple[Descriptor, list[str]]] = {}
        self._bytes_of_configs = 0

    @staticmethod
    def recognizes(files: Files) -> bool:
        """Whether this is one: its ``manifest.json`` is a list."""
        stream = files.open(_MANIFEST)
        if stream is None:
            return False
        with stream:
            return stream.read(64).lstrip()[:1] == b"["

    def images(self) -> list[ArchivedImage]:
        """An image for each of its names, or one without a name."""
        return list(self._images())

    def content(self, digest: str, place: str) -> BinaryIO | None:
        """A manifest that was made, a config or a layer."""
        del place
        if digest in self._made:
            return io.BytesIO(self._made[digest])
        name = self._names.get(digest)
        return None if name is None else self._files.open(name)

    def _images(self) -> Iterator[ArchivedImage]:
        data = read_small(self._files, _MANIFEST, MAX_MANIFEST) or b""
        try:
            entries = msgspec.json.decode(data, type=list[_Entry])
        except NOT_JSON as error:
            raise InputError(f"{self.name}: {_MANIFEST}: {error}") from None
        for entry in entries:
            manifest = self._manifest(entry)
            digest = compute_digest(manifest)
            self._made[digest] = manifest
            for tag in entry.tags or [""]:
                repository, tag_name = split_reference(tag, f"{self.name}: {_MANIFEST}: RepoTags") if tag else ("", "")
                yield ArchivedImage(digest, oci.DOCKER_MANIFEST, repository, tag_name)

    def _manifest(self, entry: _Entry) -> bytes:
        config, diff_ids = self._config(entry.config)
        names = entry.layers or []
        if len(names) != len(diff_ids):
            raise InputError(
                f"{self.name}: {_MANIFEST} names {len(names)} layers, and the config {entry.config} {len(diff_ids)}"
            )
        layers = [self._layer(name, diff_id) for name, diff_id in zip(names, diff_ids, strict=True)]
        document = Manifest(
            schema_version=2,
            media_type=oci.DOCKER_MANIFEST,
            config=config,
            layers=layers,
        )
        return msgspec.json.format(msgspec.json.encode(document, order="deterministic"), indent=3)

    def _config(self, name: str) -> tuple[Descriptor, list[str]]:
        """A config's descriptor, and what it says of the layers; many images may name the same one."""
        known = self._configs.get(name)
        if known is not None:
            return known
        data = read_small(self._files, name, MAX_MANIFEST)
        if data is None:
            raise InputError(f"{self.name}: {_MANIFEST} names the config {name[:200]!r}, which is not there")
        self._bytes_of_configs += len(data)
        if self._bytes_of_configs > _MOST_OF_CONFIGS:
            raise InputError(f"{self.name}: configs of more than {_MOST_OF_CONFIGS} bytes; expected at most that many")
        try:
            diff_ids = msgspec.json.decode(data, type=_Config).rootfs.diff_ids
        except NOT_JSON as error:
            raise InputError(f"{self.name}: {name}: {error}") from None
        for diff_id in diff_ids:
            if not is_digest(diff_id):
                raise InputError(f"{self.name}: {name}: rootfs.diff_ids: found {diff_id[:200]!r}; expected a digest")
        descriptor = Descriptor(media_type=oci.DOCKER_CONFIG, digest=compute_digest(data), size=len(data))
        self._names[descriptor.digest] = name
        self._configs[name] = descriptor, diff_ids
        return descriptor, diff_ids

    def _layer(self, name: str, diff_id: str) -> Descriptor:
        """A layer's descriptor, after a look at all of it: the config says what it has to be when unpacked."""
        real = self._files.real_name(name)
        if real is None:
            raise InputError(f"{self.name}: {_MANIFEST} names the layer {name[:200]!r}, which is not there")
        known = self._layers.get((real, diff_id))
        if known is None:
            known = self._layers[real, diff_id] = self._measured(real, diff_id)
            self._names[known.digest] = real
        return known

    def _measured(self, name: str, diff_id: str) -> Descriptor:
        with self._opened(name) as stream:
            form = compression(stream.read(6))
            stream.seek(0)
            plain = hashlib.sha256()
            unpacked = decompressed(stream, f"{self.name}: {name}")
            while data := unpacked.read(_CHUNK):
                plain.update(data)
        found = f"sha256:{plain.hexdigest()}"
        if found != diff_id:
            raise InputError(f"{self.name}: {name} is {found}; its config says {diff_id[:200]}")
        if form not in _LAYER_TYPES:
            raise InputError(f"{self.name}: {name} is compressed with {form}, for which Docker has no media type")
        if form:
            with self._opened(name) as stream:
                found = "sha256:" + hashlib.file_digest(cast("io.BytesIO", stream), "sha256").hexdigest()
        return Descriptor(media_type=_LAYER_TYPES[form], digest=found, size=self._files.size(name) or 0)

    def _opened(self, name: str) -> BinaryIO:
        stream = self._files.open(name)
        if stream is None:
            raise InputError(f"{self.name}: {name} is not there")
        return stream

"""Writing images of a tree as archives that other tools read. Manifests keep their bytes, and so their digests."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import BinaryIO, Final, Literal, cast

import msgspec

from fake_registry.fixtures.layout import LAYOUT_TEXT, json_text
from fake_registry.oci import (
    IMAGE_TYPES,
    OCI_INDEX,
    TAG_ANNOTATION,
    Descriptor,
    manifest_links,
    parse_digest,
)
from mirror.errors import InputError
from mirror.seed.archives.closure import Closure, chunks_of
from mirror.seed.archives.sinks import DirectorySink, Sink, TarSink, written
from mirror.seed.archives.spool import decompressed

Form = Literal["oci", "oci-archive", "docker-archive", "dir"]

FORMS: Final[tuple[Form, ...]] = ("oci", "oci-archive", "docker-archive", "dir")
_CHUNK: Final = 1 << 20

Progress = Callable[[int, int], None]
"""Is told how many of how many images were written."""


def write_archive(form: Form, path: Path, images: Sequence[Closure], progress: Progress | None = None) -> None:
    """Writes images to a new file or directory, which gets its name when it is whole.

    Raises:
        InputError: there is something with that name, or an image that the format cannot hold.
        TreeError: something of the tree cannot be read.
    """
    if form == "dir" and len(images) != 1:
        raise InputError(f"dir: holds one image, and these are {len(images)}; name one, or take oci or oci-archive")
    sink: AbstractContextManager[Sink] = DirectorySink(path) if form in {"oci", "dir"} else TarSink(path)
    with written(path), sink as target:
        if form == "docker-archive":
            _DockerWriter(target).write(images, progress)
        elif form == "dir":
            _write_directory(target, images[0])
        else:
            _write_layout(target, images, progress)
    if progress is not None:
        progress(len(images), len(images))


def _write_layout(sink: Sink, images: Sequence[Closure], progress: Progress | None) -> None:
    """An OCI image layout: tags as names where all images are of one repository, else whole references."""
    repositories = {(closure.image.host, closure.image.repository) for closure in images}
    entries = []
    done: set[str] = set()
    sink.put("oci-layout", len(LAYOUT_TEXT), [LAYOUT_TEXT])
    for number, closure in enumerate(images):
        if progress is not None:
            progress(number, len(images))
        name = closure.image.tag if len(repositories) == 1 else str(closure.image)
        entries.append(_entry(closure, name))
        for digest, size, chunks in _contents(closure):
            if digest not in done:
                done.add(digest)
                sink.put(f"blobs/{digest.replace(':', '/')}", size, chunks)
    index = json_text({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": entries})
    sink.put("index.json", len(index), [index])


def _write_directory(sink: Sink, closure: Closure) -> None:
    """skopeo's ``dir:``."""
    manifests = {content.descriptor.digest for content in closure.manifests}
    version = b"Directory Transport Version: 1.1\n"
    sink.put("version", len(version), [version])
    for digest, size, chunks in _contents(closure):
        algorithm, digits = parse_digest(digest)
        stem = digits if algorithm == "sha256" else f"{algorithm}-{digits}"
        if digest == closure.root.descriptor.digest:
            sink.put("manifest.json", size, chunks)
        else:
            sink.put(f"{stem}.manifest.json" if digest in manifests else stem, size, chunks)


def _contents(closure: Closure) -> Iterator[tuple[str, int, Iterator[bytes]]]:
    """Everything of an image: digest, size in bytes, content."""
    for content in closure.manifests:
        yield content.descriptor.digest, len(content.data), iter([content.data])
    for blob in closure.blobs:
        path, size = _file(closure, blob)
        yield blob.digest, size, _verified(chunks_of(path), blob.digest, closure)


def _entry(closure: Closure, name: str) -> dict[str, object]:
    descriptor = closure.root.descriptor
    entry: dict[str, object] = {
        "mediaType": descriptor.media_type,
        "digest": descriptor.digest,
        "size": len(closure.root.data),
    }
    return entry | ({"annotations": {TAG_ANNOTATION: name}} if name else {})


def _file(closure: Closure, blob: Descriptor) -> tuple[str, int]:
    found = closure.image.snapshot.find_blob(blob.digest)
    if found is None:
        raise InputError(f"{closure.image}: {blob.digest} went away while it was exported")
    return found.path, found.size


def _verified(chunks: Iterator[bytes], digest: str, closure: Closure) -> Iterator[bytes]:
    """Passes content on, and says at its end if it was not what its digest names."""
    algorithm, digits = parse_digest(digest)
    found = hashlib.new(algorithm)
    for chunk in chunks:
        found.update(chunk)
        yield chunk
    if found.hexdigest() != digits:
        raise InputError(f"{closure.image}: {digest} is damaged in the tree; ismirror data verify says more")


class _DockerWriter:
    """A docker-archive: configs, unpacked layers, and ``manifest.json``, which names both."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._done: set[str] = set()
        self._diff_ids: dict[str, tuple[str, int]] = {}

    def write(self, images: Sequence[Closure], progress: Progress | None) -> None:
        documents: dict[str, dict[str, object]] = {}
        for number, closure in enumerate(images):
            if progress is not None:
                progress(number, len(images))
            digest = closure.root.descriptor.digest
            if digest not in documents:
                documents[digest] = self._image(closure)
            tags = cast("list[str]", documents[digest]["RepoTags"])
            if closure.image.tag:
                tags.append(str(closure.image))
        data = msgspec.json.encode(list(documents.values()))
        self._sink.put("manifest.json", len(data), [data])

    def _image(self, closure: Closure) -> dict[str, object]:
        links = manifest_links(closure.root.data)
        if closure.root.descriptor.media_type not in IMAGE_TYPES or links.config is None:
            raise InputError(f"{closure.image}: a docker-archive holds images of Docker's schema 2 and OCI only")
        config, size = _file(closure, links.config)
        name = f"{parse_digest(links.config.digest)[1]}.json"
        self._put(name, size, _verified(chunks_of(config), links.config.digest, closure))
        layers = [self._layer(closure, layer) for layer in links.layers]
        return {"Config": name, "RepoTags": [], "Layers": layers}

    def _layer(self, closure: Closure, layer: Descriptor) -> str:
        """Writes a layer unpacked, under its diff ID. It is unpacked twice: a tar says sizes before contents."""
        path = _file(closure, layer)[0]
        if layer.digest not in self._diff_ids:
            for _ in _verified(chunks_of(path), layer.digest, closure):
                pass
            plain, size = hashlib.sha256(), 0
            for chunk in _unpacked(path, layer.digest):
                plain.update(chunk)
                size += len(chunk)
            self._diff_ids[layer.digest] = plain.hexdigest(), size
        diff_id, size = self._diff_ids[layer.digest]
        self._put(f"{diff_id}.tar", size, _unpacked(path, layer.digest))
        return f"{diff_id}.tar"

    def _put(self, name: str, size: int, chunks: Iterator[bytes]) -> None:
        if name not in self._done:
            self._done.add(name)
            self._sink.put(name, size, chunks)


def _unpacked(path: str, name: str) -> Iterator[bytes]:
    with open(path, "rb") as file:  # noqa: PTH123
        plain = decompressed(cast("BinaryIO", file), name)
        while data := plain.read(_CHUNK):
            yield data

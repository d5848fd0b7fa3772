"""Bundles, made by the program and by hand, and trees to make them from."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import zstandard

from fake_registry.fixtures import Tree
from fake_registry.oci import OCI_MANIFEST
from mirror.seed.archives.tar import TAR_END, tar_header, tar_padding
from mirror.seed.bundles.applying import Applied, apply_bundle
from mirror.seed.bundles.creating import Options, create_bundle, planned
from mirror.seed.bundles.parts import encode_trailer
from mirror.seed.bundles.reading import Tally
from mirror.seed.bundles.records import REMOVALS, Amount, Base, Entry, Header, Summary, Trailer, identity
from mirror.seed.bundles.states import TreeState
from support.registry import HOST, image, put_image


def create(tree: Path, out: Path, since: Path | None = None, **options: Any) -> list[Path]:
    """Makes a bundle of a tree, and returns its files."""
    with planned(Tree.open(tree), since) as plan:
        return create_bundle(plan, out, Options(**options))


def apply(files: Path | Sequence[Path], tree: Path, **options: Any) -> Applied:
    """Applies a bundle to a tree."""
    return apply_bundle([files] if isinstance(files, Path) else files, tree, **options)


def state_of(tree: Path) -> str:
    """The digest of all documents of a tree and of the content that they lead to."""
    tally = Tally()
    with TreeState(Tree.open(tree)) as state:
        state.load()
        for document in state.documents():
            tally.add(document.entry)
        for entry in state.blobs():
            tally.add(entry)
    return tally.state


def files_of(top: Path) -> dict[str, bytes]:
    """Every file below a directory, hidden ones too; of links, where they lead. Directories are named, too."""
    return {
        str(path.relative_to(top)): str(path.readlink()).encode()
        if path.is_symlink()
        else b""
        if path.is_dir()
        else path.read_bytes()
        for path in sorted(top.rglob("*"))
    }


def noise(seed: int, size: int) -> bytes:
    """Bytes that do not compress."""
    return random.Random(seed).randbytes(size)


def bulky_tree(path: Path, images: int = 4, size: int = 60_000) -> Path:
    """A tree with images whose layers do not compress, each in a repository of its own."""
    tree = Tree.open(path, create=True)
    for number in range(images):
        put_image(tree, f"app{number}", "1.0", b'{"n":%d}' % number, [noise(number, size), b"shared"])
    return path


class Crafted(NamedTuple):
    """A member of a bundle made by hand: header and content as they stand in the tar."""

    header: bytes
    data: bytes

    @classmethod
    def of(cls, path: str, data: bytes) -> Crafted:
        """A member as it has to be."""
        return cls(tar_header(path, len(data)), data)

    def encoded(self) -> bytes:
        """Its bytes."""
        return self.header + self.data + tar_padding(len(self.data))


class Crafting:
    """A bundle that is made by hand, sound until somebody changes its fields."""

    def __init__(self) -> None:
        config, layer = b"{}", b"layer"
        manifest = image(config, [layer])
        index = {
            "schemaVersion": 2,
            "manifests": [
                {
                    "digest": identity(manifest),
                    "mediaType": OCI_MANIFEST,
                    "size": len(manifest),
                    "annotations": {"org.opencontainers.image.ref.name": "1.0"},
                }
            ],
        }
        blobs = sorted((f"blobs/{identity(data).replace(':', '/')}", data) for data in (config, layer, manifest))
        self.files = [(f"registries/{HOST}/app/index.json", msgspec.json.encode(index)), *blobs]
        self.entries = [entry_of(path, data) for path, data in self.files]
        self.members = [Crafted.of(path, data) for path, data in self.files]
        self.header: dict[str, Any] = {}
        self.header_bytes: bytes | None = None
        self.lines: list[bytes] | None = None
        self.signature = b""
        self.end = TAR_END
        self.base: Base | None = None
        self.behind = b""

    def write(self, path: Path) -> Path:
        """Writes it, as one part whose end is right."""
        lines = self.lines if self.lines is not None else [msgspec.json.encode(one) + b"\n" for one in self.entries]
        manifest = b"".join(lines)
        header = self.header_bytes if self.header_bytes is not None else self._header(manifest)
        members = [
            Crafted.of("bundle.json", header),
            *([Crafted.of("bundle.json.sig", self.signature)] if self.signature else []),
            Crafted.of("manifest.jsonl", manifest),
            *self.members,
        ]
        tar = b"".join(member.encoded() for member in members) + self.end
        return write_part(
            path, zstandard.ZstdCompressor(write_checksum=True).compress(tar) + self.behind, identity(header)
        )

    def _header(self, manifest: bytes) -> bytes:
        state = hashlib.sha256(
            b"".join(f"{one.sha256}  {one.path}\n".encode() for one in self.entries if one.path != REMOVALS)
        )
        carried = [one for one in self.entries if not one.base]
        in_base = [one for one in self.entries if one.base]
        header = Header(
            state=f"sha256:{state.hexdigest()}",
            base=self.base,
            manifest=Summary(
                size=len(manifest), sha256=hashlib.sha256(manifest).hexdigest(), lines=manifest.count(b"\n")
            ),
            carried=Amount(files=len(carried), bytes=sum(one.size for one in carried)),
            in_base=Amount(files=len(in_base), bytes=sum(one.size for one in in_base)),
            repositories=sum(one.path.endswith("/index.json") for one in self.entries),
        )
        return msgspec.structs.replace(header, **self.header).encoded()


def entry_of(path: str, data: bytes, **fields: Any) -> Entry:
    """The line of a manifest for a file."""
    return Entry(path=path, size=len(data), sha256=hashlib.sha256(data).hexdigest(), **fields)


def write_part(path: Path, data: bytes, bundle: str, part: int = 1, parts: int = 1) -> Path:
    """Writes a part whose end is right, whatever it has in it."""
    trailer = Trailer(bundle=bundle, part=part, parts=parts, bytes=len(data), sha256=hashlib.sha256(data).hexdigest())
    path.write_bytes(data + encode_trailer(trailer))
    return path


def damage(path: Path, position: int) -> None:
    """Changes one byte of a file; a negative position counts from its end."""
    data = bytearray(path.read_bytes())
    data[position] ^= 0x40
    path.write_bytes(data)


def in_order(entries: Iterable[Entry]) -> list[Entry]:
    """The lines of a manifest as they have to stand."""
    return sorted(entries, key=lambda one: one.order)

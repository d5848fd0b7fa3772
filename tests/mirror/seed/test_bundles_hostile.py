"""Bundles from somebody who means harm: refused with a line that says why, before anything is written."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest
import zstandard
from support.bundles import Crafted, Crafting, apply, entry_of, files_of, in_order, write_part
from support.registry import HOST, put_image

from fake_registry.fixtures import Tree
from mirror.errors import InputError
from mirror.seed.archives.tar import TAR_END, tar_header, tar_padding
from mirror.seed.bundles.checking import problems
from mirror.seed.bundles.records import Base, Entry, Header, identity

Change = Callable[[Crafting], None]


def tar_info(name: str, kind: bytes, target: str = "", size: int = 0) -> bytes:
    """A header as Python's tarfile writes it."""
    info = tarfile.TarInfo(name)
    info.type, info.linkname, info.size = kind, target, size
    return info.tobuf(tarfile.PAX_FORMAT)


def member(header: bytes, at: int = 1) -> Change:
    """Another member among those that the manifest has."""

    def change(bundle: Crafting) -> None:
        bundle.members.insert(at, Crafted(header, b""))

    return change


def listed(path: str, data: bytes = b"x") -> Change:
    """A file that the manifest has, too."""

    def change(bundle: Crafting) -> None:
        bundle.entries = in_order([*bundle.entries, entry_of(path, data)])
        bundle.members.insert(bundle.entries.index(entry_of(path, data)), Crafted.of(path, data))

    return change


def field(**fields: object) -> Change:
    """Something in the header is not so."""

    def change(bundle: Crafting) -> None:
        bundle.header = fields

    return change


def raw_lines(edit: Callable[[list[bytes]], list[bytes]]) -> Change:
    def change(bundle: Crafting) -> None:
        bundle.lines = edit([msgspec.json.encode(one) + b"\n" for one in bundle.entries])

    return change


def last_entry(**fields: object) -> Change:
    """The line of the last blob says something that is not so."""

    def change(bundle: Crafting) -> None:
        bundle.entries[-1] = msgspec.structs.replace(bundle.entries[-1], **fields)

    return change


def swapped_members(bundle: Crafting) -> None:
    bundle.members[1], bundle.members[2] = bundle.members[2], bundle.members[1]


def other_content(bundle: Crafting) -> None:
    old = bundle.members[-1]
    bundle.members[-1] = Crafted(old.header, bytes(len(old.data)))


def other_digest(bundle: Crafting) -> None:
    """Content that has the SHA-256 of the manifest, but not the digest that names it."""
    path, data = bundle.files[-1][0], b"something else"
    bundle.entries[-1] = entry_of(path, data)
    bundle.members[-1] = Crafted.of(path, data)


def other_sha512(bundle: Crafting) -> None:
    path = f"blobs/sha512/{'0' * 128}"
    bundle.entries.append(entry_of(path, b"x"))
    bundle.members.append(Crafted.of(path, b"x"))


def member_twice(bundle: Crafting) -> None:
    bundle.members.append(bundle.members[-1])


def short_member(bundle: Crafting) -> None:
    path, data = bundle.files[-1]
    bundle.members[-1] = Crafted.of(path, data[:-1])


def missing_member(bundle: Crafting) -> None:
    bundle.members.pop()


def no_end(bundle: Crafting) -> None:
    bundle.end = b""


def garbage_behind(bundle: Crafting) -> None:
    bundle.end = TAR_END + b"garbage".ljust(512, b"\0")


def garbage_behind_frame(bundle: Crafting) -> None:
    bundle.behind = b"garbage"


def frame_behind(bundle: Crafting) -> None:
    bundle.behind = zstandard.compress(b"more")


def gap(bundle: Crafting) -> None:
    """A directory that readers of tars pass over."""
    bundle.members.insert(1, Crafted(tar_info("./", tarfile.DIRTYPE), b""))


def hidden_extension(bundle: Crafting) -> None:
    """A global header that changes nothing, and can hold anything."""
    record = b"30 comment=" + b"x" * 18 + b"\n"
    header = tar_info("pax", tarfile.XGLTYPE, size=len(record))
    bundle.members.insert(1, Crafted(header, record))


def sparse(bundle: Crafting) -> None:
    record = b"22 GNU.sparse.major=1\n"
    header = tar_info("pax", tarfile.XHDTYPE, size=len(record)) + record + tar_padding(len(record))
    bundle.members[1] = Crafted(header + bundle.members[1].header, bundle.members[1].data)


def newer(bundle: Crafting) -> None:
    bundle.header_bytes = b'{"format": "ismirror-bundle", "version": 9, "news": true}'


def other_format(bundle: Crafting) -> None:
    bundle.header_bytes = b'{"kind": "List"}'


def huge_header(bundle: Crafting) -> None:
    bundle.header_bytes = b" " * 70_000


def bad_index(bundle: Crafting) -> None:
    data = b'{"manifests": [{"digest": "../../etc/passwd", "mediaType": "", "size": 1}]}'
    bundle.entries[0] = entry_of(bundle.files[0][0], data)
    bundle.members[0] = Crafted.of(bundle.files[0][0], data)


def base_without_base(bundle: Crafting) -> None:
    bundle.entries[-1] = msgspec.structs.replace(bundle.entries[-1], base=True)
    bundle.members.pop()


def base_document(bundle: Crafting) -> None:
    bundle.base = Base(state=identity(b""))
    bundle.entries[0] = msgspec.structs.replace(bundle.entries[0], base=True)


def short_signature(bundle: Crafting) -> None:
    bundle.signature = b"x" * 63


def unsigned_removals(bundle: Crafting) -> None:
    listed("removals.jsonl", b'{"repository": "../etc", "tag": "1"}\n')(bundle)


BLOB = "blobs/sha256/" + "0" * 64
LINE = json.dumps({"path": BLOB, "size": 1, "sha256": "0" * 64}).encode() + b"\n"

HOSTILE: dict[str, tuple[Change, str]] = {
    "traversal": (member(tar_header("../../etc/cron.d/x")), "member '../../etc/cron.d/x' leads out of the archive"),
    "absolute": (member(tar_header("/etc/passwd")), "member '/etc/passwd' leads out of the archive"),
    "symlink": (
        member(tar_info("blobs/x", tarfile.SYMTYPE, "/etc")),
        "member 'blobs/x' is a symlink; a bundle has regular files only",
    ),
    "hard link": (
        member(tar_info("blobs/x", tarfile.LNKTYPE, "bundle.json")),
        "member 'blobs/x' is a hardlink; a bundle has regular files only",
    ),
    "directory": (member(tar_info("blobs", tarfile.DIRTYPE)), "member 'blobs' is a directory; a bundle has regular"),
    "character device": (member(tar_info("null", tarfile.CHRTYPE)), "member 'null' is a character device"),
    "block device": (member(tar_info("sda", tarfile.BLKTYPE)), "member 'sda' is a block device"),
    "pipe": (member(tar_info("pipe", tarfile.FIFOTYPE)), "member 'pipe' is a named pipe"),
    "sparse file": (sparse, "a sparse file; no image archive has one"),
    "another member": (member(tar_header("more")), "member 'more' where the manifest has 'blobs/sha256/"),
    "another member at the end": (member(tar_header("more"), 9), "member 'more' is not in the manifest"),
    "a member twice": (member_twice, "is not in the manifest"),
    "order": (swapped_members, "where the manifest has"),
    "something in between": (gap, "something else before member"),
    "a header that says nothing": (hidden_extension, "something else before member"),
    "wrong size": (short_member, "the manifest says"),
    "wrong content": (other_content, "content does not have the SHA-256 of the manifest"),
    "wrong digest": (other_digest, "content does not match the digest in its name"),
    "wrong digest of another algorithm": (other_sha512, "content does not match the digest in its name"),
    "a member missing": (missing_member, "ends before blobs/sha256/"),
    "no end": (no_end, "something else behind the last file, or its end is missing"),
    "garbage behind the end": (garbage_behind, "something else behind the last file"),
    "garbage behind the frame": (garbage_behind_frame, "damaged: not what zstd writes"),
    "a frame behind the frame": (frame_behind, "something else behind the last file"),
    "newer version": (newer, "a bundle of version 9; expected at most 1: update ismirror"),
    "other format": (other_format, "expected the header of a bundle"),
    "huge header": (huge_header, "begins with 'bundle.json'; expected bundle.json"),
    "state": (field(state=identity(b"")), "bundle.json: state: says sha256:"),
    "count": (field(repositories=7), "bundle.json: repositories: says 7; the manifest has 1"),
    "a base for nothing": (base_without_base, "bundle.json: no base; the manifest has files of one"),
    "a document in the base": (base_document, "expected it in the bundle"),
    "short signature": (short_signature, "bundle.json.sig: expected 64 bytes of Ed25519"),
    "a file twice": (raw_lines(lambda lines: [*lines, lines[-1]]), "twice there, or out of order"),
    "lines out of order": (raw_lines(lambda lines: [lines[0], *reversed(lines[1:])]), "twice there, or out of order"),
    "a line too long": (raw_lines(lambda lines: [b" " * 9000 + b"\n"]), "expected a line of at most 4096 bytes"),
    "no JSON": (raw_lines(lambda lines: [b"nonsense\n"]), "manifest.jsonl: line 1: "),
    "deep JSON": (raw_lines(lambda lines: [b'{"path":' + b"[" * 4000 + b"\n"]), "manifest.jsonl: line 1: "),
    "an unknown field": (raw_lines(lambda lines: [LINE.replace(b"size", b"Size")]), "unknown field `Size`"),
    "a negative size": (raw_lines(lambda lines: [LINE.replace(b": 1,", b": -1,")]), "size or SHA-256 that cannot be"),
    "an endless size": (
        raw_lines(lambda lines: [LINE.replace(b": 1,", b": 1125899906842625,")]),
        "size or SHA-256 that cannot be",
    ),
    "no SHA-256": (last_entry(sha256="../x"), "size or SHA-256 that cannot be"),
    "broken index": (bad_index, "manifests[0].digest: found '../../etc/passwd'"),
    "removals of nothing": (unsigned_removals, "removals.jsonl: line 1: expected HOST/REPOSITORY"),
}

PATHS = [
    "../blobs/sha256/x",
    "blobs/sha256/../../../etc/passwd",
    "blobs/sha256/short",
    f"blobs/sha256/{'0' * 63}G",
    f"blobs/md5/{'0' * 32}",
    "blobs/.uploads/x",
    ".applying/switch.tar",
    "bundle.json",
    "manifest.jsonl",
    "registries/quay.io/index.json",
    "registries/../app/index.json",
    "registries/quay.io/app/../../x/index.json",
    "registries/quay.io/App/index.json",
    "registries/quay.io/app/blobs/index.json",
    "registries/quay.io/app/oci-layout",
    "registries/QUAY.IO/app/index.json",
    "registries/index.docker.io/app/index.json",
    "registries/quay.io:443/app/index.json",
    "registries/quay.io/app//index.json",
    "registries//app/index.json",
]


def refused(path: Path, target: Path, said: str) -> None:
    """A bundle is refused with a line that says why, and the tree stays as it was."""
    put_image(Tree.open(target, create=True), "app", "mine")
    before = files_of(target)
    with pytest.raises(InputError) as caught:
        apply(path, target)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert files_of(target) == before
    assert list(problems([path], None)) == [str(caught.value)]


def test_a_bundle_made_by_hand_is_taken(tmp_path: Path) -> None:
    apply(Crafting().write(tmp_path / "b"), tmp_path / "tree")
    assert Tree.open(tmp_path / "tree").snapshot(HOST, "app").tag_names == ["1.0"]  # type: ignore[union-attr]


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile(case: str, tmp_path: Path) -> None:
    change, said = HOSTILE[case]
    bundle = Crafting()
    change(bundle)
    refused(bundle.write(tmp_path / "b"), tmp_path / "tree", said)


@pytest.mark.parametrize("path", PATHS)
def test_paths_that_no_tree_has(path: str, tmp_path: Path) -> None:
    bundle = Crafting()
    bundle.lines = [msgspec.json.encode(Entry(path=path, size=1, sha256="0" * 64)) + b"\n"]
    refused(bundle.write(tmp_path / "b"), tmp_path / "tree", repr(path))


def test_another_bundle_than_the_end_says(tmp_path: Path) -> None:
    good = Crafting().write(tmp_path / "good").read_bytes()[:-512]
    refused(write_part(tmp_path / "b", good, identity(b"")), tmp_path / "tree", f"its end says {identity(b'')}")


def test_more_parts_than_anybody_has(tmp_path: Path) -> None:
    """Who counts them needs more memory than there is."""
    first = write_part(tmp_path / "b.001", b"\x28\xb5\x2f\xfd", identity(b""), parts=10**15)
    refused(first, tmp_path / "tree", "parts 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, ... are missing (b.002, b.003, b.004,")


def test_a_manifest_that_nobody_has(tmp_path: Path) -> None:
    """The content is sound, but an index leads nowhere: found when content is there, and before anything is named."""
    bundle = Crafting()
    document = json.loads(bundle.files[0][1])
    document["manifests"][0]["digest"] = f"sha256:{'0' * 64}"
    data = json.dumps(document).encode()
    bundle.entries[0] = entry_of(bundle.files[0][0], data)
    bundle.members[0] = Crafted.of(bundle.files[0][0], data)
    tree = Tree.open(tmp_path / "tree", create=True)
    put_image(tree, "app", "mine")
    with pytest.raises(
        InputError, match=r"app/index\.json: manifest sha256:0+ is neither in the bundle nor in the tree"
    ):
        apply(bundle.write(tmp_path / "b"), tree.root)
    assert tree.snapshot(HOST, "app").tag_names == ["mine"]  # type: ignore[union-attr]
    assert sorted(path.name for path in tree.root.iterdir()) == ["blobs", "registries"]


class Zeros(io.RawIOBase):
    """A tar with one long file of zeros, without having it anywhere."""

    def __init__(self, start: bytes, size: int) -> None:
        super().__init__()
        self._start = io.BytesIO(start)
        self._left = size

    def readable(self) -> bool:
        return True

    def read(self, size: int = -1) -> bytes:
        data = self._start.read(size)
        if not data:
            data = bytes(min(size, self._left))
            self._left -= len(data)
        return data


def bomb(path: Path, size: int) -> Path:
    """A small file out of which `size` bytes come, all of them announced."""
    bundle = Crafting()
    blob = Entry(path=BLOB, size=size, sha256="0" * 64)
    bundle.entries = [bundle.entries[0], blob]
    manifest = b"".join(msgspec.json.encode(one) + b"\n" for one in bundle.entries)
    header = bundle._header(manifest)
    assert msgspec.json.decode(header, type=Header).carried.bytes > size
    members = [Crafted.of("bundle.json", header), Crafted.of("manifest.jsonl", manifest), bundle.members[0]]
    start = b"".join(one.encoded() for one in members) + tar_header(BLOB, size)
    out = io.BytesIO()
    zstandard.ZstdCompressor(level=1).copy_stream(Zeros(start, size), out, write_size=1 << 20)
    return write_part(path, out.getvalue(), identity(header))


def test_a_decompression_bomb_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.seed.bundles.parts._FREE", 8 << 20)
    path = bomb(tmp_path / "b", 400 << 20)
    assert path.stat().st_size < 100_000
    refused(path, tmp_path / "tree", "a decompression bomb: more than")

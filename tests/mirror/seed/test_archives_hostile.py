"""Archives from somebody who means harm, or from a disk that is full: refused with a line that says why."""

from __future__ import annotations

import bz2
import gzip
import json
import lzma
import os
import struct
import tarfile
import threading
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zstandard
from support.bundles import files_of
from support.command import ismirror
from support.registry import HOST, image, index, put_image

from fake_registry.errors import TreeError
from fake_registry.fixtures import Tree
from fake_registry.oci import DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST, compute_digest
from mirror.errors import InputError
from mirror.seed.archives.importing import import_images
from mirror.seed.archives.naming import placed_images
from mirror.seed.archives.opening import opened_archive
from mirror.seed.archives.tar import TAR_END, tar_header, tar_padding
from mirror.seed.listing import describe

Files = dict[str, bytes]

CONFIG, LAYER = b'{"os":"linux"}', b"a layer"
MANIFEST = image(CONFIG, [LAYER])
MARKER = b'{"imageLayoutVersion":"1.0.0"}'
NAME = "org.opencontainers.image.ref.name"
OUT = "../../../../../../../../../etc/passwd"


def blob(data: bytes) -> str:
    return f"blobs/{compute_digest(data).replace(':', '/')}"


def document(manifest: bytes = MANIFEST, media_type: str = OCI_MANIFEST, **fields: Any) -> bytes:
    """An ``index.json`` that names one manifest."""
    entry = {"mediaType": media_type, "digest": compute_digest(manifest), "size": len(manifest)}
    named = {"annotations": {NAME: f"{HOST}/app:1"}}
    return json.dumps({"schemaVersion": 2, "manifests": [entry | named | fields]}).encode()


def layout(manifest: bytes = MANIFEST, *others: bytes, listed: bytes | None = None) -> Files:
    contents = {blob(data): data for data in (manifest, CONFIG, LAYER, *others)}
    return {"oci-layout": MARKER, "index.json": document(manifest) if listed is None else listed, **contents}


def saved(config: bytes | None = None, layer: bytes = LAYER, **fields: Any) -> Files:
    """What ``docker save`` writes."""
    config = json.dumps({"rootfs": {"diff_ids": [compute_digest(LAYER)]}}).encode() if config is None else config
    entry = {"Config": "config.json", "RepoTags": [f"{HOST}/app:1"], "Layers": ["layer.tar"]} | fields
    return {"manifest.json": json.dumps([entry]).encode(), "config.json": config, "layer.tar": layer}


def directory(manifest: bytes = MANIFEST, name: str = f"{HOST}/app:1") -> Files:
    """What ``skopeo sync`` writes."""
    files = {compute_digest(data).partition(":")[2]: data for data in (CONFIG, LAYER)}
    files |= {"version": b"Directory Transport Version: 1.1\n", "manifest.json": manifest}
    return {f"{name}/{file}": data for file, data in files.items()}


def mirrored(repository: str = f"{HOST}/app", tag: str = "1", manifest: bytes = MANIFEST, digest: str = "") -> Files:
    """What ``oc image mirror`` writes."""
    top = f"v2/{repository}"
    files = {f"{top}/blobs/{compute_digest(data)}": data for data in (CONFIG, LAYER)}
    names = (digest or compute_digest(manifest), tag)
    return files | {f"{top}/manifests/{name}": manifest for name in names}


def stored(link: str = "", tag: str = "1", repository: str = f"{HOST}/app", manifest: bytes = MANIFEST) -> Files:
    """What distribution's registry keeps."""
    files = {
        f"blobs/sha256/{digits[:2]}/{digits}/data": data
        for data in (manifest, CONFIG, LAYER)
        for digits in (compute_digest(data).partition(":")[2],)
    }
    link = link or compute_digest(manifest)
    return files | {f"repositories/{repository}/_manifests/tags/{tag}/current/link": link.encode()}


def chain(length: int) -> Files:
    """An index of an index of an index."""
    manifests = [MANIFEST]
    for _ in range(length):
        media_type = OCI_MANIFEST if len(manifests) == 1 else OCI_INDEX
        manifests.append(index(manifests[-1]).replace(OCI_MANIFEST.encode(), media_type.encode()))
    return layout(manifests[-1], *manifests[:-1], listed=document(manifests[-1], OCI_INDEX))


def loop() -> bytes:
    """A document that names itself: of what calls itself signed, the digest is that of a part."""

    def encoded(text: bytes) -> str:
        return __import__("base64").urlsafe_b64encode(text).rstrip(b"=").decode()

    payload = b'{"schemaVersion": 1, "name": "app"'
    protected = encoded(json.dumps({"formatLength": len(payload), "formatTail": encoded(b"}")}).encode())
    digest = compute_digest(payload + b"}")
    rest = {"signatures": [{"protected": protected}], "manifests": [{"mediaType": DOCKER_SCHEMA1_SIGNED}]}
    rest["manifests"][0]["digest"] = digest
    return payload + b", " + json.dumps(rest).encode()[1:]


def looped() -> Files:
    manifest = loop()
    digest = compute_digest(manifest.partition(b', "signatures')[0] + b"}")
    listed = document(manifest, DOCKER_SCHEMA1_SIGNED, digest=digest)
    return {"oci-layout": MARKER, "index.json": listed, f"blobs/{digest.replace(':', '/')}": manifest}


BAD_CHILD = index(MANIFEST).replace(b'"size":%d' % len(MANIFEST), b'"size":7')
BAD_CONFIG = MANIFEST.replace(b'"size":%d' % len(CONFIG), b'"size":1')

FILES: dict[str, tuple[Callable[[], Files], str]] = {
    "index.json that is null": (lambda: layout(listed=b"null"), "index.json: expected object, got null"),
    "index.json that is deep": (lambda: layout(listed=b'{"manifests":[' * 90_000), "index.json: "),
    "index.json with a digest that leads out": (
        lambda: layout(listed=document(digest=f"sha256:{OUT}")),
        "index.json: manifests[0].digest: found 'sha256:../..",
    ),
    "index.json with a size that is wrong": (
        lambda: layout(listed=document(size=3)),
        f"the manifest of {HOST}/app:1 has {len(MANIFEST)} bytes; expected 3",
    ),
    "index.json with a field twice": (
        lambda: layout(listed=b'{"manifests":[],"manifests":[{"digest":"x"}]}'),
        "manifests[0].digest: found 'x'",
    ),
    "a name that moves the cursor": (
        lambda: layout(listed=document(annotations={NAME: "quay.io/app:\x1b[31m"})),
        r"index.json: 'quay.io/app:\x1b[31m': invalid reference format",
    ),
    "a name that leads out": (
        lambda: layout(listed=document(annotations={NAME: "quay.io/../../app:1"})),
        "index.json: 'quay.io/../../app:1': invalid reference format",
    ),
    "a manifest that is not there": (
        lambda: layout(listed=document(b"{}")),
        f"the manifest of {HOST}/app:1 is not there",
    ),
    "a manifest that is no JSON": (lambda: layout(b"hello"), f"{HOST}/app:1 is no image manifest"),
    "a manifest that is deep": (lambda: layout(b"[" * 100_000), f"{HOST}/app:1 is no image manifest"),
    "a manifest that is large": (lambda: layout(MANIFEST + b" " * (8 << 20)), "more than 8388608 bytes"),
    "a manifest with another digest": (
        lambda: layout() | {blob(MANIFEST): MANIFEST.replace(b"layers", b"LAYERS")},
        f"manifest of {HOST}/app:1: content has the digest sha256:",
    ),
    "a config that is not there": (
        lambda: layout(image(b"nope", [LAYER])),
        f"the config {compute_digest(b'nope')} of {HOST}/app:1 is not there",
    ),
    "a config of another size": (
        lambda: layout(BAD_CONFIG),
        f"{HOST}/app:1: {compute_digest(CONFIG)} has {len(CONFIG)} bytes; expected 1",
    ),
    "a layer with another digest": (
        lambda: layout() | {blob(LAYER): b"A LAYER"},
        f"content of {HOST}/app:1: content has the digest {compute_digest(b'A LAYER')}; expected",
    ),
    "a child of another size": (
        lambda: layout(BAD_CHILD, MANIFEST, listed=document(BAD_CHILD, OCI_INDEX)),
        f"manifest {compute_digest(MANIFEST)} has {len(MANIFEST)} bytes; expected 7",
    ),
    "indexes that are a thousand deep": (lambda: chain(1000), "indexes in indexes, more than 8 deep"),
    "an index that names itself": (looped, "indexes in indexes, more than 8 deep"),
    "docker: a config elsewhere": (lambda: saved(Config=OUT), "etc/passwd"),
    "docker: a layer elsewhere": (lambda: saved(Layers=[OUT]), "etc/passwd"),
    "docker: an absolute layer": (lambda: saved(Layers=["/etc/passwd"]), "'/etc/passwd'"),
    "docker: a name with a zero": (lambda: saved(Config="a\0b"), r"the config 'a\x00b', which is not there"),
    "docker: a deep config": (lambda: saved(b'{"rootfs":{"diff_ids":' + b"[" * 90_000), "config.json: "),
    "docker: a large config": (lambda: saved(b" " * (9 << 20)), "config.json: more than 8388608 bytes"),
    "docker: a diff ID that is none": (
        lambda: saved(b'{"rootfs":{"diff_ids":["\\u001b[31m"]}}'),
        r"config.json: rootfs.diff_ids: found '\x1b[31m'; expected a digest",
    ),
    "docker: a layer that is a bomb": (
        lambda: saved(layer=gzip.compress(bytes(4 << 20))),
        "layer.tar: a decompression bomb: more than",
    ),
    "docker: a layer that is cut off": (
        lambda: saved(layer=gzip.compress(LAYER * 100)[:-9]),
        "layer.tar: damaged gzip: ",
    ),
    "dir: no manifest": (lambda: directory(b"{}"), "app:1/manifest.json is no image manifest"),
    "dir: a name that no image has": (lambda: directory(name="quay.io/App"), "directory quay.io/App: 'quay.io/App': "),
    "v2: a tag that is none": (lambda: mirrored(tag="a\x7f"), "is neither a digest nor a tag"),
    "v2: a repository that is none": (lambda: mirrored(repository=f"{HOST}/UPPER"), "repository 'UPPER': expected"),
    "v2: another digest": (
        lambda: mirrored(digest=compute_digest(b"x")),
        f"the manifest of {HOST}/app:1 is not there",
    ),
    "v2: no manifest": (lambda: mirrored(manifest=b"hello"), f"{HOST}/app:1 is no image manifest"),
    "distribution: a link that leads out": (lambda: stored(f"sha256:{OUT}"), "found 'sha256:../.."),
    "distribution: a link to nothing": (
        lambda: stored(compute_digest(b"x")),
        f"the content of {compute_digest(b'x')} is not there",
    ),
    "distribution: a long link": (lambda: stored("a" * 300), "link: more than 256 bytes"),
    "distribution: a tag that is none": (lambda: stored(tag="a\x7f"), "expected a tag"),
    "distribution: a link to a layer": (
        lambda: stored(compute_digest(LAYER)),
        f"{HOST}/app:1 is no image manifest",
    ),
}


def tar_of(files: Files, *others: bytes) -> bytes:
    """A tar with these files, and what somebody else put behind them."""
    members = (tar_header(name, len(data)) + data + tar_padding(len(data)) for name, data in files.items())
    return b"".join((*members, *others, TAR_END))


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> bytes:
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info.tobuf(tarfile.PAX_FORMAT)


def extended(records: bytes, stated: int | None = None) -> bytes:
    """A pax header with these records, and a member that they speak of."""
    info = tarfile.TarInfo("pax")
    info.type, info.size = tarfile.XHDTYPE, len(records) if stated is None else stated
    return info.tobuf(tarfile.USTAR_FORMAT) + records + tar_padding(len(records)) + member("a")


def greedy_xz() -> bytes:
    """An xz file that asks for a dictionary of 4 GiB."""
    data = bytearray(lzma.compress(tar_of(layout())))
    at = data.index(b"\x21\x01", 12)
    data[at + 2] = 40
    end = 12 + (data[12] + 1) * 4 - 4
    data[end : end + 4] = struct.pack("<I", zlib.crc32(bytes(data[12:end])))
    return bytes(data)


TARS: dict[str, tuple[Callable[[], bytes], str]] = {
    "a name that leads out": (lambda: tar_of(layout(), member("a/../../x")), "leads out of the archive"),
    "an absolute name": (lambda: tar_of(layout(), member("/etc/x")), "member '/etc/x' leads out of the archive"),
    "a name that ends a line": (lambda: tar_of(layout(), member("a\nb")), r"member 'a\nb': expected a file name"),
    "a name with a zero": (
        lambda: tar_of(layout(), extended(b"13 path=a\0b\n".replace(b"13", b"12"))),
        "an extended header with a zero byte in a name",
    ),
    "a name twice": (lambda: tar_of(layout(), member("index.json")), "member 'index.json' is there twice"),
    "a name twice, spelled otherwise": (
        lambda: tar_of(layout(), member("./a/../index.json".replace("a/../", ".//"))),
        "member 'index.json' is there twice",
    ),
    "a symbolic link out": (
        lambda: tar_of(layout(), member("a/b", tarfile.SYMTYPE, "../../x")),
        "member 'a/b' is a link out of the archive, to '../../x'",
    ),
    "an absolute link": (
        lambda: tar_of(layout(), member("a", tarfile.SYMTYPE, "/etc/passwd")),
        "member 'a' is a link out of the archive, to '/etc/passwd'",
    ),
    "a hard link out": (
        lambda: tar_of(layout(), member("a/b", tarfile.LNKTYPE, "../x")),
        "member 'a/b' is a link out of the archive, to '../x'",
    ),
    "links in a circle": (
        lambda: tar_of({}, member("index.json", tarfile.SYMTYPE, "b"), member("b", tarfile.SYMTYPE, "index.json")),
        "holds b, index.json; expected one of",
    ),
    "a device": (lambda: tar_of(layout(), member("a", tarfile.CHRTYPE)), "member 'a' is a character device"),
    "a disk": (lambda: tar_of(layout(), member("a", tarfile.BLKTYPE)), "member 'a' is a block device"),
    "a pipe": (lambda: tar_of(layout(), member("a", tarfile.FIFOTYPE)), "member 'a' is a named pipe"),
    "a sparse file": (lambda: tar_of(layout(), member("a", tarfile.GNUTYPE_SPARSE)), "member 'a' is of type 'S'"),
    "a sparse file of pax": (lambda: tar_of(layout(), extended(b"22 GNU.sparse.major=1\n")), "a sparse file"),
    "a header of gigabytes": (lambda: tar_of({}, extended(b"", 4 << 30)), "a header of 4294967296 bytes"),
    "a header that is broken": (lambda: tar_of({}, extended(b"99 a=b\n")), "an extended header that is broken"),
    "a negative size": (lambda: tar_of({}, extended(b"11 size=-1\n")), "an extended header whose size cannot be"),
    "a size beyond the end": (
        lambda: tar_of({}, extended(b"14 size=99999\n")),
        "ends in the middle of a member; the archive is not whole",
    ),
    "a checksum that does not match": (
        lambda: tar_of(layout()).replace(b"oci-layout", b"oci-layour", 1),
        "a header's checksum does not match",
    ),
    "no end": (lambda: tar_of(layout())[: -len(TAR_END)], "ends without the mark that ends a tar"),
    "nothing at all": (lambda: b"", "ends without the mark that ends a tar; the archive is not whole"),
    "names in capitals": (
        lambda: tar_of({name.upper(): data for name, data in layout().items()}),
        "INDEX.JSON, OCI-LAYOUT; expected one of",
    ),
    "an archive in an archive": (lambda: gzip.compress(gzip.compress(tar_of(layout()))), "not a tar archive"),
    "a bomb of gzip": (lambda: gzip.compress(bytes(4 << 20)), "a decompression bomb: more than"),
    "a bomb of zstd": (lambda: zstandard.compress(bytes(4 << 20)), "a decompression bomb: more than"),
    "a bomb of bzip2": (lambda: bz2.compress(bytes(4 << 20), 1), "a decompression bomb: more than"),
    "xz that asks for gigabytes": (greedy_xz, "xz that asks for more memory to be unpacked than the 134217728 bytes"),
    "gzip with something behind it": (lambda: gzip.compress(tar_of(layout())) + b"more", "damaged gzip: "),
    "zstd that is cut off": (
        lambda: zstandard.compress(tar_of(layout()))[:-3],
        "damaged zstd: ends in the middle; the file is not whole",
    ),
    "xz that is cut off": (lambda: lzma.compress(tar_of(layout()))[:-3], "damaged xz: ends in the middle"),
}


def to_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def to_link(path: Path, target: str) -> None:
    path.unlink()
    path.symlink_to(target)


def to_hole(path: Path) -> None:
    with path.open("r+b") as file:
        file.truncate(1 << 40)


PLACES: dict[str, tuple[Callable[[Path], None], str]] = {
    "a pipe": (lambda top: to_pipe(top / "index.json"), "index.json is no regular file"),
    "a layer that is a pipe": (lambda top: to_pipe(top / blob(LAYER)), "is no regular file"),
    "a link out": (
        lambda top: to_link(top / blob(LAYER), "/etc/passwd"),
        "is a link out of the archive, to /etc/passwd",
    ),
    "a link to itself": (lambda top: to_link(top / "index.json", "index.json"), "index.json is no regular file"),
    "a directory elsewhere": (
        lambda top: (top / "blobs").rename(top.parent / "else") and (top / "blobs").symlink_to("../else"),
        "is a link out of the archive, to",
    ),
    "a layer of a terabyte": (
        lambda top: to_hole(top / blob(LAYER)),
        f"{HOST}/app:1: {compute_digest(LAYER)} has 1099511627776 bytes; expected {len(LAYER)}",
    ),
    "a manifest of a terabyte": (lambda top: to_hole(top / blob(MANIFEST)), "more than 8388608 bytes"),
    "an index of a terabyte": (lambda top: to_hole(top / "index.json"), "index.json: more than 67108864 bytes"),
}


def take(path: Path, tree: Tree, name: str = "") -> None:
    with opened_archive(path, beside=tree.root) as archive:
        import_images(tree, archive, placed_images(archive, archive.images(), name))


def refused(path: Path, tree: Tree, said: str) -> None:
    """Has an archive refused for this reason: in one line, with the tree as it was."""
    (tree.root / "blobs" / ".uploads").mkdir(exist_ok=True)  # where content that comes lies first
    before = files_of(tree.root)
    with pytest.raises((InputError, TreeError)) as caught:
        take(path, tree)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 1000
    assert files_of(tree.root) == before


@pytest.fixture(autouse=True)
def _small_bombs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.seed.archives.spool._FREE", 1 << 20)


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree.open(tmp_path / "tree", create=True)
    put_image(tree, "mine", "1")
    return tree


def write(top: Path, files: Files) -> Path:
    for name, data in files.items():
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_bytes(data)
    return top


def test_the_same_without_harm(tree: Tree, tmp_path: Path) -> None:
    for number, files in enumerate((layout(), saved(), directory(), mirrored("app"), stored(repository="app"))):
        (tmp_path / f"{number}.tar").write_bytes(tar_of(files))
        take(tmp_path / f"{number}.tar", tree, HOST if number > 2 else "")
        take(write(tmp_path / f"{number}", files), tree, HOST if number > 2 else "")


@pytest.mark.parametrize("packed", [False, True], ids=["directory", "tar"])
@pytest.mark.parametrize("case", FILES)
def test_files(case: str, packed: bool, tree: Tree, tmp_path: Path) -> None:
    files, said = FILES[case]
    path = tmp_path / "hostile"
    if packed:
        path.write_bytes(tar_of(files()))
    else:
        write(path, files())
    refused(path, tree, said)


@pytest.mark.parametrize("case", TARS)
def test_tars(case: str, tree: Tree, tmp_path: Path) -> None:
    data, said = TARS[case]
    path = tmp_path / "hostile.tar"
    path.write_bytes(data())
    refused(path, tree, said)


@pytest.mark.parametrize("case", PLACES)
def test_directories(case: str, tree: Tree, tmp_path: Path) -> None:
    change, said = PLACES[case]
    change(write(tmp_path / "hostile", layout()))
    refused(tmp_path / "hostile", tree, said)


@pytest.mark.parametrize("pack", [bytes, gzip.compress, zstandard.compress, lzma.compress, bz2.compress])
@pytest.mark.parametrize("files", [layout, saved])
def test_cut_off_anywhere(
    files: Callable[[], Files], pack: Callable[[bytes], bytes], tree: Tree, tmp_path: Path
) -> None:
    """No archive that lacks something passes for one that is whole."""
    whole = tar_of(files())
    data = pack(whole)
    least = len(whole) - len(TAR_END) // 2 if data == whole else len(data)  # a block of zeros ends a tar
    for percent in range(0, 100, 3):
        length = len(data) * percent // 100
        if length < least:
            (tmp_path / "part").write_bytes(data[:length])
            refused(tmp_path / "part", tree, "")


@pytest.mark.parametrize(
    ("member_names", "limit"),
    [(lambda: [f"{number}/" + "a/" * 500 for number in range(100)], 4 << 20), (lambda: map(str, range(3000)), 1 << 20)],
    ids=["deep", "many"],
)
def test_names_without_end(
    member_names: Callable[[], Any], limit: int, tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mirror.seed.archives.files._LARGEST_LISTING", limit)
    path = tmp_path / "hostile.tar"
    path.write_bytes(tar_of({f"{name}x": b"" for name in member_names()}))
    refused(path, tree, f"so many names, so long, that listing them takes more than {limit} bytes")


def test_configs_without_end(tree: Tree, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mirror.seed.archives.docker_archive._MOST_OF_CONFIGS", 1000)
    entries = [{"Config": f"{number}.json", "RepoTags": [], "Layers": []} for number in range(3)]
    configs = {f"{number}.json": b'{"n":"' + b"x" * 400 + b'"}' for number in range(3)}
    (tmp_path / "a.tar").write_bytes(tar_of({"manifest.json": json.dumps(entries).encode(), **configs}))
    refused(tmp_path / "a.tar", tree, "configs of more than 1000 bytes")


def test_a_layer_that_the_disk_has_no_room_for(tree: Tree, tmp_path: Path) -> None:
    """Schema 1 says of no layer how large it is."""
    manifest = json.dumps({"schemaVersion": 1, "fsLayers": [{"blobSum": compute_digest(LAYER)}]}).encode()
    listed = document(manifest, "application/vnd.docker.distribution.manifest.v1+json")
    to_hole(write(tmp_path / "hostile", layout(manifest, listed=listed)) / blob(LAYER))
    refused(tmp_path / "hostile", tree, f"{compute_digest(LAYER)} has 1099511627776 bytes; {tree.root} has ")


def test_an_archive_from_a_pipe(tree: Tree, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writing = threading.Thread(target=pipe.write_bytes, args=(gzip.compress(tar_of(layout())),), daemon=True)
    writing.start()
    take(pipe, tree)
    writing.join()
    assert tree.snapshot(HOST, "app").tag_names == ["1"]  # type: ignore[union-attr]


def test_zstd_and_xz_in_several_frames(tree: Tree, tmp_path: Path) -> None:
    data = tar_of(layout())
    halves = data[:700], data[700:]
    path = tmp_path / "a"
    for pack, between in ((zstandard.compress, b""), (lzma.compress, bytes(8))):
        path.write_bytes(between.join(pack(half) for half in halves))
        take(path, tree)


def test_what_is_shown_of_an_index_is_bounded(tree: Tree, tmp_path: Path) -> None:
    """A few kilobytes would else be shown as 300 to the eighth lines."""
    manifests = [MANIFEST]
    for _ in range(8):
        media_type = OCI_MANIFEST if len(manifests) == 1 else OCI_INDEX
        children = [manifests[-1]] * 300
        manifests.append(index(*children).replace(OCI_MANIFEST.encode(), media_type.encode()))
    files = layout(manifests[-1], *manifests[:-1], listed=document(manifests[-1], OCI_INDEX))
    take(write(tmp_path / "layout", files), tree)
    shown, _ = describe(tree, f"{HOST}/app:1")
    assert shown.total == len(CONFIG) + len(LAYER)
    depth = 0
    entries = shown.manifests
    while entries:
        assert len(entries) == 300
        assert all(entry.manifests is None for entry in entries[1:])
        entries, depth = entries[0].manifests, depth + 1
    assert depth == 8


def test_errors_cannot_move_the_cursor(tmp_path: Path) -> None:
    path = tmp_path / "hostile.tar"
    path.write_bytes(tar_of({"\x9b31m\u202e": b""}))
    done = ismirror("seed", "archive", str(path), "--data", str(tmp_path / "tree"))
    assert done.exit_code == 2
    assert r"holds \x9b31m\u202e; expected" in done.stderr

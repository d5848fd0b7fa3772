"""What mirroring tools carry over gaps: oc-mirror's archives, hauler's hauls, zarf's packages, whole and in parts."""

from __future__ import annotations

import io
import json
import tarfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
import zstandard
from support.archives import BLOBS, CHILDREN, MULTI, distribution_tree, entry, layout, mirror_tree
from support.command import ismirror
from support.registry import HOST

from fake_registry.fixtures import Tree, verify
from fake_registry.oci import OCI_INDEX, OCI_MANIFEST, compute_digest
from mirror.errors import InputError
from mirror.seed.archives.opening import opened_archive
from mirror.seed.archives.volumes import chained, volumes_of

HUB = "index.docker.io/library/nginx:1"
DIGITS = compute_digest(MULTI).replace(":", "-")


def files_of(top: Path) -> dict[str, bytes]:
    return {str(path.relative_to(top)): path.read_bytes() for path in sorted(top.rglob("*")) if path.is_file()}


def tar(files: Mapping[str, bytes]) -> bytes:
    found = io.BytesIO()
    with tarfile.open(fileobj=found, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return found.getvalue()


def oc_mirror(top: Path) -> dict[str, bytes]:
    """The files of an archive of oc-mirror, in their order: lists of tags, blobs, its own."""
    distribution_tree(top, "docker/registry/v2")
    found = sorted(files_of(top).items(), key=lambda item: "/blobs/" in item[0])
    own = {"working-dir/.history/.history-2026-01-02T03:04:05Z": b"sha256:...\n", "isc_2026-01-02T03:04:05Z": b"kind\n"}
    return dict(found) | own


def zarf(top: Path) -> dict[str, bytes]:
    """The files of a package of zarf."""
    name = "ghcr.io/example/app:1.0"
    described = entry(ref=name)
    described["annotations"]["org.opencontainers.image.base.name"] = name
    layout(top / "images", described)
    own = {
        "zarf.yaml": b"kind: ZarfPackageConfig\n",
        "checksums.txt": b"",
        "components/app.tar": tar({}),
        "sboms.tar": b"",
    }
    return own | files_of(top)


def haul(top: Path, prefix: str = "dev.hauler") -> dict[str, bytes]:
    """The files of a haul: an image with its signature and a referrer, a chart."""

    def of(kind: str, *described: Any, ref: str, **more: str) -> dict[str, Any]:
        made = entry(*described, ref=ref, **more)
        made["annotations"]["kind"] = f"{prefix}/{kind}"
        return made

    image = {"ref": "library/nginx:1", "containerd": HUB}
    layout(
        top,
        of("imageIndex", **image),
        of("sigs", CHILDREN[0], OCI_MANIFEST, **image),
        of(f"referrers/{'0' * 64}", CHILDREN[1], OCI_MANIFEST, ref="library/nginx:1"),
        of("image", CHILDREN[1], OCI_MANIFEST, ref="hauler/chart:1.0"),
    )
    return files_of(top)


def seeded(tree: Path, *arguments: str | Path) -> tuple[list[dict[str, Any]], str]:
    """What came into a tree, and what the user was told."""
    outcome = ismirror("seed", "archive", *map(str, arguments), "--data", str(tree), "-o", "json")
    assert outcome.exit_code == 0, outcome.stderr
    return outcome.json, outcome.stderr


def named(tree: Path, host: str, repository: str) -> dict[str, str]:
    """The tags of a repository and their digests."""
    snapshot = Tree.open(tree).snapshot(host, repository)
    assert snapshot is not None
    return {tag: one.digest for tag, one in snapshot.tags.items()}


def is_whole(tree: Path) -> bool:
    return not list(verify(Tree.open(tree), complete=True))


class TestOcMirror:
    def test_one_archive(self, tmp_path: Path) -> None:
        path = tmp_path / "mirror_000001.tar"
        path.write_bytes(tar(oc_mirror(tmp_path / "made")))
        _, told = seeded(tmp_path / "tree", path, "--as", f"{HOST}/mirrored")
        assert "an archive of oc-mirror, 2 images" in told
        for repository in ("mirrored/team/app", "mirrored/team/app/part"):
            assert named(tmp_path / "tree", HOST, repository) == {"multi": compute_digest(MULTI)}
        assert is_whole(tmp_path / "tree")

    @pytest.mark.parametrize("said", ["first", "last", "all", "directory"])
    def test_several_archives(self, said: str, tmp_path: Path) -> None:
        """Tags in one, blobs in others; the manifests of an index in another one than itself."""
        files = list(oc_mirror(tmp_path / "made").items())
        folder = tmp_path / "out"
        (folder / "working-dir").mkdir(parents=True)
        parts = [folder / f"mirror_{number:06}.tar" for number in range(1, len(files) // 3 + 2)]
        for number, part in enumerate(parts):
            part.write_bytes(tar(dict(files[number * 3 : number * 3 + 3])))
        arguments = {"first": parts[:1], "last": parts[-1:], "all": parts, "directory": [folder]}[said]
        found, told = seeded(tmp_path / "tree", *arguments, "--as", HOST)
        assert [one["image"] for one in found] == [f"{HOST}/team/app:multi", f"{HOST}/team/app/part:multi"]
        assert f"in {len(parts)} files" in told
        assert is_whole(tmp_path / "tree")

    def test_an_archive_that_goes_on_with_another(self, tmp_path: Path) -> None:
        """It lists all tags; blobs that came before are not in it."""
        files = oc_mirror(tmp_path / "made")
        (tmp_path / "one.tar").write_bytes(tar(files))
        old = {name: data for name, data in files.items() if "/blobs/" not in name}
        tag = "docker/registry/v2/repositories/team/app/_manifests/tags/again/current/link"
        more = {tag: compute_digest(CHILDREN[0]).encode()}
        (tmp_path / "two.tar").write_bytes(tar(old | more))
        tree = tmp_path / "tree"
        _, told = seeded(tree, tmp_path / "two.tar", "--as", HOST)
        assert "3 images of archives before it left out: neither in it nor in the tree" in told
        assert Tree.open(tree).hosts() == []
        seeded(tree, tmp_path / "one.tar", "--as", HOST)
        assert set(named(tree, HOST, "team/app")) == {"multi"}
        found, told = seeded(tree, tmp_path / "two.tar", "--as", HOST)
        assert (len(found), "left out" in told) == (3, False)
        assert named(tree, HOST, "team/app") == {"multi": compute_digest(MULTI), "again": compute_digest(CHILDREN[0])}
        assert is_whole(tree)

    def test_archives_of_the_first_version(self, tmp_path: Path) -> None:
        """Blobs lie beside the repositories; files count from 0, for each time that it was called."""
        mirror_tree(tmp_path / "made", ":", links=False)
        files = files_of(tmp_path / "made")
        blobs = {f"blobs/{Path(name).name}": data for name, data in files.items() if "/blobs/" in name}
        rest = {name: data for name, data in files.items() if "/blobs/" not in name}
        (tmp_path / "mirror_seq2_000000.tar").write_bytes(b"of another time")
        parts = [tmp_path / f"mirror_seq1_{number:06}.tar" for number in range(2)]
        parts[0].write_bytes(tar({"publish/.metadata.json": b"{}"} | rest))
        parts[1].write_bytes(tar(blobs))
        _, told = seeded(tmp_path / "tree", parts[1], "--as", HOST)
        assert "in 2 files" in told
        assert set(named(tmp_path / "tree", HOST, "team/app")) == {"multi", "old"}
        assert is_whole(tmp_path / "tree")

    def test_configs_that_came_before(self, tmp_path: Path) -> None:
        gone = compute_digest(BLOBS[0]).partition(":")[2]
        files = {name: data for name, data in oc_mirror(tmp_path / "made").items() if gone not in name}
        (tmp_path / "mirror_000001.tar").write_bytes(tar(files))
        outcome = ismirror("seed", "archive", str(tmp_path), "--data", str(tmp_path / "tree"), "--as", HOST)
        assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
        assert "is not in it or in the tree; import what came before it first" in outcome.stderr
        assert Tree.open(tmp_path / "tree").hosts() == []


class TestHauls:
    @pytest.mark.parametrize("prefix", ["dev.hauler", "dev.cosignproject.cosign"])
    def test_images_go_where_they_came_from(self, prefix: str, tmp_path: Path) -> None:
        (tmp_path / "haul.tar.zst").write_bytes(zstandard.compress(tar(haul(tmp_path / "made", prefix))))
        tree = tmp_path / "tree"
        found, told = seeded(tree, tmp_path / "haul.tar.zst")
        assert named(tree, "docker.io", "library/nginx") == {
            "1": compute_digest(MULTI),
            f"{DIGITS}.sig": compute_digest(CHILDREN[0]),
        }
        assert found[2]["image"] == f"docker.io/library/nginx@{compute_digest(CHILDREN[1])}"
        assert "1 artifact without a registry left out; --as HOST takes all" in told
        assert is_whole(tree)

    def test_all_of_it_below_one_name(self, tmp_path: Path) -> None:
        haul(tmp_path / "store")
        seeded(tmp_path / "tree", tmp_path / "store", "--as", f"{HOST}/carried")
        assert set(named(tmp_path / "tree", HOST, "carried/library/nginx")) == {"1", f"{DIGITS}.sig"}
        assert named(tmp_path / "tree", HOST, "carried/hauler/chart") == {"1.0": compute_digest(CHILDREN[1])}

    def test_a_signature_alone(self, tmp_path: Path) -> None:
        described = entry(CHILDREN[0], OCI_MANIFEST, ref="library/nginx:1", containerd=HUB)
        described["annotations"]["kind"] = "dev.hauler/sigs"
        layout(tmp_path / "store", described)
        with (
            opened_archive(tmp_path / "store") as archive,
            pytest.raises(
                InputError, match=r"index.json: sigs of library/nginx:1, which is not in it; expected the image"
            ),
        ):
            archive.images()


def in_pieces(folder: Path, name: str, data: bytes, suffix: str, count: int = 3) -> list[Path]:
    size = -(-len(data) // count)
    paths = [folder / f"{name}.{suffix}{number:03}" for number in range(1, count + 1)]
    for number, path in enumerate(paths):
        path.write_bytes(data[number * size : (number + 1) * size])
    return paths


PACKED: dict[str, tuple[Callable[[Path], dict[str, bytes]], str, Callable[[bytes], bytes], str]] = {
    "haul": (haul, "haul.tar.zst", zstandard.compress, ""),
    "zarf": (zarf, "zarf-package-app-amd64-1.0.tar.zst", zstandard.compress, "part"),
    "zarf, not compressed": (zarf, "zarf-package-app-amd64-1.0.tar", bytes, "part"),
}


class TestPieces:
    @pytest.mark.parametrize("case", PACKED)
    @pytest.mark.parametrize("said", [[0], [2], [0, 1, 2]])
    def test_any_of_them_stands_for_all(self, case: str, said: list[int], tmp_path: Path) -> None:
        made, name, pack, suffix = PACKED[case]
        data = pack(tar(made(tmp_path / "made")))
        (tmp_path / name).write_bytes(data)
        parts = in_pieces(tmp_path, name, data, suffix)
        if suffix:
            header = {"Sha256Sum": compute_digest(data).partition(":")[2], "Bytes": len(data), "Count": 3}
            (tmp_path / f"{name}.part000").write_text(json.dumps(header))
        whole, _ = seeded(tmp_path / "whole", tmp_path / name)
        found, told = seeded(tmp_path / "tree", *(parts[number] for number in said))
        assert (found, len(found)) == (whole, {"haul": 3}.get(case, 1))
        assert "in 3 files" in told
        assert is_whole(tmp_path / "tree")

    def test_the_first_one_of_zarf(self, tmp_path: Path) -> None:
        data = zstandard.compress(tar(zarf(tmp_path / "made")))
        in_pieces(tmp_path, "p.tar.zst", data, "part")
        header = tmp_path / "p.tar.zst.part000"
        header.write_text(json.dumps({"Sha256Sum": "", "Bytes": len(data), "Count": 3}))
        found, _ = seeded(tmp_path / "tree", header)
        assert [one["image"] for one in found] == ["ghcr.io/example/app:1.0"]
        assert named(tmp_path / "tree", "ghcr.io", "example/app") == {"1.0": compute_digest(MULTI)}

    @pytest.mark.parametrize(
        ("files", "said", "problem"),
        [
            ({"a.001": b"x", "a.003": b"x"}, "a.001", "a.001: a.003 lies there, and part 2 does not; expected all of"),
            ({"a.part002": b"x"}, "a.part002", "a.part002 lies there, and part 1 does not"),
            ({"mirror_000002.tar": b"x"}, "mirror_000002.tar", "mirror_000002.tar lies there, and part 1 does not"),
            ({"a.part000": b"{}", "a.part001": b""}, "a.part001", r"a.part000: .*expected what zarf says of the parts"),
            (
                {"a.part000": b'{"Count": 3, "Bytes": 9}', "a.part001": b"xy"},
                "a.part000",
                "a.part000: 1 parts of 2 bytes lie beside it; expected 3 of 9 bytes in all",
            ),
            (
                {"a.part000": b'{"Count": 1, "Bytes": 9}'},
                "a.part000",
                "0 parts of 0 bytes lie beside it; expected 1 of 9",
            ),
            ({"a.001": b"x", "a.part001": b"x"}, "a.001", "a.part001: a.001 has the same number; expected one of them"),
            ({}, "a.001", "a.001: no such file or directory"),
        ],
    )
    def test_parts_that_do_not_fit(self, files: dict[str, bytes], said: str, problem: str, tmp_path: Path) -> None:
        for name, data in files.items():
            (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=problem):
            volumes_of(tmp_path / said)

    @pytest.mark.parametrize("name", ["web.2026", "web.100", "web.tar.part", "mirror_1.tar", "mirror_seq_000001.tar"])
    def test_names_that_look_like_parts(self, name: str, tmp_path: Path) -> None:
        (tmp_path / name).write_bytes(b"")
        assert volumes_of(tmp_path / name).paths == (tmp_path / name,)

    def test_damage_is_seen(self, tmp_path: Path) -> None:
        """In whatever piece it is."""
        data = zstandard.compress(tar(haul(tmp_path / "made")))
        parts = in_pieces(tmp_path, "haul.tar.zst", data, "")
        parts[1].write_bytes(parts[1].read_bytes()[:-1])
        outcome = ismirror("seed", "archive", str(parts[0]), "--data", str(tmp_path / "tree"))
        assert (outcome.exit_code, outcome.stderr.count("\n")) == (2, 1)
        assert outcome.stderr.startswith(f"ismirror: error: {parts[0]}: damaged zstd")

    def test_a_chain_is_read_as_one_file(self, tmp_path: Path) -> None:
        paths = in_pieces(tmp_path, "x", bytes(range(100)), "", 7)
        with chained(paths) as stream:
            assert (stream.read(3), stream.seek(0), stream.read(), stream.read(1)) == (
                b"\0\1\2",
                0,
                bytes(range(100)),
                b"",
            )


def test_an_index_of_a_package(tmp_path: Path) -> None:
    """As a directory, too: what zarf unpacked."""
    zarf(tmp_path / "package")
    (tmp_path / "package" / "zarf.yaml").write_text("kind: ZarfPackageConfig\n")
    found, told = seeded(tmp_path / "tree", tmp_path / "package")
    assert (found[0]["mediaType"], "an OCI image layout, 1 image" in told) == (OCI_INDEX, True)

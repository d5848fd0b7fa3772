"""Bundles: what goes in comes out, in one file or many, all of it or what is new; and nothing else does."""

from __future__ import annotations

import errno
import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tarfile
from contextlib import nullcontext
from pathlib import Path
from typing import IO, Any

import pytest
import zstandard
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from hypothesis import given, settings
from hypothesis import strategies as st
from support.bundles import apply, bulky_tree, create, damage, files_of, noise, state_of, write_part
from support.registry import HOST, image, index, put_image, signed_schema1

from fake_registry.errors import TreeError
from fake_registry.fixtures import Tree, collect_garbage, push_manifest, verify
from fake_registry.oci import DOCKER_SCHEMA1_SIGNED, OCI_INDEX, OCI_MANIFEST, compute_digest
from mirror.errors import InputError
from mirror.seed.bundles import applying, journal
from mirror.seed.bundles.checking import check_contents, problems
from mirror.seed.bundles.inspecting import inspected, listed
from mirror.seed.bundles.journal import recover
from mirror.seed.bundles.merging import switch_repository
from mirror.seed.bundles.parts import PartsReader, PartsWriter, complete_parts, read_part
from mirror.seed.bundles.reading import BundleReader
from mirror.seed.bundles.records import identity
from mirror.seed.comparing import differences

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = ROOT / "data" / "tree"
VECTORS = ROOT / "tests" / "vectors" / "tree"


@pytest.mark.parametrize("tree", [SAMPLE, VECTORS], ids=["sample", "vectors"])
def test_a_tree_comes_out_as_it_went_in(tree: Path, tmp_path: Path) -> None:
    (file,) = create(tree, tmp_path / "all.tar.zst")
    applied = apply(file, tmp_path / "tree")
    assert state_of(tmp_path / "tree") == state_of(tree) == applied.state
    assert not list(differences(Tree.open(tree), Tree.open(tmp_path / "tree")))
    ours = {name: data for name, data in files_of(tree).items() if name.endswith("index.json")}
    assert {name: data for name, data in files_of(tmp_path / "tree").items() if name.endswith("index.json")} == ours
    assert not (tmp_path / "tree" / ".applying").exists()
    assert list(collect_garbage(Tree.open(tmp_path / "tree"), grace=0)) == []


def test_other_tools_read_it(tmp_path: Path) -> None:
    """What the documentation says of the format, without any code of the project."""
    files = create(bulky_tree(tmp_path / "tree"), tmp_path / "all.tar.zst", part_size=64 << 10)
    assert len(files) > 3
    joined = tmp_path / "joined.tar"
    with joined.open("wb") as out:
        for file in files:
            data = file.read_bytes()
            trailer = json.loads(data[-504:])
            assert trailer["sha256"] == hashlib.sha256(data[:-512]).hexdigest()
            assert data[-512:-508] == bytes.fromhex("5b2a4d18")
            reader = zstandard.ZstdDecompressor().stream_reader(data, read_across_frames=True)
            out.write(reader.read(-1))
    with tarfile.open(joined) as tar:
        members = {member.name: member for member in tar}
        header, manifest = (
            tar.extractfile(name).read()  # type: ignore[union-attr]
            for name in ("bundle.json", "manifest.jsonl")
        )
        lines = [json.loads(line) for line in manifest.splitlines()]
        assert list(members) == ["bundle.json", "manifest.jsonl", *(line["path"] for line in lines)]
        for line in lines:
            data = tar.extractfile(line["path"]).read()  # type: ignore[union-attr]
            assert (len(data), hashlib.sha256(data).hexdigest()) == (line["size"], line["sha256"])
        assert {(one.uid, one.gid, one.mtime, one.mode, one.uname) for one in members.values()} == {
            (0, 0, 0, 0o644, "")
        }
        tar.extractall(tmp_path / "extracted", filter="data")
    stated = json.loads(header)
    assert stated["manifest"]["sha256"] == hashlib.sha256(manifest).hexdigest()
    summed = "".join(f"{line['sha256']}  {line['path']}\n" for line in lines)
    assert stated["state"] == f"sha256:{hashlib.sha256(summed.encode()).hexdigest()}"
    assert state_of(tmp_path / "extracted") == stated["state"]


def test_the_same_tree_gives_the_same_bytes(tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from support.bundles import create; "
        "create(Path(sys.argv[1]), Path(sys.argv[2]), part_size=64 << 10)"
    )
    outputs = []
    for seed in ("0", "1"):
        tree = tmp_path / f"tree{seed}"
        numbers = range(5) if seed == "0" else reversed(range(5))
        for number in numbers:  # what was there first does not matter
            put_image(Tree.open(tree, create=True), f"app{number}", "1.0", b"%d" % number, [noise(number, 30_000)])
        out = tmp_path / f"out{seed}"
        out.mkdir()
        subprocess.run(
            [sys.executable, "-c", code, str(tree), str(out / "b")],
            check=True,
            env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"},
        )
        outputs.append(files_of(out))
    assert outputs[0] == outputs[1]
    assert len(outputs[0]) > 1


@pytest.mark.parametrize("part_size", [64 << 10, 100_000, 150_001])
def test_parts_are_as_large_as_asked(part_size: int, tmp_path: Path) -> None:
    tree = bulky_tree(tmp_path / "tree", images=5, size=100_000)
    whole = create(tree, tmp_path / "whole")[0].stat().st_size
    files = create(tree, tmp_path / "parts", part_size=part_size)
    sizes = [file.stat().st_size for file in files]
    assert max(sizes) <= part_size
    assert all(size > part_size * 0.8 for size in sizes[:-1]), "none is left half empty"
    assert sum(sizes) < whole + 2000 * len(files)
    assert [file.name for file in files] == [f"parts.{number:03}" for number in range(1, len(files) + 1)]
    apply(list(reversed(files)), tmp_path / "elsewhere")
    assert state_of(tmp_path / "elsewhere") == state_of(tree)


def test_the_name_without_a_number_means_all_parts(tmp_path: Path) -> None:
    tree = bulky_tree(tmp_path / "tree")
    create(tree, tmp_path / "parts", part_size=64 << 10)
    apply(tmp_path / "parts", tmp_path / "elsewhere")
    assert state_of(tmp_path / "elsewhere") == state_of(tree)


def positions(size: int) -> list[int]:
    """Where a part is damaged: its beginning, middle, and every field of its end."""
    return [0, 5, size // 2, size - 600, size - 513, *range(-512, -200, 13), -1]


def test_damage_in_any_part_is_named_and_changes_nothing(tmp_path: Path) -> None:
    files = create(bulky_tree(tmp_path / "tree"), tmp_path / "b", part_size=64 << 10)
    target = tmp_path / "elsewhere"
    put_image(Tree.open(target, create=True), "app0", "mine")
    before = files_of(target)
    for file in files:
        sound = file.read_bytes()
        for position in positions(len(sound)):
            damage(file, position)
            with pytest.raises(InputError) as caught:
                apply(files, target)
            named = [one.name for one in files if one.name in str(caught.value)]
            assert file.name in named, (position, str(caught.value))
            assert any(file.name in line for line in problems(files, None)), position
            file.write_bytes(sound)
        for cut in (b"", sound[:10], sound[:-1], sound[: len(sound) // 2], sound + b"x", sound + sound):
            file.write_bytes(cut)
            with pytest.raises(InputError, match=file.name):
                apply(files, target)
            file.write_bytes(sound)
    assert files_of(target) == before
    assert list(problems(files, None)) == []
    apply(files, target)
    assert Tree.open(target).snapshot(HOST, "app0").tag_names == ["1.0", "mine"]  # type: ignore[union-attr]


@pytest.mark.parametrize("number", [1, 2, 3])
def test_a_part_that_changes_after_it_was_checked(number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second reading computes no digests of parts until something proves to be wrong."""
    files = create(bulky_tree(tmp_path / "origin"), tmp_path / "b", part_size=100_000)
    assert len(files) == 3

    def check_and_damage(reader: BundleReader) -> None:
        check_contents(reader)
        damage(files[number - 1], 30_000)

    monkeypatch.setattr("mirror.seed.bundles.applying.check_contents", check_and_damage)
    target = tmp_path / "target"
    with pytest.raises(InputError, match=rf"b\.00{number}: damaged: "):
        apply(files, target)
    assert Tree.open(target).hosts() == []


def test_a_part_of_very_many(tmp_path: Path) -> None:
    data = b"\x28\xb5\x2f\xfd" + bytes(100)
    path = write_part(tmp_path / "b.001", data, f"sha256:{'0' * 64}", part=2, parts=10**15)
    with pytest.raises(InputError, match=r"^parts 1, 3, 4, 5, 6, 7, 8, 9, 10, 11, \.\.\. are missing"):
        apply(path, tmp_path / "target")


def test_all_damaged_parts_are_listed(tmp_path: Path) -> None:
    files = create(bulky_tree(tmp_path / "tree"), tmp_path / "b", part_size=64 << 10)
    damage(files[0], 100)
    damage(files[2], 100)
    found = list(problems(files, None))
    assert [line.partition(":")[0] for line in found] == [str(files[0]), str(files[2])]


def test_missing_parts_are_named(tmp_path: Path) -> None:
    files = create(bulky_tree(tmp_path / "tree"), tmp_path / "b", part_size=64 << 10)
    for missing in files:
        left = [file for file in files if file != missing]
        with pytest.raises(InputError, match=rf"part {int(missing.suffix[1:])} is missing \({missing.name}\) of the"):
            apply(left, tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"parts 2, 3, .* are missing \(b\.002, b\.003,"):
        apply(files[:1], tmp_path / "elsewhere")
    with pytest.raises(InputError, match="expected each part once"):
        shutil.copy(files[0], tmp_path / "copy")
        apply([*files, tmp_path / "copy"], tmp_path / "elsewhere")
    other = create(bulky_tree(tmp_path / "other", images=5), tmp_path / "o", part_size=64 << 10)
    with pytest.raises(InputError, match=r"b\.002: of the bundle sha256:|o\.001: of the bundle sha256:"):
        apply([other[0], *files[1:]], tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


def test_what_is_no_bundle_is_said_to_be_none(tmp_path: Path) -> None:
    path = tmp_path / "b"
    for data in (b"", b"x" * 2000, zstandard.compress(b"x" * 2000)):
        path.write_bytes(data)
        with pytest.raises(InputError, match=r"not a bundle|no end of a part"):
            apply(path, tmp_path / "tree")
    with pytest.raises(InputError, match=r"none: no such file, nor none\.001"):
        apply(tmp_path / "none", tmp_path / "tree")


class History:
    """A tree that changes, with everything that can happen to a repository."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.tree = Tree.open(path, create=True)

    def do(self, step: tuple[Any, ...]) -> None:
        kind, name, number = step
        tag, config = f"v{number % 3}", b'{"n":%d}' % number
        if kind == "put":
            put_image(self.tree, name, tag, config, [b"layer %d" % number])
        elif kind == "bare":
            put_image(self.tree, name, None, config, [b"layer %d" % number])
        elif kind == "sparse":  # a layer is not there
            self.tree.put_blob(config)
            self.tree.put_manifest(HOST, name, image(config, [b"absent %d" % number]), OCI_MANIFEST, tag)
        elif kind == "index":
            child = image(config, [b"layer %d" % number])
            for data in (config, child, b"layer %d" % number):
                self.tree.put_blob(data)
            self.tree.put_manifest(HOST, name, index(child, image(b"never here")), OCI_INDEX, tag)
        elif kind == "push":  # names what the repository does not have
            push_manifest(self.tree, HOST, name, image(config, [b"layer %d" % (number + 1)]), OCI_MANIFEST, tag)
        elif kind == "untag":
            self.tree.delete_tag(HOST, name, tag)
        elif kind == "delete":
            self.tree.delete_manifest(HOST, name, compute_digest(image(config, [b"layer %d" % number])))
        elif kind == "hide":
            self.tree.delete_blob(HOST, name, compute_digest(b"layer %d" % number))
        elif kind == "upload":
            self.tree.put_blob(b"upload")
            self.tree.remember_blob(HOST, name, compute_digest(b"upload"))
        elif kind == "schema1":
            document = signed_schema1([compute_digest(b"layer %d" % number)])
            self.tree.put_manifest(HOST, name, document, DOCKER_SCHEMA1_SIGNED, tag)
            self.tree.put_sizes({compute_digest(b"layer %d" % number): 7})
        elif kind == "sha512":
            self.tree.put_blob(config)
            document = image(config, [])
            self.tree.put_manifest(HOST, name, document, OCI_MANIFEST, tag, algorithm="sha512")
        else:
            self.tree.delete_repository(HOST, name)


KINDS = [
    "put",
    "put",
    "bare",
    "sparse",
    "index",
    "push",
    "untag",
    "delete",
    "hide",
    "upload",
    "schema1",
    "sha512",
    "gone",
]
STEPS = st.tuples(st.sampled_from(KINDS), st.sampled_from(["a", "a/b", "a/z", "c"]), st.integers(0, 5))


@given(st.lists(st.lists(STEPS, max_size=6), min_size=1, max_size=4))
@settings(max_examples=25, deadline=None)
def test_whatever_happens_to_a_tree_is_carried_over(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[list[tuple[Any, ...]]]
) -> None:
    """Each round of changes is carried by a bundle since the one before, and in the end a whole one has the same."""
    top = tmp_path_factory.mktemp("history")
    history = History(top / "tree")
    since: Path | None = None
    for number, steps in enumerate(rounds):
        for step in steps:
            history.do(step)
        (file,) = create(history.path, top / f"b{number}", since)
        apply(file, top / "elsewhere")
        since = file
        assert state_of(top / "elsewhere") == state_of(history.path)
    (whole,) = create(history.path, top / "whole")
    apply(whole, top / "afresh")
    assert state_of(top / "afresh") == state_of(history.path)
    apply(whole, top / "elsewhere")
    assert state_of(top / "elsewhere") == state_of(history.path)
    theirs, ours = (set(map(str, verify(Tree.open(path)))) for path in (top / "afresh", history.path))
    assert theirs <= ours


def chain(top: Path, length: int = 5) -> tuple[Path, list[Path]]:
    """A tree that grows, and a bundle for each step, all but the first since the one before."""
    tree = Tree.open(top / "tree", create=True)
    files: list[Path] = []
    for number in range(length):
        put_image(tree, "app", f"{number}", b"%d" % number, [noise(number, 50_000), b"shared"])
        if number > 1:
            tree.delete_tag(HOST, "app", f"{number - 2}")
        since = files[-1] if files else None
        files += create(top / "tree", top / f"b{number}", since)
    return top / "tree", files


def test_a_chain_of_five(tmp_path: Path) -> None:
    tree, files = chain(tmp_path)
    for file in files[1:]:
        assert file.stat().st_size < 60_000
    for file in files:
        apply(file, tmp_path / "elsewhere")
    assert state_of(tmp_path / "elsewhere") == state_of(tree)
    snapshot = Tree.open(tmp_path / "elsewhere").snapshot(HOST, "app")
    assert snapshot is not None
    assert snapshot.tag_names == ["3", "4"]
    assert len(snapshot.listed) == 5


def test_a_missing_base_is_named(tmp_path: Path) -> None:
    _, files = chain(tmp_path)
    target = tmp_path / "elsewhere"
    for number in range(1, 5):
        base = inspected(files[number - 1]).bundle
        with pytest.raises(InputError, match=rf"b{number}: made since the bundle {base}, which .* lacks \(no sha256:"):
            apply(files[number], target)
        assert not target.exists()
    apply(files[0], target)
    before = files_of(target)
    with pytest.raises(InputError, match=f"made since the bundle {inspected(files[2]).bundle}"):
        apply(files[3], target)
    assert files_of(target) == before


def test_a_bundle_that_only_removes_is_not_skipped(tmp_path: Path) -> None:
    history = History(tmp_path / "tree")
    for number in range(3):
        history.do(("put", "a", number))
    files = create(history.path, tmp_path / "b0")
    history.do(("untag", "a", 1))
    files += create(history.path, tmp_path / "b1", files[0])
    history.do(("put", "b", 3))
    files += create(history.path, tmp_path / "b2", files[1])
    target = tmp_path / "elsewhere"
    first, second = (inspected(file).bundle for file in files[:2])
    apply(files[0], target)
    before = files_of(target)
    problem = f"b2: made since the bundle {second}, but the last bundle that was applied to {target} is {first}; apply"
    for dry_run in (True, False):
        with pytest.raises(InputError, match=problem):
            apply(files[2], target, dry_run=dry_run)
    assert files_of(target) == before
    for file in files[1:]:
        apply(file, target)
    assert state_of(target) == state_of(history.path)
    assert apply(files[2], target).repositories == []  # again
    apply(files[0], tmp_path / "other")
    apply(files[2], tmp_path / "other", any_base=True)
    assert state_of(tmp_path / "other") != state_of(history.path)  # the tag is still there
    shutil.copytree(history.path, tmp_path / "copy", symlinks=True)
    (tmp_path / "copy" / ".applied.json").write_bytes((tmp_path / "other" / ".applied.json").read_bytes())
    history.do(("untag", "a", 0))
    (last,) = create(history.path, tmp_path / "b3", files[2])
    assert apply(last, tmp_path / "copy").repositories != []  # whatever was applied to it, it is in that state


def test_since_a_tree(tmp_path: Path) -> None:
    history = History(tmp_path / "tree")
    for number in range(3):
        history.do(("put", "a", number))
    shutil.copytree(history.path, tmp_path / "old", symlinks=True)
    shutil.copytree(history.path, tmp_path / "elsewhere", symlinks=True)
    history.do(("put", "a", 3))
    history.do(("untag", "a", 1))
    (file,) = create(history.path, tmp_path / "b", tmp_path / "old")
    header = inspected(file).header
    assert header.base is not None
    assert (header.base.state, header.base.bundle) == (state_of(tmp_path / "old"), "")
    assert header.carried.files == 5  # index.json, what is gone, and of the new image config, layer, manifest
    apply(file, tmp_path / "elsewhere")
    assert state_of(tmp_path / "elsewhere") == state_of(history.path)
    with pytest.raises(InputError, match=f"made since a tree in the state {header.base.state}, which"):
        apply(file, tmp_path / "empty")


def test_the_first_part_is_enough_for_the_next_bundle(tmp_path: Path) -> None:
    tree = bulky_tree(tmp_path / "tree")
    files = create(tree, tmp_path / "b", part_size=64 << 10)
    apply(files, tmp_path / "elsewhere")
    for file in files[1:]:
        file.unlink()
    put_image(Tree.open(tree), "new", "1", b"new")
    apply(create(tree, tmp_path / "c", files[0]), tmp_path / "elsewhere")
    assert state_of(tmp_path / "elsewhere") == state_of(tree)


def test_what_a_bundle_does_not_speak_of_stays(tmp_path: Path) -> None:
    tree, files = chain(tmp_path, 4)
    target = Tree.open(tmp_path / "elsewhere", create=True)
    put_image(target, "app", "mine", b"mine")
    put_image(target, "app", "0", b"another image of that name")
    put_image(target, "other", "1", b"other")
    for file in files:
        apply(file, target.root)
    snapshot = target.snapshot(HOST, "app")
    assert snapshot is not None
    assert snapshot.tag_names == ["2", "3", "mine"]
    assert target.snapshot(HOST, "other") is not None
    left = {one.name for one in differences(Tree.open(tree), target) if one.what == "tag"}
    assert left == {f"{HOST}/app:mine", f"{HOST}/other:1"}


def test_a_repository_that_is_gone_goes_unless_it_has_something_else(tmp_path: Path) -> None:
    history = History(tmp_path / "tree")
    for name in ("a", "a/b", "c"):
        history.do(("put", name, 0))
    first = create(history.path, tmp_path / "b0")
    apply(first, tmp_path / "elsewhere")
    put_image(Tree.open(tmp_path / "elsewhere"), "c", "mine", b"mine")
    for name in ("a", "c"):
        history.do(("gone", name, 0))
    applied = apply(create(history.path, tmp_path / "b1", first[0]), tmp_path / "elsewhere")
    target = Tree.open(tmp_path / "elsewhere")
    assert target.repositories(HOST) == ["a/b", "c"]
    assert target.snapshot(HOST, "c").tag_names == ["mine"]  # type: ignore[union-attr]
    assert {one.repository: (one.tags_removed, one.gone) for one in applied.repositories} == {
        f"{HOST}/a": (["v0"], True),
        f"{HOST}/c": (["v0"], False),
    }


def test_what_is_hidden_is_not_shown_by_carrying_it(tmp_path: Path) -> None:
    """A repository that names the content of another one has none of it, on the other side either."""
    tree = Tree.open(tmp_path / "tree", create=True)
    put_image(tree, "private", "1", b"secret config", [b"secret layer"])
    push_manifest(tree, HOST, "public", image(b"secret config", [b"secret layer"]), OCI_MANIFEST, "1")
    apply(create(tree.root, tmp_path / "b"), tmp_path / "elsewhere")
    snapshot = Tree.open(tmp_path / "elsewhere").snapshot(HOST, "public")
    assert snapshot is not None
    assert snapshot.blob(compute_digest(b"secret layer")) is None
    assert state_of(tmp_path / "elsewhere") == state_of(tree.root)


def test_nothing_is_carried_that_nothing_names(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    put_image(tree, "app", "1")
    for data in (b"garbage", b"upload"):
        tree.put_blob(data)
    tree.remember_blob(HOST, "app", compute_digest(b"upload"))
    (tree.root / "blobs" / ".uploads").mkdir()
    (tree.root / "blobs" / ".uploads" / "x").write_bytes(b"half")
    (file,) = create(tree.root, tmp_path / "b")
    assert {one.path for one in listed(file)} == {
        f"registries/{HOST}/app/index.json",
        *(f"blobs/sha256/{hashlib.sha256(data).hexdigest()}" for data in (b"{}", b"layer", image())),
    }


def test_a_tree_that_is_not_whole_makes_no_bundle(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    put_image(tree, "app", "1", layers=[b"x" * 2_000_000])
    layer = tree.root / "blobs" / compute_digest(b"x" * 2_000_000).replace(":", "/")
    damage(layer, 7)
    with pytest.raises(TreeError, match=f"{layer.name}: content does not match its digest; data verify"):
        create(tree.root, tmp_path / "b")
    (tree.root / "blobs" / compute_digest(image(layers=[b"x" * 2_000_000])).replace(":", "/")).unlink()
    with pytest.raises(TreeError, match=r"app/index\.json: manifest sha256:.* is not in the tree"):
        create(tree.root, tmp_path / "b")
    assert [path.name for path in tmp_path.iterdir()] == ["tree"]


def test_what_is_there_is_not_overwritten_unless_told_to(tmp_path: Path) -> None:
    tree = bulky_tree(tmp_path / "tree", images=2)
    create(tree, tmp_path / "b", part_size=64 << 10)
    with pytest.raises(InputError, match=r"b\.001: exists already; choose another name, or say --force"):
        create(tree, tmp_path / "b")
    create(tree, tmp_path / "b", replace=True)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b", "tree"]
    with pytest.raises(InputError, match="at least 65536"):
        create(tree, tmp_path / "c", part_size=1000)
    with pytest.raises(InputError, match="no such directory"):
        create(tree, tmp_path / "none" / "c")


def test_what_a_killed_writer_left_goes_with_the_next_bundle(tmp_path: Path) -> None:
    tree = bulky_tree(tmp_path / "tree", images=1)
    with subprocess.Popen([sys.executable, "-c", ""]) as ended:
        ended.wait()
    ours = [f".b.1.{ended.pid}.tmp", f".b.12.{ended.pid}.tmp"]
    others = [f".b.1.{os.getppid()}.tmp", f".c.1.{ended.pid}.tmp", ".b.tmp", ".b.notes.tmp"]
    for name in (*ours, *others):
        (tmp_path / name).write_bytes(b"x")
    create(tree, tmp_path / "b")
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted([*others, "b", "tree"])


def test_a_signature_is_checked_before_anything_else(tmp_path: Path) -> None:
    key, other = Ed25519PrivateKey.generate(), Ed25519PrivateKey.generate()
    tree = bulky_tree(tmp_path / "tree", images=1)
    (signed,) = create(tree, tmp_path / "signed", key=key)
    (unsigned,) = create(tree, tmp_path / "unsigned")
    assert (inspected(signed).signed, inspected(unsigned).signed) == (True, False)
    assert inspected(signed).bundle == inspected(unsigned).bundle
    for file, public, message in (
        (signed, other.public_key(), "signed: signed by another key than that of --verify-key, or changed since"),
        (unsigned, key.public_key(), "unsigned: not signed; --verify-key asks for a signature"),
    ):
        with pytest.raises(InputError, match=message):
            apply(file, tmp_path / "elsewhere", key=public)
    assert not (tmp_path / "elsewhere").exists()
    assert apply(signed, tmp_path / "elsewhere", key=key.public_key()).signed
    assert apply(signed, tmp_path / "unasked").signed


def test_a_signed_bundle_cannot_be_changed(tmp_path: Path) -> None:
    """With every checksum made right again, only the signature tells."""
    key = Ed25519PrivateKey.generate()
    (file,) = create(bulky_tree(tmp_path / "tree", images=1), tmp_path / "b", key=key)
    part = read_part(file)
    with PartsReader([part]) as reader:
        tar = bytearray(b"".join(iter(lambda: reader.read(1 << 20), b"")))
    header = tar[512 : 512 + int(tar[124:135], 8)]
    changed = bytes(header).replace(b'"repositories": 1', b'"repositories": 2')
    assert changed != header
    tar[512 : 512 + len(header)] = changed
    forged = write_part(tmp_path / "forged", zstandard.compress(bytes(tar)), identity(changed))
    with pytest.raises(InputError, match="signed by another key than that of --verify-key, or changed since"):
        apply(forged, tmp_path / "elsewhere", key=key.public_key())


def test_dry_run_says_what_would_change_and_changes_nothing(tmp_path: Path) -> None:
    _, files = chain(tmp_path, 3)
    target = tmp_path / "elsewhere"
    would = apply(files[0], target, dry_run=True)
    assert not target.exists()
    assert apply(files[0], target) == would
    apply(files[1], target)
    before = files_of(target)
    would = apply(files[2], target, dry_run=True)
    assert files_of(target) == before
    did = apply(files[2], target)
    assert did == would
    assert [(one.tags_set, one.tags_removed) for one in did.repositories] == [(["2"], ["0"])]
    assert (did.new.files, did.present.files) == (3, 0)
    again = apply(files[2], target)
    assert (again.new.files, again.present.files, again.repositories) == (0, 3, [])


def test_applying_again_writes_nothing(tmp_path: Path) -> None:
    tree = bulky_tree(tmp_path / "tree")
    (file,) = create(tree, tmp_path / "b")
    apply(file, tmp_path / "elsewhere")
    inodes = {path: path.stat().st_ino for path in (tmp_path / "elsewhere").rglob("*")}
    apply(file, tmp_path / "elsewhere")
    assert {path: path.stat().st_ino for path in (tmp_path / "elsewhere").rglob("*")} == inodes


def test_damaged_content_of_the_tree_is_replaced(tmp_path: Path) -> None:
    tree = bulky_tree(tmp_path / "tree", images=1, size=2_000_000)
    (file,) = create(tree, tmp_path / "b")
    apply(file, tmp_path / "elsewhere")
    for blob in (tmp_path / "elsewhere" / "blobs" / "sha256").iterdir():
        damage(blob, 3)
    apply(file, tmp_path / "elsewhere")
    assert state_of(tmp_path / "elsewhere") == state_of(tree)
    assert list(verify(Tree.open(tmp_path / "elsewhere"))) == []


def test_only_one_at_a_time(tmp_path: Path) -> None:
    (file,) = create(bulky_tree(tmp_path / "tree", images=1), tmp_path / "b")
    target = Tree.open(tmp_path / "elsewhere", create=True)
    with journal.one_at_a_time(target), pytest.raises(TreeError, match="another bundle is being applied"):
        apply(file, target.root)
    apply(file, target.root)


def test_a_disk_that_is_too_small_is_told_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (file,) = create(bulky_tree(tmp_path / "tree"), tmp_path / "b")
    real = os.statvfs(tmp_path)
    small = os.statvfs_result((*real[:4], 0, *real[5:]))
    monkeypatch.setattr(os, "statvfs", lambda path: small)
    with pytest.raises(TreeError, match=r"0 bytes free; expected [0-9]+ for 13 new files"):
        apply(file, tmp_path / "elsewhere")
    assert not (tmp_path / "elsewhere").exists()


def test_room_that_an_interrupted_run_takes_is_not_missed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = bulky_tree(tmp_path / "tree")
    (file,) = create(tree, tmp_path / "b")
    target = Tree.open(tmp_path / "elsewhere", create=True).root
    left = target / ".applying" / ".incoming.0.tmp"
    left.parent.mkdir()
    left.write_bytes(b"half of a blob")
    real = os.statvfs(tmp_path)

    def statvfs(path: object) -> os.statvfs_result:
        return os.statvfs_result((*real[:4], 0, *real[5:])) if left.exists() else real

    monkeypatch.setattr(os, "statvfs", statvfs)
    apply(file, target)
    assert state_of(target) == state_of(tree)


def test_lists_of_tags_may_be_longer_than_a_part(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    put_image(tree, "app", "1")
    tree.put_manifest(HOST, "app", image(), OCI_MANIFEST, [noise(number, 60).hex() for number in range(2000)])
    files = create(tree.root, tmp_path / "b", part_size=64 << 10)
    assert inspected(files[0]).repositories[0].tags == 2001
    put_image(tree, "new", "1", b"new")
    (later,) = create(tree.root, tmp_path / "c", tmp_path / "b")
    apply(files, tmp_path / "elsewhere")
    apply(later, tmp_path / "elsewhere")
    assert state_of(tmp_path / "elsewhere") == state_of(tree.root)
    files[1].unlink()
    with pytest.raises(InputError, match=r"b\.001: ends"):
        create(tree.root, tmp_path / "d", tmp_path / "b")


class Cut(BaseException):
    """Stands for the end of the process: nothing handles it."""


@pytest.mark.parametrize("after", range(5))
def test_cut_off_between_two_repositories_it_is_completed_later(
    after: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = bulky_tree(tmp_path / "tree")
    (file,) = create(tree, tmp_path / "b")
    target = tmp_path / "elsewhere"
    counter = itertools.count()

    def switch(*arguments: Any) -> None:
        if next(counter) == after:
            raise Cut
        switch_repository(*arguments)

    with monkeypatch.context() as patched, pytest.raises(Cut) if after < 4 else nullcontext():
        patched.setattr(journal, "switch_repository", switch)
        apply(file, target)
    opened = Tree.open(target)
    if after < 4:
        assert len(opened.repositories(HOST)) == after
        assert [problem.kind for problem in verify(opened)] == ["switch"]
        with pytest.raises(TreeError, match=r"\.applying: only some repositories have changed"):
            list(collect_garbage(opened, grace=0))
        file.unlink()  # is not needed any more
        assert recover(opened)
    assert not recover(opened)
    assert state_of(target) == state_of(tree)
    assert list(verify(opened)) == []


def test_cut_off_before_anything_is_named_it_is_dropped_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree = bulky_tree(tmp_path / "tree")
    (file,) = create(tree, tmp_path / "b")
    target = Tree.open(tmp_path / "elsewhere", create=True)
    put_image(target, "app0", "mine")
    before = state_of(target.root)

    def cut(*arguments: Any) -> None:
        raise Cut

    with monkeypatch.context() as patched, pytest.raises(Cut):
        patched.setattr(applying, "effect_of", cut)
        apply(file, target.root)
    assert state_of(target.root) == before
    assert list(verify(target)) == []
    (target.root / ".applying").mkdir()
    (target.root / ".applying" / "switch.part").write_bytes(b"half of it")
    (target.root / ".applying" / ".incoming.0.tmp").write_bytes(b"half of a blob")
    put_image(Tree.open(tree), "later", "1")
    apply(create(tree, tmp_path / "c", file), target.root)
    assert sorted(path.name for path in target.root.iterdir()) == [".applied.json", "blobs", "registries"]
    assert target.snapshot(HOST, "later") is not None


def test_a_broken_repository_is_found_before_any_changes(tmp_path: Path) -> None:
    (file,) = create(bulky_tree(tmp_path / "tree"), tmp_path / "b")
    target = Tree.open(tmp_path / "elsewhere", create=True)
    put_image(target, "app3", "mine")
    broken = target.root / "registries" / HOST / "app3" / "index.json"
    broken.write_text("{")
    with pytest.raises(TreeError, match=r"app3/index\.json"):
        apply(file, target.root)
    assert target.repositories(HOST) == ["app3"]
    assert not (target.root / ".applying").exists()


def test_a_large_layer_passes_through_many_parts(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    put_image(tree, "app", "1", layers=[noise(1, 3_000_000)])
    files = create(tree.root, tmp_path / "b", part_size=256 << 10)
    assert len(files) > 10
    assert [part.path for part in complete_parts(reversed(files))] == files
    apply(files, tmp_path / "elsewhere")
    assert state_of(tmp_path / "elsewhere") == state_of(tree.root)


class Full:
    """A file on a disk that is full: what could not be written is tried once more when it is closed, as Python does."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def write(self, data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    def close(self) -> None:
        self._file.close()
        self.write(b"")


def test_a_disk_that_is_full_keeps_nothing_of_a_bundle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = PartsWriter(tmp_path / "b.tar.zst", part_size=None, level=3, digits=1)
    monkeypatch.setattr(Path, "open", lambda path, mode: Full(open(path, mode)))  # noqa: SIM115, PTH123
    with pytest.raises(OSError, match="No space left on device"), writer:
        writer.write(noise(1, 400_000))
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - Path.open is another one here

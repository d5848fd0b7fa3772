"""``ismirror bundle``, as people type it."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)
from support.bundles import bulky_tree, damage, state_of
from support.command import Served, ismirror, served_registry
from support.registry import image, put_image
from typer.testing import CliRunner, Result

from fake_registry.fixtures import Tree
from fake_registry.oci import compute_digest
from mirror.cli.bundle import app
from mirror.cli.sizes import parse_size
from mirror.errors import InputError
from mirror.seed.bundles.applying import apply_bundle
from mirror.seed.bundles.merging import Carried, switch_repository
from mirror.seed.bundles.signing import load_private_key, load_public_key


def run(*arguments: str | Path) -> Result:
    """Runs a command of the group in this process."""
    result = CliRunner().invoke(app, [str(argument) for argument in arguments])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


@pytest.fixture
def keys(tmp_path: Path) -> tuple[Path, Path]:
    """Files with a private key and its public key."""
    key = Ed25519PrivateKey.generate()
    private, public = tmp_path / "key.pem", tmp_path / "key.pub"
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return private, public


def test_there_and_back(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    tree = bulky_tree(tmp_path / "tree")
    out = tmp_path / "b"
    made = ismirror(
        "bundle", "create", str(out), "--data", str(tree), "--part-size", "64K", "--sign", str(keys[0]), "-o", "json"
    )
    assert made.exit_code == 0, made.stderr
    assert made.json["header"]["state"] == state_of(tree)
    assert made.json["signed"]
    files = [Path(one["file"]) for one in made.json["files"]]
    assert [file.stat().st_size for file in files] == [one["size"] for one in made.json["files"]]
    assert len(files) > 2
    seen = ismirror("bundle", "inspect", str(files[0]), "-o", "json").json
    assert (seen["bundle"], seen["header"]) == (made.json["bundle"], made.json["header"])
    assert seen["repositories"][0] == {"repository": "quay.io/app0", "tags": 1, "manifests": 1}
    checked = ismirror("bundle", "verify", *map(str, files), "--verify-key", str(keys[1]))
    assert (checked.exit_code, checked.stdout) == (0, ""), checked.stdout
    done = ismirror(
        "bundle", "apply", str(out), "--data", str(tmp_path / "t"), "--verify-key", str(keys[1]), "-o", "json"
    )
    assert done.exit_code == 0, done.stderr
    assert done.json["state"] == state_of(tmp_path / "t") == state_of(tree)
    assert done.json["repositories"][3] == {
        "repository": "quay.io/app3",
        "tags_set": ["1.0"],
        "tags_removed": [],
        "gone": False,
    }


def test_a_damaged_part_is_the_answer_no_to_verify_and_bad_input_to_apply(tmp_path: Path) -> None:
    tree = bulky_tree(tmp_path / "tree")
    assert run("create", tmp_path / "b", "--data", tree, "--part-size", "64K").exit_code == 0
    damage(tmp_path / "b.002", 1000)
    checked = run("verify", tmp_path / "b")
    assert checked.exit_code == 1
    line = f"{tmp_path}/b.002: damaged: part 2 of 4 does not have its SHA-256; carry this file over again"
    assert checked.stdout == f"{line}\n"
    applied = ismirror("bundle", "apply", str(tmp_path / "b"), "--data", str(tmp_path / "t"))
    assert (applied.exit_code, applied.stdout, applied.stderr) == (2, "", f"ismirror: error: {line}\n")
    assert not (tmp_path / "t").exists()
    (tmp_path / "b.003").unlink()
    assert "part 3 is missing" in ismirror("bundle", "apply", str(tmp_path / "b"), "--data", "t", cwd=tmp_path).stderr


def test_what_has_changed_is_shown(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path / "tree", create=True)
    put_image(tree, "app", "1", b"1")
    put_image(tree, "old", "1", b"1")
    run("create", tmp_path / "b0", "--data", tree.root)
    put_image(tree, "app", "2", b"2")
    tree.delete_tag("quay.io", "app", "1")
    tree.delete_repository("quay.io", "old")
    made = run("create", tmp_path / "b1", "--data", tree.root, "--since", tmp_path / "b0")
    assert "In the base:   3 files, " in made.stdout
    seen = run("inspect", tmp_path / "b1")
    assert [line.split() for line in seen.stdout.splitlines()[-5:]] == [
        ["REMOVED", "WHAT"],
        ["quay.io/app:1", "tag"],
        ["quay.io/old:1", "tag"],
        [f"quay.io/old@{compute_digest(image(b'1'))}", "manifest"],
        ["quay.io/old", "repository"],
    ]
    listed = run("inspect", tmp_path / "b1", "--files").stdout.splitlines()
    assert sum(line.endswith("  (in the base)") for line in listed) == 3
    applied = run("apply", tmp_path / "b0", "--data", tmp_path / "t")
    assert [line.split() for line in applied.stdout.splitlines()[1:]] == [
        ["quay.io/app", "1", "0"],
        ["quay.io/old", "1", "0"],
    ]
    would = run("apply", tmp_path / "b1", "--data", tmp_path / "t", "--dry-run")
    applied = run("apply", tmp_path / "b1", "--data", tmp_path / "t")
    assert would.stdout == applied.stdout
    assert [line.split() for line in applied.stdout.splitlines()[1:]] == [
        ["quay.io/app", "1", "1"],
        ["quay.io/old", "0", "all"],
    ]


def test_dry_run_of_create_writes_nothing(tmp_path: Path) -> None:
    tree = bulky_tree(tmp_path / "tree", images=1)
    would = run("create", tmp_path / "b", "--data", tree, "--dry-run")
    assert not (tmp_path / "b").exists()
    did = run("create", tmp_path / "b", "--data", tree)
    assert did.stdout.startswith(would.stdout)
    assert would.stdout.startswith("Bundle:        sha256:")


def test_a_key_of_openssl_is_taken(tmp_path: Path) -> None:
    for command in (
        "openssl genpkey -algorithm ed25519 -out key.pem",
        "openssl pkey -in key.pem -pubout -out key.pub",
    ):
        try:
            subprocess.run(command.split(), check=True, cwd=tmp_path, capture_output=True)
        except FileNotFoundError:
            pytest.skip("openssl is not installed")
    tree = bulky_tree(tmp_path / "tree", images=1)
    run("create", tmp_path / "b", "--data", tree, "--sign", tmp_path / "key.pem")
    assert run("verify", tmp_path / "b", "--verify-key", tmp_path / "key.pub").exit_code == 0


def test_keys_that_are_none(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    other = generate_private_key(65537, 2048)
    files = {
        "rsa.pem": other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        "rsa.pub": other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        "locked.pem": Ed25519PrivateKey.generate().private_bytes(
            Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"secret")
        ),
        "text.pem": b"text",
        "large.pem": b" " * 100_000,
    }
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    for load, name, message in (
        (load_private_key, "rsa.pem", "another kind of key; expected an Ed25519 private key"),
        (load_private_key, "locked.pem", "a key with a password; expected an Ed25519 private key"),
        (load_private_key, "text.pem", "not a private key"),
        (load_private_key, "key.pub", "not a private key"),
        (load_private_key, "large.pem", "larger than 65536 bytes"),
        (load_private_key, "none.pem", "No such file"),
        (load_public_key, "rsa.pub", "another kind of key; expected an Ed25519 public key"),
        (load_public_key, "key.pem", "not a public key"),
        (load_public_key, "text.pem", "not a public key"),
    ):
        with pytest.raises(InputError, match=rf"{name}: {message}"):
            load(tmp_path / name)


@pytest.mark.parametrize(
    ("text", "size"),
    [
        ("65536", 65536),
        ("64K", 65536),
        ("64KiB", 65536),
        ("4GiB", 4 << 30),
        ("4G", 4 << 30),
        ("4GB", 4_000_000_000),
        ("1.5MiB", 3 << 19),
        ("650 MB", 650_000_000),
        ("2t", 2 << 40),
        ("10B", 10),
    ],
)
def test_sizes(text: str, size: int) -> None:
    assert parse_size("--part-size", text) == size


@pytest.mark.parametrize("text", ["", "G", "4X", "-1", "4iB", "4 G B", "1e9", "0x10", "٤"])
def test_sizes_that_are_none(text: str) -> None:
    with pytest.raises(InputError, match=r"--part-size: .* expected a size such as 4GiB"):
        parse_size("--part-size", text)


def tags(registry: Served, name: str) -> list[str]:
    """What a registry says of a repository of quay.io."""
    url = f"http://{registry.address}/v2/{name}/tags/list?ns=quay.io"
    with urllib.request.urlopen(url) as answer:
        found: list[str] = json.load(answer)["tags"] or []
        return found


class Cut(BaseException):
    """Stands for the end of the process: nothing handles it."""


@pytest.fixture
def interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, Path]:
    """A tree, and another to which a bundle of it was applied, until two of its repositories had changed."""
    tree, target = bulky_tree(tmp_path / "tree"), tmp_path / "target"
    run("create", tmp_path / "b", "--data", tree)
    calls = iter(range(3))

    def switch(opened: Tree, carried: Carried) -> None:
        if next(calls) == 2:
            raise Cut
        switch_repository(opened, carried)

    with monkeypatch.context() as patched, pytest.raises(Cut):
        patched.setattr("mirror.seed.bundles.journal.switch_repository", switch)
        apply_bundle([tmp_path / "b"], target)
    (tmp_path / "b").unlink()
    assert len(Tree.open(target).repositories("quay.io")) == 2
    return tree, target


def test_a_server_completes_what_was_interrupted(interrupted: tuple[Path, Path]) -> None:
    tree, target = interrupted
    found = ismirror("data", "verify", "--data", str(target))
    assert (found.exit_code, found.stdout.count("\n")) == (1, 1)
    assert ".applying/switch.tar: only some repositories have changed as a bundle says" in found.stdout
    assert ismirror("data", "gc", "--grace", "0", "--data", str(target)).exit_code == 2
    with served_registry(target, "--read-only") as registry:
        assert tags(registry, "app0") == ["1.0"]
        assert len(Tree.open(target).repositories("quay.io")) == 2
    with served_registry(target) as registry:
        assert state_of(target) == state_of(tree)
        assert tags(registry, "app3") == ["1.0"]
        collected = ismirror("data", "gc", "--grace", "0", "--data", str(target), "-o", "json")
        assert (collected.exit_code, collected.json) == (0, [])
    assert ismirror("data", "verify", "--data", str(target)).exit_code == 0


def test_a_tree_is_served_while_bundles_are_applied_and_garbage_collected(tmp_path: Path) -> None:
    tree = Tree.open(bulky_tree(tmp_path / "tree"))
    run("create", tmp_path / "b0", "--data", tree.root)
    run("apply", tmp_path / "b0", "--data", tmp_path / "target")
    tree.delete_manifest("quay.io", "app0", tree.snapshot("quay.io", "app0").tags["1.0"].digest)  # type: ignore[union-attr]
    put_image(tree, "app1", "2.0", b"new")
    run("create", tmp_path / "b1", "--data", tree.root, "--since", tmp_path / "b0")
    with served_registry(tmp_path / "target") as registry:
        assert (tags(registry, "app0"), tags(registry, "app1")) == (["1.0"], ["1.0"])
        run("apply", tmp_path / "b1", "--data", tmp_path / "target")
        assert (tags(registry, "app0"), tags(registry, "app1")) == ([], ["1.0", "2.0"])
        removed = ismirror("data", "gc", "--grace", "0", "--data", str(tmp_path / "target"), "-o", "json").json
        assert len(removed) == 3  # manifest, config and layer of what has gone; the other layer is shared
        assert tags(registry, "app1") == ["1.0", "2.0"]
    assert ismirror("data", "diff", str(tree.root), str(tmp_path / "target")).exit_code == 0
    assert ismirror("data", "verify", "--data", str(tmp_path / "target")).exit_code == 0


def test_a_bundle_is_no_image_archive(tmp_path: Path) -> None:
    tree = bulky_tree(tmp_path / "tree", images=1)
    run("create", tmp_path / "b", "--data", tree)
    outcome = ismirror("seed", "archive", str(tmp_path / "b"), "--data", str(tmp_path / "t"))
    assert outcome.exit_code == 2
    assert outcome.stderr.endswith("b: a bundle; ismirror bundle apply takes it\n")

"""The image streams that every OpenShift cluster has: imported from a tree with an image for each of their tags."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from support.command import NOW, ismirror, served_registry
from support.sample_streams import STREAMS, import_of, needed
from support.serve_command import serving

from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from mirror.api.app import ApiCore
from mirror.api.cluster import Cluster
from mirror.clock import ManualClock, NamedUids
from mirror.config import ClusterConfig
from mirror.reference import Reference
from mirror.scenario import START
from mirror.seed.synth import plant_pull_specs
from mirror.session import open_transport
from mirror.specs import Answer, Spec, run_specs

pytestmark = needed


@pytest.fixture(scope="module")
def imports() -> list[dict[str, Any]]:
    return [import_of(json.loads(path.read_text())) for path in sorted(STREAMS.glob("*.json"))]


def pull_specs_of(imports: Iterable[dict[str, Any]]) -> list[str]:
    return [image["from"]["name"] for one in imports for image in one["spec"]["images"]]


@pytest.fixture(scope="module")
def planted(imports: list[dict[str, Any]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with an index of four platforms for every pull spec."""
    path = tmp_path_factory.mktemp("real") / "tree"
    assert plant_pull_specs(Tree.open(path, create=True), pull_specs_of(imports)) == []
    return path


@pytest.fixture
def halved(imports: list[dict[str, Any]], planted: Path, tmp_path: Path) -> tuple[Path, set[Reference]]:
    """A copy of the tree without half of the images, and which these are."""
    path = tmp_path / "tree"
    shutil.copytree(planted, path, symlinks=True)
    distinct = sorted({image_of(pull_spec) for pull_spec in pull_specs_of(imports)}, key=Reference.exact)
    missing = set(distinct[::2])
    tree = Tree.open(path)
    for image in missing:
        assert tree.delete_tag(image.registry, image.repository_name(), image.tag)
    return path, missing


def image_of(pull_spec: str) -> Reference:
    """What a pull spec means: an image without a tag is the latest one."""
    return Reference.parse(pull_spec).docker_client_defaults()


async def answers(path: Path, imports: list[dict[str, Any]]) -> list[Answer]:
    core = RegistryCore(Tree.open(path))
    specs = [Spec(one["metadata"]["name"], "openshift", msgspec.json.encode(one)) for one in imports]
    async with open_transport(core, None) as transport:
        return await run_specs(ApiCore(Cluster(ClusterConfig(), transport, ManualClock(START), NamedUids())), specs)


def test_there_are_streams(imports: list[dict[str, Any]]) -> None:
    assert len(imports) == 50
    assert len(pull_specs_of(imports)) == 271


async def test_every_tag_is_imported(imports: list[dict[str, Any]], planted: Path) -> None:
    imported = 0
    for asked, answer in zip(imports, await answers(planted, imports), strict=True):
        assert answer.status == 201
        document = answer.document
        for image, result in zip(asked["spec"]["images"], document["status"]["images"], strict=True):
            assert result["status"] == {"metadata": {}, "status": "Success"}, image["from"]["name"]
            assert result["image"]["dockerImageMetadata"]["Architecture"] == "amd64"
            imported += 1
        tags = {tag["tag"]: tag["items"] for tag in document["status"]["import"]["status"]["tags"]}
        assert sorted(tags) == sorted(image["to"]["name"] for image in asked["spec"]["images"])
        assert all(len(items) == 1 for items in tags.values())
    assert imported == 271


async def test_every_missing_image_says_so(imports: list[dict[str, Any]], halved: tuple[Path, set[Reference]]) -> None:
    path, missing = halved
    found = {"missing": 0, "imported": 0}
    for asked, answer in zip(imports, await answers(path, imports), strict=True):
        for image, result in zip(asked["spec"]["images"], answer.document["status"]["images"], strict=True):
            pull_spec = image["from"]["name"]
            if image_of(pull_spec) not in missing:
                assert result["status"]["status"] == "Success"
                found["imported"] += 1
                continue
            named = image_of(pull_spec).exact()
            assert result["status"] == {
                "metadata": {},
                "status": "Failure",
                "message": f'dockerimage.image.openshift.io "{named}" not found',
                "reason": "NotFound",
                "details": {"name": named, "group": "image.openshift.io", "kind": "dockerimage"},
                "code": 404,
            }
            found["missing"] += 1
    assert sum(found.values()) == 271
    assert min(found.values()) > 100


def test_command_imports_all_of_them(imports: list[dict[str, Any]], planted: Path, tmp_path: Path) -> None:
    file = tmp_path / "imports.json"
    file.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": imports}))
    outcome = ismirror("import", str(file), "--data", str(planted), "--now", NOW, "-n", "openshift")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.stderr.splitlines()[-1] == "271 of 271 imported"
    assert len(outcome.stdout.splitlines()) == 272


def test_a_bundle_brings_all_of_them_over_the_gap(imports: list[dict[str, Any]], tmp_path: Path) -> None:
    """Synthetic images of all pull specs, made into a bundle, applied elsewhere, served, imported."""
    made = ismirror("seed", "synth", "--streams", str(STREAMS), "--data", str(tmp_path / "connected"))
    assert made.exit_code == 0, made.stderr
    out = str(tmp_path / "streams.tar.zst")
    created = ismirror(
        "bundle", "create", out, "--data", str(tmp_path / "connected"), "--part-size", "128KiB", "-o", "json"
    )
    assert len(created.json["files"]) > 2, created.stderr
    applied = ismirror("bundle", "apply", out, "--data", str(tmp_path / "tree"), "-o", "json")
    named = set(pull_specs_of(imports))
    assert len(named) == 242
    tags = sum(len(one["tags_set"]) for one in applied.json["repositories"])
    assert tags == len({image_of(one).exact() for one in named})
    compared = ismirror("data", "diff", str(tmp_path / "connected"), str(tmp_path / "tree"))
    assert (compared.exit_code, compared.stdout) == (0, "")
    imported = 0
    with serving(tmp_path, data=tmp_path / "tree") as (client, _, _):
        for one in imports:
            path = "/apis/image.openshift.io/v1/namespaces/openshift/imagestreamimports"
            status, answer = client.ask("POST", path, one)
            assert status == 201
            imported += sum(image["status"]["status"] == "Success" for image in answer["status"]["images"])
    assert imported == 271


@pytest.mark.slow
def test_every_image_is_copied_from_registries(tmp_path: Path, imports: list[dict[str, Any]]) -> None:
    """As a real mirror: registries that have the images, a tree that is filled from them, imports from that."""
    upstream, tree = tmp_path / "upstream", tmp_path / "tree"
    done = ismirror("seed", "synth", "--streams", str(STREAMS), "--data", str(upstream))
    assert (done.exit_code, done.stderr) == (0, f"{upstream}: images for 242 pull specs\n")
    with served_registry(upstream) as registry:
        options = ("--metadata-only", "--connect", registry.address, "--ca", str(registry.ca))
        copy = ("seed", "streams", str(STREAMS), "--data", str(tree), *options, "-q", "-o", "json")
        done = ismirror(*copy)
        assert done.exit_code == 0, done.stderr
        copied = done.json["copied"]
        again = ismirror(*copy)
    assert copied == len({image_of(pull_spec) for pull_spec in pull_specs_of(imports)})
    assert (again.json["unchanged"], again.json["blobs"]) == (copied, 0)
    assert ismirror("data", "diff", str(upstream), str(tree)).exit_code == 0
    file = tmp_path / "imports.json"
    file.write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": imports}))
    outcome = ismirror("import", str(file), "--data", str(tree), "--now", NOW, "-n", "openshift")
    assert outcome.exit_code == 0, outcome.stderr
    assert outcome.stderr.splitlines()[-1] == "271 of 271 imported"

from __future__ import annotations

from pathlib import Path

from fake_registry.fixtures import Tree, verify
from fake_registry.oci import OCI_INDEX, manifest_links
from mirror.seed.synth import Refused, plant_pull_specs

DIGEST = "sha256:" + "0" * 64


def test_every_pull_spec_gets_an_image_for_four_platforms(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path, create=True)
    refused = plant_pull_specs(tree, ["nginx", "quay.io/a/b/c:1", "localhost:5000/x:y", "index.docker.io/d/e:1"])
    assert refused == []
    assert {host: tree.repositories(host) for host in tree.hosts()} == {
        "docker.io": ["d/e", "library/nginx"],
        "localhost:5000": ["x"],
        "quay.io": ["a/b/c"],
    }
    snapshot = tree.snapshot("docker.io", "library/nginx")
    assert snapshot is not None
    assert snapshot.tag_names == ["latest"]
    descriptor = snapshot.tags["latest"]
    assert descriptor.media_type == OCI_INDEX
    assert len(manifest_links(snapshot.read_manifest(descriptor) or b"").children) == 4
    assert list(verify(tree)) == []


def test_pull_specs_without_an_image_are_reported(tmp_path: Path) -> None:
    tree = Tree.open(tmp_path, create=True)
    assert plant_pull_specs(tree, [f"quay.io/a/b@{DIGEST}", "quay.io/a/b", "Not/Valid"], ["linux/amd64"]) == [
        Refused(f"quay.io/a/b@{DIGEST}", "its digest says what the content is, and only the original has that"),
        Refused("Not/Valid", "repository name must be lowercase"),
    ]
    assert tree.repositories("quay.io") == ["a/b"]


def test_an_image_does_not_depend_on_the_others(tmp_path: Path) -> None:
    digests = []
    for number, specs in enumerate((["quay.io/a:1", "quay.io/a:2"], ["quay.io/a:2"])):
        tree = Tree.open(tmp_path / str(number), create=True)
        plant_pull_specs(tree, specs)
        repository = tree.repository("quay.io", "a")
        assert repository is not None
        descriptor = repository.resolve("2")
        assert descriptor is not None
        digests.append(descriptor.digest)
    assert digests[0] == digests[1]

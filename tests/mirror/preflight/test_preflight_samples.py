"""The image streams that every OpenShift cluster has, checked against trees that have, and have not, what they name.

The files are not part of the project; they lie beside it (see ``STREAMS``), from the public repository
openshift/cluster-samples-operator.
"""

from __future__ import annotations

import io
import json
from pathlib import Path

import pytest
from support.command import NOW, ROOT, ismirror

from fake_registry.fixtures import Tree
from mirror.seed.synth import plant_pull_specs
from mirror.streams import FoundStream, read_streams

STREAMS = ROOT.parent / "shared" / "data" / "imagestreams"

pytestmark = pytest.mark.skipif(not STREAMS.is_dir(), reason=f"the image streams are not there: {STREAMS}")


def pull_specs() -> list[str]:
    """What the tags follow, aliases left out."""
    return [
        tag.from_.name
        for found in read_streams([str(STREAMS)], io.BytesIO(), "openshift")
        if isinstance(found, FoundStream)
        for tag in found.stream.spec.tags or ()
        if tag.from_ is not None and tag.from_.kind == "DockerImage"
    ]


@pytest.fixture(scope="module")
def complete(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tree with every image."""
    path = tmp_path_factory.mktemp("complete") / "tree"
    assert plant_pull_specs(Tree.open(path, create=True), pull_specs(), platforms=["linux/amd64"]) == []
    return path


def test_against_a_complete_tree_everything_imports(complete: Path) -> None:
    outcome = ismirror(
        "preflight", str(STREAMS), "-n", "openshift", "--data", str(complete), "--now", NOW, "-o", "json"
    )
    assert outcome.exit_code == 0, outcome.stderr
    report = outcome.json
    assert report["summary"] == {"streams": 50, "tags": 292, "imports": 292, "fails": 0, "remarks": 0}
    aliases = [one for one in report["tags"] if one["kind"] == "ImageStreamTag"]
    assert len(aliases) == 21
    by_name = {f"{one['namespace']}/{one['stream']}:{one['tag']}": one for one in report["tags"]}
    for one in aliases:
        assert one["digest"] == by_name[one["follows"]]["digest"]
        assert json.loads(json.dumps(one["status"])) == {"metadata": {}, "status": "Success"}
    assert outcome.stderr.splitlines()[-1] == "292 of 292 tags import, 0 fail; 50 image streams"

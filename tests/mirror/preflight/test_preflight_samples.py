"""The image streams that every OpenShift cluster has, checked against trees that have, and have not, what they name."""

from __future__ import annotations

import io
import json
from itertools import cycle
from pathlib import Path
from typing import Any

import pytest
from support.command import NOW, ismirror
from support.preflight_world import BOTH
from support.sample_streams import STREAMS, followed_tags, import_of, needed
from support.serving import served_api

from fake_registry.fixtures import Tree
from mirror.seed.synth import plant_pull_specs
from mirror.streams import FoundStream, read_streams

IMPORTS = "/apis/image.openshift.io/v1"
pytestmark = needed


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


# A policy in which everything goes wrong somewhere

HOSTS = ("", "blocked", "digests", "private", "selfsigned", "forbidden")
"""What becomes of the registries of a stream, by its number: they stay, or are ``NAME.example.com``."""

LOGIN = {"type": "bearer", "username": "me", "password": "pass"}


def moved(pull_spec: str, number: int) -> str:
    """A pull spec at the registry that the stream of that number has."""
    name = HOSTS[number % len(HOSTS)]
    return f"{name}.example.com/{pull_spec.partition('/')[2]}" if name else pull_spec


def moved_streams() -> list[dict[str, Any]]:
    found = []
    for number, path in enumerate(sorted(STREAMS.glob("*.json"))):
        stream = json.loads(path.read_text())
        stream["metadata"]["namespace"] = "openshift"
        for tag, mode in zip(followed_tags(stream), cycle(("Legacy", "PreserveOriginal"))):
            tag["from"]["name"] = moved(tag["from"]["name"], number)
            tag["importPolicy"] = {**tag.get("importPolicy", {}), "importMode": mode}
        found.append(stream)
    return found


def odd_policy() -> dict[str, Any]:
    auths = {"registry.redhat.io": {"username": "me", "password": "pass"}}
    secret = {
        "kind": "Secret",
        "metadata": {"name": "pull", "namespace": "openshift"},
        "type": "kubernetes.io/dockerconfigjson",
        "stringData": {".dockerconfigjson": json.dumps({"auths": auths})},
    }
    rule = {"source": "digests.example.com", "mirrors": ["mirror.example.com"]}
    mirrors = {"kind": "ImageDigestMirrorSet", "metadata": {"name": "d"}, "spec": {"imageDigestMirrors": [rule]}}
    names = ["registry.redhat.io", "registry.access.redhat.com", "mirror.example.com"]
    names += [f"{name}.example.com" for name in HOSTS[1:-1]]
    return {
        "cluster": {
            "allowedRegistriesForImport": [{"domainName": name} for name in names],
            "blockedRegistries": ["blocked.example.com"],
            "idms": [mirrors],
            "secrets": [secret],
        },
        "hosts": {
            "registry.redhat.io": {"auth": LOGIN},
            "registry.access.redhat.com": {},
            "private.example.com": {"auth": LOGIN},
            "selfsigned.example.com": {"scheme": "selfsigned"},
            "blocked.example.com": {},
            "forbidden.example.com": {},
            "mirror.example.com": {},
        },
    }


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the streams, the policy, and a tree that has everything but one repository."""
    folder = tmp_path_factory.mktemp("odd")
    streams = moved_streams()
    (folder / "streams.json").write_text(json.dumps({"kind": "List", "apiVersion": "v1", "items": streams}))
    (folder / "policy.json").write_text(json.dumps(odd_policy()))
    names = [tag["from"]["name"] for one in streams for tag in followed_tags(one)]
    names = [name.replace("digests.example.com", "mirror.example.com") for name in names]
    removed = next(name for name in names if name.startswith("registry.redhat.io/")).partition(":")[0]
    planted = [name for name in names if name.partition(":")[0] != removed]
    assert len(planted) < len(names)
    assert plant_pull_specs(Tree.open(folder / "tree", create=True), planted, platforms=BOTH) == []
    return folder


def posted(folder: Path) -> dict[tuple[str, str], Any]:
    """The Status of each tag, as ``ismirror serve`` answers it to the import of its stream."""
    found: dict[tuple[str, str], Any] = {}
    options = ("--data", str(folder / "tree"), "--config", str(folder / "policy.json"))
    with served_api(folder, *options) as ask:
        for stream in moved_streams():
            isi = import_of(stream)
            status, document = ask("POST", f"{IMPORTS}/namespaces/openshift/imagestreamimports", isi)
            for place, tag in enumerate(isi["spec"]["images"]):
                one = document if status >= 400 else document["status"]["images"][place]["status"]
                found[stream["metadata"]["name"], tag["to"]["name"]] = one
    return found


def test_each_verdict_is_what_the_server_answers(odd: Path) -> None:
    answered = posted(odd)
    outcome = ismirror(
        "preflight",
        str(odd / "streams.json"),
        "--data",
        str(odd / "tree"),
        "--policy",
        str(odd / "policy.json"),
        "-o",
        "json",
    )
    assert outcome.exit_code == 1
    report = outcome.json
    assert report["summary"]["tags"] == 292
    own = {(one["stream"], one["tag"]): one for one in report["tags"] if one["kind"] == "DockerImage"}
    assert {key: one["status"] for key, one in own.items()} == answered
    assert {key: one["verdict"] == "imports" for key, one in own.items()} == {
        key: status["status"] == "Success" for key, status in answered.items()
    }
    modes = {
        (stream["metadata"]["name"], tag["name"]): tag["importPolicy"]["importMode"]
        for stream in moved_streams()
        for tag in followed_tags(stream)
    }
    assert {modes[key] for key, one in own.items() if one["verdict"] == "imports"} == {"Legacy", "PreserveOriginal"}
    causes = {HOSTS[number % len(HOSTS)]: set() for number in range(len(HOSTS))}
    numbers = {stream["metadata"]["name"]: number for number, stream in enumerate(moved_streams())}
    for one in own.values():
        causes[HOSTS[numbers[one["stream"]] % len(HOSTS)]].add(one["cause"])
    assert causes == {
        "": {None, "repository-unknown"},
        "blocked": {"registry-blocked"},
        "digests": {"digest-mirrors-only"},
        "private": {"no-pull-secret"},
        "selfsigned": {"certificate-untrusted"},
        "forbidden": {"registry-not-allowed"},
    }
    by_name = {f"{one['namespace']}/{one['stream']}:{one['tag']}": one for one in report["tags"]}
    for one in report["tags"]:
        if one["kind"] == "ImageStreamTag":
            assert one["verdict"] == by_name[one["follows"]]["verdict"]
            assert one["status"] == by_name[one["follows"]]["status"]

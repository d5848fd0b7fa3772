"""Explaining one tag, what-if, comparing, answers that are kept, and what cannot be used, as users have them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.command import NOW, ROOT, Outcome, ismirror, served_registry
from support.preflight_world import image_config, mirrors
from support.serving import served_api

from fake_registry.fixtures import Tree
from mirror.errors import InputError
from mirror.preflight.policy import read_policy
from mirror.seed.synth import plant_pull_specs

DATA = ROOT / "data"
SAMPLE = ("--data", str(DATA / "tree"), "--now", NOW)
POLICY = ("--policy", str(DATA / "policy.yaml"))


def write(path: Path, document: Any) -> str:
    path.write_text(json.dumps(document))
    return str(path)


def stream(*tags: dict[str, Any], name: str = "app", **spec: Any) -> dict[str, Any]:
    return {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name, "namespace": "demo"},
        "spec": {"tags": list(tags), **spec},
    }


def follows(name: str, source: str) -> dict[str, Any]:
    return {"name": name, "from": {"kind": "DockerImage", "name": source}}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """quay.io has two images, its mirror one of them."""
    path = tmp_path / "tree"
    specs = ["quay.io/team/app:1", "quay.io/team/app:2", "mirror.example.com/team/app:1"]
    assert plant_pull_specs(Tree.open(path, create=True), specs, ["linux/amd64"]) == []
    return path


@pytest.fixture
def streams(tmp_path: Path) -> str:
    return write(tmp_path / "s.json", stream(follows("1", "quay.io/team/app:1"), follows("2", "quay.io/team/app:2")))


def check(streams: str, tree: Path, *more: str) -> Outcome:
    return ismirror("preflight", streams, "--data", str(tree), "--now", NOW, *more)


def verdicts(outcome: Outcome) -> dict[str, tuple[str, str | None]]:
    return {one["tag"]: (one["verdict"], one["source"] or one["cause"]) for one in outcome.json["tags"]}


# What if


def test_without_the_source_only_what_is_mirrored_imports(streams: str, tree: Path, tmp_path: Path) -> None:
    policy = write(tmp_path / "itms.json", mirrors("ImageTagMirrorSet"))
    with_source = check(streams, tree, "--policy", policy, "-o", "json")
    assert with_source.exit_code == 0
    assert verdicts(with_source) == {
        "1": ("imports", "mirror.example.com/team/app:1"),
        "2": ("imports", "quay.io/team/app:2"),
    }
    gone = check(streams, tree, "--policy", policy, "--without-source", "quay.io", "-o", "json")
    assert gone.exit_code == 1
    assert verdicts(gone) == {"1": ("imports", "mirror.example.com/team/app:1"), "2": ("fails", "not-mirrored")}
    (copy,) = gone.json["tags"][1]["copies"]
    assert copy == {"source": "quay.io/team/app:2", "target": "mirror.example.com/team/app:2"}
    assert (
        f"ismirror seed copy quay.io/team/app:2 --as mirror.example.com/team/app --data {tree}"
        in gone.json["tags"][1]["remedy"]
    )
    assert gone.stderr.splitlines()[-1] == "1 of 2 tags import, 1 fail; 1 image stream"


def test_what_is_out_of_reach_and_has_no_mirror_is_to_be_mirrored(streams: str, tree: Path) -> None:
    outcome = check(streams, tree, "--without-source", "quay.io", "-o", "pullspecs")
    assert outcome.stdout.splitlines() == ["quay.io/team/app:1", "quay.io/team/app:2"]


def test_a_policy_that_is_added_replaces_what_it_names(streams: str, tree: Path, tmp_path: Path) -> None:
    wrong = write(tmp_path / "wrong.json", mirrors("ImageTagMirrorSet", mirror="nowhere.example.com/team"))
    right = write(tmp_path / "right.json", mirrors("ImageTagMirrorSet"))
    gone = ("--without-source", "quay.io", "-o", "json")
    assert verdicts(check(streams, tree, "--policy", wrong, *gone))["1"] == ("fails", "host-unknown")
    added = check(streams, tree, "--policy", wrong, "--add-policy", right, *gone)
    assert verdicts(added)["1"] == ("imports", "mirror.example.com/team/app:1")


def test_comparing_says_what_gets_worse_and_what_better(streams: str, tree: Path, tmp_path: Path) -> None:
    policy = write(tmp_path / "itms.json", mirrors("ImageTagMirrorSet"))
    before, gone = tmp_path / "before.json", tmp_path / "gone.json"
    before.write_text(check(streams, tree, "-o", "json").stdout)
    gone.write_text(check(streams, tree, "--without-source", "quay.io", "-o", "json").stdout)
    worse = check(streams, tree, "--without-source", "quay.io", "--compare", str(before), "-o", "json")
    assert worse.exit_code == 1
    assert worse.json["summary"] == {"worse": 2, "better": 0, "changed": 0, "new": 0, "gone": 0}
    assert worse.json["changes"][0] | {"remedy": ""} == {
        "namespace": "demo",
        "stream": "app",
        "tag": "1",
        "change": "worse",
        "before": {
            "verdict": "imports",
            "cause": None,
            "source": "quay.io/team/app:1",
            "digest": json.loads(before.read_text())["tags"][0]["digest"],
        },
        "after": {"verdict": "fails", "cause": "host-unknown", "source": None, "digest": None},
        "remedy": "",
    }
    # That some still fail is no change.
    more = ("--without-source", "quay.io", "--policy", policy, "--compare", str(gone))
    better = check(streams, tree, *more)
    assert better.exit_code == 0
    assert better.stderr.splitlines()[-1] == "1 better, 1 changed"
    rows, _, remedies = better.stdout.partition("\n\n")
    assert [line.split()[:2] for line in rows.splitlines()[1:]] == [["better", "demo/app:1"], ["changed", "demo/app:2"]]
    tag_name, remedy = remedies.splitlines()
    assert tag_name == "demo/app:2"
    assert remedy.startswith("    -> Mirror quay.io/team/app:2 to mirror.example.com/team/app:2: ismirror seed copy ")
    assert check(streams, tree, "--compare", str(before)).stderr.splitlines()[-1] == "nothing changes"


def test_a_tag_that_is_new_and_fails_is_worse(streams: str, tree: Path, tmp_path: Path) -> None:
    before = tmp_path / "before.json"
    before.write_text(check(streams, tree, "-o", "json").stdout)
    other = write(
        tmp_path / "other.json", stream(follows("1", "quay.io/team/app:1"), follows("9", "quay.io/team/app:9"))
    )
    outcome = check(other, tree, "--compare", str(before), "-o", "json")
    assert outcome.exit_code == 1
    assert [(one["tag"], one["change"]) for one in outcome.json["changes"]] == [("9", "worse"), ("2", "gone")]


def test_fail_fast_ends_with_the_first_stream_that_fails(tree: Path, tmp_path: Path) -> None:
    items = [stream(follows("1", f"quay.io/team/app:{number}"), name=f"s{number}") for number in (1, 9, 2, 8)]
    file = write(tmp_path / "list.json", {"kind": "List", "apiVersion": "v1", "items": items})
    outcome = check(file, tree, "--fail-fast", "-o", "json")
    assert outcome.exit_code == 1
    assert [one["stream"] for one in outcome.json["tags"]] == ["s1", "s9"]
    assert outcome.json["summary"]["streams"] == 2


# Explaining


def test_explaining_a_tag(tree: Path, tmp_path: Path, streams: str) -> None:
    policy = write(tmp_path / "itms.json", mirrors("ImageTagMirrorSet"))
    other = write(tmp_path / "other.json", mirrors("ImageTagMirrorSet", source="quay.io/others"))
    outcome = check(streams, tree, "--policy", policy, "--policy", other, "--explain", "app:2")
    assert outcome.exit_code == 0
    assert outcome.stdout.splitlines()[:14] == [
        "demo/app:2 imports",
        "reference  quay.io/team/app:2",
        "  registry quay.io, repository team/app, tag 2",
        "  asked securely",
        "mirrors    rule for quay.io/team: mirror.example.com/team",
        "  nearly: quay.io/others",
        "source 1   mirror.example.com/team/app:2 (mirror)",
        "  login: none: no pull secret has a login for that registry",
        "  GET https://mirror.example.com/v2/ -> 200 OK (0.000 s)",
        "  GET https://mirror.example.com/v2/team/app/manifests/2 -> 404 Not Found (0.000 s)",
        '  image unknown: dockerimage.image.openshift.io "mirror.example.com/team/app:2" not found',
        "source 2   quay.io/team/app:2",
        "  login: none: no pull secret has a login for that registry",
        "  GET https://quay.io/v2/ -> 200 OK (0.000 s)",
    ]
    assert "index      linux/amd64" in outcome.stdout
    assert "Legacy takes the platform of the control plane" in outcome.stdout


def test_explaining_names_the_login_and_never_shows_it() -> None:
    more = (str(DATA / "specs"), *SAMPLE, *POLICY, "--explain", "demo/app:3.1")
    outcome = ismirror("preflight", *more, "-o", "json")
    assert outcome.exit_code == 0
    (source,) = outcome.json["sources"]
    assert source["credential"] == "private-registry (private.example.com)"
    assert [(one["login"], one["status"]) for one in source["exchanges"]] == [
        ("", 401),
        ("Basic", 200),
        ("Bearer", 200),
        ("Bearer", 200),
    ]
    passwords = yaml.safe_load((DATA / "policy.yaml").read_text())["hosts"]["private.example.com"]["auth"]["password"]
    assert passwords not in outcome.stdout
    assert "Bearer ey" not in ismirror("preflight", *more).stdout


def test_explaining_an_alias_leads_to_its_end(tree: Path, tmp_path: Path) -> None:
    alias = {"name": "latest", "from": {"kind": "ImageStreamTag", "name": "9"}}
    file = write(tmp_path / "alias.json", stream(follows("9", "quay.io/team/app:9"), alias))
    outcome = check(file, tree, "--explain", "demo/app:latest")
    assert outcome.exit_code == 1
    assert outcome.stdout.splitlines()[:3] == [
        "demo/app:latest fails",
        "  follows demo/app:9",
        "reference  quay.io/team/app:9",
    ]


def test_explaining_a_tag_that_another_one_keeps_out(tree: Path, tmp_path: Path) -> None:
    policy = write(tmp_path / "image.json", image_config(allowedRegistriesForImport=[{"domainName": "quay.io"}]))
    tags = follows("1", "quay.io/team/app:1"), follows("2", "mirror.example.com/team/app:1")
    file = write(tmp_path / "two.json", stream(*tags))
    outcome = check(file, tree, "--policy", policy, "--explain", "app:1", "-o", "json")
    assert outcome.exit_code == 1
    found = outcome.json["result"]
    (reported, _) = check(file, tree, "--policy", policy, "-o", "json").json["tags"]
    assert (found["verdict"], found["cause"], found["status"]) == ("fails", "stream-refused", reported["status"])


def test_explaining_a_tag_of_a_whole_repository(tree: Path, tmp_path: Path) -> None:
    file = write(tmp_path / "whole.json", stream(dockerImageRepository="quay.io/team/app"))
    outcome = check(file, tree, "--explain", "demo/app:2")
    assert outcome.exit_code == 0
    assert outcome.stdout.splitlines()[:2] == ["demo/app:2 imports", "reference  quay.io/team/app:2"]


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [("app:3", "no tag 'app:3' in the image streams; there is"), ("nothing", "no tag 'nothing' in the image streams")],
)
def test_explaining_what_is_not_there(streams: str, tree: Path, wanted: str, problem: str) -> None:
    outcome = check(streams, tree, "--explain", wanted)
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith(f"ismirror: error: --explain: {problem}")


# Real registries, and answers that are kept


def test_a_second_run_only_asks_whether_the_answers_still_hold(streams: str, tree: Path, tmp_path: Path) -> None:
    cache = tmp_path / "cache.json"
    with served_registry(tree) as served:
        options = ["--policy", str(served.ca), "--against", f"quay.io=https://{served.address}", "--cache", str(cache)]
        first = ismirror("preflight", streams, *options, "-o", "json")
        assert first.exit_code == 0, first.stderr
        kept = cache.read_bytes()
        second = ismirror("preflight", streams, *options, "-o", "json")
        assert second.stdout == first.stdout
        assert cache.read_bytes() == kept
        explained = ismirror("preflight", streams, *options, "--explain", "app:1")
        assert "GET https://quay.io/v2/team/app/manifests/1 -> 200 OK" in explained.stdout
    tree_of = Tree.open(tree)
    assert plant_pull_specs(tree_of, ["quay.io/team/other:1"], ["linux/arm64"]) == []
    assert tree_of.delete_tag("quay.io", "team/app", "2")
    with served_registry(tree) as served:
        options = ["--policy", str(served.ca), "--against", f"quay.io=https://{served.address}", "--cache", str(cache)]
        third = ismirror("preflight", streams, *options, "-o", "json")
    assert third.exit_code == 1
    assert verdicts(third) == {"1": ("imports", "quay.io/team/app:1"), "2": ("fails", "image-unknown")}


@pytest.mark.parametrize(
    ("given", "known"),
    [
        (("mirror.example.com",), "Give --against quay.io=URL if the cluster reaches it, or mirror quay.io/team/app"),
        (("quay.io:5000",), "Give --against quay.io=URL if the cluster reaches it, or mirror quay.io/team/app"),
        (("mirror.example.com", "--without-source", "quay.io"), "Make the name quay.io known to the cluster's DNS"),
    ],
)
def test_a_registry_that_nobody_named_can_be_given(given: tuple[str, ...], known: str, streams: str) -> None:
    host, *more = given
    outcome = ismirror("preflight", streams, "--against", f"{host}=http://127.0.0.1:1", *more, "-o", "json")
    assert verdicts(outcome) == {"1": ("fails", "host-unknown"), "2": ("fails", "host-unknown")}
    tag = outcome.json["tags"][0]
    why = "There is no host quay.io."
    assert tag["explanation"] == (why if more else "There is no host quay.io: it is not among those of --against.")
    assert tag["remedy"].startswith(known)


def test_the_report_does_not_depend_on_concurrency_or_hash_seed(tree: Path, tmp_path: Path) -> None:
    names = [f"quay.io/team/app:{number % 4}" for number in range(40)]
    items = [stream(*(follows(str(n), names[n]) for n in range(i, i + 10)), name=f"s{i}") for i in range(30)]
    file = write(tmp_path / "list.json", {"kind": "List", "apiVersion": "v1", "items": items})
    with served_registry(tree) as served:
        options = ["--policy", str(served.ca), "--against", f"quay.io=https://{served.address}", "-o", "json"]
        runs = {
            ismirror("preflight", file, *options, "--concurrency", number, environment={"PYTHONHASHSEED": seed}).stdout
            for number, seed in (("1", "0"), ("7", "0"), ("64", "7"))
        }
    assert len(runs) == 1
    report = json.loads(runs.pop())
    there = sum(number % 4 in (1, 2) for first in range(30) for number in range(first, first + 10))
    assert report["summary"] == {"streams": 30, "tags": 300, "imports": there, "fails": 300 - there, "remarks": 0}


# What cannot be used


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({"kind": "Deployment", "apiVersion": "apps/v1"}, "kind: Deployment is not part of a policy; expected"),
        ({"clutser": {}}, "found clutser; expected a policy file"),
        ({"cluster": {"architecture": 5}}, "cluster.architecture: Expected `str`, got `int`"),
        ([], "no object"),
        ({"auths": []}, "auths: expected an object"),
        ({"kind": "ImageDigestMirrorSet", "spec": {"imageDigestMirrors": [{}]}}, "missing required field `source`"),
        ({"kind": "ConfigMap", "data": {"a": "b"}}, "data: expected certificates (PEM)"),
        (image_config() | {"metadata": {"name": "other"}}, "only the one called cluster counts"),
    ],
)
def test_a_policy_of_the_wrong_kind(tmp_path: Path, document: Any, problem: str) -> None:
    path = write(tmp_path / "policy.json", document)
    with pytest.raises(InputError) as raised:
        read_policy([path])
    assert str(raised.value).startswith(f"{path}: ")
    assert problem in str(raised.value)
    assert "\n" not in str(raised.value)


CONTRADICTIONS: list[tuple[Any, Any, str]] = [
    (
        {"cluster": {"architecture": "arm64"}},
        {"cluster": {"architecture": "amd64"}},
        "cluster.architecture: amd64 is not arm64;",
    ),
    ({"hosts": {"quay.io": {}}}, {"hosts": {"quay.io": {"scheme": "down"}}}, "hosts[quay.io]:"),
    (
        mirrors("ImageTagMirrorSet"),
        mirrors("ImageTagMirrorSet", mirror="a.example.com/b"),
        "ImageTagMirrorSet imagetagmirrorset-12:",
    ),
    ({"auths": {"quay.io": {}}}, {"auths": {"a.example.com": {}}}, "the cluster's own pull secret:"),
]


@pytest.mark.parametrize(("one", "other", "what"), CONTRADICTIONS)
def test_policies_that_contradict_each_other(tmp_path: Path, one: Any, other: Any, what: str) -> None:
    first, second = write(tmp_path / "a.json", one), write(tmp_path / "b.json", other)
    with pytest.raises(InputError) as raised:
        read_policy([first, second])
    assert str(raised.value) == f"{second}: {what} this contradicts {first}; take one of the two away"
    assert read_policy([first, first]).config == read_policy([first]).config
    assert read_policy([first], [second]).config == read_policy([second]).config


def test_a_policy_that_cannot_be_used_ends_the_command(streams: str, tree: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "policy.json", {"kind": "Deployment"})
    outcome = check(streams, tree, "--policy", path)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    (line,) = outcome.stderr.splitlines()
    assert line.startswith(f"ismirror: error: {path}: kind: Deployment is not part of a policy")


def test_a_stream_without_tags_alone_is_nothing_to_check(tree: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "s.json", stream())
    outcome = check(path, tree)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert outcome.stderr == (
        f"ismirror: error: {path}: nothing to check: no image stream has tags; expected spec.tags that follow images\n"
    )


def test_a_stream_without_tags_among_others_is_noted(streams: str, tree: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "empty.json", stream(name="empty"))
    outcome = ismirror("preflight", streams, path, "--data", str(tree), "--now", NOW)
    assert outcome.exit_code == 0
    assert f"note: {path}: the image stream empty has no tags" in outcome.stderr


def test_a_stream_that_is_given_twice_is_one(streams: str, tree: Path, tmp_path: Path) -> None:
    again = write(tmp_path / "again.json", stream(follows("2", "quay.io/team/app:2")))
    outcome = ismirror("preflight", streams, streams, again, "--data", str(tree), "--now", NOW, "-o", "json")
    assert outcome.json["summary"]["tags"] == 3  # what differs stays what it is


def test_a_tree_that_lacks_everything(streams: str, tmp_path: Path) -> None:
    empty = tmp_path / "empty"
    Tree.open(empty, create=True)
    outcome = ismirror("preflight", streams, "--data", str(empty), "--now", NOW, "-o", "json")
    assert outcome.exit_code == 1
    assert {one["cause"] for one in outcome.json["tags"]} == {"host-unknown"}
    assert f"note: {empty}: there is nothing in the tree, no registry and no image. Name the tree" in outcome.stderr
    assert outcome.stderr.splitlines()[-1] == "0 of 2 tags import, 2 fail; 1 image stream"


def test_a_damaged_tree_is_named(streams: str, tree: Path) -> None:
    (tree / "registries" / "quay.io" / "team" / "app" / "index.json").write_text("{")
    outcome = check(streams, tree, "-o", "json")
    assert outcome.exit_code == 1
    assert {one["cause"] for one in outcome.json["tags"]} == {"registry-error"}
    (note,) = outcome.json["notes"]
    assert "index.json" in note["explanation"]
    assert note["remedy"] == f"ismirror data verify --data {tree} says more."


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("--data", "x", "--against", "a.example.com"), "give either --data TREE or --against HOST=URL"),
        (("--against", "quay.io=ftp://x"), "--against: 'quay.io=ftp://x' is not HOST=URL"),
        (
            ("--data", "TREE", "--without-source", "https://quay.io"),
            "--without-source: 'https://quay.io' is not a host",
        ),
        (("--data", "TREE", "--compare", "FILE"), "no report of preflight"),
        (("--data", "TREE", "--compare", "FILE", "-o", "pullspecs"), "-o pullspecs: is for a whole report, not for"),
        (("--data", "TREE", "--explain", "app:1", "-o", "pullspecs"), "not for --explain; take table, json or yaml"),
        (("--data", "TREE", "--node-arch", "amd64,arm64"), "--node-arch: 'amd64,arm64' is not an architecture such"),
        (("--data", "TREE", "--cache", "FILE"), "no cache of preflight"),
        (("--data", "TREE", "--cache", "TREE"), "is a directory; expected a file"),
        (("--data", "TREE", "--cache", "nowhere/c.json"), "--cache: nowhere/c.json: there is no directory nowhere"),
        (("--data", "TREE", "--html", "nowhere/r.html"), "--html: nowhere/r.html: there is no directory nowhere"),
    ],
)
def test_wrong_use(streams: str, tree: Path, tmp_path: Path, arguments: tuple[str, ...], problem: str) -> None:
    file = write(tmp_path / "file.json", {"kind": "List"})
    given = [{"TREE": str(tree), "FILE": file}.get(one, one) for one in arguments]
    outcome = ismirror("preflight", streams, *given)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    (line,) = outcome.stderr.splitlines()
    assert problem in line


def test_a_file_without_image_streams_is_named(tree: Path, tmp_path: Path) -> None:
    path = write(tmp_path / "deployment.json", {"kind": "Deployment", "apiVersion": "apps/v1"})
    outcome = check(path, tree)
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith(f"ismirror: error: {path}: found kind Deployment, apiVersion apps/v1; expected an")
    folder = tmp_path / "folder"
    folder.mkdir()
    assert "no ImageStream and no ImageStreamImport in it" in check(str(folder), tree).stderr


# Image streams of a cluster


def test_the_image_streams_of_a_live_cluster(tree: Path, tmp_path: Path) -> None:
    streams = [stream(follows("1", "quay.io/team/app:1")), stream(follows("9", "quay.io/team/app:9"), name="lost")]
    with served_api(tmp_path, "--data", str(tree)) as ask:
        for one, namespace in zip(streams, ("demo", "other"), strict=True):
            one["metadata"]["namespace"] = namespace
            path = f"/apis/image.openshift.io/v1/namespaces/{namespace}/imagestreams"
            assert ask("POST", path, one)[0] == 201
        live = ("--kubeconfig", str(tmp_path / "kubeconfig"), "--data", str(tree), "-o", "json")
        everywhere = ismirror("preflight", *live)
        one_namespace = ismirror("preflight", "-n", "demo", *live)
    assert everywhere.exit_code == 1, everywhere.stderr
    assert [(one["namespace"], one["stream"], one["verdict"]) for one in everywhere.json["tags"]] == [
        ("demo", "app", "imports"),
        ("other", "lost", "fails"),
    ]
    assert one_namespace.exit_code == 0
    assert [one["namespace"] for one in one_namespace.json["tags"]] == ["demo"]

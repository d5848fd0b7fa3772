"""Causes that need no sockets: time that passes without anybody waiting, remarks on tags that import, and notes."""

from __future__ import annotations

import io
import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from support.certificates import Authority
from support.command import ROOT
from support.preflight_cases import CASES
from support.preflight_world import image_config, mirrors, tag

from fake_registry.config import Auth, Host, RateLimit, RequestMatch, Route
from fake_registry.fixtures import Tree
from fake_registry.testing.options import fault_of
from mirror.clock import ManualClock
from mirror.preflight.causes import TEXTS, Cause
from mirror.preflight.commands import Commands, TriedRegistries, TriedTree
from mirror.preflight.content import Content, of_tree
from mirror.preflight.policy import read_policy
from mirror.preflight.remedies import Remedies
from mirror.preflight.report import Report, Try
from mirror.preflight.running import Question, answer
from mirror.scenario import START
from mirror.seed.synth import plant_pull_specs
from mirror.streams import read_streams

APP = "quay.io/team/app:1"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with an image for two architectures, and one for one."""
    path = tmp_path / "tree"
    tree = Tree.open(path, create=True)
    assert plant_pull_specs(tree, [APP], ["linux/amd64", "linux/arm64"]) == []
    assert plant_pull_specs(tree, ["quay.io/team/single:1"], ["linux/amd64"]) == []
    return path


def write(path: Path, document: Any) -> str:
    path.write_text(json.dumps(document))
    return str(path)


async def report(
    tree: Path,
    tags: list[dict[str, Any]],
    *objects: dict[str, Any],
    host: Host | None = None,
    architectures: tuple[str, ...] = (),
    content: Content | None = None,
    clock: ManualClock | None = None,
) -> Report:
    """What preflight says of one stream against the tree."""
    stream = {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": "app", "namespace": "demo"},
        "spec": {"tags": tags},
    }
    paths = [write(tree.parent / f"policy-{number}.json", one) for number, one in enumerate(objects)]
    clock = clock or ManualClock(START)
    found = read_streams([write(tree.parent / "stream.json", stream)], io.BytesIO(), "default")
    asked = content or of_tree(str(tree), None if host is None else {"quay.io": host}, (), clock)
    question = Question(found, read_policy(paths), asked, clock, architectures=architectures)
    return await answer(question)


async def test_a_registry_that_does_not_answer_in_time(tree: Path) -> None:
    slow = Host(faults=[fault_of({"kind": "ping", "latency": "20s"})[1]])
    (late,) = (await report(tree, [tag()], host=slow)).tags
    assert (late.verdict, late.cause) == ("fails", Cause.TIMEOUT)
    assert late.remedy == (
        "Open the way to quay.io in the firewall, or mirror quay.io/team/app elsewhere and add an ImageTagMirrorSet "
        "with source quay.io/team/app."
    )
    (quick,) = (await report(tree, [tag()], host=Host())).tags
    assert quick.imports


async def test_a_rate_limit_is_over_when_its_window_is(tree: Path) -> None:
    """What the remedy says, to import again later, helps then and not before; the registry's clock says when."""
    limited = Host(rate_limits=[RateLimit(requests=2, window="1h", match=RequestMatch(kind="manifest"))])
    clock = ManualClock(START)
    content = of_tree(str(tree), {"quay.io": limited}, (), clock)

    async def import_it() -> tuple[str, Cause | None, str | None]:
        (one,) = (await report(tree, [tag()], content=content, clock=clock)).tags
        return one.verdict, one.cause, one.remedy

    assert (await import_it())[:2] == ("imports", None)  # an index and the image in it: the window is used up
    verdict, cause, remedy = await import_it()
    assert (verdict, cause) == ("fails", Cause.RATE_LIMITED)
    assert remedy is not None
    assert remedy.startswith("Import again later, ")
    window = timedelta(hours=1)
    clock.advance((START + window - clock.now()).total_seconds() - 60)
    assert (await import_it())[:2] == ("fails", Cause.RATE_LIMITED)
    clock.advance((START + window - clock.now()).total_seconds())
    assert (await import_it())[:2] == ("imports", None)


@pytest.mark.parametrize("resource", ["images", "image-tags"])
async def test_a_stream_that_is_too_large(resource: str, tree: Path) -> None:
    limit = {"type": "openshift.io/ImageStream", "max": {f"openshift.io/{resource}": "1"}}
    policy = {"cluster": {"limitRanges": [{"kind": "LimitRange", "spec": {"limits": [limit]}}]}}
    (one,) = (await report(tree, [tag()], policy)).tags
    assert one.imports
    too_many = await report(tree, [tag(), tag("2", "quay.io/team/single:1")], policy)
    said = f"requested usage of openshift.io/{resource} exceeds the maximum limit per openshift.io/ImageStream (2 > 1)"
    assert [(one.verdict, one.cause) for one in too_many.tags] == [("fails", Cause.OBJECT_INVALID)] * 2
    assert all(one.status is not None and said in one.status.message for one in too_many.tags)


async def test_an_import_that_takes_too_long(tree: Path) -> None:
    busy = Host(
        routes=[Route(path=f"/v2/team/app/manifests/{number}", status=429, body="later") for number in range(12)]
    )
    tags = [tag(str(number), f"quay.io/team/app:{number}") for number in range(12)]
    slow = await report(tree, tags, host=busy)
    assert {one.cause for one in slow.tags} == {Cause.TOO_SLOW}
    assert {one.status.code if one.status else 0 for one in slow.tags} == {504}
    # Fewer tags: the time is enough to say what it is.
    few = await report(tree, tags[2:6], host=busy)
    assert {one.cause for one in few.tags} == {Cause.RATE_LIMITED}


async def test_architectures_of_the_nodes(tree: Path) -> None:
    (one,) = (await report(tree, [tag()], architectures=("amd64", "arm64"))).tags
    assert (one.verdict, one.cause) == ("imports", Cause.ARCHITECTURE_MISSING)
    assert one.explanation == (
        "Legacy mode takes the image for amd64 (there are amd64 and arm64), and there are nodes of arm64."
    )
    assert one.remedy is not None
    assert "PreserveOriginal" in one.remedy
    kept = tag(importPolicy={"importMode": "PreserveOriginal"})
    (repaired,) = (await report(tree, [kept], architectures=("amd64", "arm64"))).tags
    assert (repaired.verdict, repaired.remarks) == ("imports", ())
    (single,) = (await report(tree, [tag(source="quay.io/team/single:1")], architectures=("arm64",))).tags
    assert single.explanation is not None
    assert "nodes of arm64" in single.explanation
    assert (await report(tree, [tag()], architectures=("amd64",))).summary.remarks == 0


async def test_scheduled_and_by_digest(tree: Path) -> None:
    (found,) = (await report(tree, [tag()])).tags
    by_digest = f"quay.io/team/app@{found.digest}"
    scheduled = tag(source=by_digest, importPolicy={"scheduled": True})
    (one,) = (await report(tree, [scheduled])).tags
    assert (one.verdict, one.cause) == ("imports", Cause.SCHEDULED_DIGEST)
    assert one.remedy == "Take importPolicy.scheduled away, or follow a tag."
    assert (await report(tree, [tag(importPolicy={"scheduled": True})])).summary.remarks == 0


async def test_references_are_not_imported(tree: Path) -> None:
    (one,) = (await report(tree, [tag(reference=True)])).tags
    assert (one.verdict, one.cause, one.status) == ("imports", Cause.REFERENCE_ONLY, None)


async def test_a_stream_without_tags_is_noted(tree: Path) -> None:
    found = await report(tree, [])
    assert found.tags == []
    assert [one.cause for one in found.notes] == [Cause.NOTHING_TO_IMPORT]


@pytest.mark.parametrize(
    ("objects", "cause", "word"),
    [
        (
            [image_config(registrySources={"blockedRegistries": ["quay.io/team"]})],
            Cause.POLICY_UNUSED,
            "whole registries",
        ),
        (
            [image_config(registrySources={"insecureRegistries": ["*.io"]})],
            Cause.POLICY_UNUSED,
            "insecureRegistries: *.io",
        ),
        ([image_config(registrySources={"allowedRegistries": ["quay.io"]})], Cause.POLICY_UNUSED, "allowedRegistries"),
        ([image_config(additionalTrustedCA={"name": "mine"})], Cause.POLICY_UNUSED, "ConfigMap mine"),
        ([mirrors("ImageTagMirrorSet", source="*.example.com")], Cause.POLICY_UNUSED, "wildcard"),
        (
            [
                image_config(
                    allowedRegistriesForImport=[{"domainName": "quay.io"}],
                    registrySources={"blockedRegistries": ["quay.io"]},
                )
            ],
            Cause.POLICY_CONTRADICTION,
            "so that it is blocked",
        ),
        (
            [
                image_config(registrySources={"blockedRegistries": ["quay.io"]}),
                mirrors("ImageTagMirrorSet", source="quay.io"),
            ],
            Cause.POLICY_CONTRADICTION,
            "is blocked and has mirrors",
        ),
    ],
)
async def test_what_is_odd_about_a_policy(tree: Path, objects: list[dict[str, Any]], cause: Cause, word: str) -> None:
    notes = (await report(tree, [tag()], *objects)).notes
    assert [one.cause for one in notes] == [cause]
    assert word in notes[0].explanation


PEM_MAP = {"kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"quay.io": Authority().pem.decode()}}


@pytest.mark.parametrize(
    ("objects", "remedy", "corrected"),
    [
        (
            [image_config(registrySources={"allowedRegistries": ["quay.io"]})],
            "allowedRegistriesForImport is the list for imports.",
            [image_config(allowedRegistriesForImport=[{"domainName": "quay.io"}])],
        ),
        (
            [image_config(additionalTrustedCA={"name": "mine"})],
            "oc get configmap mine -n openshift-config -o yaml, and give the file as a policy, too.",
            [image_config(additionalTrustedCA={"name": "mine"}), PEM_MAP],
        ),
        (
            [mirrors("ImageTagMirrorSet", source="*.io")],
            "Name the registries one by one.",
            [mirrors("ImageTagMirrorSet", source="quay.io/team")],
        ),
        (
            [
                image_config(
                    allowedRegistriesForImport=[{"domainName": "quay.io"}],
                    registrySources={"blockedRegistries": ["quay.io"]},
                )
            ],
            "Take it out of one of the two.",
            [image_config(allowedRegistriesForImport=[{"domainName": "quay.io"}])],
        ),
        (
            [image_config(registrySources={"blockedRegistries": ["quay.io"]}), mirrors("ImageTagMirrorSet", "quay.io")],
            "Take the mirrors away if nothing is to come from there.",
            [image_config(registrySources={"blockedRegistries": ["quay.io"]})],
        ),
    ],
)
async def test_what_is_odd_about_a_policy_can_be_corrected(
    tree: Path, objects: list[dict[str, Any]], remedy: str, corrected: list[dict[str, Any]]
) -> None:
    (note,) = (await report(tree, [tag()], *objects)).notes
    assert note.remedy == remedy
    assert (await report(tree, [tag()], *corrected)).notes == []


@pytest.mark.parametrize(
    ("pull_spec", "target", "command"),
    [
        ("quay.io/team/app:1", "mirror.example.com:5000/team/app:1", "mirror.example.com:5000"),
        ("quay.io/team/app:1", "mirror.example.com/quay/team/app:1", "mirror.example.com/quay"),
        ("quay.io/team/app:1", "mirror.example.com:5000/other:1", ""),
    ],
)
def test_the_commands_that_bring_an_image_to_a_mirror(pull_spec: str, target: str, command: str) -> None:
    place = target.rpartition(":")[0]
    copied = f"ismirror seed copy {pull_spec} --data TREE && ismirror seed push TREE {command}"
    renamed = (
        f"ismirror seed copy {pull_spec} --as {place} --data TREE && ismirror seed push TREE mirror.example.com:5000"
    )
    assert Commands().copy(pull_spec, target) == (copied if command else renamed)
    tried = Commands(TriedTree("out/my tree", frozenset()))
    assert tried.copy(pull_spec, target) == f"ismirror seed copy {pull_spec} --as {place} --data 'out/my tree'"
    assert tried.copy(pull_spec, pull_spec) == f"ismirror seed copy {pull_spec} --data 'out/my tree'"


def test_where_tokens_come_from_can_be_given() -> None:
    remedies = Remedies(Commands(TriedRegistries(frozenset({"docker.io"}))))
    message = (
        'Internal error occurred: docker.io/library/nginx:1: Get "https://auth.docker.io/token?service=registry.docker.io'
        '&scope=repository%3Alibrary%2Fnginx%3Apull": dial tcp: lookup auth.docker.io: no such host'
    )
    pull_spec, scope = "docker.io/library/nginx:1", "docker.io/library/nginx"
    found = remedies.at_registry(Cause.HOST_UNKNOWN, "demo", "nginx:1", pull_spec, scope, message, [])
    assert found.explanation == (
        "There is no host auth.docker.io: it is not among those of --against. docker.io leads there, by a redirect or "
        "for a token."
    )
    assert found.remedy.startswith("Give --against auth.docker.io=URL if the cluster reaches it, or mirror ")


def test_a_new_rule_for_a_mirror_that_nobody_named_says_so() -> None:
    pull_spec = "quay.io/team/app:1"
    source = Try(reference=pull_spec, host="quay.io", mirror=False, answered=False, cause=Cause.CONNECTION_REFUSED)
    for hosts, known in (("", "Give --against mirror.example.com=URL. Add an "), ("mirror.example.com", "Add an ")):
        remedies = Remedies(Commands(TriedRegistries(frozenset({hosts, "quay.io"}))))
        found = remedies.no_rule(pull_spec, source, [], "mirror.example.com", False, [])
        assert found.remedy.startswith(f"{known}ImageTagMirrorSet with source quay.io/team/app and mirror mirror.")


async def test_every_source_of_a_mirror_list_has_its_own_cause(tree: Path) -> None:
    """Three mirrors and the source: what is wrong at each is said, and how each broken mirror would be of use."""
    policy = mirrors("ImageTagMirrorSet")
    hosts = ("down.example.com", "empty.example.com", "private.example.com")
    policy["spec"]["imageTagMirrors"][0]["mirrors"] = [f"{host}/team" for host in hosts]
    clock = ManualClock(START)
    auth = Auth(type="basic", username="me", password="pass")
    configured = {"down.example.com": Host(scheme="down"), "empty.example.com": Host()}
    content = of_tree(str(tree), {**configured, "private.example.com": Host(auth=auth)}, (), clock)
    (one,) = (await report(tree, [tag()], policy, content=content)).tags
    assert (one.verdict, one.cause) == ("fails", Cause.CONNECTION_REFUSED)
    assert one.explanation == (
        "down.example.com refuses connections. Nor did the others give it: "
        "empty.example.com/team/app:1: does not have it; "
        "private.example.com/team/app:1: wants a login that there is none of; quay.io/team/app:1: is not known."
    )
    assert one.remedy == (
        "Start the registry at down.example.com, open its port, or mirror quay.io/team/app elsewhere and add an "
        "ImageTagMirrorSet with source quay.io/team. Or: Add a login for private.example.com to a pull secret in the "
        "namespace demo, or to the cluster's own one: oc create secret docker-registry NAME -n demo "
        "--docker-server=private.example.com --docker-username=… --docker-password=… Or: Mirror quay.io/team/app:1 to "
        "empty.example.com/team/app:1: ismirror seed copy quay.io/team/app:1 --as empty.example.com/team/app "
        f"--data {tree}"
    )
    assert [(each.host, each.cause) for each in one.tried] == [
        ("down.example.com", Cause.CONNECTION_REFUSED),
        ("empty.example.com", Cause.REPOSITORY_UNKNOWN),
        ("private.example.com", Cause.NO_PULL_SECRET),
        ("quay.io", Cause.HOST_UNKNOWN),
    ]


def test_every_cause_has_words_and_a_test() -> None:
    assert set(TEXTS) == set(Cause)
    assert len({text.heading for text in TEXTS.values()}) == len(Cause)
    here = {
        Cause(name)
        for name in (
            "architecture-missing",
            "scheduled-digest",
            "reference-only",
            "nothing-to-import",
            "policy-unused",
            "policy-contradiction",
        )
    }
    assert {case[0] for case in CASES} | here == set(Cause)


def test_every_cause_is_in_the_documentation() -> None:
    page = (ROOT / "docs" / "preflight.md").read_text()
    for cause in Cause:
        assert f"| `{cause}` | {cause.explanation} |\n" in page


def test_authorities_of_a_config_map_are_trusted(tmp_path: Path) -> None:
    pem = Authority().pem
    named = image_config(additionalTrustedCA={"name": "authorities"})
    data = {"quay.io": pem.decode()}
    (tmp_path / "a.json").write_text(json.dumps(named))
    (tmp_path / "b.json").write_text(
        json.dumps({"kind": "ConfigMap", "metadata": {"name": "authorities"}, "data": data})
    )
    policy = read_policy([str(tmp_path)])
    assert policy.ca is not None
    assert pem.strip() in policy.ca
    assert policy.notes == []

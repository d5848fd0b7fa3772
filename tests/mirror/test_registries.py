"""The merged registries configuration against the recorded ones, and the reading of the cluster's objects."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import InputError
from mirror.importer.registries import MirrorSet, RegistriesConfig, mirror_sets_of
from mirror.reference import Reference, parse_normalized_named

ROWS: list[dict[str, Any]] = json.loads(
    (Path(__file__).parent.parent / "vectors" / "registries_config.json").read_text("utf-8")
)
DIGEST = "sha256:" + "0123456789abcdef" * 4
FORMAT = "invalid reference format"
EMPTY_LOCATION = "invalid prefix 'quay.io' for empty location, should be in the format: *.example.com"
KINDS = {
    "icsp": ("ImageContentSourcePolicy", "repositoryDigestMirrors"),
    "idms": ("ImageDigestMirrorSet", "imageDigestMirrors"),
    "itms": ("ImageTagMirrorSet", "imageTagMirrors"),
}


def whole(which: str, rules: Any, name: str = "x") -> dict[str, Any]:
    kind, rules_field = KINDS[which]
    return {
        "apiVersion": "config.openshift.io/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {rules_field: rules},
    }


def configured(given_: dict[str, Any]) -> RegistriesConfig:
    sets = {which: [mirror_sets_of(whole(which, rules)) for rules in given_.get(which, [])] for which in KINDS}
    return RegistriesConfig.merge(
        insecure_registries=given_.get("insecureRegistries", ()),
        blocked_registries=given_.get("blockedRegistries", ()),
        **sets,
    )


def mirrors(config: RegistriesConfig) -> dict[str, list[str]]:
    return {entry.prefix: [mirror.location for mirror in entry.mirrors] for entry in config.entries}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row["name"])
def test_recorded(row: dict[str, Any]) -> None:
    config = configured(row["in"])
    entries = [asdict(entry) for entry in config.entries]
    for entry in entries:
        for mirror in entry["mirrors"]:
            mirror["pullFromMirror"] = mirror.pop("pull_from_mirror")
    assert entries == row["registries"]

    for pull in row["pulls"]:
        reference, named = Reference.parse(pull["ref"]), parse_normalized_named(pull["ref"])
        entry, sources = config.match(named), config.pull_sources(named)
        columns = {
            "ref": pull["ref"],
            "matchedPrefix": entry.prefix if entry else None,
            "sources": list(sources.references),
            "blockedRegistry": config.blocked(reference),
            "insecureFromRegistries": config.insecure(False, reference),
        }
        assert columns | ({"error": sources.error} if sources.error else {}) == pull
        assert config.insecure(True, reference)


def merged(*lists: list[str], source: str = "s") -> list[str]:
    config = RegistriesConfig.merge(idms=[[MirrorSet(source, mirrors_)] for mirrors_ in lists])
    return mirrors(config).get(source, [])


@pytest.mark.parametrize(
    ("lists", "order"),
    [
        ([["b", "c"], ["a", "b"]], ["a", "b", "c"]),
        ([["a", "b", "c"], ["c", "d", "e"]], ["a", "b", "c", "d", "e"]),
        ([["z", "y"], ["c", "a"]], ["c", "z", "a", "y"]),
        # Cycles are broken at their first node.
        ([["b", "a"], ["a", "b"]], ["a", "b"]),
        ([["a", "b"], ["b", "c"], ["c", "a"]], ["a", "b", "c"]),
        ([["a", "a"]], ["a"]),
        # The source keeps its place where it is not the last.
        ([["s", "a"]], ["s", "a"]),
        ([["a", "s", "b"]], ["a", "s", "b"]),
        ([["a", "s"]], ["a"]),
        ([["a", "s", "a"]], ["a"]),
        # Nothing but the source, or nothing at all, is left out.
        ([["s", "s"]], []),
        ([[]], []),
        ([[""]], [""]),
    ],
)
def test_merging_of_lists(lists: list[list[str]], order: list[str]) -> None:
    assert merged(*lists) == order


@given(
    st.lists(st.lists(st.sampled_from("abcdes"), max_size=5), max_size=5).flatmap(
        lambda lists: st.tuples(st.just(lists), st.permutations(lists))
    )
)
def test_merging_is_complete_and_independent_of_order(lists: tuple[list[list[str]], list[list[str]]]) -> None:
    order = merged(*lists[0])
    real = [mirrors_ for mirrors_ in lists[0] if set(mirrors_) - {"s"}]
    assert set(order) - {"s"} == {mirror for mirrors_ in real for mirror in mirrors_} - {"s"}
    assert len(order) == len(set(order))
    assert merged(*lists[1]) == order


@given(st.permutations("abcdefgh"), st.data())
def test_merging_respects_lists_that_agree(order: list[str], data: st.DataObject) -> None:
    subsets = data.draw(st.lists(st.sets(st.sampled_from("abcdefgh"), min_size=1), min_size=1))
    result = merged(*[[mirror for mirror in order if mirror in subset] for subset in subsets])
    for subset in subsets:
        assert [mirror for mirror in result if mirror in subset] == [one for one in order if one in subset]


@pytest.mark.parametrize(
    ("inner", "outer", "nested"),
    [
        ("quay.io", "quay.io", True),
        ("quay.io/a", "quay.io", True),
        ("quay.io:5000", "quay.io", False),
        ("quay.iox/a", "quay.io", False),
        ("a.quay.io", "*.quay.io", True),
        ("a.quay.io:5000/x", "*.quay.io", True),
        ("a.quay.io/x", "*.quay.io", True),
        ("*.a.quay.io", "*.quay.io", True),
        ("quay.io", "*.quay.io", False),
        ("x/a.quay.io", "*.quay.io", False),
        ("x/a.quay.io:5000", "*.quay.io", False),
    ],
)
def test_nesting(inner: str, outer: str, nested: bool) -> None:
    config = RegistriesConfig.merge(insecure_registries=[outer], blocked_registries=[inner])
    assert config.entries[0].insecure is nested


def test_flags_reach_nested_scopes_and_mirrors() -> None:
    config = RegistriesConfig.merge(
        insecure_registries=["m.io"],
        blocked_registries=["*.io"],
        idms=[[MirrorSet("quay.io", ["m.io/q", "n.io"], never_contact_source=True)]],
    )
    assert [(each.location, each.insecure) for each in config.entries[0].mirrors] == [("m.io/q", True), ("n.io", False)]
    assert [entry.blocked for entry in config.entries] == [True, True, True]
    # An entry with mirrors blocks nothing; that of another host does.
    assert not config.blocked(Reference.parse("quay.io/a"))
    assert config.blocked(Reference.parse("m.io/a"))
    assert config.insecure(False, Reference.parse("m.io/a"))
    assert not config.insecure(False, Reference.parse("m.io:443/a"))


def test_content_source_policy_never_blocks() -> None:
    config = RegistriesConfig.merge(icsp=[[MirrorSet("quay.io", ["m.io"], never_contact_source=True)]])
    assert not config.entries[0].blocked


def test_inherited_mirrors_stop_at_a_wildcard_source() -> None:
    config = RegistriesConfig.merge(
        insecure_registries=["a.example.com", "quay.io/ns"],
        idms=[[MirrorSet("*.example.com", ["m.io"]), MirrorSet("quay.io", ["n.io"])]],
    )
    assert config.problem == 'internal error: mirrorsAdjustedForNestedScope for a wildcard scope "*.example.com"'
    # The sources after the wildcard in order are not inherited from any more.
    assert mirrors(config)["quay.io/ns"] == []
    assert mirrors(
        RegistriesConfig.merge(insecure_registries=["quay.io/ns"], idms=[[MirrorSet("quay.io", ["n.io"])]])
    ) == {"quay.io": ["n.io"], "quay.io/ns": ["n.io/ns"]}


@pytest.mark.parametrize(
    ("mirror", "text", "error"),
    [
        ("m.io/x/", f"quay.io/app@{DIGEST}", f"rewriting reference: {FORMAT}"),
        ("m.io/X", f"quay.io/app@{DIGEST}", f"rewriting reference: {FORMAT}: repository name must be lowercase"),
        ("m", f"quay.io/app@{DIGEST}", "rewriting reference: repository name must be canonical"),
        ("", f"quay.io/app@{DIGEST}", EMPTY_LOCATION),
    ],
)
def test_unusable_mirrors(mirror: str, text: str, error: str) -> None:
    config = RegistriesConfig.merge(idms=[[MirrorSet("quay.io", ["ok.io", mirror])]])
    sources = config.pull_sources(parse_normalized_named(text))
    assert sources.references == (text,)
    assert sources.error == f"unable to get all pull sources for {text}: {error}"


AT = "ImageDigestMirrorSet 'x': spec.imageDigestMirrors"


@pytest.mark.parametrize(
    ("document", "error"),
    [
        (whole("idms", None), None),
        ({"kind": "ImageDigestMirrorSet", "metadata": None, "spec": None}, None),
        ({"kind": "ImageDigestMirrorSet"}, None),
        ({"kind": "Image"}, "object '': kind: found 'Image', must be ImageDigestMirrorSet"),
        ({}, "ImageDigestMirrorSet: Object missing required field `kind`"),
        ([], "ImageDigestMirrorSet: Expected `object`, got `array`"),
        (whole("idms", [{}]), f"{AT}[0]: Object missing required field `source`"),
        (whole("idms", [{"source": 1}]), f"{AT}[0].source: Expected `str`, got `int`"),
        (whole("idms", [{"source": "a", "mirrors": ["b", 5]}]), f"{AT}[0].mirrors[1]: Expected `str`, got `int`"),
        (
            whole("idms", [{"source": "a", "mirrorSourcePolicy": "x"}]),
            f"{AT}[0].mirrorSourcePolicy: Invalid enum value 'x'",
        ),
        (whole("idms", {}), f"{AT}: Expected `array`, got `object`"),
        (
            {"kind": "ImageDigestMirrorSet", "spec": []},
            "ImageDigestMirrorSet: spec: Expected `object | null`, got `array`",
        ),
    ],
)
def test_objects(document: Any, error: str | None) -> None:
    if error is None:
        assert mirror_sets_of(document, "ImageDigestMirrorSet") == []
    else:
        with pytest.raises(InputError) as caught:
            mirror_sets_of(document, "ImageDigestMirrorSet")
        assert str(caught.value) == error


def test_objects_of_every_kind() -> None:
    rule = {"source": "a", "mirrors": ["b"], "mirrorSourcePolicy": "NeverContactSource"}
    assert mirror_sets_of(whole("icsp", [rule])) == [MirrorSet("a", ["b"])]
    assert mirror_sets_of(whole("idms", [rule])) == [MirrorSet("a", ["b"], never_contact_source=True)]
    assert mirror_sets_of(whole("itms", [{"source": "a"}])) == [MirrorSet("a", [])]
    with pytest.raises(InputError, match="must be ImageContentSourcePolicy or ImageDigestMirrorSet or"):
        mirror_sets_of({"kind": "Image"})

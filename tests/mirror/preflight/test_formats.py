"""The report for other programs: SARIF, test cases, and what oc-mirror and seed copy read."""

from __future__ import annotations

from collections import Counter

import msgspec
from support.reports import NASTY, report

from mirror.preflight.cases import junit_cases
from mirror.preflight.causes import Cause
from mirror.preflight.lists import image_set_configuration, pull_specs
from mirror.preflight.report import Copy, Remark, Report
from mirror.preflight.sarif import sarif

FAILS = [one for one in report(64).tags if not one.imports]


def test_sarif_has_an_error_for_each_tag_that_fails() -> None:
    (run,) = sarif(report(64), "1.2.3")["runs"]
    errors = [one for one in run["results"] if one["level"] == "error"]
    names = [one["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] for one in errors]
    assert names == [one.name for one in FAILS]
    assert [one["ruleId"] for one in errors] == [one.cause for one in FAILS]
    assert all(NASTY in one["message"]["text"] for one in errors)
    assert run["tool"]["driver"]["version"] == "1.2.3"


def test_sarif_describes_each_rule_that_it_uses() -> None:
    (run,) = sarif(report(64), "1")["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert all(rules[one["ruleIndex"]]["id"] == one["ruleId"] for one in run["results"])
    assert {rule["id"] for rule in rules} == {one["ruleId"] for one in run["results"]}
    assert Cause.NOTHING_TO_IMPORT in {rule["id"] for rule in rules}


def test_sarif_finds_the_same_again() -> None:
    (run,) = sarif(report(64), "1")["runs"]
    prints = Counter(one["partialFingerprints"]["tag/v1"] for one in run["results"])
    assert set(prints.values()) == {1}
    (other,) = sarif(report(128), "2")["runs"]
    assert set(prints) <= {one["partialFingerprints"]["tag/v1"] for one in other["results"]}


def test_sarif_warns_of_remarks() -> None:
    remark = Remark(cause=Cause.SCHEDULED_DIGEST, explanation="It never changes.", remedy="Follow a tag.")
    tag = msgspec.structs.replace(report(1).tags[0], remarks=[remark])
    (run,) = sarif(Report.of(1, [tag]), "1")["runs"]
    assert [(one["level"], one["message"]["text"]) for one in run["results"]] == [
        ("warning", "It never changes. Follow a tag.")
    ]


def test_a_case_a_tag() -> None:
    cases = list(junit_cases(report(64)))
    assert len(cases) == 64
    assert [(one.suite, one.name) for one in cases if one.problem] == [
        (f"{one.namespace}/{one.stream}", one.tag) for one in FAILS
    ]
    assert all(FAILS[index].from_ in one.details for index, one in enumerate(case for case in cases if case.problem))


def test_what_is_to_be_mirrored_is_listed_once() -> None:
    tags = [
        msgspec.structs.replace(
            one, copies=[Copy(source=name, target="mirror.example.com/x") for name in ("b:1", name)]
        )
        for one, name in zip(report(64).tags, ["c:1", "c:1", "x:9", "a:1"], strict=False)
    ]
    assert pull_specs(Report.of(1, tags)) == ["a:1", "b:1"]  # only the fourth fails
    assert image_set_configuration(Report.of(1, tags)) == {
        "apiVersion": "mirror.openshift.io/v2alpha1",
        "kind": "ImageSetConfiguration",
        "mirror": {"additionalImages": [{"name": "a:1"}, {"name": "b:1"}]},
    }

"""Versions in tags, ranges of them, what patterns choose. Expected: semver.org, and the page of Masterminds/semver."""

from __future__ import annotations

import pytest

from mirror.errors import InputError
from mirror.seed.tag_filters import TagFilter, attached_to
from mirror.seed.versions import VersionRange, parse_version

ORDER = [
    *("0.9", "1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2", "1.0.0-beta.11"),
    *("1.0.0-rc.1", "v1", "1.0.1", "1.2", "1.10.0", "2", "v10.0.0-1", "10.0.0"),
]


def test_versions_have_an_order() -> None:
    versions = [parse_version(tag) for tag in ORDER]
    assert None not in versions
    for place, one in enumerate(versions):
        for other in versions[place + 1 :]:
            assert one < other
            assert not other < one


@pytest.mark.parametrize("tag", ["latest", "1.2.3.4", "x1", "1.", "1.2-", "1.2.3-a..b", "1²", "", "sha256-0.sig"])
def test_other_tags_are_no_versions(tag: str) -> None:
    assert parse_version(tag) is None


RANGES = {
    "1.2.3": (["1.2.3", "v1.2.3", "1.2.3_4"], ["1.2.4", "1.2", "1.2.3-rc1"]),
    "=1.2": (["1.2", "1.2.9"], ["1.3", "1.1.9", "2.2"]),
    "!=1.2": (["1.3", "1.1.9"], ["1.2", "1.2.9"]),
    ">=1.2 <2": (["1.2", "1.2.0", "1.99.99"], ["1.1.9", "2", "2.0.0", "1.5.0-rc1"]),
    ">= 1.2, < 3.0.0": (["1.2.0", "2.9.9"], ["3.0.0"]),
    "> 1.2": (["1.3.0"], ["1.2.9", "1.2.0"]),
    "<=1.2": (["1.2.9", "0.1"], ["1.3"]),
    "1.2 - 1.4.5": (["1.2", "1.4.5"], ["1.4.6", "1.1"]),
    "1.2.x": (["1.2.0", "1.2.9"], ["1.3.0"]),
    "*": (["0.0.1", "9"], ["1.0.0-rc1"]),
    "~1.2.3": (["1.2.3", "1.2.9"], ["1.3.0", "1.2.2"]),
    "~1": (["1.0", "1.9.9"], ["2.0.0"]),
    "~1.2": (["1.2", "1.2.5"], ["1.3"]),
    "^1.2.3": (["1.2.3", "1.9"], ["2.0.0", "1.2.2", "2.0.0-rc1"]),
    "^0.2.3": (["0.2.3", "0.2.9"], ["0.3.0"]),
    "^0.0.3": (["0.0.3"], ["0.0.4"]),
    "^0": (["0.1", "0.9.9"], ["1.0.0"]),
    "<1.0 || >=2.1": (["0.9", "2.1"], ["1.5", "2.0.9"]),
    ">=1.0.0-0": (["1.0.0-rc1", "1.0.0", "2.0.0-rc1"], ["0.9.9"]),
}


@pytest.mark.parametrize("text", RANGES)
def test_ranges(text: str) -> None:
    inside, outside = RANGES[text]
    found = VersionRange(text)
    for tag in inside + outside:
        version = parse_version(tag)
        assert version is not None
        assert (version in found) == (tag in inside), tag


@pytest.mark.parametrize("text", ["", "latest", ">=", "1.2 ||", ">=1.2 <two", "1.2.3.4"])
def test_what_is_no_range(text: str) -> None:
    with pytest.raises(InputError, match=r"--semver: .* is no range of versions such as"):
        VersionRange(text)


SIGNATURE = "sha256-" + "0" * 64 + ".sig"
TAGS = ["latest", "1.0", "1.1", "1.2-rc1", "v2.0", "2.10", "2.9", "nightly", SIGNATURE]


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({}, sorted(TAGS)),
        ({"include": ["1.*"]}, ["1.0", "1.1", "1.2-rc1"]),
        ({"include": ["1.*", "n*"], "exclude": ["*-rc*"]}, ["1.0", "1.1", "nightly"]),
        ({"exclude": ["[0-9]*", "v*"]}, ["latest", "nightly"]),
        ({"include": ["sha256-*"]}, [SIGNATURE]),
        ({"versions": VersionRange(">=2")}, ["2.10", "2.9", "v2.0"]),
        ({"latest": 2}, ["2.10", "2.9"]),
        ({"latest": 1, "versions": VersionRange("1")}, ["1.1"]),
        ({"latest": 4}, ["1.2-rc1", "2.10", "2.9", "v2.0"]),
        ({"latest": 4, "versions": VersionRange("*")}, ["1.1", "2.10", "2.9", "v2.0"]),
        ({"latest": 9, "exclude": ["*-rc*"]}, ["1.0", "1.1", "2.10", "2.9", "v2.0"]),
    ],
)
def test_which_tags_are_chosen(fields: dict[str, object], expected: list[str]) -> None:
    assert TagFilter(**fields).chosen([*TAGS, "latest"]) == expected  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("tag", "digest"),
    [
        (SIGNATURE, "sha256:" + "0" * 64),
        ("sha256-" + "a" * 64, "sha256:" + "a" * 64),
        ("sha512-" + "b" * 128 + ".att", "sha512:" + "b" * 128),
        ("sha256-" + "0" * 63 + ".sig", None),
        ("sha256-" + "0" * 128, None),
        ("latest", None),
    ],
)
def test_what_tags_belong_to(tag: str, digest: str | None) -> None:
    assert attached_to(tag) == digest

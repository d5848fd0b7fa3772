"""mirror.reference against the recorded parsers, and its grammars against their plain, backtracking form."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.hostport import join_host_port, split_host_port
from mirror.reference import (
    InvalidReference,
    Named,
    Reference,
    check_digest,
    check_digest_library_go,
    check_repository_name,
    parse_canonical_named,
    parse_normalized_named,
    valid_repository_name,
)

VECTORS = Path(__file__).parent.parent / "vectors"
DIGEST = "sha256:" + "0123456789abcdef" * 4


def rows(name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    return loaded


def parts(reference: Reference) -> dict[str, str]:
    return {part: getattr(reference, part) for part in ("registry", "namespace", "name", "tag", "id")}


def derived(reference: Reference) -> dict[str, Any]:
    defaults = reference.docker_client_defaults()
    return {
        "parsed": parts(reference),
        "exact": reference.exact(),
        "string": reference.string(),
        "nameString": reference.name_string(),
        "dockerClientDefaults": parts(defaults),
        "dockerClientDefaultsExact": defaults.exact(),
        "repositoryName": reference.repository_name(),
        "defaultsRepositoryName": defaults.repository_name(),
        "registryURL": reference.registry_url(),
        "defaultsRegistryURL": defaults.registry_url(),
        "asRepositoryExact": reference.as_repository().exact(),
        "mostSpecificExact": reference.most_specific().exact(),
        "minimalExact": reference.minimal().exact(),
        "daemonMinimalExact": reference.daemon_minimal().exact(),
        "asV2Registry": reference.as_v2().registry,
        "registryHostPort": list(reference.registry_host_port(insecure=False)),
        "registryHostPortInsecure": list(reference.registry_host_port(insecure=True)),
        "isRegistryDockerHub": reference.is_registry_docker_hub,
        "defaultsAsRepositoryExact": defaults.as_repository().exact(),
    }


@pytest.mark.parametrize("row", rows("reference_parse"), ids=lambda row: repr(row["input"])[:60])
def test_parse(row: dict[str, Any]) -> None:
    if "error" in row:
        with pytest.raises(InvalidReference) as caught:
            Reference.parse(row["input"])
        assert str(caught.value) == row["error"]
    else:
        assert {"input": row["input"], **derived(Reference.parse(row["input"]))} == row


def normalized(text: str) -> dict[str, str]:
    try:
        named = parse_normalized_named(text)
    except InvalidReference as error:
        return {"input": text, "error": str(error)}
    columns = {
        "input": text,
        "string": str(named),
        "name": named.name(),
        "domain": named.domain,
        "path": named.path,
        "type": named.kind,
        "familiar": named.familiar(),
        "tag": named.tag,
        "digest": named.digest,
    }
    return {key: value for key, value in columns.items() if value or key == "input"}


@pytest.mark.parametrize("row", rows("normalized_named"), ids=lambda row: repr(row["input"])[:60])
def test_normalized_named(row: dict[str, Any]) -> None:
    assert normalized(row["input"]) == row


def test_build() -> None:
    for row in rows("reference_build"):
        reference = Reference(**row["parts"])
        assert {
            "parts": parts(reference),
            "exact": reference.exact(),
            "string": reference.string(),
            "mostSpecific": parts(reference.most_specific()),
            "mostSpecificExact": reference.most_specific().exact(),
            "minimalExact": reference.minimal().exact(),
            "daemonMinimalExact": reference.daemon_minimal().exact(),
            "normalizedNamedOfExact": normalized(reference.exact()),
        } == row


def error_of(check: Any, text: str) -> str:
    try:
        check(text)
    except InvalidReference as error:
        return str(error)
    return ""


@pytest.mark.parametrize("row", rows("digest_parse"), ids=lambda row: repr(row["in"])[:40])
def test_digests(row: dict[str, Any]) -> None:
    assert error_of(check_digest, row["in"]) == row["goDigestError"]
    assert error_of(check_digest_library_go, row["in"]) == row["libraryGoDigestError"]


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("quay.io/ns/app:v1", ""),
        (f"docker.io/library/busybox:1@{DIGEST}", ""),
        ("registry:5000/app", ""),
        ("docker.io/busybox:1", "repository name must be canonical"),
        ("index.docker.io/ns/app:1", "repository name must be canonical"),
        ("registry/ns/app:1", "repository name must be canonical"),
        ("https://quay.io/ns/app:1", "invalid reference format"),
        ("quay.io//ns/app", "invalid reference format"),
        ("[::1]:5000/app:1", "invalid reference format"),
        ("quay.io/Ns/app:1", "invalid reference format: repository name must be lowercase"),
        # An upper-case first segment is no domain to the older rule.
        ("Registry/app:1", "invalid reference format: repository name must be lowercase"),
        ("Registry.io/app:1", ""),
        (f"quay.io/app@{DIGEST[:-1]}", "invalid checksum digest length"),
        (
            "0123456789abcdef" * 4,
            f"invalid repository name ({'0123456789abcdef' * 4}), cannot specify 64-byte hexadecimal strings",
        ),
    ],
)
def test_canonical_named(text: str, error: str) -> None:
    assert error_of(parse_canonical_named, text) == error


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("app", ""),
        ("library/app", ""),
        ("Registry/foo", ""),
        ("a" * 255, ""),
        ("a" * 256, "repository name must not be more than 255 characters"),
        ("", "invalid reference format"),
        ("*", "invalid reference format"),
        ("a//b", "invalid reference format"),
        ("app:v1", "invalid reference format"),
        ("app\n", "invalid reference format"),
    ],
)
def test_repository_name(name: str, error: str) -> None:
    assert error_of(check_repository_name, name) == error
    assert valid_repository_name(name) is not bool(error)


def test_equal() -> None:
    assert Reference.parse("busybox").equal(Reference.parse("docker.io/library/busybox:latest"))
    assert not Reference.parse("busybox").equal(Reference.parse("index.docker.io/busybox"))


def test_lower_casing_is_gos() -> None:
    # The only letters beyond ASCII whose lower case is an ASCII letter: the Kelvin sign, the dotted capital I.
    for letter in "\u212a\u0130":
        assert error_of(Reference.parse, f"a{letter}") == "repository name must be lowercase"
    assert error_of(Reference.parse, "a\u00c4") == "invalid reference format"


@pytest.mark.parametrize(
    ("text", "split"),
    [
        ("a:1", ("a", "1")),
        ("a:", ("a", "")),
        (":", ("", "")),
        ("[::1]:5000", ("::1", "5000")),
        ("a", None),
        ("a:b:c", None),
        ("[::1]", None),
        ("[::1:5000", None),
        ("[::1]x:5000", None),
        ("[a[b]:1", None),
        ("[a]]:1", None),
        ("a[b:1", None),
        ("a]b:1", None),
        ("[a]:1]", None),
    ],
)
def test_split_host_port(text: str, split: tuple[str, str] | None) -> None:
    assert split_host_port(text) == split


def test_join_host_port() -> None:
    assert join_host_port("a", "1") == "a:1"
    assert join_host_port("::1", "1") == "[::1]:1"


# The grammar as upstream writes it. Python backtracks in it without end, so only short texts are tried.
_COMPONENT = r"[a-z0-9]+(?:(?:[._]|__|[-]*)[a-z0-9]+)*"
_LABEL = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_UPSTREAM = re.compile(
    rf"((?:{_LABEL}(?:\.{_LABEL})*(?::[0-9]+)?/)?{_COMPONENT}(?:/{_COMPONENT})*)"
    r"(?::(\w[\w.-]{0,127}))?"
    r"(?:@([A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}))?",
    re.ASCII,
)


@given(st.text("aA0./:_-@", max_size=12))
def test_grammar_is_upstreams(text: str) -> None:
    match = _UPSTREAM.fullmatch(text)
    error = error_of(Reference.parse, text)
    assert (match is None) == bool(error)
    if match:
        reference = Reference.parse(text)
        assert text.startswith(match[1])
        assert reference.tag == (match[2] or "") or not reference.name


@given(
    st.from_regex(r"[a-z]{1,9}(\.[a-z]{1,9}){0,2}(:[0-9]{1,5})?", fullmatch=True),
    st.lists(st.from_regex(r"[a-z0-9]{1,9}([._-][a-z0-9]{1,9})?", fullmatch=True), min_size=2, max_size=4),
    st.sampled_from(["", "v1", "latest", "_x.y-z"]),
    st.sampled_from(["", DIGEST]),
)
def test_normalized_text_is_its_own_normal_form(host: str, path: list[str], tag: str, digest: str) -> None:
    text = "/".join([host, *path]) + (f":{tag}" if tag else "") + (f"@{digest}" if digest else "")
    named = parse_normalized_named(text)
    assert parse_normalized_named(str(named)) == named
    assert parse_normalized_named(named.familiar()) == named
    reference = Reference.parse(str(named))
    assert reference == Reference.parse(text).docker_client_defaults().replace(tag=tag)
    assert isinstance(named, Named)


@pytest.mark.parametrize("parse", [Reference.parse, parse_normalized_named, parse_canonical_named])
@pytest.mark.parametrize(
    "piece", ["a", "A", "a-", "-", "a.", "a/", "a_", "__a", ":", "@", "a:1", "a@", "a+", "[", ":::", "\u0130"]
)
def test_long_hostile_texts_are_refused(parse: Any, piece: str) -> None:
    # With a backtracking grammar several of these would take longer than the test's time limit.
    for text in (piece * 50_000, piece * 50_000 + "!", f"quay.io/a:{piece * 50_000}", f"a@{piece * 50_000}:0"):
        assert error_of(parse, text)


@given(st.text(max_size=40))
def test_any_text_parses_or_raises(text: str) -> None:
    for parse in (Reference.parse, parse_normalized_named, parse_canonical_named):
        assert error_of(parse, text) == error_of(parse, text)

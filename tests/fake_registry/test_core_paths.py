from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_registry.core.paths import (
    BASE,
    BELOW,
    BLOB,
    CATALOG,
    ELSEWHERE,
    MANIFEST,
    REFERRERS,
    TAGS,
    TOKEN,
    UPLOAD,
    UPLOADS,
    Target,
    parameters,
    parse_path,
)

NAMES = st.from_regex(r"[a-z]{1,3}(/(manifests|blobs|tags|list|uploads|referrers|[a-z]{1,3})){0,4}", fullmatch=True)


@pytest.mark.parametrize(
    ("path", "target"),
    [
        ("/v2/", Target(BASE)),
        ("/v2/_catalog", Target(CATALOG)),
        ("/token", Target(TOKEN)),
        ("/v2/app/manifests/latest", Target(MANIFEST, "app", "latest")),
        ("/v2/a/b/c/manifests/sha256:x", Target(MANIFEST, "a/b/c", "sha256:x")),
        ("/v2/app/blobs/sha256:x", Target(BLOB, "app", "sha256:x")),
        ("/v2/app/blobs/sha256%3Ax", Target(BLOB, "app", "sha256:x")),
        ("/v2/a%2Fb/manifests/latest", Target(MANIFEST, "a/b", "latest")),
        ("/%762/app/manifests/latest", Target(MANIFEST, "app", "latest")),
        ("/v2/app/manifests/a%2Fb", Target(BELOW)),
        ("/v2/app/manifests/%ff", Target(MANIFEST, "app", "\ufffd")),
        ("/v2/app/manifests/\udcff", Target(MANIFEST, "app", "?")),
        ("/v2/app/tags/list", Target(TAGS, "app")),
        ("/v2/app/referrers/sha256:x", Target(REFERRERS, "app", "sha256:x")),
        ("/v2/app/blobs/uploads/", Target(UPLOADS, "app")),
        ("/v2/app/blobs/uploads/some-session", Target(UPLOAD, "app", "some-session")),
        ("/v2/app/blobs/uploads", Target(BLOB, "app", "uploads")),
        ("/v2/manifests/manifests/manifests", Target(MANIFEST, "manifests", "manifests")),
        ("/v2/tags/list/tags/list", Target(TAGS, "tags/list")),
        ("/v2/manifests/latest", Target(BELOW)),
        ("/v2/blobs/uploads/", Target(BELOW)),
        ("/v2/app/blobs/", Target(BELOW)),
        ("/v2/app/tags/lists", Target(BELOW)),
        ("/v2//manifests/latest", Target(BELOW)),
        ("/v2/app", Target(BELOW)),
        ("/v2", Target(ELSEWHERE)),
        ("/", Target(ELSEWHERE)),
        ("", Target(ELSEWHERE)),
        ("*", Target(ELSEWHERE)),
        ("/token/", Target(ELSEWHERE)),
        ("/v3/app/manifests/latest", Target(ELSEWHERE)),
        ("/x/v2/app/manifests/latest", Target(ELSEWHERE)),
    ],
)
def test_paths(path: str, target: Target) -> None:
    assert parse_path(path) == target


@given(NAMES, st.from_regex(r"[A-Za-z0-9._:-]{1,20}", fullmatch=True))
def test_a_name_may_contain_words_of_the_grammar(name: str, argument: str) -> None:
    assert parse_path(f"/v2/{name}/manifests/{argument}") == Target(MANIFEST, name, argument)
    assert parse_path(f"/v2/{name}/tags/list") == Target(TAGS, name)


@given(st.text(st.characters(codec=None)))
def test_any_text_is_a_path(text: str) -> None:
    for path in (text, f"/v2/{text}", f"/v2/{text}/manifests/x", f"/v2/a/manifests/{text}"):
        target = parse_path(path)
        target.name.encode()
        target.argument.encode()


def test_parameters() -> None:
    assert parameters("a=1&b=%C3%A9&a=2&c=&d&e=\udcff") == [("a", "1"), ("b", "é"), ("a", "2"), ("e", "?")]

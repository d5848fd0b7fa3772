"""URLs by the rules of net/url: what its own tests have, and what registries send."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.gotext import GoUrl, GoUrlError, encode_query, parse_query

BASE = "https://quay.io/v2/app/tags/list?n=1"


@pytest.mark.parametrize(
    "text",
    [
        "https://quay.io/v2/?a=b&c",
        "https://quay.io",
        "https://quay.io?",
        "https://quay.io/a%2Fb",
        "https://user:p%40ss@quay.io:8443/",
        "https://user@quay.io/",
        "https://[::1]:5000/v2/",
        "//quay.io/v2/",
        "/v2/#top",
        "?x=1",
        "",
        "*",
        "mailto:me@example.com",
        "http:/v2/",
        "https:///v2/",
        "a/b:c",
        "https://quay.io/a;b=c,d",
    ],
)
def test_printed_as_read(text: str) -> None:
    assert str(GoUrl.parse(text)) == text


@pytest.mark.parametrize(
    ("text", "printed"),
    [
        ("HTTPS://Quay.io/", "https://Quay.io/"),
        ("https://quay.io/a b", "https://quay.io/a%20b"),
        ("https://quay.io/ünï", "https://quay.io/%C3%BCn%C3%AF"),
        ("https://quay.io/\udcff", "https://quay.io/%FF"),
        ("https://quay.io/a?ü <", "https://quay.io/a?ü <"),
        ("https://quay.io/%zz", None),
        ("https://ü.example.com/", "https://%C3%BC.example.com/"),
        ("https://quay.io/#a b", "https://quay.io/#a%20b"),
        ("https://quay.io/#<a>?", "https://quay.io/#%3Ca%3E?"),
    ],
)
def test_printed_otherwise(text: str, printed: str | None) -> None:
    if printed is None:
        with pytest.raises(GoUrlError):
            GoUrl.parse(text)
    else:
        assert str(GoUrl.parse(text)) == printed


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("http://a[b", "parse \"http://a[b\": missing ']' in host"),
        ("http://quay.io/%4é", 'parse "http://quay.io/%4é": invalid URL escape "%4\\xc3"'),
        ("http://[::1", "parse \"http://[::1\": missing ']' in host"),
        ("http://quay.io:port/", 'parse "http://quay.io:port/": invalid port ":port" after host'),
        ("http://quay.io/\x7f", 'parse "http://quay.io/\\x7f": net/url: invalid control character in URL'),
        ("http://quay.io/%2", 'parse "http://quay.io/%2": invalid URL escape "%2"'),
        ("http://quay.io/%zzy", 'parse "http://quay.io/%zzy": invalid URL escape "%zz"'),
        ("http://%41/", 'parse "http://%41/": invalid URL escape "%41"'),
        ("http://a b/", 'parse "http://a b/": invalid character " " in host name'),
        ("http://a b@quay.io/", 'parse "http://a b@quay.io/": net/url: invalid userinfo'),
        (":5000/", 'parse ":5000/": missing protocol scheme'),
        ("1:2/x", 'parse "1:2/x": first path segment in URL cannot contain colon'),
        ("/a#%z", 'parse "/a#%z": invalid URL escape "%z"'),
        ("/%#a", 'parse "/%": invalid URL escape "%"'),
    ],
)
def test_errors(text: str, problem: str) -> None:
    with pytest.raises(GoUrlError) as caught:
        GoUrl.parse(text)
    assert str(caught.value) == problem


@pytest.mark.parametrize(
    ("reference", "meaning"),
    [
        ("", BASE),
        ("?x=1", "https://quay.io/v2/app/tags/list?x=1"),
        ("?", "https://quay.io/v2/app/tags/list?"),
        ("#top", f"{BASE}#top"),
        ("other", "https://quay.io/v2/app/tags/other"),
        ("./other/", "https://quay.io/v2/app/tags/other/"),
        ("..", "https://quay.io/v2/app/"),
        ("../../../../x", "https://quay.io/x"),
        (".", "https://quay.io/v2/app/tags/"),
        ("/v2/./a/../b/..", "https://quay.io/v2/"),
        ("/..", "https://quay.io/"),
        ("/%2e%2E/x", "https://quay.io/%2e%2E/x"),
        ("//ghcr.io", "https://ghcr.io"),
        ("//ghcr.io/a/../b", "https://ghcr.io/b"),
        ("http://ghcr.io/a/./b", "http://ghcr.io/a/b"),
        ("ftp://ghcr.io/", "ftp://ghcr.io/"),
        ("mailto:me", "mailto:me"),
    ],
)
def test_resolved(reference: str, meaning: str) -> None:
    assert str(GoUrl.parse(BASE).resolve(GoUrl.parse(reference))) == meaning


@pytest.mark.parametrize(
    ("text", "target"),
    [
        ("https://quay.io", "/"),
        ("https://quay.io?a", "/?a"),
        ("https://quay.io/v2/?", "/v2/?"),
        ("https://quay.io/v2/#top", "/v2/"),
    ],
)
def test_target_of_the_request(text: str, target: str) -> None:
    assert GoUrl.parse(text).target == target


def test_queries() -> None:
    assert parse_query("b=2&a=1+1&&c;d=1&e=%zz&%C3%BC=%ff&f") == [("b", "2"), ("a", "1 1"), ("ü", "\udcff"), ("f", "")]
    assert encode_query([("b", "2"), ("a", "x y/z~*"), ("b", "1"), ("ü", "\udcff")]) == (
        "a=x+y%2Fz~%2A&b=2&b=1&%C3%BC=%FF"
    )


TEXTS = st.text(st.sampled_from("ab:/?#[]@!$&'()*+,;=%20.-_~ \"<>ü\udcff\x00"), max_size=30)


@given(TEXTS, TEXTS)
def test_whatever_is_read_can_be_read_again(text: str, reference: str) -> None:
    try:
        url, other = GoUrl.parse(text), GoUrl.parse(reference)
    except GoUrlError:
        return
    assert str(url).isprintable() or "?" in text
    resolved = url.resolve(other)
    assert "/../" not in f"{resolved.path}/"
    assert resolved.target

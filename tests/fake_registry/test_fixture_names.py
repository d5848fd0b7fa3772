from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fake_registry.fixtures import canonical_host, is_host, is_repository, is_repository_name, is_tag
from fake_registry.fixtures.names import directory_host, host_directory

COMPONENTS = st.from_regex(r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*", fullmatch=True)


@pytest.mark.parametrize(
    ("host", "canonical"),
    [
        ("quay.io", "quay.io"),
        ("Quay.IO", "quay.io"),
        ("docker.io", "docker.io"),
        ("index.docker.io", "docker.io"),
        ("Registry-1.docker.io", "docker.io"),
        ("registry-1.docker.io:5000", "registry-1.docker.io:5000"),
    ],
)
def test_docker_hub_is_one_host(host: str, canonical: str) -> None:
    assert canonical_host(host) == canonical


@pytest.mark.parametrize(
    ("host", "directory"),
    [
        ("quay.io", "quay.io"),
        ("plain.example.com:5000", "plain.example.com_5000"),
        ("127.0.0.1:5000", "127.0.0.1_5000"),
        ("localhost:80", "localhost_80"),
        ("[::1]:5000", "[__1]_5000"),
        ("[fe80::1]", "[fe80__1]"),
        ("my_host", "my_host"),
    ],
)
def test_hosts_are_written_as_directories(host: str, directory: str) -> None:
    assert is_host(host)
    assert host_directory(host) == directory
    assert directory_host(directory) == host


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "..",
        "a/b",
        "../x",
        "a b",
        "Quay.io",
        "-a",
        ".hidden",
        "a.",
        "a:",
        "a:b",
        "a:123456",
        "é.com",
        "a\n",
        "a" * 256,
        "::1",
        "[::1",
        "[x]",
    ],
)
def test_no_hosts(host: str) -> None:
    assert not is_host(host)


@given(st.text())
def test_hosts_cannot_leave_their_directory(text: str) -> None:
    if is_host(text):
        directory = host_directory(text)
        assert "/" not in directory
        assert not directory.startswith(".")


@given(st.lists(COMPONENTS, min_size=1, max_size=4))
def test_names_of_the_grammar(components: list[str]) -> None:
    name = "/".join(components)
    assert is_repository_name(name) == (len(name) <= 255)


@pytest.mark.parametrize(
    "name",
    [
        "",
        "/",
        "a/",
        "/a",
        "a//b",
        "A",
        "a/B",
        "..",
        "a/../b",
        "a/.",
        "a..b",
        "a___b",
        "-a",
        "a-",
        "a_",
        "a b",
        "a:b",
        "a\n",
        "a\x00",
        "a%2fb",
        "é",
        "a" * 256,
    ],
)
def test_names_outside_the_grammar(name: str) -> None:
    assert not is_repository_name(name)
    assert not is_repository(name)


@pytest.mark.parametrize("name", ["a", "0", "a-b", "a--b", "a_b", "a__b", "a.b", "library/busybox", "a" * 255])
def test_good_names(name: str) -> None:
    assert is_repository(name)


@pytest.mark.parametrize("component", ["blobs", "index.json", "oci-layout"])
@pytest.mark.parametrize("form", ["{}", "a/{}", "{}/a", "a/{}/b"])
def test_names_of_layout_files_are_no_components(form: str, component: str) -> None:
    assert is_repository_name(form.format(component))
    assert not is_repository(form.format(component))


@pytest.mark.parametrize("tag", ["latest", "v1.0", "_x", "1", "A-b.c_d", "a" * 128])
def test_tags(tag: str) -> None:
    assert is_tag(tag)


@pytest.mark.parametrize("tag", ["", ".a", "-a", "a b", "a+b", "a:b", "a/b", "é", "a" * 129, "a\n"])
def test_no_tags(tag: str) -> None:
    assert not is_tag(tag)

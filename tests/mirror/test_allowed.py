"""The list of allowed registries: what it lets through, and the words of what it does not."""

from __future__ import annotations

import fnmatch
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.errors import InputError
from mirror.importer.allowed import AllowedRegistries, AllowedRegistry
from mirror.reference import Reference

INTERNAL = "image-registry.openshift-image-registry.svc:5000"
LISTED = f'"{INTERNAL}", "quay.io:443", "*.example.com:5000"'


def allowed(*names: str, internal: str = "", insecure: bool = False) -> AllowedRegistries:
    return AllowedRegistries([AllowedRegistry(name, insecure) for name in names], internal)


@pytest.fixture
def usual() -> AllowedRegistries:
    return allowed("quay.io", "*.example.com:5000", internal=INTERNAL)


def not_listed(registry: str) -> str:
    return f'registry "{registry}" not allowed by whitelist: {LISTED}'


@pytest.mark.parametrize(
    ("text", "insecure", "registry"),
    [
        ("quay.io/team/app:1.0.0", False, None),
        ("quay.io:443/team/app", False, None),
        # The port that is not written is 80, which the list does not have.
        ("quay.io/team/app", True, "quay.io:80"),
        ("quay.io:443/team/app", True, None),
        ("registry.example.com:5000/team/app:1.0.0", True, None),
        ("registry.example.com:5000/team/app:1.0.0", False, None),
        ("fake.example.com/ok/app:oci", False, "fake.example.com:443"),
        ("example.com:5000/app", False, "example.com:5000"),
        (f"{INTERNAL}/demo/app", False, None),
        # Docker Hub by its short names, by its name, and whatever does not parse.
        ("busybox:latest", False, "docker.io:443"),
        ("busybox", True, "docker.io:80"),
        ("docker.io/library/nginx", False, "registry-1.docker.io:443"),
        ("index.docker.io/library/nginx", False, "registry-1.docker.io:443"),
        ("*", False, "docker.io:443"),
        ("Not Valid", False, "docker.io:443"),
        # Registries without repository: all of the text is the registry.
        ("quay.io", False, None),
        ("quay.io:latest", False, "quay.io:latest"),
        # More colons than one: host and port are both empty.
        ("quay.io:latest@sha256:" + "0" * 64, False, ":"),
    ],
)
def test_imports(usual: AllowedRegistries, text: str, insecure: bool, registry: str | None) -> None:
    problem = registry and f'importing images from registry "{registry}" is forbidden: {not_listed(registry)}'
    assert usual.check_import(text, insecure) == problem


@pytest.mark.parametrize(
    ("text", "insecure", "registry"),
    [
        ("quay.io/team/app", False, None),
        # Insecure access: ports 80, 443 and * are all right where none is written.
        ("quay.io/team/app", True, None),
        ("quay.io:80/team/app", True, "quay.io:80"),
        ("registry.example.com:5000/app", True, None),
        ("fake.example.com/ok/app:oci", False, "fake.example.com"),
        ("fake.example.com/ok/app:oci", True, "fake.example.com"),
        # The registry is shown as written; without one, what was looked up.
        ("busybox:latest", False, "docker.io:443"),
        ("busybox:latest", True, "docker.io"),
        ("", False, "docker.io:443"),
        ("docker.io/library/nginx", False, "docker.io"),
        ("quay.io:latest", True, "quay.io:latest"),
    ],
)
def test_pull_specs(usual: AllowedRegistries, text: str, insecure: bool, registry: str | None) -> None:
    assert usual.check_pull_spec(text, insecure) == (registry and not_listed(registry))


@pytest.mark.parametrize("name", ["docker.io", "registry-1.docker.io", "*.docker.io", "*"])
def test_docker_hub_by_any_of_its_names(name: str) -> None:
    for text in ("docker.io/library/nginx", "index.docker.io/library/nginx", "registry-1.docker.io/library/nginx"):
        assert allowed(name).check_import(text, insecure=False) is None
        assert allowed(name).check_pull_spec(text, insecure=False) is None
    # A short name is docker.io alone.
    assert (allowed(name).check_import("nginx", insecure=False) is None) is (name in {"docker.io", "*"})


def test_no_list_allows_everything() -> None:
    nothing = AllowedRegistries([], INTERNAL)
    assert nothing.check_import("evil.example.com/a", insecure=True) is None
    assert nothing.check_pull_spec("evil.example.com/a", insecure=True) is None


@pytest.mark.parametrize(
    ("names", "internal", "shown"),
    [
        (["a", "b", "c", "d", "e"], "", '"a:443", "b:443", "c:443", "d:443", "e:443"'),
        (["a", "b", "c", "d", "e"], "i:1", '"i:1", "a:443", "b:443", "c:443", and 2 more ...'),
        (["a", "b", "c", "d", "e", "f"], "", '"a:443", "b:443", "c:443", "d:443", and 2 more ...'),
        (["a", "b"] * 4, "", '"a:443", "b:443"'),
        # Of equal entries the last counts; the internal registry is not put in front of itself.
        (["a", "b", "a"], "", '"b:443", "a:443"'),
        (["a", "i"], "i", '"a:443", "i:443"'),
        (["a"], "i:1:2", '"a:443"'),
        (['"', "\n:\t"], "", r'"\":443", "\n:\t"'),
    ],
)
def test_list_as_shown(names: list[str], internal: str, shown: str) -> None:
    problem = allowed(*names, internal=internal).check_pull_spec("z.io/x", insecure=False)
    assert problem == f'registry "z.io" not allowed by whitelist: {shown}'


def test_insecure_entries_have_port_80() -> None:
    registries = AllowedRegistries([{"domainName": "q.io", "insecure": True}])
    assert registries.check_import("q.io/a", insecure=True) is None
    assert registries.check_import("q.io/a", insecure=False) == (
        'importing images from registry "q.io:443" is forbidden: '
        'registry "q.io:443" not allowed by whitelist: "q.io:80"'
    )


@pytest.mark.parametrize(
    ("entries", "error"),
    [
        (
            [{"domainName": "a:1:2"}],
            'allowedRegistriesForImport: failed to parse allowed registry "a:1:2": too many colons',
        ),
        (
            [{"domainName": "a:1:2"}, {"domainName": "b::"}],
            (
                'allowedRegistriesForImport: [failed to parse allowed registry "b::": too many colons, '
                'failed to parse allowed registry "a:1:2": too many colons]'
            ),
        ),
        ([{}], "allowedRegistriesForImport[0]: Object missing required field `domainName`"),
        (["quay.io"], "allowedRegistriesForImport[0]: Expected `object`, got `str`"),
    ],
)
def test_bad_entries(entries: list[Any], error: str) -> None:
    with pytest.raises(InputError) as caught:
        AllowedRegistries(entries)
    assert str(caught.value) == error


def test_repositories_that_a_stream_has_are_admitted(usual: AllowedRegistries) -> None:
    admitting = usual.admitting(["evil.io/a/b:v1", "busybox", "Not Valid"]).admitting(["late.io/c"])
    for text in (
        "evil.io/a/b:v2",
        f"evil.io/a/b@sha256:{'0' * 64}",
        "docker.io/library/busybox",
        "late.io/c",
        "quay.io/x",
    ):
        assert admitting.check_pull_spec(text, insecure=False) is None
    assert admitting.check_pull_spec("evil.io/a", insecure=False) == not_listed("evil.io")
    assert usual.check_reference(Reference.parse("evil.io/a/b:v1"), insecure=False) == not_listed("evil.io")


@given(st.text("ab*?", max_size=8), st.text("ab.", min_size=1, max_size=8))
def test_globs(pattern: str, host: str) -> None:
    problem = allowed(f"{pattern}:5000").check_reference(Reference(registry=f"{host}:5000"), insecure=False)
    assert (problem is None) == fnmatch.fnmatchcase(host, pattern)


def test_globs_with_many_stars_are_fast() -> None:
    registries = allowed("*a" * 5000 + "*b")
    assert registries.check_pull_spec("a" * 200 + ".io/x", insecure=False)

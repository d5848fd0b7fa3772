"""``registries.conf``: which place an image is pulled from. Expected: containers-registries.conf(5)."""

from __future__ import annotations

from pathlib import Path

import pytest

from mirror.errors import InputError
from mirror.seed.pull_sources import Place, PullSources, load_pull_sources
from mirror.seed.remote.failures import RemoteError

CONF = """
unqualified-search-registries = ["docker.io"]

[[registry]]
prefix = "quay.io/team"
location = "internal.example.com/copies/team"
[[registry.mirror]]
location = "mirror.example.com:5000/quay"
insecure = true
[[registry.mirror]]
location = "tags.example.com/q"
pull-from-mirror = "tag-only"

[[registry]]
location = "quay.io"
mirror-by-digest-only = true
[[registry.mirror]]
location = "digests.example.com"

[[registry]]
prefix = "*.wild.example.com"
location = "caught.example.com/wild"

[[registry]]
location = "plain.example.com:5000"
insecure = true

[[registry]]
prefix = "evil.example.com"
blocked = true
"""


@pytest.fixture
def sources(tmp_path: Path) -> PullSources:
    path = tmp_path / "registries.conf"
    path.write_text(CONF)
    return load_pull_sources({"CONTAINERS_REGISTRIES_CONF": str(path)}, tmp_path)


@pytest.mark.parametrize(
    ("name", "by_digest", "expected"),
    [
        (
            "quay.io/team/app",
            False,
            [
                Place("mirror.example.com:5000", "quay/app", insecure=True),
                Place("tags.example.com", "q/app"),
                Place("internal.example.com", "copies/team/app"),
            ],
        ),
        (
            "quay.io/team/app",
            True,
            [
                Place("mirror.example.com:5000", "quay/app", insecure=True),
                Place("internal.example.com", "copies/team/app"),
            ],
        ),
        ("quay.io/teams/app", False, [Place("quay.io", "teams/app")]),
        ("quay.io/other", True, [Place("digests.example.com", "other"), Place("quay.io", "other")]),
        ("a.b.wild.example.com/x/y", False, [Place("caught.example.com", "wild/x/y")]),
        ("wild.example.com/x", False, [Place("wild.example.com", "x")]),
        ("plain.example.com:5000/app", False, [Place("plain.example.com:5000", "app", insecure=True)]),
        ("docker.io/library/nginx", False, [Place("docker.io", "library/nginx")]),
    ],
)
def test_places(sources: PullSources, name: str, by_digest: bool, expected: list[Place]) -> None:
    host, _, repository = name.partition("/")
    assert sources.places(host, repository, by_digest=by_digest) == expected


def test_what_is_blocked_is_not_asked_for(sources: PullSources) -> None:
    with pytest.raises(RemoteError, match=r"evil.example.com/app: registries.conf blocks evil.example.com"):
        sources.places("evil.example.com", "app", by_digest=False)


def test_the_files_of_user_and_system(tmp_path: Path) -> None:
    def write(path: Path, location: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'[[registry]]\nprefix = "{path.stem}.example.com"\nlocation = "{location}"\n')

    home, system = tmp_path / "home", tmp_path / "etc"
    user = home / ".config" / "containers"
    assert load_pull_sources({}, home, system).places("x.example.com", "a", by_digest=False)[0].host == "x.example.com"
    write(system / "registries.conf", "system")
    write(system / "registries.conf.d" / "a.conf", "system")
    write(system / "registries.conf.d" / "b.conf", "system")
    write(user / "registries.conf.d" / "b.conf", "user")
    found = load_pull_sources({}, home, system)
    hosts = [found.places(f"{name}.example.com", "x", by_digest=False)[0].host for name in ("registries", "a", "b")]
    assert hosts == ["system", "system", "user"]
    write(user / "registries.conf", "user")
    found = load_pull_sources({}, home, system)
    assert found.places("registries.example.com", "x", by_digest=False)[0].host == "user"


def test_the_lists_of_the_first_version(tmp_path: Path) -> None:
    path = tmp_path / "registries.conf"
    path.write_text('[registries.insecure]\nregistries = ["a.example.com"]\n[registries.block]\nregistries = ["b"]\n')
    found = load_pull_sources({"CONTAINERS_REGISTRIES_CONF": str(path)}, tmp_path)
    assert found.places("a.example.com", "x", by_digest=False) == [Place("a.example.com", "x", insecure=True)]
    with pytest.raises(RemoteError):
        found.places("b", "x", by_digest=False)


@pytest.mark.parametrize("text", ["[[registry]]\ninsecure = true\n", "registry = 3\n", "[[registry\n", "\xff"])
def test_files_that_are_damaged_are_named(tmp_path: Path, text: str) -> None:
    path = tmp_path / "registries.conf"
    path.write_bytes(text.encode("latin-1"))
    with pytest.raises(InputError, match=r"see containers-registries.conf\(5\)") as raised:
        load_pull_sources({"CONTAINERS_REGISTRIES_CONF": str(path)}, tmp_path)
    assert str(raised.value).startswith(f"{path}: ")

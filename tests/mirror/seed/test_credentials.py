"""Logins where podman, docker and their helpers keep them."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from mirror.errors import InputError
from mirror.seed.remote.credentials import Login, Logins, login_files, parse_login
from mirror.seed.remote.failures import RemoteError


def entry(username: str, password: str = "secret") -> dict[str, str]:
    return {"auth": base64.b64encode(f"{username}:{password}".encode()).decode()}


def written(path: Path, document: dict[str, Any]) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document))
    return path


AUTHS = {
    "quay.io": entry("host"),
    "quay.io/team": entry("team"),
    "quay.io/team/app": entry("app"),
    "https://index.docker.io/v1/": entry("hub"),
    "https://registry.example.com/v2/": entry("url"),
    "Plain.Example.com:5000": {"username": "fields", "password": "secret"},
    "token.example.com": {"identitytoken": "t"},
    "empty.example.com": {},
    "colons.example.com": entry("me", "a:b:c"),
}


@pytest.mark.parametrize(
    ("host", "repository", "username"),
    [
        ("quay.io", "other/app", "host"),
        ("quay.io", "team/web", "team"),
        ("quay.io", "team/app", "app"),
        ("quay.io", "team/app/part", "app"),
        ("quay.io", "team/apple", "team"),
        ("docker.io", "library/nginx", "hub"),
        ("registry-1.docker.io", "library/nginx", "hub"),
        ("registry.example.com", "a/b", "url"),
        ("plain.example.com:5000", "a", "fields"),
        ("plain.example.com", "a", None),
        ("empty.example.com", "a", None),
        ("unknown.example.com", "a", None),
    ],
)
async def test_the_most_specific_name_counts(tmp_path: Path, host: str, repository: str, username: str | None) -> None:
    logins = Logins([written(tmp_path / "auth.json", {"auths": AUTHS})])
    found = await logins.find(host, repository)
    assert found == (None if username is None else Login(username, "secret"))


async def test_passwords_and_tokens(tmp_path: Path) -> None:
    path = written(tmp_path / "auth.json", {"auths": AUTHS})
    logins = Logins([path], {"quay.io": Login("given", "x")})
    assert await logins.find("quay.io", "team/app") == Login("given", "x")
    assert await logins.find("token.example.com", "a") == Login("", "", "t")
    assert await logins.find("colons.example.com", "a") == Login("me", "a:b:c")
    assert "secret" not in repr(Login("me", "secret", "secret"))


async def test_the_first_file_that_has_one_counts(tmp_path: Path) -> None:
    first = written(tmp_path / "1", {"auths": {"quay.io": entry("first")}})
    second = written(tmp_path / "2", {"auths": {"quay.io/team": entry("second"), "docker.io": entry("second")}})
    logins = Logins([first, second])
    assert await logins.find("quay.io", "team/app") == Login("first", "secret")
    assert await logins.find("docker.io", "library/nginx") == Login("second", "secret")


@pytest.fixture
def helper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A credential helper that answers what a file says, and notes what it was asked."""
    program = tmp_path / "bin" / "docker-credential-test"
    program.parent.mkdir()
    program.write_text(
        f'#!/bin/sh\nread server\necho "$1 $server" >>{tmp_path}/asked\n'
        f'cat "{tmp_path}/answers/$server" 2>/dev/null && exit 0\n'
        "echo 'credentials not found in native keychain'; exit 1\n"
    )
    program.chmod(0o755)
    (tmp_path / "answers").mkdir()
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    return tmp_path


async def test_helpers_are_asked_once_for_each_registry(helper: Path) -> None:
    written(helper / "answers" / "quay.io", {"ServerURL": "quay.io", "Username": "me", "Secret": "s"})
    written(helper / "answers" / "token.example.com", {"Username": "<token>", "Secret": "t"})
    file = {"credsStore": "test", "auths": {"registry.example.com": entry("file")}}
    logins = Logins([written(helper / "config.json", file)])
    assert await logins.find("quay.io", "a") == await logins.find("quay.io", "b") == Login("me", "s")
    assert await logins.find("token.example.com", "a") == Login("", "", "t")
    assert await logins.find("registry.example.com", "a") == Login("file", "secret")
    asked = (helper / "asked").read_text().splitlines()
    assert asked == ["get quay.io", "get token.example.com", "get registry.example.com"]


async def test_helpers_of_some_registries(helper: Path) -> None:
    written(helper / "answers" / "quay.io", {"Username": "me", "Secret": "s"})
    logins = Logins([written(helper / "config.json", {"credHelpers": {"quay.io": "test"}})])
    assert await logins.find("quay.io", "a") == Login("me", "s")
    assert await logins.find("docker.io", "library/a") is None
    assert (helper / "asked").read_text() == "get quay.io\n"


@pytest.mark.parametrize(
    ("script", "name", "problem"),
    [
        ("echo broken; exit 3", "test", "docker-credential-test: quay.io: broken"),
        ("exit 3", "test", "docker-credential-test: quay.io: exit code 3"),
        ("echo no JSON", "test", "docker-credential-test: quay.io: the answer is no JSON with Username and Secret"),
        ("", "none", "docker-credential-none: No such file or directory"),
        ("", "../x", "'../x' is no name of a credential helper"),
    ],
)
async def test_helpers_that_fail(helper: Path, script: str, name: str, problem: str) -> None:
    (helper / "bin" / "docker-credential-test").write_text(f"#!/bin/sh\n{script}\n")
    logins = Logins([written(helper / "config.json", {"credsStore": name})])
    with pytest.raises(RemoteError) as raised:
        await logins.find("quay.io", "a")
    assert str(raised.value) == problem


def test_where_logins_are_looked_for(tmp_path: Path) -> None:
    home, runtime, docker, named = (tmp_path / name for name in ("home", "run", "docker", "named.json"))
    assert login_files({}, home) == []
    paths = [
        written(runtime / "containers" / "auth.json", {}),
        written(home / ".config" / "containers" / "auth.json", {}),
        written(docker / "config.json", {}),
    ]
    environment = {"XDG_RUNTIME_DIR": str(runtime), "DOCKER_CONFIG": str(docker)}
    assert login_files(environment, home) == paths
    environment["REGISTRY_AUTH_FILE"] = str(written(named, {}))
    assert login_files(environment, home) == [named]
    assert login_files(environment, home, paths[1]) == [paths[1]]
    with pytest.raises(InputError, match="no such file; expected logins as"):
        login_files({}, home, tmp_path / "none")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("[]", "Expected `object`"),
        ('{"auths": {"quay.io": {"auth": "***"}}}', r"auths\[quay.io\]: auth: expected USER:PASSWORD in base64"),
        ('{"auths": {"quay.io": {"auth": "bm9jb2xvbg=="}}}', r"auths\[quay.io\]: auth: expected USER:PASSWORD"),
    ],
)
async def test_files_that_are_damaged_are_named(tmp_path: Path, text: str, problem: str) -> None:
    path = tmp_path / "auth.json"
    path.write_text(text)
    with pytest.raises(InputError, match=problem) as raised:
        await Logins([path]).find("quay.io", "a")
    assert str(raised.value).startswith(f"{path}: ")


def test_creds_of_the_command_line() -> None:
    assert parse_login("me:a:b") == Login("me", "a:b")
    for text in ("me", ":secret", ""):
        with pytest.raises(InputError, match="--creds: expected USER:PASSWORD") as raised:
            parse_login(text)
        assert "secret" not in str(raised.value)

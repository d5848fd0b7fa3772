"""Password files: what can be one, who is let in, and how often that is looked at."""

from __future__ import annotations

import asyncio
import base64
import json
from pathlib import Path
from typing import Any

import bcrypt
import pytest
from support.command import NOW as THEN
from support.command import ismirror
from support.registry import HOST, NOW, ask, body, header, put_image

from fake_registry import FakeRegistry, UsageError
from fake_registry.config import AccessRule, Auth, Host
from fake_registry.core import passwords, proofs
from fake_registry.core.passwords import HashedPasswords, read_htpasswd
from fake_registry.core.proofs import Proofs, User
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree


def line(name: str, password: bytes, prefix: bytes = b"2b") -> str:
    return f"{name}:{bcrypt.hashpw(password, bcrypt.gensalt(4, prefix)).decode()}"


FILE = "\n".join(
    (
        "# those who may push",
        line("me", b"secret").replace("$2b$", "$2y$"),
        "",
        line("päul", "pä:ss".encode()),
        line("long", b"x" * 72, b"2a"),
        line("me", b"other"),
    )
)


def basic(name: str, password: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(f'{name}:{password}'.encode()).decode()}"}


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """The passwords that were hashed."""
    seen: list[bytes] = []
    real = passwords._matches

    def matches(password: bytes, hashed: bytes) -> bool:
        seen.append(password)
        return real(password, hashed)

    monkeypatch.setattr(passwords, "_matches", matches)
    return seen


def core_of(path: Path, **auth: Any) -> RegistryCore:
    tree = Tree.open(path)
    put_image(tree, "app", "v1")
    rules = [AccessRule(user="me", actions=["pull", "push"]), AccessRule(actions=["pull"])]
    host = Host(auth=Auth(htpasswd=FILE, **auth), access=rules)
    return RegistryCore(tree, {HOST: host}, clock=lambda: NOW)


@pytest.mark.parametrize(
    ("name", "password", "status"),
    [
        ("me", "secret", 200),
        ("me", "other", 401),  # whose line is first
        ("me", "", 401),
        ("päul", "pä:ss", 200),
        ("long", "x" * 72, 200),
        ("long", "x" * 80, 200),  # as htpasswd and other registries have it
        ("long", "x" * 71, 401),
        ("me", "secret\0", 401),
        ("nobody", "secret", 401),
        ("", "", 401),
        ("clear", "text", 200),
    ],
)
async def test_who_is_let_in(tmp_path: Path, name: str, password: str, status: int) -> None:
    core = core_of(tmp_path, type="basic", users={"clear": "text"})
    for _ in range(2):
        response = await ask(core, "/v2/app/manifests/v1", headers=basic(name, password))
        assert response.status == status, body(response)
    assert [entry.user for entry in core.journal] == [name if status == 200 else ""] * 2


async def test_a_password_is_looked_at_once(tmp_path: Path, looks: list[bytes]) -> None:
    """Also where many come at the same time; a wrong one each time, and of nobody as of somebody."""
    core = core_of(tmp_path, type="basic")
    right, wrong, nobody = basic("me", "secret"), basic("me", "guessed"), basic("nobody", "guessed")
    asked = [ask(core, "/v2/", headers=right) for _ in range(20)]
    assert [response.status for response in await asyncio.gather(*asked)] == [200] * 20
    assert looks == [b"secret"]
    for headers in (wrong, wrong, nobody):
        assert (await ask(core, "/v2/", headers=headers)).status == 401
    assert looks == [b"secret", *[b"guessed"] * 3]
    assert (await ask(core, "/v2/app/blobs/uploads/", "POST", headers=right)).status == 202
    assert len(looks) == 4


async def test_tokens(tmp_path: Path, looks: list[bytes]) -> None:
    core = core_of(tmp_path, type="bearer")
    target = "/token?scope=repository:app:pull,push"
    assert (await ask(core, target, headers=basic("me", "wrong"))).status == 401
    token = json.loads(body(await ask(core, target, headers=basic("me", "secret"))))["token"]
    pushed = await ask(core, "/v2/app/blobs/uploads/", "POST", headers={"authorization": f"Bearer {token}"})
    assert pushed.status == 202
    assert (await ask(core, "/v2/", headers=basic("me", "secret"))).status == 401
    assert looks == [b"wrong", b"secret"]


async def test_only_so_many_are_remembered(monkeypatch: pytest.MonkeyPatch, looks: list[bytes]) -> None:
    monkeypatch.setattr(proofs, "_REMEMBERED", 2)
    users = Proofs(HashedPasswords("\n".join(line(f"user-{number}", b"x") for number in range(3))), lambda: NOW)
    for number, name in enumerate((b"user-0", b"user-1", b"user-0", b"user-2", b"user-0", b"user-2", b"user-1")):
        assert await users.user(name, b"x") == User(name.decode())
        assert len(looks) == (1, 2, 2, 3, 3, 3, 4)[number]
    assert await users.user(b"user-", b"0x") is None


async def test_who_guesses_keeps_nobody_waiting_for_long(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, looks: list[bytes]
) -> None:
    """Of those who have others before them some are sent away; those who ask for the same wait as one."""
    monkeypatch.setattr(proofs, "_MOST_WAITING", 2)
    core = core_of(tmp_path, type="basic")
    guesses = [ask(core, "/v2/", headers=basic("me", f"guess {number}")) for number in range(6)]
    right = [ask(core, "/v2/", headers=basic("me", "secret")) for _ in range(6)]
    found = await asyncio.gather(*right, *guesses)
    assert [response.status for response in found] == [200] * 6 + [401] * 2 + [429] * 4
    assert header(found[-1], "Retry-After") == "1"
    assert sorted(looks) == [b"guess 0", b"guess 1", b"secret"]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "there is nobody in it; 'htpasswd -B' adds users"),
        ("# nobody\n", "there is nobody in it; 'htpasswd -B' adds users"),
        ("me", "line 1: expected NAME:HASH, as 'htpasswd -B' writes it"),
        (f"{FILE}\n\n:x", "line 8: expected NAME:HASH, as 'htpasswd -B' writes it"),
        ("me:$apr1$x$y", "line 1: the hash of 'me' is none of bcrypt; 'htpasswd -B' makes such ones"),
        (
            "me:{SHA}5en6G6MezRroT3XKqkdPOmY/BfQ=",
            "line 1: the hash of 'me' is none of bcrypt; 'htpasswd -B' makes such ones",
        ),
        ("me:$2y$05$short", "line 1: the hash of 'me' is none of bcrypt; 'htpasswd -B' makes such ones"),
        (
            f"{FILE}\nyou:$2y$17${'a' * 53}",
            (
                "line 7: the hash of 'you' has the cost 17, which takes too long to check; expected at most 16, "
                "as 'htpasswd -B -C 12' makes it"
            ),
        ),
        ("me:plain", "line 1: the hash of 'me' is none of bcrypt; 'htpasswd -B' makes such ones"),
    ],
)
def test_what_is_no_such_file(text: str, problem: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"^(line|there)") as raised:
        read_htpasswd(text)
    assert str(raised.value) == problem
    if text:
        with pytest.raises(UsageError) as refused:
            FakeRegistry(hosts={HOST: {"auth": {"type": "basic", "htpasswd": text}}})
        assert str(refused.value) == f"hosts[{HOST!r}].auth.htpasswd: {problem}"


def test_files_beside_the_configuration(tmp_path: Path) -> None:
    """For all commands that know hosts; one that is not there is named."""
    tree = Tree.open(tmp_path / "tree")
    put_image(tree, "app", "v1")
    (tmp_path / "users").write_text(FILE)
    config = tmp_path / "policy.yaml"
    config.write_text("hosts:\n  quay.io:\n    auth: {type: bearer, htpasswd: users, anonymous: true}\n")
    imported = ("import", "--from", "quay.io/app:v1", "--data", str(tree.root), "--policy", str(config), "--now", THEN)
    assert ismirror(*imported).exit_code == 0
    spec = tmp_path / "stream.yaml"
    spec.write_text(
        "{apiVersion: image.openshift.io/v1, kind: ImageStream, metadata: {name: a}, spec: {tags: [{name: v1, "
        "from: {kind: DockerImage, name: 'quay.io/app:v1'}}]}}"
    )
    done = ismirror("preflight", str(spec), "--data", str(tree.root), "--policy", str(config), "--now", THEN)
    assert "Traceback" not in done.stderr
    assert done.exit_code == 0, done.stdout + done.stderr
    (tmp_path / "users").unlink()
    done = ismirror(*imported)
    assert (done.exit_code, done.stdout) == (2, "")
    where = f"{config}: hosts[quay.io].auth.htpasswd: {tmp_path}/users"
    assert done.stderr == f"ismirror: error: {where}: No such file or directory (line 3)\n"

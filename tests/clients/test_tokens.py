"""Real clients and tokens: realms on other hosts, logins that are kept, tokens of others, several replicas."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from support.forked import Forked
from support.round_robin import round_robin

from fake_registry import FakeRegistry
from fake_registry.fixtures import Tree, verify

pytestmark = [
    pytest.mark.clients,
    pytest.mark.skipif(shutil.which("skopeo") is None, reason="not installed: skopeo"),
]

KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC = KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
ISSUER = "https://issuer.example.com"
HOSTS = {
    "docker.io": {
        "auth": {
            "type": "bearer",
            "realm": "https://auth.docker.io/token",
            "service": "registry.docker.io",
            "users": {"me": "secret"},
        }
    },
    "auth.docker.io": {},
    "registry.example.com": {
        "auth": {"type": "bearer", "realm": f"{ISSUER}/token", "issuer": ISSUER, "keys": PUBLIC},
        "access": [{"user": "robot", "repository": "team/*", "actions": ["pull", "push"]}],
    },
}


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(hosts=HOSTS) as registry:
        registry.push_image("docker.io/team/app:1.0")
        registry.push_image("quay.io/team/app:1.0")
        yield registry


def run(registry: FakeRegistry | None, folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"HOME": str(folder), "XDG_RUNTIME_DIR": str(folder), "NO_PROXY": "*", "no_proxy": "*"}
    environment |= {} if registry is None else registry.environment()
    environment |= {"REGISTRY_AUTH_FILE": str(folder / "auth.json")}
    return subprocess.run(command, check=False, env=environment, capture_output=True, text=True)


def good(done: subprocess.CompletedProcess[str]) -> str:
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize("program", ["skopeo", "podman"])
def test_logins_where_the_realm_is_another_host(registry: FakeRegistry, tmp_path: Path, program: str) -> None:
    if shutil.which(program) is None:
        pytest.skip(f"not installed: {program}")
    wrong = run(registry, tmp_path, program, "login", "--username=me", "--password=wrong", "docker.io")
    assert wrong.returncode != 0
    good(run(registry, tmp_path, program, "login", "--username=me", "--password=secret", "docker.io"))
    asked = registry.journal.total
    target = "docker://docker.io/team/copy:1.0"
    good(run(registry, tmp_path, "skopeo", "--insecure-policy", "copy", "docker://docker.io/team/app:1.0", target))
    assert registry.digest("docker.io/team/copy:1.0") == registry.digest("docker.io/team/app:1.0")
    tokens = [entry.host for entry in list(registry.journal)[asked:] if entry.target.startswith("/token")]
    assert set(tokens) == {"auth.docker.io"}


def test_identity_tokens(registry: FakeRegistry, tmp_path: Path) -> None:
    """What ``docker login`` keeps: other clients take it from there, and ask by POST."""
    query = urllib.parse.urlencode({"service": "registry.docker.io", "offline_token": "true"})
    login = base64.b64encode(b"me:secret").decode()
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=registry.ssl_context())
    )
    url = f"{registry.url('auth.docker.io')}/token?{query}"
    with opener.open(urllib.request.Request(url, headers={"Authorization": f"Basic {login}"})) as answer:
        refresh = json.load(answer)["refresh_token"]
    kept = {"auth": base64.b64encode(b"me:").decode(), "identitytoken": refresh}
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {"docker.io": kept}}))
    good(run(registry, tmp_path, "skopeo", "inspect", "docker://docker.io/team/app:1.0"))
    methods = {entry.method for entry in registry.journal if entry.host == "auth.docker.io" and entry.user == "me"}
    assert "POST" in methods
    kept["identitytoken"] = refresh[:-4] + "AAAA"
    (tmp_path / "auth.json").write_text(json.dumps({"auths": {"docker.io": kept}}))
    assert run(registry, tmp_path, "skopeo", "inspect", "docker://docker.io/team/app:1.0").returncode != 0


@pytest.mark.parametrize(
    ("user", "repository", "taken"),
    [("robot", "team/app", True), ("robot", "other/app", False), ("somebody", "team/app", False)],
)
def test_tokens_of_another_issuer(
    registry: FakeRegistry, tmp_path: Path, user: str, repository: str, taken: bool
) -> None:
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "registry.example.com", "sub": user, "iat": now, "exp": now + 600}
    token = jwt.encode(claims, KEY, "ES256")
    target = f"registry.example.com/{repository}:1.0"
    command = ("skopeo", "--insecure-policy", "copy", f"--dest-registry-token={token}", "docker://quay.io/team/app:1.0")
    done = run(registry, tmp_path, *command, f"docker://{target}")
    assert (done.returncode == 0) == taken, done.stderr
    assert (registry.digest(target) == registry.digest("quay.io/team/app:1.0")) == taken


CONFIG = """\
hosts:
  private.example.com: {scheme: http, auth: {type: bearer, users: {me: secret}}}
"""


@contextmanager
def replica(data: Path, *options: str) -> Iterator[str]:
    """``ismirror registry`` while the block runs: the address of the host with a port of its own."""
    ports = ("--registry", "127.0.0.1:0", "--host-port", "private.example.com=0")
    with Forked(("registry", "--data", str(data), *ports, *options), os.environ) as process:
        lines = [process.stdout.readline() for _ in range(3)]
        host, _, address = lines[2].strip().partition(" listening on ")
        assert host == "private.example.com", (lines, process.communicate())
        yield address
        process.terminate()
        _, stderr = process.communicate()
        assert process.returncode == 0, stderr


async def test_replicas_behind_a_balancer(tmp_path: Path) -> None:
    """Every request goes to the other process: tokens, uploads and what is pushed are everywhere."""
    data = tmp_path / "tree"
    with FakeRegistry(data) as registry:
        registry.push_image("quay.io/team/app:1.0", platforms=["linux/amd64", "linux/arm64"])
        expected = registry.digest("quay.io/team/app:1.0")
    (tmp_path / "config.yaml").write_text(CONFIG)
    options = ("--config", str(tmp_path / "config.yaml"), "--token-key", str(tmp_path / "key"))
    with replica(data, *options) as one, replica(data, *options) as other:
        async with round_robin([one, other]) as (address, asked):
            for source, target in (
                (f"oci:{data}/registries/quay.io/team/app:1.0", f"docker://{address}/copy:1.0"),
                (f"docker://{address}/copy:1.0", f"docker://{address}/again:1.0"),
            ):
                command = ("skopeo", "--insecure-policy", "copy", "--all", "--src-tls-verify=false")
                logins = ("--src-creds=me:secret", "--dest-creds=me:secret", "--dest-tls-verify=false")
                shared = ("--src-shared-blob-dir", str(data / "blobs")) if source.startswith("oci:") else ()
                good(await asyncio.to_thread(run, None, tmp_path, *command, *logins, *shared, source, target))
    tree = Tree.open(data)
    for name in ("copy", "again"):
        snapshot = tree.snapshot("private.example.com", name)
        assert snapshot is not None
        found = snapshot.resolve("1.0")
        assert found is not None
        assert found.digest == expected
    assert list(verify(tree)) == []
    assert len({*asked}) == 2
    assert len(asked) > 20

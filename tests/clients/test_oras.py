"""oras-py pushes an artifact that refers to an image, and pulls it, over TLS with our CA and with a password."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fake_registry import FakeRegistry
from fake_registry.fixtures import verify

pytestmark = pytest.mark.clients
oras_client = pytest.importorskip("oras.client", reason="not installed: oras")
oras_oci = pytest.importorskip("oras.oci", reason="not installed: oras")

USER, PASSWORD = "me", "open-sesame"


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[FakeRegistry]:
    monkeypatch.setenv("NO_PROXY", "*")
    monkeypatch.setenv("HOME", str(tmp_path))  # no logins of the user's
    monkeypatch.chdir(tmp_path)
    login = {"username": USER, "password": PASSWORD}
    hosts = {
        "private.example.com": {"auth": {"type": "basic", **login}},
        "tokens.example.com": {"auth": {"type": "bearer", **login}},
    }
    with FakeRegistry(hosts=hosts) as registry:
        registry.push_image("private.example.com/team/app:1.0")
        yield registry
        assert list(verify(registry.tree)) == []
        assert [entry for entry in registry.journal if entry.status >= 500] == []


@contextmanager
def client(registry: FakeRegistry, backend: str, password: str = PASSWORD) -> Iterator[Any]:
    """A client that trusts the registry's authority and has a password."""
    found = oras_client.OrasClient(tls_verify=registry.ca_file, auth_backend=backend)
    found.auth.set_basic_auth(USER, password)
    try:
        yield found
    finally:
        found.session.close()


@pytest.mark.parametrize("chunked", [False, True], ids=["at once", "in chunks"])
def test_an_artifact_with_a_subject(registry: FakeRegistry, tmp_path: Path, *, chunked: bool) -> None:
    content = bytes(range(256)) * 1000
    (tmp_path / "sbom.json").write_bytes(content)
    image = registry.manifest("private.example.com/team/app:1.0")
    subject = oras_oci.Subject(
        json.loads(image)["mediaType"], registry.digest("private.example.com/team/app:1.0"), len(image)
    )
    target = registry.pull_spec("private.example.com/team/app:sbom")
    with client(registry, "basic") as oras:
        answer = oras.push(
            target,
            files=["sbom.json:application/spdx+json"],
            manifest_annotations={"org.example.made-by": "oras"},
            subject=subject,
            do_chunked=chunked,
            chunk_size=100_000,
        )
        assert (answer.status_code, answer.headers["OCI-Subject"]) == (201, subject.digest)
        (pulled,) = oras.pull(target, outdir=str(tmp_path / "out"))
        assert Path(pulled).read_bytes() == content
        address, _, _ = target.partition("/")
        listed = oras.do_request(f"https://{address}/v2/team/app/referrers/{subject.digest}").json()
        assert sorted(oras.get_tags(target)) == ["1.0", "sbom"]
    (referrer,) = listed["manifests"]
    assert referrer["digest"] == registry.digest("private.example.com/team/app:sbom")
    assert referrer["annotations"] == {"org.example.made-by": "oras"}
    assert any(entry.method == "PATCH" for entry in registry.journal) == chunked


def test_with_a_token(registry: FakeRegistry, tmp_path: Path) -> None:
    """Pulling only: where a token is good for pulling, oras-py asks for no other one to push."""
    registry.push_artifact("tokens.example.com/team/notes:1", "application/test", files={"notes.txt": "read me"})
    with client(registry, "token") as oras:
        (pulled,) = oras.pull(registry.pull_spec("tokens.example.com/team/notes:1"), outdir=str(tmp_path / "out"))
    assert Path(pulled).read_text() == "read me"
    assert [entry.status for entry in registry.journal.entries(kind="token")] == [200]

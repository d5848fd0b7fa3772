"""Kubeconfig files: new ones, merged ones, and what is no kubeconfig."""

from __future__ import annotations

import base64
import stat
from pathlib import Path

import pytest
import yaml

from mirror.api.kubeconfig import Login, write_kubeconfig
from mirror.errors import InputError

LOGIN = Login("https://127.0.0.1:6443", b"PEM", "secret")


def test_a_new_file(tmp_path: Path) -> None:
    file = tmp_path / "new" / "config"
    write_kubeconfig(file, LOGIN)
    assert yaml.safe_load(file.read_text()) == {
        "apiVersion": "v1",
        "kind": "Config",
        "preferences": {},
        "clusters": [
            {
                "name": "ismirror",
                "cluster": {
                    "server": "https://127.0.0.1:6443",
                    "certificate-authority-data": base64.b64encode(b"PEM").decode(),
                },
            }
        ],
        "users": [{"name": "ismirror", "user": {"token": "secret"}}],
        "contexts": [
            {
                "name": "ismirror",
                "context": {"cluster": "ismirror", "user": "ismirror", "namespace": "default"},
            }
        ],
        "current-context": "ismirror",
    }
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert [path.name for path in file.parent.iterdir()] == ["config"]


def test_clear_text_and_certificates(tmp_path: Path) -> None:
    file = tmp_path / "config"
    write_kubeconfig(file, Login("http://127.0.0.1:6443", certificate=b"C", key=b"K", namespace="demo"))
    found = yaml.safe_load(file.read_text())
    assert found["clusters"][0]["cluster"] == {"server": "http://127.0.0.1:6443"}
    assert found["users"][0]["user"] == {"client-certificate-data": "Qw==", "client-key-data": "Sw=="}
    assert found["contexts"][0]["context"]["namespace"] == "demo"


def test_merging_keeps_what_others_wrote(tmp_path: Path) -> None:
    file = tmp_path / "config"
    other = {"name": "prod", "cluster": {"server": "https://prod"}}
    old = {"name": "ismirror", "cluster": {"server": "https://old"}}
    file.write_text(
        yaml.safe_dump({"kind": "Config", "clusters": [old, other], "users": None, "current-context": "prod", "x": 1})
    )
    for _ in range(2):
        write_kubeconfig(file, LOGIN, merge=True)
    found = yaml.safe_load(file.read_text())
    assert [cluster["name"] for cluster in found["clusters"]] == ["prod", "ismirror"]
    assert found["clusters"][0] == other
    assert (found["current-context"], found["x"]) == ("ismirror", 1)
    assert len(found["users"]) == len(found["contexts"]) == 1


def test_without_merging_the_file_is_replaced(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("not yaml: [")
    write_kubeconfig(file, LOGIN)
    assert len(yaml.safe_load(file.read_text())["clusters"]) == 1


@pytest.mark.parametrize("content", ["- a", "kind: Secret", "clusters: 5", "a: [", "just text"])
def test_merging_with_something_else_is_refused(tmp_path: Path, content: str) -> None:
    file = tmp_path / "config"
    file.write_text(content)
    with pytest.raises(InputError, match="no kubeconfig to merge with"):
        write_kubeconfig(file, LOGIN, merge=True)
    assert file.read_text() == content


def test_an_empty_file_is_one_to_merge_with(tmp_path: Path) -> None:
    file = tmp_path / "config"
    file.write_text("")
    write_kubeconfig(file, LOGIN, merge=True)
    assert yaml.safe_load(file.read_text())["current-context"] == "ismirror"

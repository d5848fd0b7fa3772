"""``ismirror registry`` takes what clients push, where and as far as it is told to."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import served_registry
from support.pushing import SocketClient, push_blob, push_manifest
from support.registry import image

from fake_registry.fixtures import Tree, verify
from fake_registry.listening import Address


async def test_a_plain_push_to_the_address(tmp_path: Path) -> None:
    with served_registry(tmp_path / "tree") as served:
        client = SocketClient(Address("127.0.0.1", served.port), served.address)
        for data in (b"{}", b"layer"):
            await push_blob(client, "app", data)
        await push_manifest(client, "app", "v1", image())
    tree = Tree.open(tmp_path / "tree")
    assert tree.hosts() == [served.address]
    assert (tree.root / "registries" / served.address.replace(":", "_") / "app" / "index.json").is_file()
    assert list(verify(tree)) == []


@pytest.mark.parametrize(
    ("options", "config", "status", "code"),
    [
        (["--read-only"], {}, 405, "UNSUPPORTED"),
        ([], {"server": {"requireReferences": True}}, 400, "MANIFEST_BLOB_UNKNOWN"),
        ([], {"hosts": {"quay.io": {"scheme": "http", "limits": {"manifestBytes": 10}}}}, 413, "SIZE_INVALID"),
        ([], {"hosts": {"quay.io": {"scheme": "http", "access": [{"actions": ["pull"]}]}}}, 403, "DENIED"),
    ],
)
async def test_what_is_refused(
    tmp_path: Path, options: list[str], config: dict[str, object], status: int, code: str
) -> None:
    (tmp_path / "config.yaml").write_text(json.dumps(config))
    with served_registry(tmp_path / "tree", "--config", str(tmp_path / "config.yaml"), *options) as served:
        client = SocketClient(Address("127.0.0.1", served.port), "quay.io")
        reply = await client.ask("PUT", "/v2/app/manifests/v1", image())
        assert reply.status == status
        assert json.loads(reply.body)["errors"][0]["code"] == code

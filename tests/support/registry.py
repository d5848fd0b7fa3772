"""Small images in a tree, and a registry core to ask for them."""

from __future__ import annotations

import base64
import email
import email.policy
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import msgspec

from fake_registry.core.messages import FileBody, PartsBody, Request, Response
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.oci import (
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Index,
    Manifest,
    compute_digest,
)

HOST = "quay.io"
NOW = 1_700_000_000.0


class Clock:
    """A clock that stands until it is turned."""

    now = NOW

    def __call__(self) -> float:
        return self.now


def describe(data: bytes, media_type: str, **fields: Any) -> Descriptor:
    """The descriptor of some content."""
    return Descriptor(media_type=media_type, digest=compute_digest(data), size=len(data), **fields)


def image(
    config: bytes = b"{}",
    layers: Iterable[bytes] = (b"layer",),
    *,
    subject: Descriptor | None = None,
    artifact_type: str = "",
    annotations: dict[str, str] | None = None,
) -> bytes:
    """An OCI manifest."""
    return msgspec.json.encode(
        Manifest(
            schema_version=2,
            media_type=OCI_MANIFEST,
            artifact_type=artifact_type,
            config=describe(config, OCI_CONFIG),
            layers=[describe(layer, OCI_LAYER) for layer in layers],
            subject=subject,
            annotations=annotations,
        )
    )


def index(*children: bytes) -> bytes:
    """An OCI index of manifests."""
    manifests = [describe(child, OCI_MANIFEST) for child in children]
    return msgspec.json.encode(Index(schema_version=2, media_type=OCI_INDEX, manifests=manifests))


def put_image(
    tree: Tree, name: str, tag: str | None = None, config: bytes = b"{}", layers: Iterable[bytes] = (b"layer",)
) -> Descriptor:
    """Puts an image with its config and layers into a repository of quay.io."""
    layers = list(layers)
    for blob in (config, *layers):
        tree.put_blob(blob)
    return tree.put_manifest(HOST, name, image(config, layers), OCI_MANIFEST, tag)


def write_index(tree: Path, name: str, manifests: object, host: str = HOST, **fields: object) -> Path:
    """Writes an ``index.json`` as other tools do: compact, and nothing else beside it."""
    path = tree / "registries" / host / name / "index.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"schemaVersion": 2, "manifests": manifests, **fields}))
    return path


async def ask(core: RegistryCore, path: str, method: str = "GET", **fields: Any) -> Response:
    """Asks a core for a path, with its query."""
    path, _, query = path.partition("?")
    fields.setdefault("host", HOST)
    return await core.handle(Request(method, path, query, **fields))


def header(response: Response, name: str) -> str | None:
    """The only value of a header, or None."""
    values = [value for key, value in response.headers if key == name]
    assert len(values) <= 1
    return values[0] if values else None


def body(response: Response) -> bytes:
    """The body, read from its file if it is in one."""
    if isinstance(response.body, PartsBody):
        return b"".join(body(Response(200, [], part)) for part in response.body.parts)
    if isinstance(response.body, FileBody):
        with response.body.path.open("rb") as file:
            file.seek(response.body.offset)
            return file.read(response.body.length)
    return response.body


def received_parts(media_type: str | None, content: bytes) -> list[tuple[str | None, bytes]]:
    """Place and bytes of each part of an answer of type multipart/byteranges, read as MIME has it."""
    message = email.message_from_bytes(
        f"Content-Type: {media_type}\r\n\r\n".encode() + content, policy=email.policy.HTTP
    )
    assert message.get_content_type() == "multipart/byteranges"
    assert not message.defects
    parts = []
    for part in message.iter_parts():
        assert part.get_content_type() == "application/octet-stream"
        data = part.get_payload(decode=True)
        assert isinstance(data, bytes)
        parts.append((part["Content-Range"], data))
    return parts


def error(response: Response) -> dict[str, Any]:
    """The one error of an answer."""
    assert header(response, "Content-Type") == "application/json"
    document = json.loads(body(response))
    assert list(document) == ["errors"]
    assert len(document["errors"]) == 1
    found: dict[str, Any] = document["errors"][0]
    return found


def signed_schema1(layers: list[str], *, payload_only: bool = False) -> bytes:
    """A signed schema 1 manifest (newest layer first) with a signature that nobody can verify."""
    document = {
        "schemaVersion": 1,
        "name": "app",
        "tag": "old",
        "architecture": "amd64",
        "fsLayers": [{"blobSum": digest} for digest in layers],
        "history": [{"v1Compatibility": "{}"} for _ in layers],
    }
    payload = json.dumps(document, indent=3).encode()
    if payload_only:
        return payload
    protected = _base64url(json.dumps({"formatLength": len(payload) - 2, "formatTail": _base64url(b"\n}")}).encode())
    signature = {"header": {"alg": "ES256"}, "signature": "AAAA", "protected": protected}
    return payload[:-2] + b',\n   "signatures": ' + json.dumps([signature]).encode() + b"\n}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()

"""JSON that is nested deeply: Go takes ten thousand levels, Python's decoders far fewer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mirror.gotext import quote
from mirror.importer.client import RawManifest
from mirror.importer.configs import decode_config
from mirror.importer.credentials import InvalidPullSecret, Keyring, Secret
from mirror.importer.failures import ClientFailure
from mirror.importer.manifests import decode_manifest
from mirror.importer.responses import answer_failure, parse_tags
from mirror.importer.transport import Answer

OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"


def nested(levels: int, before: str = "", after: str = "") -> bytes:
    """An object with something nested in it, and before and after that the given members."""
    return f'{{{before}"x":{"[" * (levels - 1)}{"]" * (levels - 1)}{after}}}'.encode()


READERS: dict[str, tuple[Callable[[bytes], Any], str]] = {
    "tags": (parse_tags, '"tags":["a"],'),
    "manifest": (lambda data: decode_manifest(RawManifest(data, OCI)), '"schemaVersion":2,'),
    "index": (lambda data: decode_manifest(RawManifest(data, INDEX)), '"schemaVersion":2,'),
    "config": (decode_config, '"architecture":"amd64",'),
}


@pytest.mark.parametrize(("read", "before"), READERS.values(), ids=READERS)
@pytest.mark.parametrize("levels", [2, 1_000, 10_000])
def test_ten_thousand_levels_are_read(read: Callable[[bytes], Any], before: str, levels: int) -> None:
    shallow = read(f"{{{before[:-1]}}}".encode())
    deep = read(nested(levels, before))
    if hasattr(shallow, "content"):
        assert type(deep) is type(shallow)
    else:
        assert deep == shallow


@pytest.mark.parametrize(("read", "before"), READERS.values(), ids=READERS)
def test_one_more_is_refused(read: Callable[[bytes], Any], before: str) -> None:
    with pytest.raises(ClientFailure, match="exceeded max depth"):
        read(nested(10_001, before))


def test_errors_of_registries() -> None:
    found = answer_failure(Answer(404, "404 Not Found", [], nested(5_000, '"errors":[{"code":"MANIFEST_UNKNOWN"}],')))
    assert str(found) == "manifest unknown"
    body = nested(10_001)
    found = answer_failure(Answer(404, "404 Not Found", [], body))
    problem = "invalid character '[' exceeded max depth"
    assert str(found) == f"error parsing HTTP 404 response body: {problem}: {quote(body)}"


@pytest.mark.parametrize("levels", [5_000, 20_000])
def test_pull_secrets(levels: int) -> None:
    data = nested(levels, '"auths":{"quay.io":{"username":"me","password":"pass"}},')
    secret = Secret("pull", "demo", "kubernetes.io/dockerconfigjson", {".dockerconfigjson": data})
    if levels > 10_000:
        with pytest.raises(InvalidPullSecret, match="exceeded max depth"):
            Keyring.from_secrets([secret])
    else:
        (found,) = Keyring.from_secrets([secret]).lookup("quay.io/app:latest")
        assert found.username == "me"

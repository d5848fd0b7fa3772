"""OpenAPI documents: as the recorded one but for what is said of parameters; version 2 also as a protocol buffer."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.api import ask, new_cluster
from support.vectors import load

from mirror.api.app import ApiCore
from mirror.api.openapi.documents import version3
from mirror.api.protobuf import WireError, fields, message, number, text, varint
from mirror.api.routing import Call, Reply, Route

VERSIONS = "x-kubernetes-group-version-kind"
VERSIONED = "apis/image.openshift.io/v1"
PROTOBUF = "application/com.github.proto-openapi.spec.v2@v1.0+protobuf"


async def _never(call: Call) -> Reply:
    raise NotImplementedError


def _verbs(words: str) -> dict[Any, Any]:
    return dict.fromkeys(words.split(), _never)


ALL_ROUTES = {
    "images": Route(
        False, everywhere=_verbs("list watch create deletecollection"), item=_verbs("get update patch delete")
    ),
    "imagesignatures": Route(False, everywhere=_verbs("create"), item=_verbs("delete")),
    "imagestreamimages": Route(True, item=_verbs("get")),
    "imagestreamimports": Route(True, _verbs("create")),
    "imagestreammappings": Route(True, _verbs("create")),
    "imagestreams": Route(
        True,
        _verbs("list watch create deletecollection"),
        _verbs("list watch"),
        _verbs("get update patch delete"),
        {"layers": _verbs("get"), "secrets": _verbs("get"), "status": _verbs("get update patch")},
    ),
    "imagestreamtags": Route(True, _verbs("list create"), _verbs("list"), _verbs("get update patch delete")),
    "imagetags": Route(True, _verbs("list create"), _verbs("list"), _verbs("get update patch delete")),
}


def structure(value: Any) -> Any:
    """The paths of a document without their words, and without the versions of every group in which some kinds are."""
    if isinstance(value, dict):
        return {
            key: structure(item)
            for key, item in value.items()
            if not (key == "description" and isinstance(item, str))
            and not (key == "x-kubernetes-group-version-kind" and isinstance(item, list) and len(item) > 1)
        }
    return [structure(item) for item in value] if isinstance(value, list) else value


def test_the_document_of_the_group_is_the_recorded_one() -> None:
    recorded = load("oc/34-explain")["apiRequests"][1]["responseBody"]
    group = next(one for one in ApiCore(new_cluster()).groups if one.name == "image.openshift.io")
    made = json.loads(json.dumps(version3([replace(group, routes=ALL_ROUTES)], "1.34")[VERSIONED]()))
    assert structure(made["paths"]) == structure(recorded["paths"])
    schemas = made["components"]["schemas"]
    for name, schema in recorded["components"]["schemas"].items():
        for one in (schemas[name], schema):
            if len(one.get(VERSIONS, ())) > 1:  # those of every group; there are others there
                del one[VERSIONS]
        assert schemas[name] == schema
    assert set(schemas) == set(recorded["components"]["schemas"])


async def test_everything_is_described() -> None:
    found = json.loads((await ask(ApiCore(new_cluster()), "GET", f"/openapi/v3/{VERSIONED}")).body)
    for name, schema in found["components"]["schemas"].items():
        assert schema.get("description"), name
        for field, shown in schema.get("properties", {}).items():
            assert shown.get("description") or "WatchEvent" in name, f"{name}.{field}"


async def test_documents_are_found_by_their_hash() -> None:
    api = ApiCore(new_cluster())
    index = json.loads((await ask(api, "GET", "/openapi/v3")).body)["paths"]
    assert list(index) == ["apis", "apis/image.openshift.io", VERSIONED, "version"]
    for name, entry in index.items():
        response = await ask(api, "GET", entry["serverRelativeURL"])
        assert response.status == 200
        assert response.header_lines("cache-control") == ["public, immutable"]
        assert json.loads(response.body)["openapi"] == "3.0.0", name
    moved = await ask(api, "GET", f"/openapi/v3/{VERSIONED}?hash=OLD")
    assert (moved.status, moved.header_lines("location")) == (301, [index[VERSIONED]["serverRelativeURL"]])
    assert (await ask(api, "GET", "/openapi/v3/apis/other/v1")).status == 404
    assert (await ask(api, "GET", f"/openapi/v3/{VERSIONED}", accept="text/html")).status == 406


async def test_caches_are_told_that_nothing_has_changed() -> None:
    api = ApiCore(new_cluster())
    for path in ("/openapi/v2", "/openapi/v3", f"/openapi/v3/{VERSIONED}"):
        first = await ask(api, "GET", path)
        again = await ask(api, "GET", path, if_none_match=first.header_lines("etag")[0])
        assert (again.status, again.body) == (304, b"")
        packed = await ask(api, "GET", path, accept_encoding="gzip")
        assert gzip.decompress(packed.body) == first.body


def references(value: Any) -> Iterator[str]:
    if isinstance(value, dict):
        if isinstance(value.get("$ref"), str):
            yield value["$ref"]
        for item in value.values():
            yield from references(item)
    elif isinstance(value, list):
        for item in value:
            yield from references(item)


async def test_version_two() -> None:
    found = json.loads((await ask(ApiCore(new_cluster()), "GET", "/openapi/v2")).body)
    assert found["swagger"] == "2.0"
    assert "allOf" not in json.dumps(found)
    known = {f"#/definitions/{name}" for name in found["definitions"]}
    assert set(references(found)) <= known
    tags = found["definitions"]["com.github.openshift.api.image.v1.ImageStreamSpec"]["properties"]["tags"]
    assert tags["x-kubernetes-patch-merge-key"] == "name"


def named(data: bytes, field: int) -> dict[str, bytes]:
    """A map as gnostic has it."""
    entries = [dict(fields(value)) for one, value in fields(data) if one == field and isinstance(value, bytes)]
    return {entry[1].decode(): entry.get(2, b"") for entry in entries}  # type: ignore[union-attr,misc]


async def test_version_two_as_a_protocol_buffer() -> None:
    api = ApiCore(new_cluster())
    response = await ask(api, "GET", "/openapi/v2", accept=PROTOBUF)
    assert response.header_lines("content-type") == [PROTOBUF.replace("@", ".")]
    document = dict(fields(response.body))
    assert document[1] == b"2.0"
    assert isinstance(document[8], bytes)
    assert isinstance(document[9], bytes)
    as_json = json.loads((await ask(api, "GET", "/openapi/v2")).body)
    assert set(named(document[8], 2)) == set(as_json["paths"])
    definitions = named(document[9], 1)
    assert set(definitions) == set(as_json["definitions"])
    schema = dict(fields(definitions["com.github.openshift.api.image.v1.ImageStreamSpec"]))
    assert schema[22] == text(1, "object")
    properties = named(schema[25], 1)  # type: ignore[arg-type]
    assert set(properties) == {"lookupPolicy", "dockerImageRepository", "tags"}
    extensions = named(properties["tags"], 31)
    assert dict(fields(extensions["x-kubernetes-patch-merge-key"])) == {2: b"name\n"}


async def test_other_forms_are_refused() -> None:
    api = ApiCore(new_cluster())
    assert (await ask(api, "GET", "/openapi/v2", accept="text/html")).status == 406
    assert (await ask(api, "GET", "/openapi/v2", accept="application/*")).header_lines("content-type") == [
        "application/json"
    ]


@given(st.integers(-(2**63), 2**64 - 1))
def test_integers_on_the_wire(value: int) -> None:
    assert list(fields(b"\x08" + varint(value))) == [(1, value % 2**64)]


@given(st.binary(max_size=40))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        found = list(fields(data))
    except WireError:
        found = []
    assert len(found) <= len(data)


@pytest.mark.parametrize("data", [b"\x08", b"\x0a\x05ab", b"\x0b", b"\x00\x00", b"\x08" + b"\xff" * 11, b"\x0d\x00"])
def test_broken_messages(data: bytes) -> None:
    with pytest.raises(WireError):
        list(fields(data))


def test_what_is_empty_is_left_out() -> None:
    assert text(1, "") == number(1, 0) == number(1, False) == b""
    assert message(1, b"") == b"\x0a\x00"

"""Manifests, configs and answers that no registry should give: what Go's decoders make of them.

The expectations are those of Go's ``encoding/json``, ``mime`` and ``compress`` packages and of the client library.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import zlib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
import zstandard

from fake_registry.core.reasons import status_text
from mirror.clock import ManualClock, Stopwatch
from mirror.importer.engine import Importer
from mirror.importer.failures import ClientFailure
from mirror.importer.fetching import Fetcher
from mirror.importer.layers import LayerSizes
from mirror.importer.mime import parse_media_type
from mirror.importer.policy import ImportPolicy
from mirror.importer.registries import RegistriesConfig
from mirror.importer.schema1 import signed_payload
from mirror.importer.transport import Answer
from mirror.importer.wire import Wire
from mirror.v1.imagestreamimport import ImageStreamImportSpec

BASE = "/v2/ns/app"
SCHEMA2 = "application/vnd.docker.distribution.manifest.v2+json"
OCI = "application/vnd.oci.image.manifest.v1+json"
INDEX = "application/vnd.oci.image.index.v1+json"
SIGNED = "application/vnd.docker.distribution.manifest.v1+prettyjws"
PREFIX = "quay.io/ns/app:v1: "


def digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def text_of(function: Callable[[Any], Any], argument: Any) -> Any:
    """What a function gives, or the text of its failure."""
    try:
        return function(argument)
    except ClientFailure as failure:
        return str(failure)


class Bytes:
    """A transport whose answers are bytes: status, headers and body by path."""

    concurrency = 1

    def __init__(
        self, answers: dict[str, tuple[int, dict[str, str], bytes]], texts: dict[int, str] | None = None
    ) -> None:
        self.texts = texts or {}
        self.answers = {"/v2/": (200, {}, b"{}"), **answers}
        self.asked: list[str] = []

    async def send(self, method: str, scheme: str, host: str, target: str, headers: Any, **_: Any) -> Answer:
        self.asked.append(target)
        status, lines, body = self.answers.get(target, (404, {}, b"404 page not found\n"))
        return Answer(status, self.texts.get(status, status_text(status)), list(lines.items()), body)

    async def aclose(self) -> None:
        pass


async def imported(transport: Bytes, mode: str = "Legacy", **spec: Any) -> dict[str, Any]:
    """The status of an import of quay.io/ns/app:v1, or of what `spec` says."""
    source = {"from": {"kind": "DockerImage", "name": "quay.io/ns/app:v1"}, "importPolicy": {"importMode": mode}}
    wanted = msgspec.convert(spec or {"images": [source]}, ImageStreamImportSpec)
    stopwatch = Stopwatch(ManualClock(datetime(2026, 1, 2, tzinfo=UTC)))
    policy = ImportPolicy(RegistriesConfig(), maximum_tags=1)
    status = await Importer(Fetcher(Wire(transport), policy, stopwatch, LayerSizes())).run(wanted)
    found: dict[str, Any] = json.loads(msgspec.json.encode(status))
    return found


async def outcome(transport: Bytes, mode: str = "Legacy") -> str:
    """What went wrong, without the words that every such message begins with; empty if nothing did."""
    (result,) = (await imported(transport, mode))["images"]
    text: str = result["status"].get("message", "")
    return text.removeprefix("Internal error occurred: ").removeprefix(PREFIX)


def manifest(body: bytes, media_type: str, config: bytes = b"{}", **headers: str) -> Bytes:
    """A registry with one tag and one config blob."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Bytes(
        {
            f"{BASE}/manifests/v1": (200, {"content-type": media_type}, body),
            f"{BASE}/blobs/{digest(b'{}' if named else config)}": (200, named, config),
        }
    )


CONFIG_DIGEST = digest(b"{}")
LAYER_DIGEST = f"sha256:{'1' * 64}"


def oci(extra: str = "", layer: str = "") -> bytes:
    layers = f'[{{"mediaType":"l","size":10,"digest":"{LAYER_DIGEST}"{layer}}}]'
    config = f'{{"mediaType":"c","size":2,"digest":"{CONFIG_DIGEST}"}}'
    return f'{{"schemaVersion":2,"mediaType":"{OCI}","config":{config},"layers":{layers}{extra}}}'.encode()


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (oci(), ""),
        (oci(',"annotations":{"a":"b"},"subject":5,"artifactType":[],"other":{}'), ""),
        (
            oci(',"annotations":{"a":1}'),
            "json: cannot unmarshal number into Go struct field Manifest.annotations of type string",
        ),
        (
            oci(',"annotations":"x"'),
            "json: cannot unmarshal string into Go struct field Manifest.annotations of type map[string]string",
        ),
        (
            oci(layer=',"urls":"x"'),
            "json: cannot unmarshal string into Go struct field Descriptor.layers.urls of type []string",
        ),
        (
            oci(layer=',"URLS":[1]'),
            "json: cannot unmarshal number into Go struct field Descriptor.layers.urls of type string",
        ),
        (
            oci(layer=',"size":9223372036854775808'),
            f"json: cannot unmarshal number {2**63} into Go struct field Descriptor.layers.size of type int64",
        ),
        (
            oci(layer=',"platform":{"os.features":"x"}'),
            "json: cannot unmarshal string into Go struct field Platform.layers.platform.os.features of type []string",
        ),
        (oci(',"manifests":[]'), "ocimanifest: expected manifest but found index"),
        (oci(',"MANIFESTS":{}'), "ocimanifest: expected manifest but found index"),
        (oci(',"\\u006danifests":0'), "ocimanifest: expected manifest but found index"),
        (oci(',"manifests":null'), ""),
        (
            oci(f',"mediatype":"{SCHEMA2}"'),
            f"if present, mediaType in manifest should be '{OCI}' not '{SCHEMA2}'",
        ),
        (b"\xef\xbb\xbf" + oci(), "invalid character 'ï' looking for beginning of value"),
        (oci() + b"{", "invalid character '{' after top-level value"),
        (oci()[:-1], "unexpected end of JSON input"),
        (oci(f',"config":{{"digest":"{CONFIG_DIGEST[:-1]}","size":null}}'), "unknown blob"),
    ],
)
async def test_image_manifests(body: bytes, text: str) -> None:
    assert await outcome(manifest(body, OCI)) == text


async def test_what_is_there_twice_is_merged() -> None:
    """A second list of layers is decoded over the first: what it does not say stays."""
    body = oci(f',"LAYERS":[{{"mediaType":"other"}},{{"digest":"sha256:{"2" * 64}"}}]')
    (result,) = (await imported(manifest(body, OCI)))["images"]
    assert result["image"]["dockerImageLayers"] == [
        {"name": LAYER_DIGEST, "size": 10, "mediaType": "other"},
        {"name": f"sha256:{'2' * 64}", "size": 0, "mediaType": ""},
    ]


BAD_SIZE = (
    "json: cannot unmarshal string into Go struct field ManifestDescriptor.manifests.Descriptor.size of type int64"
)
BAD_FEATURE = (
    "json: cannot unmarshal number into Go struct field PlatformSpec.manifests.platform.features of type string"
)


def index(*entries: str, extra: str = "") -> bytes:
    return f'{{"schemaVersion":2,"mediaType":"{INDEX}","manifests":[{",".join(entries)}]{extra}}}'.encode()


def entry(of: str, platform: str = '"architecture":"amd64","os":"linux"', extra: str = "") -> str:
    return f'{{"mediaType":"{OCI}","size":1,"digest":"{of}","platform":{{{platform}}}{extra}}}'


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (index(entry("latest")), "invalid digest format"),
        (index(entry("")), "invalid digest format"),
        (index(entry("sha256:1234")), "invalid digest format"),
        (index(entry(LAYER_DIGEST, extra=',"size":"1"')), BAD_SIZE),
        (index(entry(LAYER_DIGEST, '"features":[1]')), BAD_FEATURE),
        (index(extra=',"config":{}'), "index: expected index but found manifest"),
        (index(extra=',"Layers":0'), "index: expected index but found manifest"),
        (index(extra=',"layers":null'), "no manifests in manifest list"),
    ],
)
async def test_lists(body: bytes, text: str) -> None:
    transport = manifest(body, INDEX)
    assert await outcome(transport) == text
    assert transport.asked == ["/v2/", f"{BASE}/manifests/v1"]


async def test_a_platform_that_is_there_twice_is_merged() -> None:
    body = index(entry(digest(oci()), '"os":"linux"', ',"platform":{"architecture":"arm64"}'))
    transport = manifest(body, INDEX)
    transport.answers[f"{BASE}/manifests/{digest(oci())}"] = (200, {"content-type": OCI}, oci())
    (result,) = (await imported(transport, "PreserveOriginal"))["images"]
    (listed,) = result["image"]["dockerImageManifests"]
    assert (listed["architecture"], listed["os"]) == ("arm64", "linux")


@pytest.mark.parametrize(
    ("config", "shown"),
    [
        (b'{"config":{"User":"1","User":null}}', {"User": "1"}),
        (b'{"config":{"Env":["a"],"Env":null}}', {}),
        (b'{"config":{"Labels":{"a":"1"},"Labels":{"b":"2"}}}', {"Labels": {"a": "1", "b": "2"}}),
        (b'{"config":{"Labels":{"a":"1"},"Labels":{}}}', {"Labels": {"a": "1"}}),
        (b'{"config":{"Labels":{"a":"1"},"Labels":null}}', {}),
        (b'{"config":{"Volumes":{"/a":{}},"volumes":{"/b":null}}}', {"Volumes": {"/a": {}, "/b": {}}}),
        (b'{"config":{"User":"1"},"Config":{"Tty":true}}', {"User": "1", "Tty": True}),
        (b'{"config":{"User":"1"},"\\u0063onfig":{"Tty":true}}', {"User": "1", "Tty": True}),
        (b'{"config":{"User":""},"CONFIG":null}', None),
        (b'{"config":{"User":"","Memory":0,"Tty":false,"Env":[],"Labels":{}}}', {}),
        (b'{"config":{"Healthcheck":7,"StopSignal":[],"Shell":{},"MacAddress":1}}', {}),
        (b'{"config":{"Labels":{"\xff":"\\ud800"}}}', {"Labels": {"\ufffd": "\ufffd"}}),
    ],
)
async def test_configs(config: bytes, shown: dict[str, Any] | None) -> None:
    body = oci().replace(CONFIG_DIGEST.encode(), digest(config).encode())
    (result,) = (await imported(manifest(body, OCI, config)))["images"]
    assert result["image"]["dockerImageMetadata"].get("Config") == shown


async def test_what_is_there_twice_is_read_twice() -> None:
    config = b'{"created":"yesterday","container_config":{"User":"1"},"container_config":null,"created":null}'
    body = oci().replace(CONFIG_DIGEST.encode(), digest(config).encode())
    (result,) = (await imported(manifest(body, OCI, config)))["images"]
    assert result["status"]["message"].endswith('cannot parse "yesterday" as "2006"')
    config = config.replace(b"yesterday", b"2020-01-02T03:04:05Z")
    body = oci().replace(CONFIG_DIGEST.encode(), digest(config).encode())
    (result,) = (await imported(manifest(body, OCI, config)))["images"]
    assert result["image"]["dockerImageMetadata"]["ContainerConfig"] == {"User": "1"}
    assert result["image"]["dockerImageMetadata"]["Created"] is None


@pytest.mark.parametrize(
    ("listed", "tags", "problem"),
    [
        (b'{"name":"x","Tags":["b","a"]}', ["a", "b"], ""),
        (b'{"TAGS":["a"],"tags":null}', [], ""),
        (b'{"tags":["b",null],"other":1}', ["b", "latest"], ""),
        (b'{"tags":["\xff"]}', ["\ufffd"], ""),
        (b"\xff", None, "invalid character 'ÿ' looking for beginning of value"),
        (b'{"tags":["a"],"tagS":1}', None, "json: cannot unmarshal number into Go struct field .tags of type []string"),
        (
            b'{"tags":["a"],"tag\xc5\xbf":{}}',
            None,
            "json: cannot unmarshal object into Go struct field .tags of type []string",
        ),
    ],
)
async def test_lists_of_tags(listed: bytes, tags: list[str] | None, problem: str) -> None:
    transport = Bytes({f"{BASE}/tags/list": (200, {}, listed)})
    repository = {"from": {"kind": "DockerImage", "name": "quay.io/ns/app"}}
    found = (await imported(transport, repository=repository))["repository"]
    if tags is None:
        assert found["status"]["message"] == f"Internal error occurred: {problem}"
        return
    imported_tags = [one["tag"] for one in found.get("images", ())]
    assert sorted(imported_tags + found.get("additionalTags", [])) == tags


NOT_EMPTY = (
    f"content integrity error: the blob retrieved with digest {CONFIG_DIGEST} "
    f"does not match the digest calculated from the content {digest(b'')}"
)


def packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def raw_deflate(content: bytes) -> bytes:
    machine = zlib.compressobj(wbits=-15)
    return machine.compress(content) + machine.flush()


def zstd(content: bytes) -> bytes:
    return zstandard.ZstdCompressor().compress(content)


@pytest.mark.parametrize(
    ("encoding", "blob", "text"),
    [
        ("gzip", packed(b"{}"), ""),
        ("GZIP", packed(b"{}"), ""),
        ("deflate", raw_deflate(b"{}"), ""),
        ("zstd", zstd(b"{}"), ""),
        # What is named last was applied last.
        ("gzip, zstd", zstd(packed(b"{}")), ""),
        ("zstd,gzip", packed(zstd(b"{}")), ""),
        ("Identity", b"{}", "unsupported Content-Encoding algorithm: identity"),
        ("gzip", b"{}{}{}{}{}", "gzip: invalid header"),
        ("zstd", b"{}{}{}{}{}", "invalid input: magic number mismatch"),
        ("gzip", b"", NOT_EMPTY),
    ],
)
async def test_encoded_configs(encoding: str, blob: bytes, text: str) -> None:
    assert await outcome(manifest(oci(), OCI, blob, content_encoding=encoding)) == text


async def test_pages_that_nobody_reads_may_be_broken() -> None:
    broken = {"content-encoding": "gzip"}
    transport = Bytes({"/v2/": (200, broken, b"no gzip"), f"{BASE}/manifests/v1": (503, broken, b"no gzip")})
    assert await outcome(transport) == "received unexpected HTTP status: 503 Service Unavailable"


@pytest.mark.parametrize(("status", "text"), [(503, "503 Service Unavailable"), (599, "599 "), (599, "599")])
async def test_statuses_are_told_as_they_were_sent(status: int, text: str) -> None:
    """Go shows what follows the protocol in the first line of an answer, a space at its end as well."""
    answer = {f"{BASE}/manifests/v1": (status, {}, b"")}
    assert await outcome(Bytes(answer, texts={status: text})) == f"received unexpected HTTP status: {text}"


@pytest.mark.parametrize(
    ("value", "media_type"),
    [
        ('text/plain; charset=utf-8; CHARSET="utf-8"', "text/plain"),
        ("text/plain; a=1; b=1; a=1;", "text/plain"),
        ("text/plain; a=1; a=2", "mime: duplicate parameter name"),
        (r'text/plain; a="\"x"; a="\"x"', "text/plain"),
        (r'text/plain; a="x; a=x', "mime: invalid media parameter"),
        ('text/plain; a=""', "text/plain"),
        ("text/plain; a=", "mime: invalid media parameter"),
        ("text/plain;;", "mime: invalid media parameter"),
        ("text/", "mime: expected token after slash"),
        ("text plain", "mime: expected slash after first token"),
        ("text/plain/x", "mime: unexpected content after media subtype"),
        ("; a=1", "mime: no media type"),
        ("text/{x}", "text/{x}"),
        ("\xa0text/plain\v; a=1\f", "text/plain"),
    ],
)
def test_media_types(value: str, media_type: str) -> None:
    assert text_of(parse_media_type, value) == media_type


def signed(*signatures: dict[str, Any]) -> bytes:
    return json.dumps({"a": 1, "signatures": signatures}).encode()


def protected(length: Any = 7, tail: Any = "fQ") -> str:
    header = {"formatLength": length, "formatTail": tail}
    return base64.urlsafe_b64encode(json.dumps(header).encode()).decode()


@pytest.mark.parametrize(
    ("signatures", "problem"),
    [
        ([{"protected": protected()}], ""),
        ([{"protected": f" {protected()}\n".replace("=", "")}], ""),
        ([{"protected": protected(), "header": {"jwk": {"kty": "RSA", "n": "AQAB", "e": "AQAB"}}}], ""),
        ([{"protected": protected(0)}, {"protected": protected()}], ""),
        ([{"protected": "a"}], "base64 decode error: illegal base64url string"),
        ([{"protected": "a*bc"}], "base64 decode error: illegal base64 data at input byte 1"),
        ([{"protected": "a=bc"}], "base64 decode error: illegal base64 data at input byte 1"),
        ([{"protected": "ab+/"}], "base64 decode error: illegal base64 data at input byte 2"),
        ([{"protected": "bnVsbA"}], "missing formatted length"),
        ([{"protected": protected("7")}], "missing formatted length"),
        ([{"protected": protected(7, 7)}], "missing formatted tail"),
        ([{"protected": protected(7, "f")}], "base64 decode error on tail: illegal base64url string"),
        ([{"protected": protected(700)}], "invalid format length"),
        # The first signature's key is looked at before the second signature is.
        ([{"protected": protected()}, {"protected": protected(8)}], "conflicting format length"),
        ([{"protected": protected()}, {"protected": protected(7, "fX0")}], "conflicting format tail"),
        (
            [{"protected": protected(), "header": {"jwk": {"kty": 1}}}, {"protected": protected(8)}],
            'error unmarshalling public key: JWK Public Key type: "kty" value must be a string',
        ),
        # What is wrong with a signature's format comes before what is wrong with its key.
        ([{"protected": protected("7"), "header": {"jwk": {}}}], "missing formatted length"),
    ],
)
def test_signatures(signatures: list[dict[str, Any]], problem: str) -> None:
    assert text_of(signed_payload, signed(*signatures)) == (problem or b'{"a": 1}')


KEY = "error unmarshalling public key: "
NO_MAP = "json: cannot unmarshal {} into Go value of type map[string]interface {{}}\n"
POINT = {"kty": "EC", "crv": "P-256", "x": "30TcIHJwAHG43BJbx95TYVc3gi5BWsQ5dHlz03YlSDA"}
Y = "SH441z6clt7uUzu48hz90t2NgEfgIvVxntWPH4rZopE"


@pytest.mark.parametrize(
    ("key", "problem"),
    [
        (POINT | {"y": Y}, ""),
        (POINT | {"y": Y, "kid": 5}, 'JWK EC Public Key ID: "kid" value must be a string'),
        ({"kty": "RSA", "n": "", "e": ""}, ""),
        (5, "decoding JWK Public Key JSON data: " + NO_MAP.format("number")),
        ([], "decoding JWK Public Key JSON data: " + NO_MAP.format("array")),
        (None, 'JWK Public Key type: "kty" value not specified'),
        ({"kty": "oct"}, 'JWK Public Key type not supported: "oct"\n'),
        ({"kty": "EC", "crv": "P-224"}, 'JWK EC Public Key curve identifier not supported: "P-224"\n'),
        ({"kty": "EC", "crv": 5}, 'JWK EC Public Key curve identifier: "crv" value must be a string'),
        (POINT, 'JWK EC Public Key y-coordinate: "y" value not specified'),
        (POINT | {"x": ""}, "JWK EC Public Key x-coordinate: invalid number of octets: got 0, should be 32"),
        (POINT | {"crv": "P-521"}, "JWK EC Public Key x-coordinate: invalid number of octets: got 32, should be 66"),
        (
            POINT | {"y": "A"},
            "JWK EC Public Key y-coordinate: invalid base64 URL encoding: illegal base64url string",
        ),
        (
            {"kty": "RSA", "n": "!!!!", "e": "AQAB"},
            "JWK RSA Public Key modulus: invalid base64 URL encoding: illegal base64 data at input byte 0",
        ),
        ({"kty": "RSA", "n": "AQAB"}, 'JWK RSA Public Key exponent: "e" value not specified'),
        ({"kty": "RSA", "n": "AQAB", "e": "AQAB", "kid": 5}, 'JWK RSA Public Key ID: "kid" value must be a string'),
    ],
)
def test_keys(key: Any, problem: str) -> None:
    """The texts are libtrust's, as the public library prints them."""
    content = signed({"protected": protected(), "header": {"jwk": key}})
    assert text_of(signed_payload, content) == (KEY + problem if problem else b'{"a": 1}')


def schema1(**more: Any) -> tuple[str, bytes]:
    """A signed schema 1 manifest: the digest of what is signed, and the whole."""
    history = [{"v1Compatibility": '{"id":"x","Size":1}'}]
    payload = json.dumps({"fsLayers": [{"blobSum": LAYER_DIGEST}], "history": history, **more}).encode()
    signature = {"protected": protected(len(payload) - 1)}
    return digest(payload), payload[:-1] + b',"signatures":' + json.dumps([signature]).encode() + b"}"


@pytest.mark.parametrize(
    ("more", "text"),
    [
        ({"schemaVersion": 1}, ""),
        ({}, 'unrecognized container image manifest schema 0 for "{}" ()'),
        ({"schemaVersion": 3}, 'unrecognized container image manifest schema 3 for "{}" ()'),
        (
            {"schemaVersion": 2},
            f'dockerImageConfig must not be empty for manifest type "{SIGNED}"',
        ),
        (
            {"schemaVersion": 2, "mediaType": "text/plain"},
            'dockerImageConfig must not be empty for manifest type "text/plain"',
        ),
    ],
)
async def test_schema_versions_of_signed_manifests(more: dict[str, Any], text: str) -> None:
    """The second pass believes what a manifest says of itself, whatever decoded it."""
    name, body = schema1(**more)
    assert await outcome(manifest(body, "application/json")) == text.format(name)


async def test_what_is_wrong_with_an_entry_takes_nothing_from_the_list() -> None:
    """The image of a list that could not be kept whole is the list's, wherever it turns up again."""
    bad = oci().replace(b'"schemaVersion":2', b'"schemaVersion":3')
    listed = index(entry(digest(bad)))
    transport = manifest(listed, INDEX)
    transport.answers[f"{BASE}/manifests/{digest(bad)}"] = (200, {"content-type": OCI}, bad)
    transport.answers[f"{BASE}/manifests/v0"] = (200, {"content-type": INDEX}, listed)
    transport.answers[f"{BASE}/tags/list"] = (200, {}, b'{"tags":["v0","v1"]}')
    policy = {"importMode": "PreserveOriginal"}
    found = await imported(
        transport,
        images=[{"from": {"kind": "DockerImage", "name": "quay.io/ns/app:v1"}, "importPolicy": policy}],
        repository={"from": {"kind": "DockerImage", "name": "quay.io/ns/app"}, "importPolicy": policy},
    )
    problem = f'Internal error occurred: unrecognized container image manifest schema 3 for "{digest(bad)}" ()'
    assert found["images"][0]["status"]["message"] == problem
    _, again = found["repository"]["images"]
    assert (again["tag"], again["image"]["metadata"]["name"]) == ("v1", digest(listed))


TOKEN_PATH = "/token?scope=repository%3Ans%2Fapp%3Apull"


@pytest.mark.parametrize(
    ("answer", "asked"),
    [
        (b'{"token":"t"}', 1),
        (b'{"token":"t","expires_in":-5}', 1),
        # So many seconds are no duration any more: the product of 64 bits may be anything, also long over.
        (b'{"token":"t","expires_in":9223372036854775807}', 2),
        (b'{"token":"t","expires_in":99999999999}', 1),
        (b'{"token":"t","expires_in":13000000000}', 2),
        (b'{"token":"t","issued_at":"9999-12-31T23:59:59Z","expires_in":3600}', 1),
        (b'{"token":"t","issued_at":"0001-01-01T00:00:01Z"}', 2),
    ],
)
async def test_lifetimes_of_tokens(answer: bytes, asked: int) -> None:
    """Once for the manifest, and once more for the config if the token is not valid any more by then."""
    transport = manifest(oci(), OCI)
    transport.answers["/v2/"] = (401, {"www-authenticate": 'Bearer realm="https://quay.io/token"'}, b"")
    transport.answers[TOKEN_PATH] = (200, {}, answer)
    assert await outcome(transport) == ""
    assert transport.asked.count(TOKEN_PATH) == asked


async def test_sizes_are_added_in_64_bits() -> None:
    largest = f'{{"size":{2**63 - 1},"digest":"sha256:{"2" * 64}"}}'
    body = oci().replace(b'"layers":[', f'"layers":[{largest},'.encode())
    (result,) = (await imported(manifest(body, OCI)))["images"]
    assert result["image"]["dockerImageMetadata"]["Size"] == -(2**63) + 11

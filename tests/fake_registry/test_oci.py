from __future__ import annotations

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from support.registry import describe, image, index, signed_schema1
from support.vectors import VECTORS

from fake_registry.errors import DigestError
from fake_registry.oci import (
    DOCKER_MANIFEST,
    DOCKER_SCHEMA1,
    DOCKER_SCHEMA1_LAYER,
    DOCKER_SCHEMA1_SIGNED,
    OCI_CONFIG,
    OCI_LAYER,
    OCI_MANIFEST,
    Descriptor,
    Links,
    compute_digest,
    is_digest,
    manifest_digest,
    manifest_links,
    matches_digest,
    parse_digest,
    signed_payload,
)

SHA256 = "sha256:" + "a" * 64


@pytest.mark.parametrize(("algorithm", "length"), [("sha256", 64), ("sha384", 96), ("sha512", 128)])
def test_digests_that_are(algorithm: str, length: int) -> None:
    digits = "0123456789abcdef" * (length // 16)
    assert parse_digest(f"{algorithm}:{digits}") == (algorithm, digits)
    assert is_digest(f"{algorithm}:{digits}")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sha256",
        "sha256:",
        "a" * 64,
        "sha256:" + "a" * 63,
        "sha256:" + "a" * 65,
        "sha256:" + "A" * 64,
        "sha256:" + "g" * 64,
        "sha256:" + "a" * 63 + "\n",
        "sha512:" + "a" * 64,
        "md5:" + "a" * 32,
        "SHA256:" + "a" * 64,
        "sha256::" + "a" * 63,
        "sha256:../" + "a" * 61,
        "sha256:" + "٣" * 64,
    ],
)
def test_digests_that_are_none(text: str) -> None:
    assert not is_digest(text)
    with pytest.raises(DigestError, match="is not a digest: expected sha256:<64 hex digits>"):
        parse_digest(text)


@given(st.text())
def test_both_readers_of_digests_agree(text: str) -> None:
    try:
        parse_digest(text)
    except DigestError:
        assert not is_digest(text)
    else:
        assert is_digest(text)


@given(st.binary(), st.sampled_from(["sha256", "sha384", "sha512"]))
def test_content_matches_its_digest_only(data: bytes, algorithm: str) -> None:
    digest = compute_digest(data, algorithm)
    assert matches_digest(data, digest)
    assert not matches_digest(data + b"x", digest)


def test_unknown_algorithm() -> None:
    with pytest.raises(DigestError, match="'md5' is not one of sha256, sha384, sha512"):
        compute_digest(b"", "md5")


def test_links_of_an_image() -> None:
    subject = describe(b"subject", OCI_MANIFEST)
    data = image(b"config", [b"one", b"two"], subject=subject, artifact_type="application/x", annotations={"k": "v"})
    assert manifest_links(data) == Links(
        length=len(data),
        media_type=OCI_MANIFEST,
        config=describe(b"config", OCI_CONFIG),
        layers=(describe(b"one", OCI_LAYER), describe(b"two", OCI_LAYER)),
        subject=subject,
        artifact_type="application/x",
        annotations={"k": "v"},
    )
    assert [link.digest for link in manifest_links(data).descriptors()] == [
        compute_digest(content) for content in (b"config", b"one", b"two", b"subject")
    ]


def test_links_of_an_index() -> None:
    children = image(b"a"), image(b"b")
    assert [child.digest for child in manifest_links(index(*children)).children] == [
        compute_digest(child) for child in children
    ]


def test_links_of_an_artifact_manifest() -> None:
    blob = {"mediaType": "a/b", "digest": SHA256, "size": 3}
    assert manifest_links(json.dumps({"blobs": [blob]}).encode()).layers == (
        Descriptor(media_type="a/b", digest=SHA256, size=3),
    )


def test_config_type_is_the_artifact_type_of_who_has_none() -> None:
    assert manifest_links(image()).artifact_type == OCI_CONFIG
    assert manifest_links(index(image())).artifact_type == ""


def test_links_of_schema_1_have_no_size() -> None:
    layers = [SHA256, "sha256:" + "b" * 64]
    assert manifest_links(signed_schema1(layers)).layers == tuple(
        Descriptor(media_type=DOCKER_SCHEMA1_LAYER, digest=digest) for digest in layers
    )


@pytest.mark.parametrize(
    "document",
    [
        {"CONFIG": {"MediaType": "a/b", "DIGEST": SHA256, "Size": 3}},
        {"config": {"mediaType": "a/b", "digest": SHA256, "size": 3, "unknown": [1]}, "more": {}},
        {"config": {"mediaType": "a/b", "digest": SHA256, "size": 3}, "layers": [7, None, {"digest": "sha256:no"}]},
    ],
)
def test_odd_manifests_lead_where_they_can(document: object) -> None:
    expected = Descriptor(media_type="a/b", digest=SHA256, size=3)
    assert list(manifest_links(json.dumps(document).encode()).descriptors()) == [expected]


@pytest.mark.parametrize("size", [-1, 1.5, "3", None, True, 1 << 63])
def test_odd_sizes_are_not_known(size: object) -> None:
    data = json.dumps({"config": {"digest": SHA256, "size": size}}).encode()
    assert [link.size for link in manifest_links(data).descriptors()] == [-1]


@pytest.mark.parametrize(
    "data",
    [b"", b"not json", b"[]", b"null", b"7", b'{"layers":{}}', b'{"config":[]}', b"[" * 100_000, b'{"a":' * 50_000],
)
def test_what_is_no_manifest_leads_nowhere(data: bytes) -> None:
    assert list(manifest_links(data).descriptors()) == []


def test_bytes_that_are_not_utf8_do_not_hide_the_rest() -> None:
    data = b'{"annotations":{"k":"\xff"},"config":{"digest":"' + SHA256.encode() + b'"}}'
    assert [link.digest for link in manifest_links(data).descriptors()] == [SHA256]


KEYS = st.sampled_from(["config", "layers", "manifests", "fsLayers", "digest", "size", "subject", "blobSum"])
LEAVES = st.none() | st.booleans() | st.integers() | st.text()
DOCUMENTS = st.recursive(LEAVES, lambda inner: st.lists(inner) | st.dictionaries(KEYS, inner))


@given(DOCUMENTS)
def test_no_document_is_too_odd_to_read(document: object) -> None:
    for link in manifest_links(json.dumps(document).encode()).descriptors():
        assert is_digest(link.digest)


def test_signed_manifest_is_named_by_its_payload() -> None:
    signed, payload = signed_schema1([SHA256]), signed_schema1([SHA256], payload_only=True)
    assert signed_payload(signed) == payload
    assert manifest_digest(signed, DOCKER_SCHEMA1_SIGNED) == compute_digest(payload)
    assert manifest_digest(signed, DOCKER_SCHEMA1, "sha512") == compute_digest(payload, "sha512")


def test_every_other_manifest_is_named_by_its_bytes() -> None:
    signed, payload = signed_schema1([SHA256]), signed_schema1([SHA256], payload_only=True)
    assert manifest_digest(signed, DOCKER_MANIFEST) == compute_digest(signed)
    assert manifest_digest(payload, DOCKER_SCHEMA1_SIGNED) == compute_digest(payload)


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    "signatures",
    [
        [],
        None,
        [{}],
        [{"protected": 7}],
        [{"protected": "!"}],
        [{"protected": encoded("[]")}],
        [{"protected": encoded('{"formatLength":1}')}],
        [{"protected": encoded('{"formatTail":"fQ"}')}],
        [{"protected": encoded('{"formatLength":"1","formatTail":"fQ"}')}],
        [{"protected": encoded('{"formatLength":-1,"formatTail":"fQ"}')}],
        [{"protected": encoded('{"formatLength":99999,"formatTail":"fQ"}')}],
        [{"protected": encoded('{"formatLength":1,"formatTail":"!"}')}],
        [{"protected": encoded(f'{{"formatLength":{n},"formatTail":"fQ"}}')} for n in (1, 2)],
        [{"protected": encoded(f'{{"formatLength":1,"formatTail":"{tail}"}}')} for tail in ("fQ", "fX0")],
    ],
)
def test_broken_signatures_have_no_payload(signatures: object) -> None:
    assert signed_payload(json.dumps({"signatures": signatures}).encode()) is None


def test_padding_and_line_breaks_in_base64url_do_not_count() -> None:
    protected = base64.urlsafe_b64encode(b'{"formatLength":2,"formatTail":"fQ= ="}').decode()
    data = json.dumps({"signatures": [{"protected": protected[:9] + "\n " + protected[9:]}]}).encode()
    assert signed_payload(data) == data[:2] + b"}"


def test_every_manifest_of_the_reference_tree_can_be_read() -> None:
    blobs = VECTORS / "tree" / "blobs" / "sha256"
    for path in sorted((VECTORS / "tree" / "registries").rglob("index.json")):
        for entry in json.loads(path.read_bytes())["manifests"]:
            data = (blobs / entry["digest"].partition(":")[2]).read_bytes()
            assert manifest_digest(data, entry["mediaType"]) == entry["digest"]
            assert manifest_links(data).length == entry["size"]

"""What a registry core answers to those who pull."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.registry import (
    HOST,
    ask,
    body,
    error,
    header,
    image,
    index,
    put_image,
    received_parts,
    signed_schema1,
    write_index,
)
from support.vectors import VECTORS

from fake_registry.config import Host
from fake_registry.core.messages import FileBody, Request, Response
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.oci import (
    DOCKER_SCHEMA1_LAYER,
    DOCKER_SCHEMA1_SIGNED,
    OCI_CONFIG,
    OCI_INDEX,
    OCI_LAYER,
    OCI_MANIFEST,
    TAG_ANNOTATION,
    compute_digest,
)

VERSION = ("Docker-Distribution-Api-Version", "registry/2.0")
ABSENT = "sha256:" + "0" * 64
REASON = "only metadata is mirrored: the content of this layer is not in the fixture tree"


NOWHERE = ("/v2/no/where/manifests/v1", f"/v2/no/where/blobs/{ABSENT}", "/v2/no/where/tags/list")
NAME_UNKNOWN = ("NAME_UNKNOWN", "repository name not known to registry", {"name": "no/where"})

Expected = tuple[str, str, dict[str, str]]


def name_invalid(name: str) -> Expected:
    return "NAME_INVALID", "invalid repository name", {"name": name}


def digest_invalid(digest: str) -> Expected:
    return "DIGEST_INVALID", "provided digest did not match uploaded content", {"digest": digest}


def page_size_invalid(count: str) -> Expected:
    return "PAGINATION_NUMBER_INVALID", "invalid number of results requested", {"n": count}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree.open(tmp_path)


@pytest.fixture
def core(tree: Tree) -> RegistryCore:
    return RegistryCore(tree)


def damage(tree: Tree, digest: str) -> None:
    """Changes the last byte of a blob."""
    path = Path(tree.store.path(digest))
    path.write_bytes(path.read_bytes()[:-1] + b"?")


async def test_ping(core: RegistryCore) -> None:
    response = await ask(core, "/v2/")
    assert (response.status, response.body) == (200, b"{}")
    assert response.headers == [("Content-Type", "application/json"), VERSION]


class TestErrors:
    """The table of a registry's own answers."""

    @pytest.fixture(autouse=True)
    def image(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")

    @pytest.mark.parametrize(
        ("path", "status", "expected"),
        [
            *((path, 404, NAME_UNKNOWN) for path in NOWHERE),
            ("/v2/app/manifests/v2", 404, ("MANIFEST_UNKNOWN", "manifest unknown", {"Tag": "v2"})),
            ("/v2/app/manifests/%C3%A9%FF", 404, ("MANIFEST_UNKNOWN", "manifest unknown", {"Tag": "é\ufffd"})),
            (f"/v2/app/manifests/{ABSENT}", 404, ("MANIFEST_UNKNOWN", "manifest unknown", {"digest": ABSENT})),
            (f"/v2/app/blobs/{ABSENT}", 404, ("BLOB_UNKNOWN", "blob unknown to registry", {"digest": ABSENT})),
            ("/v2/UPPER/manifests/v1", 400, name_invalid("UPPER")),
            ("/v2/app/../app/manifests/v1", 400, name_invalid("app/../app")),
            ("/v2/..%2F../tags/list", 400, name_invalid("../..")),
            ("/v2/app%00/tags/list", 400, name_invalid("app\0")),
            (f"/v2/UPPER/referrers/{ABSENT}", 400, name_invalid("UPPER")),
            *(
                (f"/v2/app/{kind}/{digest}", 400, digest_invalid(digest))
                for kind in ("manifests", "blobs", "referrers")
                for digest in ("sha256:abc", "md5:" + "0" * 32, "sha256:" + "A" * 64)
            ),
            *(
                (f"{path}?n={count}", 400, page_size_invalid(count))
                for path in ("/v2/app/tags/list", "/v2/_catalog")
                for count in ("-1", "x", "1.5", "9" * 30, "9223372036854775808")
            ),
        ],
    )
    async def test_errors(self, core: RegistryCore, path: str, status: int, expected: Expected) -> None:
        response = await ask(core, path)
        assert response.status == status
        assert error(response) == dict(zip(("code", "message", "detail"), expected, strict=True))
        assert VERSION in response.headers

    @pytest.mark.parametrize("path", ["/", "/v2", "/foo", "/token", "/v2/app", "/v2/app/blobs/", "/v2/app/x/y"])
    async def test_other_paths(self, core: RegistryCore, path: str) -> None:
        response = await ask(core, path)
        assert (response.status, response.body) == (404, b"404 page not found\n")
        assert header(response, "Content-Type") == "text/plain; charset=utf-8"

    @pytest.mark.parametrize("method", ["PUT", "POST", "DELETE", "PATCH", "OPTIONS"])
    @pytest.mark.parametrize(
        "path", ["/v2/", "/v2/_catalog", "/v2/app/tags/list", "/v2/app/manifests/v1", f"/v2/app/blobs/{ABSENT}"]
    )
    async def test_other_methods(self, tree: Tree, method: str, path: str) -> None:
        response = await ask(RegistryCore(tree, read_only=True), path, method)
        assert response.status == 405
        assert header(response, "Allow") == "GET, HEAD"
        assert error(response) == {"code": "UNSUPPORTED", "message": "The operation is unsupported."}

    async def test_components_that_layouts_use_are_unknown_names(self, core: RegistryCore) -> None:
        assert error(await ask(core, "/v2/app/blobs/manifests/v1"))["code"] == "NAME_UNKNOWN"

    async def test_broken_index(self, core: RegistryCore, tree: Tree) -> None:
        write_index(tree.root, "broken", {})
        response = await ask(core, "/v2/broken/tags/list")
        assert response.status == 500
        found = error(response)
        assert (found["code"], found["message"]) == ("UNKNOWN", "unknown error")
        assert found["detail"]["reason"].startswith("registries/quay.io/broken/index.json: manifests: expected array")
        assert [entry.note for entry in core.journal] == [found["detail"]["reason"]]

    @pytest.mark.parametrize("kind", ["manifests", "blobs"])
    async def test_damaged_content(self, core: RegistryCore, tree: Tree, kind: str) -> None:
        manifest = put_image(tree, "damaged", "v1", b"config").digest
        digest = manifest if kind == "manifests" else compute_digest(b"config")
        damage(tree, digest)
        response = await ask(core, f"/v2/damaged/{kind}/{digest}")
        reason = f"content of {digest} does not match its digest"
        assert response.status == 500
        assert error(response) == {
            "code": "UNKNOWN",
            "message": "unknown error",
            "detail": {"digest": digest, "reason": reason},
        }
        assert [entry.note for entry in core.journal] == [reason]

    async def test_damaged_large_layer(self, core: RegistryCore, tree: Tree) -> None:
        layer = b"x" * (2 << 20)
        put_image(tree, "large", "v1", layers=[layer])
        path = f"/v2/large/blobs/{compute_digest(layer)}"
        damage(tree, compute_digest(layer))
        for method in ("GET", "HEAD"):
            assert (await ask(core, path, method)).status == 500
        assert error(await ask(core, path))["detail"]["reason"].startswith("content of sha256:")
        tree.put_blob(layer)
        assert (await ask(core, path)).status == 200

    async def test_layer_that_goes_away_while_it_is_checked(
        self, core: RegistryCore, tree: Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        layer = b"x" * (2 << 20)
        put_image(tree, "large", "v1", layers=[layer])
        verify, path = tree.store.verify, Path(tree.store.path(compute_digest(layer)))
        monkeypatch.setattr(tree.store, "verify", lambda file, digest: (path.unlink(), verify(file, digest))[1])
        response = await ask(core, f"/v2/large/blobs/{compute_digest(layer)}")
        assert response.status == 500
        assert error(response)["detail"]["reason"].endswith("No such file or directory; expected a readable file")


class TestManifests:
    async def test_by_tag_and_digest(self, core: RegistryCore, tree: Tree) -> None:
        digest = put_image(tree, "team/app", "v1").digest
        for reference in ("v1", digest, digest.replace(":", "%3a")):
            for _ in range(2):
                response = await ask(core, f"/v2/team/app/manifests/{reference}")
                assert (response.status, response.body) == (200, image())
                assert response.headers == [
                    ("Content-Type", OCI_MANIFEST),
                    ("Docker-Content-Digest", digest),
                    VERSION,
                    ("ETag", f'"{digest}"'),
                ]

    async def test_the_answer_is_the_caller_s(self, core: RegistryCore, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        first = await ask(core, "/v2/app/manifests/v1")
        first.headers.append(("Date", "today"))
        assert ("Date", "today") not in (await ask(core, "/v2/app/manifests/v1")).headers

    async def test_a_tag_that_moves(self, core: RegistryCore, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        assert (await ask(core, "/v2/app/manifests/v1")).body == image()
        put_image(tree, "app", "v1", b"other")
        assert (await ask(core, "/v2/app/manifests/v1")).body == image(b"other")
        tree.delete_tag(HOST, "app", "v1")
        assert (await ask(core, "/v2/app/manifests/v1")).status == 404

    @pytest.mark.parametrize("accept", ["", "*/*", "application/json", "text/html"])
    async def test_accept_changes_nothing(self, core: RegistryCore, tree: Tree, accept: str) -> None:
        put_image(tree, "app", "v1")
        response = await ask(core, "/v2/app/manifests/v1", headers={"accept": accept})
        assert (response.status, header(response, "Content-Type")) == (200, OCI_MANIFEST)

    async def test_media_type_is_the_descriptor_s(self, core: RegistryCore, tree: Tree) -> None:
        tree.put_manifest(HOST, "app", image(), "application/vnd.example.unknown+json", "v1")
        response = await ask(core, "/v2/app/manifests/v1")
        assert header(response, "Content-Type") == "application/vnd.example.unknown+json"

    @pytest.mark.parametrize(
        ("media_type", "data", "expected"),
        [
            ("", image(), OCI_MANIFEST),
            ("", index(image()), OCI_INDEX),
            ("", image().replace(b'"mediaType":"application/vnd.oci.image.manifest.v1+json",', b""), OCI_MANIFEST),
            ("", b'{"manifests":[{"digest":"' + ABSENT.encode() + b'"}]}', OCI_INDEX),
            ("", signed_schema1([ABSENT]), DOCKER_SCHEMA1_SIGNED),
            ("", b"garbage", "application/octet-stream"),
            ("a/b\r\nX-Evil: 1", image(), "application/octet-stream"),
            ("é/b", image(), "application/octet-stream"),
        ],
    )
    async def test_odd_media_types(
        self, core: RegistryCore, tree: Tree, media_type: str, data: bytes, expected: str
    ) -> None:
        entry: dict[str, Any] = {"digest": tree.put_blob(data), "size": len(data)}
        write_index(tree.root, "app", [{**entry, "mediaType": media_type, "annotations": {TAG_ANNOTATION: "v1"}}])
        response = await ask(core, "/v2/app/manifests/v1")
        assert (response.status, header(response, "Content-Type")) == (200, expected)

    async def test_signed_schema_1(self, core: RegistryCore, tree: Tree) -> None:
        data = signed_schema1([ABSENT])
        digest = tree.put_manifest(HOST, "app", data, DOCKER_SCHEMA1_SIGNED, "old").digest
        response = await ask(core, f"/v2/app/manifests/{digest}")
        assert response.body == data
        assert header(response, "Docker-Content-Digest") == digest

    async def test_a_tag_that_looks_like_a_digest_leads_nowhere(self, core: RegistryCore, tree: Tree) -> None:
        wrong = put_image(tree, "app", "v1").digest
        annotations = {TAG_ANNOTATION: ABSENT}
        write_index(tree.root, "app", [{"digest": wrong, "mediaType": OCI_MANIFEST, "annotations": annotations}])
        assert (await ask(core, f"/v2/app/manifests/{ABSENT}")).status == 404

    async def test_tags_outside_the_grammar(self, core: RegistryCore, tree: Tree) -> None:
        tags = ["a+b", "a b", "sha256:abc", "é"]
        digest = tree.put_blob(image())
        write_index(tree.root, "app", [{"digest": digest, "annotations": {TAG_ANNOTATION: tag}} for tag in tags])
        assert json.loads(body(await ask(core, "/v2/app/tags/list")))["tags"] == sorted(tags)
        for tag in ("a+b", "a%20b", "sha256:abc", "%C3%A9"):
            assert (await ask(core, f"/v2/app/manifests/{tag}")).body == image()

    async def test_sha512(self, core: RegistryCore, tree: Tree) -> None:
        digest = tree.put_manifest(HOST, "app", image(), OCI_MANIFEST, "v1", algorithm="sha512").digest
        response = await ask(core, f"/v2/app/manifests/{digest}")
        assert header(response, "Docker-Content-Digest") == digest
        assert compute_digest(body(response), "sha512") == digest

    @pytest.mark.parametrize("form", ['"{}"', 'W/"{}"', '"x", "{}"', "*"])
    async def test_not_modified(self, core: RegistryCore, tree: Tree, form: str) -> None:
        digest = put_image(tree, "app", "v1").digest
        for path in ("manifests/v1", f"blobs/{compute_digest(b'layer')}"):
            wanted = form.format(digest if path.startswith("manifests") else compute_digest(b"layer"))
            for method in ("GET", "HEAD"):
                response = await ask(core, f"/v2/app/{path}", method, headers={"if-none-match": wanted})
                assert (response.status, response.body) == (304, b"")
                assert header(response, "ETag") is not None
                assert header(response, "Content-Length") is None

    async def test_modified(self, core: RegistryCore, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        response = await ask(core, "/v2/app/manifests/v1", headers={"if-none-match": f'"{ABSENT}"'})
        assert response.status == 200


class TestBlobs:
    async def test_small_and_large(self, core: RegistryCore, tree: Tree) -> None:
        large = bytes(range(256)) * 8192
        put_image(tree, "app", "v1", b"config", [large])
        for data in (b"config", large):
            response = await ask(core, f"/v2/app/blobs/{compute_digest(data)}")
            assert response.status == 200
            assert isinstance(response.body, FileBody) == (data is large)
            assert body(response) == data
            assert response.headers == [
                ("Accept-Ranges", "bytes"),
                ("Content-Type", "application/octet-stream"),
                ("Docker-Content-Digest", compute_digest(data)),
                VERSION,
                ("ETag", f'"{compute_digest(data)}"'),
            ]

    async def test_large_blob_is_checked_once_for_all_who_wait(
        self, core: RegistryCore, tree: Tree, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        large = b"x" * (2 << 20)
        put_image(tree, "app", "v1", layers=[large])
        verify, checked = tree.store.verify, []
        monkeypatch.setattr(
            tree.store, "verify", lambda file, digest: (checked.append(digest), verify(file, digest))[1]
        )
        path = f"/v2/app/blobs/{compute_digest(large)}"
        responses = await asyncio.gather(*(ask(core, path) for _ in range(8)))
        assert {response.status for response in responses} == {200}
        await ask(core, path)
        assert checked == [compute_digest(large)]

    @pytest.mark.parametrize("large", [False, True])
    @pytest.mark.parametrize(
        ("wanted", "part"),
        [
            ("bytes=0-0", slice(0, 1)),
            ("bytes=2-4", slice(2, 5)),
            ("bytes=2-", slice(2, None)),
            ("bytes=-3", slice(-3, None)),
            ("bytes=-99999999999999999999", slice(None)),
            ("bytes=0-99999999999999999999999999", slice(None)),
        ],
    )
    async def test_ranges(self, core: RegistryCore, tree: Tree, *, large: bool, wanted: str, part: slice) -> None:
        data = b"0123456789" * (200_000 if large else 1)
        put_image(tree, "app", "v1", layers=[data])
        response = await ask(core, f"/v2/app/blobs/{compute_digest(data)}", headers={"range": wanted})
        first, last, _ = part.indices(len(data))
        assert response.status == 206
        assert body(response) == data[part]
        assert header(response, "Content-Range") == f"bytes {first}-{last - 1}/{len(data)}"

    @pytest.mark.parametrize("wanted", ["bytes=10-", "bytes=10-20", "bytes=5-4", "bytes=-", "bytes=x-", "bytes=-0"])
    async def test_ranges_that_cannot_be(self, core: RegistryCore, tree: Tree, wanted: str) -> None:
        put_image(tree, "app", "v1", layers=[b"0123456789"])
        response = await ask(core, f"/v2/app/blobs/{compute_digest(b'0123456789')}", headers={"range": wanted})
        assert response.status == 416
        assert error(response)["code"] == "RANGE_INVALID"
        assert header(response, "Content-Range") == "bytes */10"

    @pytest.mark.parametrize("wanted", ["lines=0-1", "0-1", "", f"bytes={',0-0' * 65}"])
    async def test_ranges_that_are_passed_over(self, core: RegistryCore, tree: Tree, wanted: str) -> None:
        put_image(tree, "app", "v1")
        response = await ask(core, f"/v2/app/blobs/{compute_digest(b'layer')}", headers={"range": wanted})
        assert (response.status, response.body) == (200, b"layer")

    @pytest.mark.parametrize("large", [False, True])
    @pytest.mark.parametrize(
        ("wanted", "parts"),
        [
            ("bytes=0-1,4-5", [(0, 1), (4, 5)]),
            ("bytes=4-5, 0-1", [(4, 5), (0, 1)]),
            ("Bytes= 7-8 ,\t2-3,", [(7, 8), (2, 3)]),
            ("bytes=0-0,,-1,30000000-", [(0, 0), (-1, -1)]),
            ("bytes=8-8,0-2,2-4,6-6,5-5", [(8, 8), (0, 6)]),
            ("bytes=0-1,3-4,7-8,2-2", [(0, 4), (7, 8)]),
            (f"bytes={','.join(f'{n}-{n}' for n in range(64))},", None),
            ("bytes=0-4,5-,30000000-", None),
            ("bytes=0-1,1-,-3", None),
        ],
    )
    async def test_several_ranges(
        self, core: RegistryCore, tree: Tree, *, large: bool, wanted: str, parts: list[tuple[int, int]] | None
    ) -> None:
        data = b"0123456789abcdef" * (200_000 if large else 4)
        size, digest = len(data), compute_digest(data)
        put_image(tree, "app", "v1", layers=[data])
        path, headers = f"/v2/app/blobs/{digest}", {"range": wanted}
        response = await ask(core, path, headers=headers)
        assert response.status == 206
        assert (header(response, "ETag"), header(response, "Docker-Content-Digest")) == (f'"{digest}"', digest)
        if parts is None:  # one part is left, as of a request for one
            last = 63 if "," + "63-63" in wanted else size - 1
            assert header(response, "Content-Range") == f"bytes 0-{last}/{size}"
            assert body(response) == data[: last + 1]
            return
        assert header(response, "Content-Range") is None
        assert received_parts(header(response, "Content-Type"), body(response)) == [
            (f"bytes {first % size}-{last % size}/{size}", data[first % size : last % size + 1])
            for first, last in parts
        ]
        again = await ask(core, path, headers=headers)
        assert (again.headers, body(again)) == (response.headers, body(response))

    @pytest.mark.parametrize("wanted", ["bytes=10-11,20-", "bytes=0-1,5-4", "bytes=0-1,x", "bytes=,", "bytes=0-1,-"])
    async def test_several_ranges_that_cannot_be(self, core: RegistryCore, tree: Tree, wanted: str) -> None:
        put_image(tree, "app", "v1", layers=[b"0123456789"])
        response = await ask(core, f"/v2/app/blobs/{compute_digest(b'0123456789')}", headers={"range": wanted})
        assert (response.status, error(response)["code"]) == (416, "RANGE_INVALID")
        assert header(response, "Content-Range") == "bytes */10"

    @pytest.mark.parametrize("wanted", ["bytes=0-1", "bytes=0-0,4-4"])
    async def test_ranges_of_content_that_is_named(self, core: RegistryCore, tree: Tree, wanted: str) -> None:
        put_image(tree, "app", "v1")
        digest = compute_digest(b"layer")
        for names, status in {
            f'"{digest}"': 206,
            f'W/"{digest}"': 200,
            f'"{ABSENT}"': 200,
            "Wed, 21 Oct 2015 07:28:00 GMT": 200,
        }.items():
            headers = {"range": wanted, "if-range": names}
            assert (await ask(core, f"/v2/app/blobs/{digest}", headers=headers)).status == status

    async def test_head_does_not_range(self, core: RegistryCore, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        path = f"/v2/app/blobs/{compute_digest(b'layer')}"
        response = await ask(core, path, "HEAD", headers={"range": "bytes=0-1"})
        assert (response.status, header(response, "Content-Length")) == (200, "5")

    async def test_manifests_are_no_blobs_and_blobs_no_manifests(self, core: RegistryCore, tree: Tree) -> None:
        digest = put_image(tree, "app", "v1").digest
        assert (await ask(core, f"/v2/app/blobs/{digest}")).status == 404
        assert (await ask(core, f"/v2/app/manifests/{compute_digest(b'layer')}")).status == 404

    async def test_nothing_of_other_repositories(self, core: RegistryCore, tree: Tree) -> None:
        digest = put_image(tree, "private", "v1", b"secret").digest
        put_image(tree, "public", "v1", b"public")
        assert (await ask(core, f"/v2/private/blobs/{compute_digest(b'secret')}")).status == 200
        assert (await ask(core, f"/v2/public/blobs/{compute_digest(b'secret')}")).status == 404
        assert (await ask(core, f"/v2/public/manifests/{digest}")).status == 404
        assert (await ask(core, f"/v2/private/manifests/{digest}", host="docker.io")).status == 404

    async def test_deleted_at_once(self, core: RegistryCore, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        path = f"/v2/app/blobs/{compute_digest(b'layer')}"
        assert (await ask(core, path)).status == 200
        tree.delete_blob(HOST, "app", compute_digest(b"layer"))
        assert (await ask(core, path)).status == 404


class TestMetadataOnly:
    @pytest.fixture(autouse=True)
    def image(self, tree: Tree) -> None:
        tree.put_blob(b"{}")
        tree.put_manifest(HOST, "app", image(layers=[b"absent layer"]), OCI_MANIFEST, "v1")

    async def test_head_says_what_is_known(self, core: RegistryCore) -> None:
        digest = compute_digest(b"absent layer")
        response = await ask(core, f"/v2/app/blobs/{digest}", "HEAD")
        assert (response.status, response.body) == (200, b"")
        assert header(response, "Content-Length") == "12"
        assert header(response, "Content-Type") == OCI_LAYER
        assert header(response, "Docker-Content-Digest") == digest

    @pytest.mark.parametrize("headers", [{}, {"range": "bytes=0-1"}])
    async def test_get_says_why(self, core: RegistryCore, headers: dict[str, str]) -> None:
        digest = compute_digest(b"absent layer")
        response = await ask(core, f"/v2/app/blobs/{digest}", headers=headers)
        assert response.status == 404
        assert error(response) == {
            "code": "BLOB_UNKNOWN",
            "message": "blob unknown to registry",
            "detail": {"digest": digest, "reason": REASON},
        }

    async def test_layer_that_comes_later(self, core: RegistryCore, tree: Tree) -> None:
        path = f"/v2/app/blobs/{compute_digest(b'absent layer')}"
        assert (await ask(core, path)).status == 404
        tree.put_blob(b"absent layer")
        assert (await ask(core, path)).body == b"absent layer"

    async def test_absent_config_is_missing(self, core: RegistryCore, tree: Tree) -> None:
        digest = compute_digest(b"absent config")
        tree.put_manifest(HOST, "app", image(b"absent config"), OCI_MANIFEST, "v2")
        for method in ("GET", "HEAD"):
            assert (await ask(core, f"/v2/app/blobs/{digest}", method)).status == 404
        assert error(await ask(core, f"/v2/app/blobs/{digest}"))["detail"] == {"digest": digest}

    async def test_schema_1_sizes(self, core: RegistryCore, tree: Tree) -> None:
        digest = compute_digest(b"old layer")
        path = f"/v2/old/blobs/{digest}"
        tree.put_manifest(HOST, "old", signed_schema1([digest]), DOCKER_SCHEMA1_SIGNED, "old")
        assert (await ask(core, path, "HEAD")).status == 404
        assert error(await ask(core, path))["detail"]["reason"] == REASON
        tree.put_sizes({digest: 9})
        response = await ask(core, path, "HEAD")
        assert (response.status, header(response, "Content-Length")) == (200, "9")
        assert header(response, "Content-Type") == DOCKER_SCHEMA1_LAYER

    async def test_size_that_another_manifest_states(self, core: RegistryCore, tree: Tree) -> None:
        digest = compute_digest(b"absent layer")
        tree.put_manifest(HOST, "app", signed_schema1([digest]), DOCKER_SCHEMA1_SIGNED, "a-older")
        response = await ask(core, f"/v2/app/blobs/{digest}", "HEAD")
        assert (response.status, header(response, "Content-Length")) == (200, "12")


class TestHead:
    @pytest.mark.parametrize("reference", ["v1", "v2"])
    @pytest.mark.parametrize("form", ["/v2/app/manifests/{}", "/v2/app/tags/list?n={}", "/v2/", "/nowhere"])
    async def test_headers_of_get(self, core: RegistryCore, tree: Tree, form: str, reference: str) -> None:
        put_image(tree, "app", "v1")
        got, headed = await ask(core, form.format(reference)), await ask(core, form.format(reference), "HEAD")
        assert headed.status == got.status
        assert headed.body == b""
        assert headed.headers == [*got.headers, ("Content-Length", str(len(body(got))))]

    async def test_large_blob(self, core: RegistryCore, tree: Tree) -> None:
        large = b"x" * (2 << 20)
        put_image(tree, "app", "v1", layers=[large])
        response = await ask(core, f"/v2/app/blobs/{compute_digest(large)}", "HEAD")
        assert (response.status, response.body) == (200, b"")
        assert header(response, "Content-Length") == str(len(large))


class TestLists:
    TAGS = ("1.0", "Z", "_", "a", "a-b", "latest")

    @pytest.fixture(autouse=True)
    def images(self, tree: Tree) -> None:
        tree.put_manifest(HOST, "team/app", image(), OCI_MANIFEST, reversed(self.TAGS))
        for name in ("b", "a/b", "a"):
            put_image(tree, name)

    @staticmethod
    async def pages(core: RegistryCore, path: str, key: str, **fields: Any) -> list[list[str]]:
        """All pages of a list, by following the links."""
        pages = []
        while path:
            response = await ask(core, path, **fields)
            assert response.status == 200
            assert header(response, "Content-Type") == "application/json"
            pages.append(json.loads(body(response))[key])
            link = header(response, "Link")
            if link is not None:
                assert link.endswith('>; rel="next"')
            path = "" if link is None else link.partition(">")[0][1:]
        return pages

    async def test_all(self, core: RegistryCore) -> None:
        response = await ask(core, "/v2/team/app/tags/list")
        assert json.loads(body(response)) == {"name": "team/app", "tags": list(self.TAGS)}
        assert header(response, "Link") is None

    async def test_none(self, core: RegistryCore) -> None:
        assert json.loads(body(await ask(core, "/v2/a/tags/list"))) == {"name": "a", "tags": []}

    @pytest.mark.parametrize(
        ("query", "tags", "link"),
        [
            ("n=2", ["1.0", "Z"], "last=Z&n=2"),
            ("n=2&last=Z", ["_", "a"], "last=a&n=2"),
            ("n=2&last=Y", ["Z", "_"], "last=_&n=2"),
            ("n=2&last=a-b", ["latest"], None),
            ("n=6", list(TAGS), None),
            ("n=5", list(TAGS[:5]), "last=a-b&n=5"),
            ("n=9223372036854775807", list(TAGS), None),
            ("n=%2B2", ["1.0", "Z"], "last=Z&n=2"),
            ("n=0", [], None),
            ("n=0&last=a", [], None),
            ("n=", list(TAGS), None),
            ("last=a-b", ["latest"], None),
            ("last=zzz", [], None),
            ("last=zzz&n=3", [], None),
            ("n=1&n=5", ["1.0"], "last=1.0&n=1"),
            ("x=y", list(TAGS), None),
        ],
    )
    async def test_pages(self, core: RegistryCore, query: str, tags: list[str], link: str | None) -> None:
        response = await ask(core, f"/v2/team/app/tags/list?{query}")
        assert json.loads(body(response))["tags"] == tags
        assert header(response, "Link") == (link and f'</v2/team/app/tags/list?{link}>; rel="next"')

    @pytest.mark.parametrize("size", range(1, 8))
    async def test_links_lead_through_all(self, core: RegistryCore, size: int) -> None:
        pages = await self.pages(core, f"/v2/team/app/tags/list?n={size}", "tags")
        assert [tag for page in pages for tag in page] == list(self.TAGS)
        assert {len(page) for page in pages[:-1]} <= {size}

    async def test_page_size_of_the_host(self, tree: Tree) -> None:
        core = RegistryCore(tree, {HOST: Host(page=4)})
        response = await ask(core, "/v2/team/app/tags/list")
        assert header(response, "Link") == '</v2/team/app/tags/list?last=a&n=4>; rel="next"'
        assert len(await self.pages(core, "/v2/team/app/tags/list", "tags")) == 2
        assert len(await self.pages(core, "/v2/team/app/tags/list?n=1", "tags")) == 6

    async def test_links_keep_the_namespace(self, core: RegistryCore) -> None:
        path = f"/v2/team/app/tags/list?n=4&ns={HOST}"
        pages = await self.pages(core, path, "tags", host="mirror.example.com")
        assert [tag for page in pages for tag in page] == list(self.TAGS)

    async def test_odd_tags_in_links(self, core: RegistryCore, tree: Tree) -> None:
        tags = ["a&b", "c+d", "e f", "é>"]
        write_index(tree.root, "odd", [{"digest": ABSENT, "annotations": {TAG_ANNOTATION: tag}} for tag in tags])
        assert await self.pages(core, "/v2/odd/tags/list?n=1", "tags") == [[tag] for tag in tags]

    async def test_catalog(self, core: RegistryCore) -> None:
        response = await ask(core, "/v2/_catalog")
        assert json.loads(body(response)) == {"repositories": ["a", "a/b", "b", "team/app"]}
        assert await self.pages(core, "/v2/_catalog?n=3", "repositories") == [["a", "a/b", "b"], ["team/app"]]
        response = await ask(core, "/v2/_catalog", host="unknown.example.com")
        assert json.loads(body(response)) == {"repositories": []}

    async def test_many_and_paged_as_recorded(self) -> None:
        """The pages that a real importer was seen to follow."""
        core = RegistryCore(Tree.open(VECTORS / "tree"), {HOST: Host(page=4)})
        requests = json.loads((VECTORS / "scenarios" / "repository-paged.json").read_text())["requests"]
        asked = [line.split()[1].removeprefix(HOST) for line in requests if "/tags/list" in line]
        path, followed = "/v2/app/many/tags/list", []
        while path:
            followed.append(path)
            link = header(await ask(core, path), "Link")
            path = "" if link is None else link.partition(">")[0][1:]
        assert followed == asked


class TestReferrers:
    async def test_referrers(self, core: RegistryCore, tree: Tree) -> None:
        subject = put_image(tree, "app", "v1")
        sbom = image(b"{}", [b"sbom"], subject=subject, artifact_type="application/sbom", annotations={"by": "me"})
        plain = image(b"plain", subject=subject)
        for data in (sbom, plain):
            tree.put_manifest(HOST, "app", data, OCI_MANIFEST)
        response = await ask(core, f"/v2/app/referrers/{subject.digest}")
        assert (response.status, header(response, "Content-Type")) == (200, OCI_INDEX)
        assert header(response, "OCI-Filters-Applied") is None
        document = json.loads(body(response))
        assert (document["schemaVersion"], document["mediaType"]) == (2, OCI_INDEX)
        expected = {
            compute_digest(sbom): {"artifactType": "application/sbom", "annotations": {"by": "me"}, "size": len(sbom)},
            compute_digest(plain): {"artifactType": OCI_CONFIG, "size": len(plain)},
        }
        assert {entry.pop("digest"): entry for entry in document["manifests"]} == {
            digest: {"mediaType": OCI_MANIFEST, **fields} for digest, fields in expected.items()
        }

    @pytest.mark.parametrize(("wanted", "count"), [("application/sbom", 1), ("application%2Fsbom", 1), ("other", 0)])
    async def test_filter(self, core: RegistryCore, tree: Tree, wanted: str, count: int) -> None:
        subject = put_image(tree, "app", "v1")
        for kind in ("application/sbom", "application/signature"):
            tree.put_manifest(HOST, "app", image(subject=subject, artifact_type=kind), OCI_MANIFEST)
        response = await ask(core, f"/v2/app/referrers/{subject.digest}?artifactType={wanted}")
        assert header(response, "OCI-Filters-Applied") == "artifactType"
        assert len(json.loads(body(response))["manifests"]) == count

    @pytest.mark.parametrize("tag", ["{}", "anything"])
    async def test_those_that_only_an_index_of_an_older_client_leads_to(
        self, core: RegistryCore, tree: Tree, tag: str
    ) -> None:
        """The specification's "Referrers Tag Schema". What the index lists beside them refers to nothing."""
        subject = put_image(tree, "app", "v1")
        sbom, other = image(subject=subject, artifact_type="application/sbom"), image(b"other")
        for data in (sbom, other):
            tree.put_blob(data)
        tree.put_manifest(HOST, "app", index(sbom, other), OCI_INDEX, tag.format(subject.digest.replace(":", "-")))
        listed = json.loads(body(await ask(core, f"/v2/app/referrers/{subject.digest}")))["manifests"]
        assert [(entry["digest"], entry["artifactType"]) for entry in listed] == [
            (compute_digest(sbom), "application/sbom")
        ]
        assert (await ask(core, f"/v2/app/manifests/{compute_digest(sbom)}")).status == 200

    @pytest.mark.parametrize("name", ["app", "no/where"])
    async def test_none(self, core: RegistryCore, tree: Tree, name: str) -> None:
        put_image(tree, "app", "v1")
        response = await ask(core, f"/v2/{name}/referrers/{ABSENT}")
        assert response.status == 200
        assert json.loads(body(response)) == {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []}


async def test_the_whole_reference_tree() -> None:
    """Every tag of every repository, and every config and layer that its manifest names."""
    tree = Tree.open(VECTORS / "tree")
    core = RegistryCore(tree)
    for host in core.known_hosts():
        for name in tree.repositories(host):
            for tag in json.loads(body(await ask(core, f"/v2/{name}/tags/list", host=host)))["tags"]:
                manifest = await ask(core, f"/v2/{name}/manifests/{tag}", host=host)
                assert manifest.status == 200
                digest = header(manifest, "Docker-Content-Digest")
                assert compute_digest(body(manifest)) == digest
                await follow(core, host, name, manifest)


async def follow(core: RegistryCore, host: str, name: str, manifest: Response) -> None:
    try:
        document = msgspec.json.decode(body(manifest))
    except msgspec.DecodeError:
        return
    for child in document.get("manifests") or []:
        response = await ask(core, f"/v2/{name}/manifests/{child['digest']}", host=host)
        if response.status == 200:
            assert header(response, "Content-Type") == child["mediaType"]
            await follow(core, host, name, response)
    for layer in document.get("layers") or []:
        response = await ask(core, f"/v2/{name}/blobs/{layer['digest']}", "HEAD", host=host)
        assert (response.status, header(response, "Content-Length")) == (200, str(layer["size"]))
    config = document.get("config")
    if config:
        response = await ask(core, f"/v2/{name}/blobs/{config['digest']}", host=host)
        assert response.status in {200, 404}
        if response.status == 200:
            assert compute_digest(body(response)) == config["digest"]


TEXT = st.text(st.characters(codec=None, categories=None), max_size=30)


HEADERS = st.dictionaries(st.sampled_from(["range", "if-none-match", "authorization", "accept", "user-agent"]), TEXT)
PATHS = st.sampled_from(
    ["/", "/v2/", "/v2/app/manifests/", "/v2/app/blobs/", "/v2/app/tags/list", "/v2/app/referrers/"]
)


@settings(max_examples=300)
@given(
    st.builds(
        Request,
        method=st.sampled_from(["GET", "HEAD", "PUT", ""]),
        path=st.builds(str.__add__, PATHS, TEXT),
        query=TEXT | TEXT.map("n={}".format) | TEXT.map("ns={}".format) | TEXT.map("n=2&ns={}".format),
        host=st.just(HOST) | TEXT,
        headers=HEADERS,
    )
)
async def test_no_request_is_too_odd_to_answer(request_: Request) -> None:
    core = RegistryCore(Tree.open(VECTORS / "tree"))
    response = await core.handle(request_)
    assert 200 <= response.status < 500
    for name, value in response.headers:
        assert "\n" not in name + value
        assert "\r" not in name + value
    if request_.method == "HEAD":
        assert response.body == b""
    assert len(core.journal) == 1

"""What may be pushed and deleted, by whom, and what of it others get to see."""

from __future__ import annotations

import asyncio
import base64
import json
import multiprocessing
from pathlib import Path
from typing import Any

import pytest
from support.pushing import CoreClient, Reply, push_blob, push_manifest
from support.registry import HOST, describe, image, index, put_image, write_index

from fake_registry.config import AccessRule, Auth, Host
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree, collect_garbage, verify
from fake_registry.fixtures import push_manifest as push_into
from fake_registry.oci import OCI_CONFIG, OCI_INDEX, OCI_LAYER, OCI_MANIFEST, Descriptor, compute_digest

SECRET, SECRET_CONFIG = b"secret", b'{"secret":true}'
SECRET_IMAGE = image(SECRET_CONFIG, [SECRET])
SECRET_DIGESTS = [compute_digest(SECRET), compute_digest(SECRET_CONFIG)]
ODD = "application/octet-stream"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree.open(tmp_path / "tree")


@pytest.fixture
def client(tree: Tree) -> CoreClient:
    return CoreClient(RegistryCore(tree))


def indexing(*children: Descriptor) -> bytes:
    """An index of anything."""
    fields = [{"mediaType": item.media_type, "digest": item.digest, "size": item.size} for item in children]
    return json.dumps({"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": fields}).encode()


def without(tree: Tree, data: bytes) -> None:
    """Takes a blob's file out of a tree."""
    Path(tree.store.path(compute_digest(data))).unlink()


async def status(client: CoreClient, target: str, method: str = "GET") -> int:
    return (await client.ask(method, target)).status


class TestPrivacy:
    """Naming content is no way to get at it."""

    @pytest.fixture(autouse=True)
    async def private(self, tree: Tree) -> None:
        put_image(tree, "private", "v1", SECRET_CONFIG, [SECRET])
        put_image(tree, "public", "v1")

    async def unreadable(self, client: CoreClient, *more: str) -> None:
        for digest in (*SECRET_DIGESTS, *more):
            for kind in ("blobs", "manifests"):
                for method in ("GET", "HEAD"):
                    assert await status(client, f"/v2/public/{kind}/{digest}", method) == 404
        assert await status(client, "/v2/private/blobs/" + SECRET_DIGESTS[0]) == 200

    async def test_as_config_and_layer(self, client: CoreClient) -> None:
        await push_manifest(client, "public", "v2", SECRET_IMAGE)
        await self.unreadable(client)
        assert await status(client, "/v2/public/manifests/v2") == 200

    @pytest.mark.parametrize("media_type", [OCI_MANIFEST, "", ODD])
    async def test_as_child(self, client: CoreClient, media_type: str) -> None:
        secret_image = compute_digest(SECRET_IMAGE)
        await push_manifest(client, "public", "v2", indexing(describe(SECRET_IMAGE, media_type)), OCI_INDEX)
        await self.unreadable(client, secret_image)

    @pytest.mark.parametrize("first", [OCI_MANIFEST, "", ODD])
    @pytest.mark.parametrize("then", [OCI_MANIFEST, "", ODD])
    async def test_as_child_that_was_uploaded_as_a_blob(self, client: CoreClient, first: str, then: str) -> None:
        """Who has the bytes of a manifest may have them back, but not what it leads to."""
        for tag, media_type in (("a", first), ("b", then), ("c", first)):
            await push_manifest(client, "public", tag, indexing(describe(SECRET_IMAGE, media_type)), OCI_INDEX)
            await push_blob(client, "public", SECRET_IMAGE)
        await self.unreadable(client)
        assert await status(client, f"/v2/public/blobs/{compute_digest(SECRET_IMAGE)}") == 200

    async def test_as_child_that_comes_later(self, client: CoreClient) -> None:
        await push_manifest(client, "public", "v2", index(SECRET_IMAGE), OCI_INDEX)
        await push_manifest(client, "public", compute_digest(SECRET_IMAGE), SECRET_IMAGE)
        await self.unreadable(client)
        assert await status(client, f"/v2/public/manifests/{compute_digest(SECRET_IMAGE)}") == 200

    async def test_after_deleting_and_pushing_again(self, client: CoreClient, tree: Tree) -> None:
        digest = compute_digest(SECRET_IMAGE)
        for _ in range(2):
            await push_manifest(client, "public", "v2", SECRET_IMAGE)
            await self.unreadable(client)
            assert await status(client, f"/v2/public/manifests/{digest}", "DELETE") == 202
            await self.unreadable(client, digest)
        assert not (tree.root / "registries" / HOST / "public" / ".repository.json").exists()

    async def test_before_it_is_in_the_tree(self, client: CoreClient, tree: Tree) -> None:
        early = image(b"early config", [b"early"])
        await push_manifest(client, "public", "early", early)
        put_image(tree, "private", "early", b"early config", [b"early"])
        for data in (b"early config", b"early"):
            assert await status(client, f"/v2/public/blobs/{compute_digest(data)}") == 404

    async def test_who_has_the_content_may_have_it(self, client: CoreClient) -> None:
        await push_manifest(client, "public", "v2", SECRET_IMAGE)
        for data in (SECRET, SECRET_CONFIG):
            digest = await push_blob(client, "public", data)
            assert (await client.ask("GET", f"/v2/public/blobs/{digest}")).body == data
        await push_manifest(client, "public", "v3", SECRET_IMAGE)
        assert await status(client, f"/v2/public/blobs/{SECRET_DIGESTS[0]}") == 200

    async def test_others_of_the_repository_keep_what_they_have(self, client: CoreClient) -> None:
        """A digest that is hidden in one role is still served in the other."""
        child = image(b"child", [])
        await push_manifest(client, "public", compute_digest(child), child)
        await push_manifest(client, "public", "list", index(child), OCI_INDEX)
        await push_manifest(client, "public", "odd", image(b"{}", [child]))  # a manifest as a layer
        assert await status(client, f"/v2/public/manifests/{compute_digest(child)}") == 200
        layer = describe(b"layer", OCI_MANIFEST)
        await push_manifest(client, "public", "odder", indexing(layer), OCI_INDEX)  # a layer as a manifest
        assert await status(client, f"/v2/public/blobs/{layer.digest}") == 200

    async def test_referrers_lead_nowhere(self, client: CoreClient) -> None:
        referrer = image(b"{}", [], subject=describe(SECRET_IMAGE, OCI_MANIFEST))
        await push_manifest(client, "public", compute_digest(referrer), referrer)
        await self.unreadable(client, compute_digest(SECRET_IMAGE))

    async def test_repositories_below_and_hosts_beside(self, client: CoreClient) -> None:
        for other in (CoreClient(client.core, "other.example.com"), client):
            await push_manifest(other, "private/public", "v2", SECRET_IMAGE)
            assert await status(other, f"/v2/private/public/blobs/{SECRET_DIGESTS[0]}") == 404


class TestDeletion:
    async def test_what_hides_content_goes_with_its_reason(self, client: CoreClient, tree: Tree) -> None:
        memory = tree.root / "registries" / HOST / "app" / ".repository.json"
        one, other = image(b"1", [b"layer", b"one"]), image(b"2", [b"layer"])
        await push_manifest(client, "app", "1", one)
        await push_manifest(client, "app", "2", other)
        await push_manifest(client, "app", "list", index(image(b"child")), OCI_INDEX)
        said = json.loads(memory.read_bytes())
        assert set(said) == {"absentBlobs", "absentManifests"}
        assert len(said["absentBlobs"]) == 4
        for data in (one, index(image(b"child"))):
            assert await status(client, f"/v2/app/manifests/{compute_digest(data)}", "DELETE") == 202
        left = sorted([compute_digest(b"2"), compute_digest(b"layer")])
        assert json.loads(memory.read_bytes()) == {"absentBlobs": left}

    async def test_what_is_deleted_becomes_garbage(self, client: CoreClient, tree: Tree) -> None:
        for data in (b"{}", b"layer"):
            await push_blob(client, "app", data)
        digest = await push_manifest(client, "app", "v1", image())
        await push_blob(client, "other", b"layer")
        assert list(collect_garbage(tree, grace=0)) == []
        assert await status(client, f"/v2/app/manifests/{digest}", "DELETE") == 202
        gone = {item.file.rpartition("/")[2] for item in collect_garbage(tree, grace=0)}
        assert gone == {item.partition(":")[2] for item in (digest, compute_digest(b"{}"))}
        assert list(verify(tree)) == []


class TestForeignTrees:
    async def test_a_compact_index_is_added_to(self, client: CoreClient, tree: Tree) -> None:
        digest = tree.put_blob(image())
        write_index(tree.root, "app", [{"digest": digest, "mediaType": OCI_MANIFEST, "size": len(image()), "x": 1}])
        await push_manifest(client, "app", "v1", image(b"new"))
        document = json.loads((tree.root / "registries" / HOST / "app" / "index.json").read_bytes())
        assert {"digest": digest, "mediaType": OCI_MANIFEST, "size": len(image()), "x": 1} in document["manifests"]
        assert await status(client, f"/v2/app/manifests/{digest}") == 200

    async def test_blobs_of_a_repository_of_its_own_can_be_mounted(self, client: CoreClient, tree: Tree) -> None:
        own = tree.root / "registries" / HOST / "own" / "blobs" / "sha256"
        own.mkdir(parents=True)
        for data in (b"{}", b"layer", image()):
            (own / compute_digest(data).partition(":")[2]).write_bytes(data)
        entry = {"digest": compute_digest(image()), "mediaType": OCI_MANIFEST, "size": len(image())}
        write_index(tree.root, "own", [entry])
        digest = compute_digest(b"layer")
        assert tree.store.find(digest) is None
        reply = await client.ask("POST", f"/v2/app/blobs/uploads/?mount={digest}&from=own")
        assert reply.status == 201
        assert (await client.ask("GET", f"/v2/app/blobs/{digest}")).body == b"layer"

    async def test_what_is_known_by_name_only_cannot_be_mounted(self, client: CoreClient, tree: Tree) -> None:
        put_image(tree, "thin", "v1", layers=[b"layer"])
        without(tree, b"layer")
        target = f"/v2/app/blobs/uploads/?mount={compute_digest(b'layer')}&from=thin"
        assert await status(client, target, "POST") == 202

    async def test_broken_repositories_say_so(self, client: CoreClient, tree: Tree) -> None:
        write_index(tree.root, "app", {})
        for method, target in (
            ("PUT", "/v2/app/manifests/v1"),
            ("DELETE", "/v2/app/manifests/v1"),
            ("POST", f"/v2/app/blobs/uploads/?digest={compute_digest(b'')}"),
        ):
            reply = await client.ask(method, target, image() if method == "PUT" else b"")
            assert reply.status == 500
            assert b"app/index.json" in reply.body

    async def test_repositories_do_not_grow_beyond_reading(
        self, tree: Tree, client: CoreClient, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("fake_registry.fixtures.writing.MAX_INDEX", 1000)
        replies = [await client.ask("PUT", f"/v2/app/manifests/{number}", image(b"%d" % number)) for number in range(9)]
        assert {reply.status for reply in replies} == {201, 500}
        assert b"expected at most 1000" in replies[-1].body
        assert await status(client, "/v2/app/manifests/0") == 200


class TestRequiredReferences:
    @pytest.fixture
    def client(self, tree: Tree) -> CoreClient:
        return CoreClient(RegistryCore(tree, require_references=True))

    async def refused(self, client: CoreClient, data: bytes, digest: str, media_type: str = OCI_MANIFEST) -> None:
        reply = await client.ask("PUT", "/v2/app/manifests/v1", data, {"Content-Type": media_type})
        assert reply.status == 400
        (found,) = json.loads(reply.body)["errors"]
        assert (found["code"], found["detail"]["digest"]) == ("MANIFEST_BLOB_UNKNOWN", digest)

    async def test_blobs_and_children_come_first(self, client: CoreClient, tree: Tree) -> None:
        await self.refused(client, image(), compute_digest(b"{}"))
        assert not (tree.root / "registries").exists()
        await push_blob(client, "app", b"{}")
        await self.refused(client, image(), compute_digest(b"layer"))
        await push_blob(client, "app", b"layer")
        await self.refused(client, index(image()), compute_digest(image()), OCI_INDEX)
        digest = await push_manifest(client, "app", "v1", image())
        await push_manifest(client, "app", "list", index(image()), OCI_INDEX)
        assert await status(client, f"/v2/app/blobs/{compute_digest(b'layer')}", "DELETE") == 202
        await self.refused(client, image(), compute_digest(b"layer"))
        assert await status(client, f"/v2/app/manifests/{digest}") == 200

    async def test_what_others_have_does_not_count(self, client: CoreClient, tree: Tree) -> None:
        put_image(tree, "other", "v1")
        await self.refused(client, image(), compute_digest(b"{}"))

    async def test_subjects_and_foreign_layers_may_be_absent(self, client: CoreClient) -> None:
        await push_blob(client, "app", b"{}")
        for media_type in (
            "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
            "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
        ):
            data = image(layers=[b"x"], subject=describe(b"x", OCI_MANIFEST)).replace(
                OCI_LAYER.encode(), media_type.encode()
            )
            await push_manifest(client, "app", "v1", data)
        await push_manifest(client, "new", "v1", indexing(), OCI_INDEX)

    async def test_layers_that_are_only_described_count_as_there(self, client: CoreClient, tree: Tree) -> None:
        """A client that is told that a layer is there does not push it."""
        put_image(tree, "app", "v1")
        without(tree, b"layer")
        await push_manifest(client, "app", "v2", image())


async def test_read_only(tree: Tree) -> None:
    put_image(tree, "app", "v1")
    client = CoreClient(RegistryCore(tree, read_only=True))
    digest = compute_digest(b"layer")
    for method, target, allowed in (
        ("PUT", "/v2/app/manifests/v1", "GET, HEAD"),
        ("DELETE", "/v2/app/manifests/v1", "GET, HEAD"),
        ("DELETE", f"/v2/app/blobs/{digest}", "GET, HEAD"),
        ("POST", "/v2/app/blobs/uploads/", ""),
        ("POST", f"/v2/app/blobs/uploads/?mount={digest}&from=app", ""),
        *((method, "/v2/app/blobs/uploads/1", "") for method in ("GET", "PATCH", "PUT", "DELETE")),
    ):
        reply = await client.ask(method, target, b"")
        assert (reply.status, reply.header("Allow")) == (405, allowed)
        assert json.loads(reply.body)["errors"][0]["code"] == "UNSUPPORTED"
    assert await status(client, "/v2/app/manifests/v1") == 200


class TestPermissions:
    """Pushing and deleting take rights of their own."""

    def clients(self, tree: Tree, **host: Any) -> CoreClient:
        return CoreClient(RegistryCore(tree, {HOST: Host(**host)}))

    async def token(self, client: CoreClient, *scopes: str, user: str = "me") -> dict[str, str]:
        headers = {"Authorization": basic(user)} if user else {}
        query = "&".join(f"scope={scope}" for scope in scopes)
        reply = await client.ask("GET", f"/token?service={HOST}&{query}", headers=headers)
        return {"Authorization": f"Bearer {json.loads(reply.body)['token']}"}

    def challenge(self, reply: Reply) -> str:
        assert reply.status == 401
        return reply.header("WWW-Authenticate").partition("scope=")[2]

    async def test_scopes(self, tree: Tree) -> None:
        put_image(tree, "app", "v1")
        client = self.clients(tree, auth=Auth(type="bearer", username="me", password="pass", anonymous=True))
        digest = compute_digest(b"new")
        for method, target, scope in (
            ("POST", "/v2/app/blobs/uploads/", "pull,push"),
            ("PUT", "/v2/app/manifests/v2", "pull,push"),
            *((method, "/v2/app/blobs/uploads/1", "pull,push") for method in ("GET", "PATCH", "PUT", "DELETE")),
            ("DELETE", "/v2/app/manifests/v1", "delete"),
            ("DELETE", f"/v2/app/blobs/{digest}", "delete"),
        ):
            expected = f'"repository:app:{scope}"'
            assert self.challenge(await client.ask(method, target, b"")) == expected
            for lacking in ("repository:app:pull", "repository:other:*", f"repository:app/{scope}:*"):
                token = await self.token(client, lacking)
                assert self.challenge(await client.ask(method, target, b"", token)) == expected
            token = await self.token(client, "repository:app:*", user="")
            assert self.challenge(await client.ask(method, target, b"", token)) == expected
            token = await self.token(client, f"repository:app:{scope}")
            assert (await client.ask(method, target, b"", token)).status in {202, 400, 404}

    async def test_passwords(self, tree: Tree) -> None:
        client = self.clients(tree, auth=Auth(type="basic", username="me", password="pass", anonymous=True))
        target = f"/v2/app/blobs/uploads/?digest={compute_digest(b'x')}"
        assert (await client.ask("POST", target, b"x")).status == 401
        assert (await client.ask("POST", target, b"x", {"Authorization": basic("you")})).status == 401
        assert (await client.ask("POST", target, b"x", {"Authorization": basic("me")})).status == 201
        blob = f"/v2/app/blobs/{compute_digest(b'x')}"
        assert (await client.ask("GET", blob)).status == 200
        assert (await client.ask("DELETE", blob)).status == 401
        assert (await client.ask("DELETE", blob, headers={"Authorization": basic("me")})).status == 202

    async def test_rules(self, tree: Tree) -> None:
        rules = [
            AccessRule(user="", repository="open/*", actions=["pull", "push"]),
            AccessRule(repository="open/*", actions=["pull"]),
        ]
        client = self.clients(tree, access=rules)
        digest = await push_blob(client, "open/app", b"x")
        for method, target in (
            ("POST", "/v2/closed/app/blobs/uploads/"),
            ("PUT", "/v2/closed/app/manifests/v1"),
            ("DELETE", f"/v2/open/app/blobs/{digest}"),
        ):
            reply = await client.ask(method, target, b"")
            assert (reply.status, b"DENIED" in reply.body) == (403, True)

    async def test_mounting_takes_pulling_from_the_source(self, tree: Tree) -> None:
        put_image(tree, "mine", "v1")
        put_image(tree, "theirs", "v1", b"their config", [b"theirs"])
        rules = [AccessRule(repository="mine*", actions=["pull", "push"])]
        auth = Auth(type="bearer", username="me", password="pass")
        client = self.clients(tree, auth=auth, access=rules)
        token = await self.token(client, "repository:mine/new:pull,push", "repository:theirs:pull")
        for digest, query in (
            (compute_digest(b"theirs"), "&from=theirs"),
            (compute_digest(b"theirs"), ""),
            (compute_digest(b"layer"), ""),  # the user may read it elsewhere, but this token is not for that
        ):
            reply = await client.ask("POST", f"/v2/mine/new/blobs/uploads/?mount={digest}{query}", b"", token)
            assert reply.status == 202
            assert reply.header("Location").startswith("/v2/mine/new/blobs/uploads/")
        target = f"/v2/mine/new/blobs/uploads/?mount={compute_digest(b'layer')}&from=mine"
        reply = await client.ask("POST", target, b"", token)
        assert self.challenge(reply) == '"repository:mine/new:pull,push repository:mine:pull"'
        token = await self.token(client, "repository:mine/new:pull,push", "repository:mine:pull")
        for query in ("&from=mine", ""):
            target = f"/v2/mine/new/blobs/uploads/?mount={compute_digest(b'layer')}{query}"
            assert (await client.ask("POST", target, b"", token)).status == 201

    async def test_mounting_with_passwords_and_rules(self, tree: Tree) -> None:
        put_image(tree, "mine", "v1")
        put_image(tree, "theirs", "v1", b"their config", [b"theirs"])
        auth = Auth(type="basic", username="me", password="pass")
        client = self.clients(tree, auth=auth, access=[AccessRule(repository="mine*", actions=["pull", "push"])])
        for data, query, expected in (
            (b"theirs", "&from=theirs", 202),
            (b"theirs", "", 202),
            (b"layer", "&from=mine", 201),
            (b"layer", "", 201),
        ):
            target = f"/v2/mine/new/blobs/uploads/?mount={compute_digest(data)}{query}"
            assert (await client.ask("POST", target, b"", {"Authorization": basic("me")})).status == expected


def basic(user: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:pass".encode()).decode()


class TestWriters:
    """Nothing is lost between those who write at once."""

    async def test_one_tag(self, client: CoreClient, tree: Tree) -> None:
        images = [image(b"%d" % number) for number in range(30)]
        digests = await asyncio.gather(*(push_manifest(client, "app", "latest", data) for data in images))
        assert digests == [compute_digest(data) for data in images]
        for digest in digests:
            assert await status(client, f"/v2/app/manifests/{digest}") == 200
        latest = (await client.ask("HEAD", "/v2/app/manifests/latest")).header("Docker-Content-Digest")
        assert latest in digests

    def test_several_processes(self, tree: Tree) -> None:
        context = multiprocessing.get_context("spawn")
        writers = [context.Process(target=_push_many, args=(str(tree.root), number)) for number in range(3)]
        for writer in writers:
            writer.start()
        for writer in writers:
            writer.join(60)
            assert writer.exitcode == 0
        snapshot = tree.snapshot(HOST, "app")
        assert snapshot is not None
        assert snapshot.tag_names == sorted(["latest", *(f"{writer}-{at}" for writer in range(3) for at in range(10))])
        assert len(list(snapshot.manifests())) == 30
        for descriptor in snapshot.manifests():
            assert snapshot.read_manifest(descriptor) is not None
        for blob in snapshot.blobs():
            assert snapshot.find_blob(blob.descriptor.digest) is not None
        assert list(verify(tree)) == []


def _push_many(root: str, writer: int) -> None:
    async def push() -> None:
        client = CoreClient(RegistryCore(Tree.open(root)))
        await push_blob(client, "app", b"layer")
        for at in range(10):
            config = b'{"writer":%d,"at":%d}' % (writer, at)
            await push_blob(client, "app", config)
            for tag in (f"{writer}-{at}", "latest"):
                await push_manifest(client, "app", tag, image(config))

    asyncio.run(push())


def test_pushing_into_a_tree_says_what_is_absent(tree: Tree) -> None:
    tree.put_blob(b"{}")
    pushed = push_into(tree, HOST, "app", image(), OCI_MANIFEST, ["a", "b"])
    assert pushed.descriptor == describe(image(), OCI_MANIFEST)
    assert pushed.absent == [
        Descriptor(media_type=OCI_CONFIG, digest=compute_digest(b"{}"), size=2),
        Descriptor(media_type=OCI_LAYER, digest=compute_digest(b"layer"), size=5),
    ]
    tree.put_manifest(HOST, "app", image(), OCI_MANIFEST)  # whoever fills the tree knows what is in it
    snapshot = tree.snapshot(HOST, "app")
    assert snapshot is not None
    assert snapshot.blob(compute_digest(b"{}")) is not None

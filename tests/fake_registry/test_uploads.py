"""Uploads that are interrupted, contended, too large, too many or too old."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from support.pushing import CoreClient, SocketClient, with_query
from support.raw import connected
from support.registry import HOST, ask, error, header

from fake_registry.config import Host, Limits
from fake_registry.core.messages import Request
from fake_registry.core.registry import RegistryCore
from fake_registry.errors import DigestError, UploadBusy, UploadGone
from fake_registry.fixtures import Tree, Uploads
from fake_registry.oci import compute_digest
from fake_registry.server import RegistryServer

DATA = b"0123456789" * 100_000
DIGEST = compute_digest(DATA)
UPLOADS = "/v2/app/blobs/uploads/"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree.open(tmp_path / "tree")


def limited(tree: Tree, **limits: object) -> CoreClient:
    return CoreClient(RegistryCore(tree, {HOST: Host(limits=Limits(**limits))}))  # type: ignore[arg-type]


def files(tree: Tree) -> list[Path]:
    """All uploads that are under way."""
    directory = tree.root / "blobs" / ".uploads"
    return list(directory.iterdir()) if directory.exists() else []


async def begun(client: CoreClient | SocketClient) -> str:
    return (await client.ask("POST", UPLOADS)).header("Location")


async def arrived(client: CoreClient | SocketClient, location: str) -> int:
    """How many bytes of an upload have come."""
    return int((await client.ask("GET", location)).header("Range").removeprefix("0-")) + 1


class TestOnDisk:
    """The uploads of a tree, without any registry."""

    @pytest.mark.parametrize("guess", ["sha256", "sha512"])
    @pytest.mark.parametrize("algorithm", ["sha256", "sha384", "sha512"])
    def test_one_upload_in_many_hands(self, tree: Tree, guess: str, algorithm: str) -> None:
        with Uploads(tree.store).begin(HOST, "app", guess) as upload:
            upload.write(DATA[:1000])
            session = upload.session
        one, other = Uploads(tree.store), Uploads(tree.store)  # two processes
        for number, uploads in enumerate((one, other, other, one), 1):
            with uploads.open(HOST, "app", session) as upload:
                assert upload.size == uploads.size(HOST, "app", session) == number * 1000
                upload.write(DATA[number * 1000 : (number + 1) * 1000])
        digest = compute_digest(DATA[:5000], algorithm)
        with one.open(HOST, "app", session) as upload:
            upload.commit(digest)
        assert tree.store.read_blob(digest) == DATA[:5000]
        assert files(tree) == []

    def test_other_content_than_said(self, tree: Tree) -> None:
        uploads = Uploads(tree.store)
        with uploads.begin(HOST, "app") as upload:
            upload.write(b"abc")
            with pytest.raises(DigestError):
                upload.commit(compute_digest(b"abd"))
            upload.write(b"d")
            upload.commit(compute_digest(b"abcd"))
        assert tree.store.find(compute_digest(b"abd")) is None
        assert tree.store.read_blob(compute_digest(b"abcd")) == b"abcd"

    def test_taking_back(self, tree: Tree) -> None:
        with Uploads(tree.store).begin(HOST, "app") as upload:
            upload.write(b"abcdef")
            upload.cut(3)
            upload.write(b"x")
            upload.commit(compute_digest(b"abcx"))

    def test_one_writer_at_a_time(self, tree: Tree) -> None:
        one, other = Uploads(tree.store), Uploads(tree.store)
        with one.begin(HOST, "app") as upload:
            for uploads in (one, other):
                with pytest.raises(UploadBusy):
                    uploads.open(HOST, "app", upload.session)
            assert other.sweep(age=-1) == []
        other.open(HOST, "app", upload.session).__exit__(None, None, None)

    @pytest.mark.parametrize(
        ("host", "name", "session"),
        [(HOST, "other", None), ("other", "app", None), (HOST, "app", "../../x"), (HOST, "app", "0" * 36)],
    )
    def test_only_where_it_belongs(self, tree: Tree, host: str, name: str, session: str | None) -> None:
        uploads = Uploads(tree.store)
        with uploads.begin(HOST, "app") as upload:
            session = session or upload.session
        for act in (uploads.open, uploads.size, uploads.cancel):
            with pytest.raises(UploadGone):
                act(host, name, session)

    def test_cancelled_while_somebody_writes(self, tree: Tree) -> None:
        uploads = Uploads(tree.store)
        with uploads.begin(HOST, "app") as upload:
            uploads.cancel(HOST, "app", upload.session)
            upload.write(b"abc")
            with pytest.raises(UploadGone):
                upload.sync()
            with pytest.raises(UploadGone):
                upload.commit(compute_digest(b"abc"))
        assert tree.store.find(compute_digest(b"abc")) is None

    def test_links_are_no_uploads(self, tree: Tree, tmp_path: Path) -> None:
        secret = tmp_path / "secret"
        secret.write_bytes(b"secret")
        uploads = Uploads(tree.store)
        with uploads.begin(HOST, "app") as upload:
            session = upload.session
        (file,) = files(tree)
        file.unlink()
        file.symlink_to(secret)
        with pytest.raises(Exception, match="expected to be able to write there"):
            uploads.open(HOST, "app", session)
        uploads.sweep(age=-1)
        assert secret.read_bytes() == b"secret"

    def test_the_abandoned_are_swept(self, tree: Tree) -> None:
        uploads = Uploads(tree.store)
        for host in (HOST, HOST, "other.example.com"):
            uploads.begin(host, "app").__exit__(None, None, None)
        for file in files(tree):
            os.utime(file, (1, 1))
        uploads.begin(HOST, "app").__exit__(None, None, None)
        assert uploads.count(HOST) == 3
        assert len(uploads.sweep(HOST, dry_run=True)) == 2
        assert len(uploads.sweep(HOST)) == 2
        assert uploads.count(HOST) == 1
        assert len(uploads.sweep()) == 1


class TestInterruptions:
    async def test_going_on_after_a_restart(self, tree: Tree) -> None:
        location = await begun(CoreClient(RegistryCore(tree)))
        reply = await CoreClient(RegistryCore(tree)).ask("PATCH", location, DATA[:700_000])
        assert (reply.status, reply.header("Range")) == (202, "0-699999")
        reply = await CoreClient(RegistryCore(Tree.open(tree.root))).ask("GET", location)
        assert (reply.status, reply.header("Range")) == (204, "0-699999")
        reply = await CoreClient(RegistryCore(tree)).ask(
            "PUT", with_query(location, f"digest={DIGEST}"), DATA[700_000:]
        )
        assert reply.status == 201
        assert (await CoreClient(RegistryCore(tree)).ask("GET", f"/v2/app/blobs/{DIGEST}")).body == DATA

    async def test_what_came_of_a_body_that_breaks_off_stays(self, tree: Tree) -> None:
        async with RegistryServer(RegistryCore(tree)) as server:
            address = await server.start()
            client = SocketClient(address)
            location = await begun(client)
            async with connected(address) as wire:
                head = f"PATCH {location} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: {len(DATA)}\r\n\r\n"
                await wire.send(head.encode() + DATA[:600_000])
                while await arrived(client, location) < 500_000:
                    pass
            status = 409
            while status in {409, 416}:  # until the server has noticed that nothing more comes
                size = await arrived(client, location)
                assert 500_000 <= size <= 600_000
                sent = {"Content-Range": f"{size}-{len(DATA) - 1}"}
                reply = await client.ask("PUT", with_query(location, f"digest={DIGEST}"), DATA[size:], sent)
                status = reply.status
            assert status == 201
            assert (await client.ask("GET", f"/v2/app/blobs/{DIGEST}")).body == DATA

    async def test_clients_that_stop_are_given_up(self, tree: Tree) -> None:
        async with RegistryServer(RegistryCore(tree), stall=0.5) as server:
            address = await server.start()
            location = await begun(SocketClient(address))
            async with connected(address) as wire:
                await wire.send(f"PATCH {location} HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 9\r\n\r\nabc".encode())
                assert await wire.rest() == b""
            assert (await SocketClient(address).ask("GET", location)).header("Range") == "0-2"

    async def test_two_writers(self, tree: Tree) -> None:
        core = RegistryCore(tree)
        client = CoreClient(core)
        location = await begun(client)
        arrived, go_on = asyncio.Event(), asyncio.Event()

        async def body() -> AsyncIterator[bytes]:
            arrived.set()
            await go_on.wait()
            yield b"abc"

        first = asyncio.create_task(core.handle(Request("PATCH", location, host=HOST, body=body())))
        await arrived.wait()
        second = await ask(core, location, "PATCH")
        assert (second.status, error(second)["code"]) == (409, "BLOB_UPLOAD_INVALID")
        go_on.set()
        assert header(await first, "Range") == "0-2"

    async def test_cancelled_in_the_middle(self, tree: Tree) -> None:
        core = RegistryCore(tree)
        client = CoreClient(core)
        location = await begun(client)

        async def body() -> AsyncIterator[bytes]:
            yield b"abc"
            assert (await client.ask("DELETE", location)).status == 204
            yield b"def"

        response = await core.handle(Request("PATCH", location, host=HOST, body=body()))
        assert (response.status, error(response)["code"]) == (404, "BLOB_UPLOAD_UNKNOWN")


class TestLimits:
    @pytest.mark.parametrize("body", [b"x" * 11, [b"x" * 6, b"x" * 5]])
    async def test_size_of_a_blob(self, tree: Tree, body: bytes | list[bytes]) -> None:
        client = limited(tree, blob_bytes=10)
        assert (await client.ask("POST", f"{UPLOADS}?digest={compute_digest(b'x' * 10)}", b"x" * 10)).status == 201
        for target in (f"{UPLOADS}?digest={compute_digest(b'x' * 11)}", await begun(client)):
            reply = await client.ask("POST" if "digest" in target else "PATCH", target, body)
            assert reply.status == 413
            assert b"SIZE_INVALID" in reply.body
            assert b"more than 10 bytes" in reply.body

    async def test_size_of_a_blob_in_chunks(self, tree: Tree) -> None:
        client = limited(tree, blob_bytes=10)
        location = await begun(client)
        assert (await client.ask("PATCH", location, b"x" * 6)).status == 202
        assert (await client.ask("PATCH", location, b"x" * 5)).status == 413
        assert (await client.ask("PATCH", location, b"x" * 4)).status == 202
        assert (await client.ask("PATCH", location, [b"x"])).status == 413  # seen in the middle: the upload is gone
        assert (await client.ask("GET", location)).status == 404
        assert files(tree) == []

    async def test_uploads_under_way(self, tree: Tree) -> None:
        client = limited(tree, uploads=2)
        locations = [await begun(client) for _ in range(2)]
        for target in (UPLOADS, f"{UPLOADS}?digest={DIGEST}"):
            reply = await client.ask("POST", target, b"")
            assert (reply.status, reply.header("Retry-After")) == (429, "1")
            assert b"TOOMANYREQUESTS" in reply.body
        other = CoreClient(client.core, "other.example.com")
        assert (await other.ask("POST", UPLOADS)).status == 202
        assert (await client.ask("DELETE", locations[0])).status == 204
        assert (await client.ask("POST", UPLOADS)).status == 202

    async def test_age_of_an_upload(self, tree: Tree) -> None:
        client = limited(tree, uploads=1, upload_age="1h")
        location = await begun(client)
        (file,) = files(tree)
        os.utime(file, (file.stat().st_mtime - 1800,) * 2)
        assert (await client.ask("POST", UPLOADS)).status == 429
        os.utime(file, (file.stat().st_mtime - 1801,) * 2)
        assert (await client.ask("POST", UPLOADS)).status == 202
        assert (await client.ask("GET", location)).status == 404

    async def test_what_clients_are_told_of_chunks(self, tree: Tree) -> None:
        reply = await limited(tree, chunk_min_bytes=5_000_000).ask("POST", UPLOADS)
        assert reply.header("OCI-Chunk-Min-Length") == "5000000"

    async def test_manifests(self, tree: Tree) -> None:
        client = limited(tree, manifest_bytes=100)
        for body in (b" " * 101, [b" " * 60, b" " * 41]):
            reply = await client.ask("PUT", "/v2/app/manifests/v1", body)
            assert (reply.status, b"SIZE_INVALID" in reply.body) == (413, True)
        assert (await client.ask("PUT", "/v2/app/manifests/v1", b" " * 100)).status == 400

    async def test_manifests_on_their_way(self, tree: Tree) -> None:
        core = RegistryCore(tree)
        go_on = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            yield b" " * (4 << 20)
            await go_on.wait()

        waiting = [
            asyncio.create_task(core.handle(Request("PUT", "/v2/app/manifests/v1", host=HOST, body=slow())))
            for _ in range(20)
        ]
        refused, going_on = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        assert {task.result().status for task in refused} == {429}
        go_on.set()
        statuses = [response.status for response in await asyncio.gather(*waiting)]
        assert (statuses.count(429), statuses.count(400)) == (4, 16)
        assert len(going_on) >= 16
        assert (await ask(core, "/v2/app/manifests/v1", "PUT")).status == 400


async def test_a_mirror_leads_back_to_the_host_that_was_asked_for(tree: Tree) -> None:
    client = CoreClient(RegistryCore(tree), "mirror.example.com")
    reply = await client.ask("POST", f"{UPLOADS}?ns=quay.io")
    location = reply.header("Location")
    assert location.endswith("?ns=quay.io")
    reply = await client.ask("PUT", with_query(location, f"digest={DIGEST}"), DATA)
    assert reply.header("Location") == f"/v2/app/blobs/{DIGEST}?ns=quay.io"
    assert tree.hosts() == ["quay.io"]


async def test_hosts_that_are_none(tree: Tree) -> None:
    for host in ("", "a b", "../x", "a/b", "plain.example.com_5000", "x" * 300, "-", "a..b/../c"):
        reply = await CoreClient(RegistryCore(tree), host).ask("POST", f"{UPLOADS}?digest={DIGEST}", DATA)
        assert (reply.status, b"NAME_INVALID" in reply.body) == (400, True), host
    assert not (tree.root / "registries").exists()


async def test_a_plain_push_to_an_address(tree: Tree) -> None:
    client = CoreClient(RegistryCore(tree), "127.0.0.1:5000")
    assert (await client.ask("POST", f"{UPLOADS}?digest={DIGEST}", DATA)).status == 201
    assert (tree.root / "registries" / "127.0.0.1_5000" / "app" / "index.json").is_file()

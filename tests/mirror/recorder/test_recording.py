"""What is recorded of real registries, and what the same requests get afterwards without them."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from support.pushing import Reply
from support.recording import Studio, ask, significant

from fake_registry import FakeRegistry
from fake_registry.fixtures import Tree, verify
from fake_registry.oci import OCI_INDEX, OCI_MANIFEST, compute_digest
from mirror.config import load_config
from mirror.errors import InputError
from mirror.recorder.upstreams import parse_upstream
from mirror.seed.remote.credentials import Login

LAYER = bytes(range(256)) * 2000
PASSWORD = "open-sesame"
BASIC = f"Basic {base64.b64encode(f'me:{PASSWORD}'.encode()).decode()}"
NAMED = "--record-from https://auth.example.com"
SIGNED = "X-Amz-Signature=0123456789abcdef&X-Amz-Credential=AKIAEXAMPLE"


def hosts() -> dict[str, Any]:
    return {
        "quay.io": {"page": 2},
        "private.example.com": {"auth": {"type": "bearer", "username": "me", "password": PASSWORD, "anonymous": False}},
        "cdn.example.com": {},
    }


@pytest.fixture(scope="module")
def filled(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tree of the registry that is recorded."""
    tree = tmp_path_factory.mktemp("upstream") / "tree"
    with FakeRegistry(tree) as upstream:
        for tag in ("1.0", "1.1", "latest"):
            upstream.push_image(f"quay.io/team/app:{tag}", layers=[LAYER + tag.encode()])
        upstream.push_image("quay.io/team/multi:1", platforms=["linux/amd64", "linux/arm64"])
        upstream.push_artifact("quay.io/team/app", subject="1.0", artifact_type="application/test")
        upstream.push_image("private.example.com/app:1", layers=[LAYER])
    return tree


@pytest.fixture
async def studio(filled: Path, tmp_path: Path) -> AsyncIterator[Studio]:
    async with FakeRegistry(filled, hosts=hosts()) as upstream:
        yield Studio(upstream, Tree.open(tmp_path / "tree", create=True), tmp_path / "recorded.yaml")


def manifest(studio: Studio, image: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(studio.upstream.manifest(image))
    return found


def layer(studio: Studio, image: str) -> str:
    digest: str = manifest(studio, image)["layers"][0]["digest"]
    return digest


class TestTheSameAnswers:
    async def test_everything_that_was_asked(self, studio: Studio) -> None:
        one = studio.upstream.digest("quay.io/team/app:1.0")
        questions: list[tuple[str, str, Mapping[str, str]]] = [
            ("GET", "/v2/", {}),
            ("HEAD", "/v2/", {}),
            ("GET", "/v2/team/app/tags/list", {}),
            ("GET", "/v2/team/app/tags/list?last=1.1&n=2", {}),
            ("GET", "/v2/team/app/tags/list?n=-1", {}),
            ("GET", "/v2/_catalog", {}),
            ("GET", "/v2/team/app/manifests/1.0", {"Accept": OCI_MANIFEST}),
            ("HEAD", "/v2/team/app/manifests/1.0", {"Accept": OCI_MANIFEST}),
            ("HEAD", "/v2/team/app/manifests/latest", {}),  # never read: nothing of it is in the tree
            ("GET", f"/v2/team/app/manifests/{one}", {}),
            ("GET", "/v2/team/app/manifests/none", {}),
            ("HEAD", "/v2/team/app/manifests/none", {}),
            ("GET", f"/v2/team/app/referrers/{one}", {}),
            ("GET", f"/v2/team/app/referrers/{one}?artifactType=no/such", {}),
            ("GET", f"/v2/team/app/blobs/{layer(studio, 'quay.io/team/app:1.0')}", {}),
            ("HEAD", f"/v2/team/app/blobs/{layer(studio, 'quay.io/team/app:1.0')}", {}),
            ("HEAD", f"/v2/team/app/blobs/{layer(studio, 'quay.io/team/app:1.1')}", {}),
            ("GET", f"/v2/team/app/blobs/{compute_digest(b'none')}", {}),
            ("GET", "/v2/team/multi/manifests/1", {}),
            ("GET", "/v2/no/where/tags/list", {}),
            ("GET", "/somewhere/else?x=1", {}),
        ]
        async with studio.session() as session:
            first = [await ask(session.core, method, target, headers=sent) for method, target, sent in questions]
        assert [reply.status for reply in first].count(200) == 15
        assert {problem.kind for problem in verify(studio.tree)} == {"missing"}  # what nobody asked for
        replay = studio.replay()
        for (method, target, sent), reply in zip(questions, first, strict=True):
            again = await ask(replay, method, target, headers=sent)
            assert significant(again) == significant(reply), (method, target)
        assert [entry for entry in replay.journal if entry.status == 501] == []

    async def test_content_is_no_route(self, studio: Studio) -> None:
        digest = layer(studio, "quay.io/team/app:1.0")
        async with studio.session() as session:
            for method in ("GET", "HEAD"):
                await ask(session.core, method, "/v2/team/app/manifests/1.0")
                await ask(session.core, method, f"/v2/team/app/blobs/{digest}")
        config = load_config(studio.file)
        assert config.hosts is not None
        assert (config.hosts["quay.io"].recorded, config.hosts["quay.io"].routes) == (True, [])

    async def test_by_the_address_of_the_listener(self, studio: Studio) -> None:
        async with studio.session() as session:
            first = await ask(session.core, "GET", "/v2/team/app/tags/list", host="127.0.0.1:5000")
        assert first.status == 200
        again = await ask(studio.replay(), "GET", "/v2/team/app/tags/list", host="127.0.0.1:7000")
        assert significant(again) == significant(first)

    async def test_by_the_query(self, studio: Studio) -> None:
        target = "/v2/team/app/tags/list?ns=quay.io"
        async with studio.session("quay.io", "cdn.example.com") as session:
            first = await ask(session.core, "GET", target, host="mirror.example.com")
        again = await ask(studio.replay(), "GET", target, host="mirror.example.com")
        assert significant(again, ["oci-namespace"]) == significant(first, ["oci-namespace"])
        assert first.header("OCI-Namespace") == "quay.io"
        assert [entry.target for entry in studio.upstream.journal][-1] == "/v2/team/app/tags/list"

    async def test_what_changes_in_between(self, studio: Studio) -> None:
        statuses, digests = [], []
        studio.upstream.push_image("quay.io/team/moving:latest", layers=[b"old"])
        async with studio.session() as session:
            busy = studio.upstream.faults.add(host="quay.io", kind="tags", too_many_requests={"retryAfter": 3}, times=2)
            for _ in range(4):
                statuses.append((await ask(session.core, "GET", "/v2/team/app/tags/list")).status)
            for _ in range(2):
                reply = await ask(session.core, "GET", "/v2/team/moving/manifests/latest")
                digests.append(reply.header("Docker-Content-Digest"))
                studio.upstream.push_image("quay.io/team/moving:latest", layers=[b"newer"])
            digests.append(
                (await ask(session.core, "GET", "/v2/team/moving/manifests/latest")).header("Docker-Content-Digest")
            )
        assert (busy.fired, statuses, len(set(digests))) == (2, [429, 429, 200, 200], 2)
        replay = studio.replay()
        first = await ask(replay, "GET", "/v2/team/app/tags/list")
        assert (first.status, first.header("Retry-After")) == (429, "3")
        assert first.header("ratelimit-remaining") == "0;w=21600"
        assert [(await ask(replay, "GET", "/v2/team/app/tags/list")).status for _ in range(4)] == [429, 200, 200, 200]
        again = [await ask(replay, "GET", "/v2/team/moving/manifests/latest") for _ in range(4)]
        assert [reply.header("Docker-Content-Digest") for reply in again] == [*digests, digests[-1]]
        assert [compute_digest(reply.body) for reply in again] == [*digests, digests[-1]]

    async def test_what_depends_on_the_request(self, studio: Studio) -> None:
        """A registry that gives clients of one kind another manifest."""
        other = studio.upstream.digest("quay.io/team/app:1.1")
        headers = {"Content-Type": OCI_MANIFEST, "Docker-Content-Digest": other}
        path = "/v2/team/app/manifests/1.0"
        route = {"path": path, "when": {"Accept": "*index*"}, "content": other, "headers": headers}
        async with FakeRegistry(studio.upstream.tree.root, hosts={"quay.io": {"routes": [route]}}) as upstream:
            studio.upstream = upstream
            accepts: list[Mapping[str, str]] = [{"Accept": OCI_MANIFEST}, {"Accept": OCI_INDEX}, {"Accept": "*/*"}, {}]
            async with studio.session() as session:
                first = [await ask(session.core, "GET", path, headers=sent) for sent in accepts]
        assert len({reply.header("Docker-Content-Digest") for reply in first}) == 2
        replay = studio.replay()
        for sent, reply in reversed(list(zip(accepts, first, strict=True))):
            assert significant(await ask(replay, "GET", path, headers=sent)) == significant(reply)

    @pytest.mark.parametrize(
        "changes",
        [
            {"Docker-Content-Digest": ""},
            {"Docker-Content-Digest": compute_digest(b"other")},
            {"Content-Type": "application/json"},
            {"Content-Type": f"{OCI_MANIFEST}; charset=utf-8"},
            {"Warning": '299 - "old"'},
        ],
        ids=str,
    )
    async def test_odd_headers_of_manifests(self, studio: Studio, changes: dict[str, str]) -> None:
        studio.upstream.faults.add(host="quay.io", kind="manifest", headers=changes)
        async with studio.session() as session:
            first = await ask(session.core, "GET", "/v2/team/app/manifests/1.0")
        replay = studio.replay()
        for _ in range(2):
            again = await ask(replay, "GET", "/v2/team/app/manifests/1.0")
            assert significant(again, ["warning"]) == significant(first, ["warning"])
        assert "content: sha256:" in studio.text()

    async def test_wrong_bytes_of_a_manifest(self, studio: Studio) -> None:
        digest = studio.upstream.digest("quay.io/team/app:1.0")
        studio.upstream.faults.add(host="quay.io", kind="manifest", body='{"schemaVersion": 2}', times=1)
        async with studio.session() as session:
            first = await ask(session.core, "GET", f"/v2/team/app/manifests/{digest}")
        again = await ask(studio.replay(), "GET", f"/v2/team/app/manifests/{digest}")
        assert (again.status, again.body) == (first.status, first.body) == (200, b'{"schemaVersion": 2}')

    @pytest.mark.parametrize("coding", ["gzip", "br"])
    async def test_codings_that_nobody_asked_for(self, studio: Studio, coding: str) -> None:
        body = b'{"name":"team/app","tags":[]}'
        digest = studio.upstream.tree.put_blob(gzip.compress(body, mtime=0))
        headers = {"Content-Type": "application/json", "Content-Encoding": coding}
        route = {"path": "/v2/team/app/tags/list", "content": digest, "headers": headers}
        async with FakeRegistry(studio.upstream.tree.root, hosts={"quay.io": {"routes": [route]}}) as upstream:
            studio.upstream = upstream
            async with studio.session() as session:
                first = await ask(session.core, "GET", "/v2/team/app/tags/list")
        if coding == "gzip":
            again = await ask(studio.replay(), "GET", "/v2/team/app/tags/list")
            assert (first.body, again.body) == (body, body)
        else:
            assert first.status == 502

    async def test_no_answer(self, studio: Studio) -> None:
        studio.upstream.faults.add(host="quay.io", kind="tags", cut="before")
        async with studio.session() as session:
            assert (await ask(session.core, "GET", "/v2/team/app/tags/list")).status == 0
        assert (await ask(studio.replay(), "GET", "/v2/team/app/tags/list")).status == 0

    async def test_clear_text(self, studio: Studio) -> None:
        hosts = {"plain.example.com:5000": {"scheme": "http"}}
        async with FakeRegistry(hosts=hosts) as upstream:
            upstream.push_image("plain.example.com:5000/app:1")
            studio.upstream = upstream
            async with studio.session("http://plain.example.com:5000") as session:
                first = await ask(session.core, "GET", "/v2/app/manifests/1", "plain.example.com:5000")
        assert first.status == 200
        replay = studio.replay()
        config = replay.host("plain.example.com:5000")
        assert (config and config.scheme) == "http"
        again = await ask(replay, "GET", "/v2/app/manifests/1", "plain.example.com:5000")
        assert significant(again) == significant(first)

    async def test_two_challenges(self, studio: Studio) -> None:
        challenges = ['Bearer realm="https://quay.io/token"', 'Basic realm="x"']
        route = {"path": "/v2/", "status": 401, "headers": {"WWW-Authenticate": challenges}}
        async with FakeRegistry(hosts={"quay.io": {"routes": [route]}}) as upstream:
            studio.upstream = upstream
            async with studio.session() as session:
                first = await ask(session.core, "GET", "/v2/")
        again = await ask(studio.replay(), "GET", "/v2/")
        assert again.values("WWW-Authenticate") == first.values("WWW-Authenticate") == challenges


class TestWhatWasNotRecorded:
    async def test_it_fails_and_says_what_is_missing(self, studio: Studio) -> None:
        async with studio.session() as session:
            await ask(session.core, "GET", "/v2/team/app/manifests/1.0")
        replay = studio.replay()
        unknown = [
            ("GET", "/v2/"),
            ("GET", "/v2/team/app/tags/list"),
            ("GET", "/v2/team/app/manifests/1.1"),
            ("HEAD", "/v2/no/where/manifests/1"),
            ("GET", f"/v2/team/app/blobs/{layer(studio, 'quay.io/team/app:1.0')}"),
            ("GET", "/v2/_catalog"),
            ("GET", f"/v2/team/app/referrers/{studio.upstream.digest('quay.io/team/app:1.0')}"),
            ("GET", "/token?service=quay.io"),
            ("GET", "/elsewhere"),
            ("PUT", "/v2/team/app/manifests/2.0"),
            ("DELETE", "/v2/team/app/manifests/1.0"),
            ("POST", "/v2/team/app/blobs/uploads/"),
        ]
        for method, target in unknown:
            reply = await ask(replay, method, target)
            assert reply.status == 501, (method, target)
            if method != "HEAD":
                (error,) = json.loads(reply.body)["errors"]
                assert error == {
                    "code": "UNKNOWN",
                    "message": f"not recorded: {method} {target}",
                    "detail": {"host": "quay.io"},
                }
            *_, entry = replay.journal
            assert entry.note == f"UNKNOWN: not recorded: {method} {target} (quay.io)"
        assert (await ask(replay, "GET", "/v2/team/app/manifests/1.0")).status == 200

    async def test_nothing_can_be_pushed_meanwhile(self, studio: Studio) -> None:
        before = studio.upstream.tags("quay.io/team/app")
        async with studio.session() as session:
            for method, target in (
                ("PUT", "/v2/team/app/manifests/9"),
                ("POST", "/v2/team/app/blobs/uploads/"),
                ("PATCH", "/v2/team/app/blobs/uploads/x"),
                ("DELETE", "/v2/team/app/manifests/1.0"),
            ):
                reply = await ask(session.core, method, target)
                assert (reply.status, reply.header("Allow")) == (405, "GET, HEAD")
        assert studio.upstream.tags("quay.io/team/app") == before
        assert len(list(studio.upstream.journal)) == 0

    async def test_a_registry_that_is_not_there(self, studio: Studio) -> None:
        async with studio.session("quay.io=https://127.0.0.1:1", connect=("127.0.0.1", 1)) as session:
            reply = await ask(session.core, "GET", "/v2/")
        assert reply.status == 502
        assert "connect" in json.loads(reply.body)["errors"][0]["message"]
        assert any(text.startswith("quay.io: GET https://127.0.0.1:1/v2/: ") for text in session.said)
        assert (await ask(studio.replay(), "GET", "/v2/")).status == 501


class TestBlobs:
    async def test_parts(self, studio: Studio) -> None:
        target = f"/v2/team/app/blobs/{layer(studio, 'quay.io/team/app:1.0')}"
        asked: list[Mapping[str, str]] = [
            {"Range": "bytes=10-19"}, {"Range": "bytes=-5"}, {"Range": "bytes=999999999-"}, {},
        ]  # fmt: skip
        async with studio.session() as session:
            first = [await ask(session.core, "GET", target, headers=sent) for sent in asked]
        assert [reply.status for reply in first] == [206, 206, 416, 200]
        replay = studio.replay()
        for sent, reply in zip(asked, first, strict=True):
            names = ["content-range"]
            assert significant(await ask(replay, "GET", target, headers=sent), names) == significant(reply, names)

    async def test_a_part_alone_brings_the_whole(self, studio: Studio) -> None:
        digest = layer(studio, "quay.io/team/app:1.0")
        async with studio.session() as session:
            reply = await ask(session.core, "GET", f"/v2/team/app/blobs/{digest}", headers={"Range": "bytes=10-19"})
        assert reply.body == bytes(range(10, 20))
        assert compute_digest((await ask(studio.replay(), "GET", f"/v2/team/app/blobs/{digest}")).body) == digest

    async def test_wrong_bytes_reach_the_client_and_not_the_tree(self, studio: Studio) -> None:
        digest = layer(studio, "quay.io/team/app:1.0")
        studio.upstream.faults.add(host="quay.io", kind="blob", corrupt=100)
        async with studio.session() as session:
            reply = await ask(session.core, "GET", f"/v2/team/app/blobs/{digest}")
        assert (reply.status, len(reply.body)) == (200, len(LAYER) + 3)
        assert compute_digest(reply.body) != digest
        assert studio.tree.store.find(digest) is None
        (said,) = (text for text in session.said if digest in text)
        assert said.endswith("it came with other bytes than its digest says")
        assert (await ask(studio.replay(), "GET", f"/v2/team/app/blobs/{digest}")).status == 501

    async def test_one_that_does_not_come_whole(self, studio: Studio) -> None:
        digest = layer(studio, "quay.io/team/app:1.0")
        studio.upstream.faults.add(host="quay.io", kind="blob", cut=1000, times=1)
        async with studio.session() as session:
            with pytest.raises(ConnectionResetError):
                await ask(session.core, "GET", f"/v2/team/app/blobs/{digest}")
            assert (await ask(session.core, "GET", f"/v2/team/app/blobs/{digest}")).status == 200
        assert compute_digest((await ask(studio.replay(), "GET", f"/v2/team/app/blobs/{digest}")).body) == digest

    async def test_elsewhere(self, studio: Studio) -> None:
        """Stores of blobs are asked where they are recorded, too; what leads there stays a secret."""
        digest = layer(studio, "quay.io/team/app:1.0")
        target = f"/v2/team/app/blobs/{digest}"
        location = f"https://cdn.example.com/blobs/{digest}?{SIGNED}"
        routes = [{"path": target, "status": 307, "headers": {"Location": location}}]
        store = [
            {"path": f"/blobs/{digest}?{SIGNED}", "content": digest, "headers": {"Content-Type": "binary/octet-stream"}}
        ]
        config = {"quay.io": {"routes": routes}, "cdn.example.com": {"routes": store}}
        async with FakeRegistry(studio.upstream.tree.root, hosts=config) as upstream:
            studio.upstream = upstream
            async with studio.session() as session:
                reply = await ask(session.core, "GET", target)
            assert reply.status == 502
            assert session.said[0] == (
                "quay.io: leads to https://cdn.example.com, which is not recorded: "
                "add --record-from https://cdn.example.com"
            )
            assert [entry.host for entry in upstream.journal] == ["quay.io"]
            async with studio.session("quay.io", "cdn.example.com") as session:
                reply = await ask(session.core, "GET", target)
        assert (reply.status, compute_digest(reply.body)) == (200, digest)
        again = await ask(studio.replay(), "GET", target)
        assert (again.status, again.body) == (200, reply.body)
        assert "Amz" not in studio.text()

    async def test_a_faked_registry_with_a_cdn(self, studio: Studio) -> None:
        digest = layer(studio, "quay.io/team/app:1.0")
        target = f"/v2/team/app/blobs/{digest}"
        config: dict[str, Any] = {"quay.io": {"blobRedirects": {"host": "cdn.example.com"}}, "cdn.example.com": {}}
        async with FakeRegistry(studio.upstream.tree.root, hosts=config) as upstream:
            studio.upstream = upstream
            async with studio.session("quay.io", "cdn.example.com") as session:
                reply = await ask(session.core, "GET", target)
            assert [(entry.host, entry.status) for entry in upstream.journal] == [
                ("quay.io", 307),
                ("cdn.example.com", 200),
            ]
        again = await ask(studio.replay(), "GET", target)
        assert (again.status, again.body, compute_digest(again.body)) == (200, reply.body, digest)
        assert "Signature" not in studio.text()


class TestSecrets:
    async def dance(self, studio: Studio, *, password: bool) -> list[Reply]:
        """What a client does: a ping, a token, a manifest."""
        async with studio.session("private.example.com") as session:
            return await self.steps(session.core, BASIC if password else "")

    @staticmethod
    async def steps(core: Any, authorization: str) -> list[Reply]:
        host = "private.example.com"
        replies = [await ask(core, "GET", "/v2/", host)]
        sent = {"Authorization": authorization} if authorization else {}
        target = f"/token?service={host}&scope=repository:app:pull&account=me"
        replies.append(await ask(core, "GET", target, host, sent))
        bearer = json.loads(replies[-1].body).get("token")
        sent = {"Authorization": f"Bearer {bearer}"} if bearer else {}
        replies.append(await ask(core, "GET", "/v2/app/manifests/1", host, sent))
        return replies

    async def test_with_a_password(self, studio: Studio) -> None:
        first = await self.dance(studio, password=True)
        assert [reply.status for reply in first] == [401, 200, 200]
        bearer = json.loads(first[1].body)["token"]
        everything = [studio.file, *(path for path in studio.tree.root.rglob("*") if path.is_file())]
        for secret in (bearer, PASSWORD, BASIC.partition(" ")[2]):
            assert not [path for path in everything if secret.encode() in path.read_bytes()]
        again = await self.steps(studio.replay(), BASIC)
        assert [significant(reply)[:2] for reply in again] == [significant(reply)[:2] for reply in first]
        assert json.loads(again[1].body) == {"token": "redacted", "access_token": "redacted", "expires_in": 300}
        assert [again[0].body, again[2].body] == [first[0].body, first[2].body]

    async def test_without_one(self, studio: Studio) -> None:
        first = await self.dance(studio, password=False)
        assert [reply.status for reply in first] == [401, 401, 401]
        again = await self.steps(studio.replay(), "")
        assert [significant(reply) for reply in again] == [significant(reply) for reply in first]

    async def test_both_in_one_recording(self, studio: Studio) -> None:
        await self.dance(studio, password=False)
        await self.dance(studio, password=True)
        replay = studio.replay()
        assert [reply.status for reply in await self.steps(replay, BASIC)] == [401, 200, 200]
        assert [reply.status for reply in await self.steps(replay, "")] == [401, 401, 401]

    async def test_what_is_echoed(self, studio: Studio) -> None:
        route = {
            "path": "/v2/",
            "status": 403,
            "body": f"no entry with {BASIC}",
            "headers": {"Link": f"<https://me:{PASSWORD}@quay.io/x?{SIGNED}>"},
        }
        async with FakeRegistry(hosts={"quay.io": {"routes": [route]}}) as upstream:
            studio.upstream = upstream
            async with studio.session() as session:
                await ask(session.core, "GET", "/v2/", headers={"Authorization": BASIC})
        again = await ask(studio.replay(), "GET", "/v2/", headers={"Authorization": BASIC})
        assert again.body == b"no entry with Basic redacted"
        assert again.header("Link") == "<https://quay.io/x?redacted>"

    async def test_a_header_that_is_nothing_but_a_secret(self, studio: Studio) -> None:
        async with studio.session() as session:
            for sent in ({"Authorization": "s3same-open"}, {}):
                await ask(session.core, "GET", "/v2/team/app/manifests/none", headers=sent)
        assert "s3same" not in studio.text().lower()
        replay = studio.replay()
        for sent in ({"Authorization": "another-one"}, {}):
            assert (await ask(replay, "GET", "/v2/team/app/manifests/none", headers=sent)).status == 404

    async def test_a_form(self, studio: Studio) -> None:
        """Where tokens are asked for by POST, what is sent is nowhere kept, and what comes back neither."""
        body = json.dumps({"access_token": "a" * 30, "refresh_token": "r" * 30, "echo": PASSWORD, "expires_in": 60})
        route = {"path": "/token", "method": "POST", "body": body}
        async with FakeRegistry(hosts={"quay.io": {"routes": [route]}}) as upstream:
            studio.upstream = upstream
            form = f"grant_type=password&username=me&password={PASSWORD}&scope=x".encode()
            async with studio.session() as session:
                first = await ask(session.core, "POST", "/token", body=form)
        assert json.loads(first.body)["access_token"] == "a" * 30
        again = await ask(studio.replay(), "POST", "/token", body=b"grant_type=password&username=me&password=no")
        assert json.loads(again.body) == {
            "access_token": "redacted",
            "refresh_token": "redacted",
            "echo": "redacted",
            "expires_in": 60,
        }

    async def test_signed_requests_are_not_kept(self, studio: Studio) -> None:
        async with studio.session() as session:
            assert (await ask(session.core, "GET", f"/blob?{SIGNED}")).status == 404
        assert "Amz" not in studio.text()
        assert session.said[0] == "quay.io: not recorded: GET /blob: its query holds credentials"

    async def test_the_recorder_logs_in(self, studio: Studio) -> None:
        upstream = studio.upstream
        async with FakeRegistry(upstream.tree.root, hosts={"quay.io": hosts()["private.example.com"]}) as private:
            studio.upstream = private
            async with studio.session(login=Login("me", PASSWORD)) as session:
                first = [await ask(session.core, "GET", path) for path in ("/v2/", "/v2/team/app/manifests/1.0")]
            async with studio.session(login=Login("me", "wrong")) as session:
                wrong = await ask(session.core, "GET", "/v2/team/app/manifests/1.1")
        assert [reply.status for reply in first] == [200, 200]
        assert wrong.status >= 400
        replay = studio.replay()
        for path, reply in zip(("/v2/", "/v2/team/app/manifests/1.0"), first, strict=True):
            assert significant(await ask(replay, "GET", path)) == significant(reply)
        assert not {"Bearer", PASSWORD, "token"} & set(studio.text().replace('"', " ").split())

    async def test_tokens_from_somewhere_else(self, studio: Studio) -> None:
        challenge = 'Bearer realm="https://auth.example.com/token",service="x"'
        route = {"path": "/v2/", "status": 401, "headers": {"WWW-Authenticate": challenge}}
        async with FakeRegistry(hosts={"quay.io": {"routes": [route]}}) as upstream:
            studio.upstream = upstream
            async with studio.session() as session:
                await ask(session.core, "GET", "/v2/")
                await ask(session.core, "GET", "/v2/")
            told = [text for text in session.said if "auth.example.com" in text]
            (text,) = told
            assert text.endswith("tokens come from https://auth.example.com, which is not recorded: add " + NAMED)
            async with studio.session(login=Login("me", PASSWORD)) as session:
                assert (await ask(session.core, "GET", "/v2/")).status == 502
            assert {entry.host for entry in upstream.journal} == {"quay.io"}

    async def test_tokens_from_another_host_that_is_recorded(self, studio: Studio) -> None:
        """As with Docker Hub: once the clients fetch them, once the recorder does."""
        challenge = 'Bearer realm="https://auth.example.com/token",service="x"'
        refusal = {"status": 401, "when": {"Authorization": None}, "headers": {"WWW-Authenticate": challenge}}
        path, scope = "/v2/team/app/manifests/1.0", "/token?service=x&scope=repository%3Ateam%2Fapp%3Apull"
        config: dict[str, Any] = {
            "quay.io": {"routes": [{"path": path, **refusal}]},
            "auth.example.com": {"routes": [{"path": scope, "body": '{"token": "abcdefgh"}'}]},
        }
        async with FakeRegistry(studio.upstream.tree.root, hosts=config) as upstream:
            studio.upstream = upstream
            async with studio.session("quay.io", "auth.example.com") as session:
                first = [
                    await ask(session.core, "GET", path),
                    await ask(session.core, "GET", scope, "auth.example.com"),
                    await ask(session.core, "GET", path, headers={"Authorization": "Bearer abcdefgh"}),
                ]
            file, studio.file = studio.file, studio.file.with_name("logged-in.yaml")
            async with studio.session("quay.io", "auth.example.com", login=Login("other", "login")) as session:
                assert (await ask(session.core, "GET", path)).status == 502  # the login is another one's
            async with studio.session("quay.io", "auth.example.com", anonymous=True) as session:
                logged_in = await ask(session.core, "GET", path)
        assert [reply.status for reply in first] == [401, 200, 200]
        assert significant(logged_in) == significant(first[2])
        assert significant(await ask(studio.replay(), "GET", path)) == significant(first[2])
        studio.file = file
        replay = studio.replay()
        again = [
            await ask(replay, "GET", path),
            await ask(replay, "GET", scope, "auth.example.com"),
            await ask(replay, "GET", path, headers={"Authorization": "Bearer redacted"}),
        ]
        assert json.loads(again[1].body) == {"token": "redacted"}
        assert [significant(reply)[:2] for reply in again] == [significant(reply)[:2] for reply in first]
        assert "abcdefgh" not in studio.text()

    async def test_tokens_are_as_good_as_new(self, studio: Studio) -> None:
        body = json.dumps({"token": "x" * 40, "expires_in": 60, "issued_at": "2020-01-01T00:00:00Z"})
        async with FakeRegistry(hosts={"quay.io": {"routes": [{"path": "/auth?scope=a", "body": body}]}}) as upstream:
            studio.upstream = upstream
            async with studio.session() as session:
                await ask(session.core, "GET", "/auth?scope=a")
        reply = await ask(studio.replay(), "GET", "/auth?scope=a")
        assert json.loads(reply.body) == {"token": "redacted", "expires_in": 60}


class TestTheFile:
    async def test_a_recorder_that_was_killed(self, studio: Studio) -> None:
        async with studio.session() as session:
            first = await ask(session.core, "GET", "/v2/team/app/tags/list")
            log = studio.file.with_name(".recorded.yaml.log")
            left = log.read_bytes()
        assert not log.exists()
        studio.file.unlink()
        log.write_bytes(left + left[: len(left) // 2])  # it was killed while it wrote
        async with studio.session() as session:
            second = await ask(session.core, "GET", "/v2/team/app/manifests/none")
        replay = studio.replay()
        assert significant(await ask(replay, "GET", "/v2/team/app/tags/list")) == significant(first)
        assert significant(await ask(replay, "GET", "/v2/team/app/manifests/none")) == significant(second)

    async def test_what_is_asked_again_is_recorded_anew(self, studio: Studio) -> None:
        studio.file.write_text(
            "cluster: {architecture: arm64}\n"
            "hosts:\n"
            "  other.example.com: {scheme: http}\n"
            "  quay.io:\n"
            "    page: 7\n"
            "    routes:\n"
            "    - {path: /v2/team/app/tags/list, status: 500, times: 2}\n"
            "    - {path: /v2/team/app/tags/list, status: 404}\n"
            "    - {path: /v2/, when: {authorization: 'Bearer *'}, status: 403}\n"
            "    - {path: /v2/, body: own}\n"
        )
        async with studio.session() as session:
            await ask(session.core, "GET", "/v2/team/app/tags/list")
            await ask(session.core, "GET", "/v2/")
        config = load_config(studio.file)
        assert config.hosts is not None
        assert (config.cluster.architecture, config.hosts["other.example.com"].scheme) == ("arm64", "http")
        assert config.hosts["quay.io"].page == 7
        assert [(route.path, route.status) for route in config.hosts["quay.io"].routes] == [
            ("/v2/", 403),
            ("/v2/", 200),
            ("/v2/team/app/tags/list", 200),
        ]
        assert config.server.defaultHost == "quay.io"

    async def test_the_same_bytes_each_time(self, studio: Studio) -> None:
        texts = []
        for order in (1, -1):
            studio.file.unlink(missing_ok=True)
            async with studio.session() as session:
                for path in ("/v2/", "/v2/team/app/tags/list", "/v2/team/app/manifests/none")[::order]:
                    await ask(session.core, "GET", path)
            texts.append(studio.text())
        assert texts[0] == texts[1]

    async def test_it_is_written_meanwhile(self, studio: Studio) -> None:
        async with studio.session() as session:
            await ask(session.core, "GET", "/v2/team/app/tags/list")
            totals = await session.recording.write()
            assert (totals.routes, session.recording.has_changed) == (1, False)
            assert (await ask(studio.replay(), "GET", "/v2/team/app/tags/list")).status == 200

    @pytest.mark.parametrize(
        ("text", "problem"),
        [
            ("hosts: {quay.io: {route: []}}", "unknown field"),
            ("hosts: [", "recorded.yaml"),
        ],
    )
    async def test_one_that_is_none(self, studio: Studio, text: str, problem: str) -> None:
        studio.file.write_text(text)
        with pytest.raises(InputError, match=problem):
            async with studio.session():
                pass
        assert studio.text() == text

    async def test_a_file_that_cannot_be_written(self, studio: Studio) -> None:
        studio.file = studio.file.parent / "kept" / "recorded.yaml"
        studio.file.parent.mkdir()
        with pytest.raises(InputError, match="its log has what it lacks"):
            async with studio.session() as session:
                first = await ask(session.core, "GET", "/v2/team/app/tags/list")
                studio.file.mkdir()  # somebody else's
        studio.file.rmdir()
        async with studio.session():
            pass
        assert significant(await ask(studio.replay(), "GET", "/v2/team/app/tags/list")) == significant(first)

    async def test_nowhere_to_write(self, studio: Studio) -> None:
        studio.file = studio.file.parent / "none" / "recorded.yaml"
        with pytest.raises(InputError, match=r"No such file or directory; --record-to names the file to write"):
            async with studio.session():
                pass


@pytest.mark.parametrize(
    ("text", "host", "scheme", "base"),
    [
        ("https://quay.io", "quay.io", "https", "https://quay.io"),
        ("quay.io", "quay.io", "https", "https://quay.io"),
        ("https://quay.io/v2/", "quay.io", "https", "https://quay.io"),
        ("docker.io", "docker.io", "https", "https://registry-1.docker.io"),
        ("https://registry-1.docker.io", "docker.io", "https", "https://registry-1.docker.io"),
        ("http://Registry.example.com:5000", "registry.example.com:5000", "http", "http://registry.example.com:5000"),
        ("https://registry.example.com:443", "registry.example.com", "https", "https://registry.example.com"),
        ("quay.io=http://127.0.0.1:5001", "quay.io", "https", "http://127.0.0.1:5001"),
        ("http://[::1]:5000", "[::1]:5000", "http", "http://[::1]:5000"),
    ],
)
def test_what_can_be_recorded(text: str, host: str, scheme: str, base: str) -> None:
    found = parse_upstream(text)
    assert (found.host, found.scheme, str(found.base)) == (host, scheme, base)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://",
        "ftp://quay.io",
        "https://quay.io/team",
        "https://me:secret@quay.io",
        "quay.io?x",
        "a b=quay.io",
        "=quay.io",
    ],
)
def test_what_cannot(text: str) -> None:
    with pytest.raises(InputError, match=r"^--record-from: "):
        parse_upstream(text)


async def test_two_places_for_one_host(studio: Studio) -> None:
    with pytest.raises(InputError, match=r"^--record-from: quay\.io is recorded from two places; name one$"):
        async with studio.session("quay.io", "quay.io=https://127.0.0.1:1"):
            pass

"""The control plane: in process and over a socket, its metrics, its description, and the access log."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from support.raw import connected
from support.registry import HOST, ask, body, header, put_image, write_index

from fake_registry.config import Auth, Fault, FaultAction, Host, Route
from fake_registry.control import AccessLog, ControlPlane, Metrics, OneProcess
from fake_registry.control.plane import ENDPOINTS, MAX_BODY, MOST_WAITING
from fake_registry.core.messages import Request, Response
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.oci import manifest_links
from fake_registry.server import RegistryServer

TEAPOT = {"action": {"status": 418}}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    tree = Tree.open(tmp_path / "tree", create=True)
    put_image(tree, "team/app", "v1")
    put_image(tree, "team/app", "v2")
    put_image(tree, "lone", "v1")
    return tree


@pytest.fixture
def core(tree: Tree) -> RegistryCore:
    hosts = {
        "quay.io": Host(routes=[Route(path="/v2/once", status=299, times=1)]),
        "plain.example.com:5000": Host(scheme="http"),
    }
    return RegistryCore(tree, hosts, clock=lambda: 1_700_000_000.5)


@pytest.fixture
def plane(core: RegistryCore) -> ControlPlane:
    return ControlPlane(OneProcess(core, Metrics(core)))


async def pieces(data: bytes) -> AsyncIterator[bytes]:
    yield data[:5]
    yield data[5:]


async def call(plane: ControlPlane, path: str, method: str = "GET", document: Any = None, **fields: Any) -> Response:
    path, _, query = path.partition("?")
    fields.setdefault("host", "127.0.0.1:5001")
    data = b"" if document is None else document if isinstance(document, bytes) else json.dumps(document).encode()
    if path[:1] != "/":
        path = f"/_ismirror/{path}"
    return await plane.handle(Request(method, path, query, body=pieces(data), **fields))


async def result(plane: ControlPlane, path: str, method: str = "GET", document: Any = None) -> Any:
    response = await call(plane, path, method, document)
    assert response.status in {200, 201}, body(response)
    assert header(response, "Content-Type") == "application/json"
    return json.loads(body(response))


async def problem(
    plane: ControlPlane, path: str, method: str = "GET", document: Any = None, **fields: Any
) -> tuple[int, str]:
    response = await call(plane, path, method, document, **fields)
    found = json.loads(body(response))
    assert list(found) == ["error"]
    return response.status, found["error"]


class TestHealth:
    async def test_alive(self, plane: ControlPlane) -> None:
        assert await result(plane, "healthz") == {"status": "ok"}
        response = await call(plane, "healthz", "HEAD")
        assert (response.status, response.body, header(response, "Content-Length")) == (200, b"", "15")

    async def test_ready(self, plane: ControlPlane, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        assert await result(plane, "readyz") == {"status": "ok"}
        monkeypatch.setattr("os.access", lambda path, mode: False)
        response = await call(plane, "readyz")
        assert response.status == 503
        assert json.loads(body(response)) == {
            "status": "not ready",
            "problems": [f"{(tmp_path / 'tree').resolve()}: cannot be read"],
        }


class TestJournal:
    @pytest.fixture(autouse=True)
    async def asked(self, core: RegistryCore) -> None:
        agent = {"user-agent": "skopeo/1.9", "authorization": "Bearer secret"}
        await ask(core, "/v2/", headers=agent)
        await ask(core, "/v2/team/app/manifests/v1?ns=quay.io", headers=agent)
        await ask(core, "/v2/team/app/manifests/none")
        await ask(core, "/v2/lone/tags/list", "HEAD", host="docker.io")
        await ask(core, "/v2/\udcff")

    async def test_everything(self, plane: ControlPlane) -> None:
        page = await result(plane, "journal")
        assert page["total"] == 5
        assert page["entries"][1] == {
            "time": 1_700_000_000.5,
            "host": "quay.io",
            "method": "GET",
            "target": "/v2/team/app/manifests/v1?ns=quay.io",
            "status": 200,
            "kind": "manifest",
            "user": "",
            "repository": "team/app",
            "note": "",
            "fault": "",
            "accept": "",
            "authorization": "Bearer",
            "userAgent": "skopeo/1.9",
            "remote": "",
        }

    @pytest.mark.parametrize(
        ("query", "positions"),
        [
            ("host=docker.io", [3]),
            ("method=HEAD", [3]),
            ("status=404", [2, 3, 4]),
            ("kind=manifest", [1, 2]),
            ("repository=team/app&status=200", [1]),
            ("target=ns%3Dquay", [1]),
            ("since=1700000001", []),
            ("since=1700000000", [0, 1, 2, 3, 4]),
            ("limit=2", [3, 4]),
            ("limit=0", []),
            ("kind=manifest&limit=1", [2]),
            ("user=me", []),
            ("fault=1", []),
        ],
    )
    async def test_filters(self, plane: ControlPlane, query: str, positions: list[int]) -> None:
        everything = (await result(plane, "journal"))["entries"]
        assert (await result(plane, f"journal?{query}"))["entries"] == [everything[at] for at in positions]

    @pytest.mark.parametrize(
        ("query", "text"),
        [
            ("status=ok", "status: 'ok' is no number"),
            ("limit=-1", "limit: '-1' is no number"),
            ("limit=99999999999999999999", "limit: '99999999999999999999' is no number"),
            ("wait=-1", "wait: '-1' is no number"),
            ("count=all", "count: 'all' is no number"),
            ("since=now", "since: 'now' is no number of seconds since 1970"),
            ("statsu=1", "no such parameter: statsu"),
        ],
    )
    async def test_what_is_no_filter(self, plane: ControlPlane, query: str, text: str) -> None:
        assert await problem(plane, f"journal?{query}") == (400, text)

    @pytest.mark.parametrize("query", ["kind=blob&wait=0", "kind=manifest&wait=0&count=3", "wait=300&limit=0"])
    async def test_nobody_waits(self, plane: ControlPlane, query: str) -> None:
        found = {"kind=blob&wait=0": 0, "kind=manifest&wait=0&count=3": 2, "wait=300&limit=0": 0}[query]
        assert len((await result(plane, f"journal?{query}"))["entries"]) == found

    async def test_waiting_until_it_is_asked(self, plane: ControlPlane, core: RegistryCore) -> None:
        waiting = asyncio.create_task(result(plane, "journal?kind=tags&method=GET&count=2&wait=300"))
        for asked in ("/v2/", "/v2/team/app/tags/list", "/v2/lone/tags/list?ns=docker.io"):
            await asyncio.sleep(0)
            assert not waiting.done()
            await ask(core, asked)
        assert (await waiting)["entries"][0]["target"] == "/v2/team/app/tags/list"
        core.handshake_failed("quay.io", "", "unknown ca")
        assert len((await result(plane, "journal?kind=handshake&wait=300"))["entries"]) == 1

    async def test_nobody_waits_for_a_registry_that_ends(self, plane: ControlPlane) -> None:
        waiting = asyncio.create_task(result(plane, "journal?kind=blob&wait=300"))
        await asyncio.sleep(0)
        plane.stop()
        assert (await waiting)["entries"] == []

    async def test_not_everybody_can_wait_at_once(self, plane: ControlPlane) -> None:
        waiting = [asyncio.create_task(call(plane, "journal?kind=blob&wait=300")) for _ in range(MOST_WAITING)]
        await asyncio.sleep(0)
        text = f"{MOST_WAITING} requests wait already; expected at most {MOST_WAITING} at a time"
        assert await problem(plane, "journal?kind=blob&wait=300") == (429, text)
        assert len((await result(plane, "journal?kind=ping&wait=300"))["entries"]) == 1
        plane.stop()
        assert {response.status for response in await asyncio.gather(*waiting)} == {200}
        assert (await result(plane, "journal?kind=blob&wait=300"))["entries"] == []

    async def test_forgetting(self, plane: ControlPlane) -> None:
        assert (await call(plane, "journal", "DELETE")).status == 204
        assert await result(plane, "journal") == {"total": 5, "entries": []}


class TestFaults:
    async def test_the_life_of_a_rule(self, plane: ControlPlane, core: RegistryCore) -> None:
        rule = {"host": "Quay.io", "name": "busy", "match": {"kind": "ping", "nth": 2}, **TEAPOT, "times": 1}
        response = await call(plane, "faults", "POST", rule)
        assert (response.status, header(response, "Location")) == (201, "/_ismirror/faults/1")
        report = {
            "id": "1",
            "host": "quay.io",
            "name": "busy",
            "match": {"kind": "ping", "nth": 2},
            "action": {"status": 418},
            "times": 1,
            "configured": False,
            "seen": 0,
            "fired": 0,
            "met": False,
        }
        assert json.loads(body(response)) == report
        assert [(await ask(core, "/v2/")).status for _ in range(3)] == [200, 418, 200]
        report |= {"seen": 3, "fired": 1, "met": True}
        assert await result(plane, "faults") == [report]
        assert await result(plane, "faults/1") == report
        assert (await result(plane, "journal?fault=1"))["entries"][0]["status"] == 418
        assert (await call(plane, "faults/1", "DELETE")).status == 204
        assert await problem(plane, "faults/1", "DELETE") == (404, "no fault 1")
        assert await problem(plane, "faults/1") == (404, "no fault 1")
        assert await result(plane, "faults") == []

    async def test_removing_those_that_were_added(self, tree: Tree) -> None:
        core = RegistryCore(tree, {"quay.io": Host(faults=[Fault(action=FaultAction(status=500))])})
        plane = ControlPlane(OneProcess(core))
        await result(plane, "faults", "POST", TEAPOT)
        assert [(one["host"], one["configured"]) for one in await result(plane, "faults")] == [
            ("quay.io", True),
            ("*", False),
        ]
        assert (await call(plane, "faults", "DELETE")).status == 204
        assert len(await result(plane, "faults")) == 1

    @pytest.mark.parametrize(
        ("document", "text"),
        [
            (b"", "Input data was truncated"),
            (b"[" * 100_000, ""),
            (b"\xff", ""),
            ([], "Expected `object`, got `array`"),
            ({}, "Object missing required field `action`"),
            ({**TEAPOT, "hosts": "x"}, "Object contains unknown field `hosts`"),
            ({**TEAPOT, "host": "a b"}, "'a b' is no host such as quay.io or quay.io:8443"),
            ({**TEAPOT, "times": -5}, "Expected `int` >= -1 - at `$.times`"),
            ({"action": {"tls": "alert"}, "match": {"kind": "ping"}}, "Expected `match` of a `tls` fault"),
        ],
    )
    async def test_what_is_no_rule(self, plane: ControlPlane, document: Any, text: str) -> None:
        status, found = await problem(plane, "faults", "POST", document)
        assert status == 400
        assert found.startswith(text)

    async def test_bodies_are_bounded(self, plane: ControlPlane) -> None:
        assert await problem(plane, "faults", "POST", b" " * (MAX_BODY + 1)) == (
            413,
            f"a body of more than {MAX_BODY} bytes",
        )


async def test_reset(plane: ControlPlane, core: RegistryCore) -> None:
    await result(plane, "faults", "POST", {"match": {"kind": "other"}, **TEAPOT})
    for status in (299, 418):
        assert (await ask(core, "/v2/once")).status == status
    assert (await call(plane, "reset", "POST")).status == 204
    assert await result(plane, "faults") == []
    assert (await result(plane, "journal"))["entries"] == []
    assert (await ask(core, "/v2/once")).status == 299


async def test_state_of_the_tree(plane: ControlPlane, tree: Tree) -> None:
    write_index(tree.root, "broken", "nonsense")
    assert await result(plane, "tree") == {
        "hosts": [
            {"host": "plain.example.com:5000", "scheme": "http", "repositories": 0},
            {"host": "quay.io", "scheme": "https", "repositories": 3},
        ]
    }
    content = await result(plane, "tree/quay.io")
    assert content["host"] == "quay.io"
    assert "index.json" in content["repositories"][0].pop("problem")
    assert content["repositories"] == [
        {"repository": "broken", "tags": 0, "manifests": 0},
        {"repository": "lone", "tags": 1, "manifests": 1, "problem": ""},
        {"repository": "team/app", "tags": 2, "manifests": 1, "problem": ""},
    ]
    assert await result(plane, "tree/plain.example.com%3A5000") == {
        "host": "plain.example.com:5000",
        "repositories": [],
    }
    assert await problem(plane, "tree/ghcr.io") == (404, "no host ghcr.io")
    assert await problem(plane, "tree/..%2F..") == (404, "no host ../..")


class TestRouting:
    @pytest.mark.parametrize(
        ("path", "text"),
        [
            ("/", "the control plane lies below /_ismirror/"),
            ("/v2/", "the control plane lies below /_ismirror/"),
            ("nothing", "no /_ismirror/nothing"),
            ("faults/", "no /_ismirror/faults/"),
            ("", "no /_ismirror/"),
        ],
    )
    async def test_what_there_is_not(self, plane: ControlPlane, path: str, text: str) -> None:
        assert await problem(plane, path) == (404, text)

    async def test_methods(self, plane: ControlPlane) -> None:
        assert await problem(plane, "reset") == (405, "GET is not possible here, but POST")
        assert await problem(plane, "faults", "PUT") == (405, "PUT is not possible here, but DELETE, GET, POST")

    @pytest.mark.parametrize("host", ["evil.example.com", "evil.example.com:5001", "", "127.0.0.1.example.com"])
    async def test_names_that_somebody_made_lead_here(self, plane: ControlPlane, host: str) -> None:
        assert await problem(plane, "healthz", host=host) == (403, "the control plane is not for web pages")

    @pytest.mark.parametrize(
        "host", ["127.0.0.1", "127.0.0.1:5001", "[::1]:5001", "[::1]", "localhost:80", "LOCALHOST"]
    )
    async def test_names_of_its_own(self, plane: ControlPlane, host: str) -> None:
        assert (await call(plane, "healthz", host=host)).status == 200

    async def test_a_name_that_it_was_given(self, core: RegistryCore) -> None:
        plane = ControlPlane(OneProcess(core), names=frozenset({"registry"}))
        assert (await call(plane, "healthz", host="registry:5001")).status == 200

    async def test_a_token(self, core: RegistryCore) -> None:
        plane = ControlPlane(OneProcess(core), token="s3cret")
        refused = await call(plane, "journal", host="registry.test.svc:5001")
        assert (refused.status, header(refused, "WWW-Authenticate")) == (401, 'Bearer realm="ismirror"')
        for wrong in ("Bearer s3cre", "Bearer s3crets", "Basic s3cret", "s3cret", "Bearer \udcff"):
            assert (await call(plane, "journal", headers={"authorization": wrong})).status == 401
        assert (await call(plane, "nothing")).status == 404
        right = {"authorization": "bearer s3cret"}
        assert (await call(plane, "journal", host="registry.test.svc:5001", headers=right)).status == 200
        assert (
            await call(plane, "reset", "POST", headers=right | {"origin": "https://evil.example.com"})
        ).status == 403
        for path in ("healthz", "readyz"):
            assert (await call(plane, path, host="registry.test.svc:5001")).status == 200

    async def test_web_pages(self, plane: ControlPlane) -> None:
        headers = {"origin": "https://evil.example.com"}
        assert (await problem(plane, "reset", "POST", headers=headers))[0] == 403


class TestMetrics:
    async def test_what_is_counted(self, plane: ControlPlane, core: RegistryCore) -> None:
        core.faults.add("*", Fault(name="tea", action=FaultAction(status=418), times=1))
        for method in ("GET", "GET", "HEAD", "BREW"):
            await ask(core, "/v2/lone/tags/list", method)
        response = await call(plane, "metrics")
        assert (header(response, "Content-Type") or "").startswith("text/plain; version=")
        lines = body(response).decode().splitlines()
        for line in (
            'ismirror_requests_total{host="quay.io",kind="tags",method="GET",status="418"} 1.0',
            'ismirror_requests_total{host="quay.io",kind="tags",method="GET",status="200"} 1.0',
            'ismirror_requests_total{host="quay.io",kind="tags",method="HEAD",status="200"} 1.0',
            'ismirror_requests_total{host="quay.io",kind="tags",method="other",status="405"} 1.0',
            'ismirror_request_seconds_count{kind="tags"} 4.0',
            'ismirror_fault_seen_total{host="*",id="1",name="tea"} 4.0',
            'ismirror_fault_fired_total{host="*",id="1",name="tea"} 1.0',
        ):
            assert line in lines
        assert any(line.startswith("process_resident_memory_bytes") for line in lines)

    async def test_invented_hosts_do_not_fill_the_memory(self, plane: ControlPlane, core: RegistryCore) -> None:
        for number in range(600):
            await ask(core, "/v2/", host=f"h{number}.example.com")
        text = body(await call(plane, "metrics")).decode()
        assert text.count("ismirror_requests_total{") == 501
        assert 'host="other",kind="ping",method="GET",status="200"} 100.0' in text

    async def test_without(self, core: RegistryCore) -> None:
        status, text = await problem(ControlPlane(OneProcess(core)), "metrics")
        assert (status, "ismirror[metrics]" in text) == (501, True)


class TestPages:
    async def test_hosts_faults_and_requests(self, plane: ControlPlane, core: RegistryCore) -> None:
        await result(plane, "faults", "POST", {"host": "quay.io", "name": "<slow & odd>", "action": {"status": 503}})
        await ask(core, "/v2/<script>alert(1)</script>", headers={"user-agent": "x"})
        response = await call(plane, "page")
        assert (response.status, header(response, "Content-Type")) == (200, "text/html; charset=utf-8")
        policy = header(response, "Content-Security-Policy")
        assert policy is not None
        assert policy.startswith("default-src 'none';")
        text = body(response).decode()
        style = text.partition("<style>")[2].partition("</style>")[0]
        digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
        assert f"style-src 'sha256-{digest}'" in policy
        assert '<a href="/_ismirror/page/plain.example.com%3A5000">plain.example.com:5000</a>' in text
        assert "&lt;slow &amp; odd&gt;" in text
        assert "GET /v2/&lt;script&gt;alert(1)&lt;/script&gt;" in text
        assert "<script" not in text
        assert "2023-11-14 22:13:20" in text

    async def test_repositories_of_a_host(self, plane: ControlPlane, tree: Tree) -> None:
        write_index(tree.root, "broken", "nonsense")
        text = body(await call(plane, "page/quay.io")).decode()
        snapshot = tree.snapshot(HOST, "team/app")
        assert snapshot is not None
        image = snapshot.tags["v1"]
        links = manifest_links(snapshot.read_manifest(image) or b"")
        size = image.size + sum(blob.size for blob in links.blobs())
        assert "team/app <span class=soft>2 tags, 1 manifest</span>" in text
        row = (
            f"<td>v1</td><td><code>{image.digest}</code></td><td><code>{image.media_type}</code></td><td>{size} B</td>"
        )
        assert row in text
        assert "manifests: expected" in text  # what is broken says how
        assert "No repositories." in body(await call(plane, "page/plain.example.com%3A5000")).decode()
        assert await problem(plane, "page/ghcr.io") == (404, "no host ghcr.io")
        assert await problem(plane, "page", "POST") == (405, "POST is not possible here, but GET")

    async def test_a_token_is_a_password_there(self, core: RegistryCore) -> None:
        plane = ControlPlane(OneProcess(core), token="secret")
        for path, secret, status in (
            ("page", "secret", 200),
            ("page/quay.io", "secret", 200),
            ("page", "other", 401),
            ("tree", "secret", 401),
        ):
            credentials = base64.b64encode(f"anybody:{secret}".encode()).decode()
            response = await call(plane, path, headers={"authorization": f"Basic {credentials}"})
            assert response.status == status, path
        assert header(await call(plane, "page"), "WWW-Authenticate") == 'Basic realm="ismirror"'
        assert header(await call(plane, "tree"), "WWW-Authenticate") == 'Bearer realm="ismirror"'
        assert (await call(plane, "page", headers={"authorization": "Basic not-base64"})).status == 401


async def test_the_description_is_that_of_what_there_is(plane: ControlPlane) -> None:
    document = await result(plane, "openapi.json")
    assert document["openapi"] == "3.1.0"
    found = {(path, method) for path, methods in document["paths"].items() for method in methods}
    assert found == {(f"/_ismirror/{one.path}", one.method.lower()) for one in ENDPOINTS}
    operations = [operation for methods in document["paths"].values() for operation in methods.values()]
    assert all(operation["summary"].endswith((".", ".")) for operation in operations)
    assert len({operation["operationId"] for operation in operations}) == len(operations)
    text = json.dumps(document)
    for reference in {part.partition(chr(34))[0] for part in text.split("#/components/schemas/")[1:]}:
        assert reference in document["components"]["schemas"]
    assert {"FaultReport", "NewFault", "Entry", "Problem"} <= set(document["components"]["schemas"])
    parameters = document["paths"]["/_ismirror/journal"]["get"]["parameters"]
    assert {"name": "status", "in": "query", "required": False, "schema": {"type": "integer"}} in parameters


async def test_over_a_socket(plane: ControlPlane, core: RegistryCore) -> None:
    rule = json.dumps(TEAPOT)
    async with RegistryServer(plane) as server:
        address = await server.start()
        async with connected(address) as wire:
            head = f"POST /_ismirror/faults HTTP/1.1\r\nHost: {address}\r\nContent-Length: {len(rule)}\r\n\r\n"
            await wire.send((head + rule).encode())
            assert (await wire.head()).startswith(b"HTTP/1.1 201 Created\r\n")
        async with connected(address) as wire:
            await wire.send(f"GET /_ismirror/healthz HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
            assert b"Content-Type: application/json" in await wire.head()
            assert await wire.body(15) == b'{"status":"ok"}'
    assert (await ask(core, "/v2/")).status == 418


class TestAccessLog:
    @pytest.fixture
    def log(self, tree: Tree, tmp_path: Path) -> tuple[RegistryCore, Path]:
        core = RegistryCore(
            tree, {"quay.io": Host(auth=Auth(type="basic", username="me", password="x"))}, clock=lambda: 0.25
        )
        file = tmp_path / "access.log"
        AccessLog(core, os.open(file, os.O_WRONLY | os.O_CREAT))
        return core, file

    async def test_lines(self, log: tuple[RegistryCore, Path]) -> None:
        core, file = log
        headers = {"authorization": "Basic bWU6eA==", "user-agent": "curl/8"}
        await ask(core, "/v2/lone/tags/list?n=1", headers=headers, remote="192.0.2.1:4000")
        await ask(core, "/v2/\udcff\n", "HEAD", secure=False)
        first, second = map(json.loads, file.read_text().splitlines())
        assert 0 < first.pop("seconds") < 5
        assert first == {
            "time": "1970-01-01T00:00:00.250Z",
            "remote": "192.0.2.1:4000",
            "tls": True,
            "host": "quay.io",
            "method": "GET",
            "target": "/v2/lone/tags/list?n=1",
            "status": 200,
            "bytes": 29,
            "kind": "tags",
            "user": "me",
            "repository": "lone",
            "userAgent": "curl/8",
        }
        assert (second["target"], second["bytes"], second["tls"]) == ("/v2/?\n", 0, False)

    async def test_secrets_are_not_in_it(self, log: tuple[RegistryCore, Path]) -> None:
        core, file = log
        await ask(core, "/v2/", headers={"authorization": "Basic bWU6eA==", "cookie": "secret"})
        text = file.read_text()
        assert "bWU6eA" not in text
        assert "secret" not in text

    async def test_nobody_reads_it(self, tree: Tree) -> None:
        reading, writing = os.pipe()
        os.close(reading)
        core = RegistryCore(tree)
        AccessLog(core, writing)
        assert (await ask(core, "/v2/")).status == 200
        os.close(writing)

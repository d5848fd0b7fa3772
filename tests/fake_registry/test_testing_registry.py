"""`FakeRegistry`, from code that is asynchronous and from code that is not."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import os
import ssl
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.registry import image
from yarl import URL

from fake_registry import FakeRegistry, Fault, FaultAction, Tree, TreeError, UsageError
from fake_registry.core.messages import Request
from fake_registry.fixtures import verify
from fake_registry.oci import OCI_INDEX, OCI_MANIFEST, compute_digest, manifest_links

HOSTS = {
    "private.example.com": {"auth": {"type": "bearer", "username": "me", "password": "secret"}},
    "plain.example.com:5000": {"scheme": "http"},
    "down.example.com": {"scheme": "down"},
    "selfsigned.example.com": {"scheme": "selfsigned"},
}


@pytest.fixture
def registry() -> Iterator[FakeRegistry]:
    with FakeRegistry(hosts=HOSTS) as registry:
        yield registry


def get(registry: FakeRegistry, url: str) -> tuple[int, Any]:
    """Status and JSON of an answer to a client that knows nothing but the authority."""
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=registry.ssl_context())
    )
    try:
        with opener.open(
            url,
        ) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


async def test_a_registry_in_the_loop_that_runs() -> None:
    async with FakeRegistry() as registry:
        digest = registry.push_image("quay.io/team/app:1.0")
        async with (
            aiohttp.ClientSession(connector=registry.connector()) as session,
            session.get("https://quay.io/v2/team/app/manifests/1.0") as answer,
        ):
            assert answer.status == 200
            assert compute_digest(await answer.read()) == digest
    assert [(entry.host, entry.kind, entry.status) for entry in registry.journal] == [("quay.io", "manifest", 200)]


async def test_a_loop_is_left_as_it_was() -> None:
    before = asyncio.all_tasks()
    async with FakeRegistry() as registry, aiohttp.ClientSession() as session:
        async with session.get(f"{registry.url('quay.io')}/v2/", ssl=registry.ssl_context()) as answer:
            assert answer.status == 200
        registry.url("docker.io")  # and nobody comes
    assert asyncio.all_tasks() == before


def test_a_registry_in_a_thread(registry: FakeRegistry) -> None:
    digest = registry.push_image("quay.io/app")
    assert get(registry, f"{registry.url('quay.io')}/v2/app/tags/list") == (200, {"name": "app", "tags": ["latest"]})
    assert registry.digest("quay.io/app") == digest


def test_the_thread_ends() -> None:
    before = threading.enumerate()
    with FakeRegistry() as registry:
        assert get(registry, f"{registry.url()}/v2/") == (200, {})
        assert len(threading.enumerate()) > len(before)
    assert threading.enumerate() == before


async def test_it_may_be_used_from_other_threads() -> None:
    async with FakeRegistry() as registry:
        digest = await asyncio.to_thread(registry.push_image, "quay.io/app")
        url = await asyncio.to_thread(registry.url, "quay.io")
        assert await asyncio.to_thread(get, registry, f"{url}/v2/app/tags/list") == (
            200,
            {"name": "app", "tags": ["latest"]},
        )
        assert registry.digest("quay.io/app") == digest


async def test_errors_come_out_of_the_thread() -> None:
    async with FakeRegistry() as registry:
        with pytest.raises(TreeError, match="tag 'a b'"):
            await asyncio.to_thread(registry.push_image, "quay.io/app", tags="a b")


class TestReaching:
    """How clients come to a host."""

    def test_a_host_has_a_port_of_its_own(self, registry: FakeRegistry) -> None:
        registry.push_image("quay.io/app")
        registry.push_image("docker.io/nginx")
        for host, name in (("quay.io", "app"), ("docker.io", "library/nginx"), ("index.docker.io", "library/nginx")):
            assert get(registry, f"{registry.url(host)}/v2/_catalog") == (200, {"repositories": [name]})
        assert registry.url("docker.io") == registry.url("registry-1.docker.io") != registry.url("quay.io")

    def test_a_host_may_be_new(self, registry: FakeRegistry) -> None:
        url = registry.url("new.example.com").replace("127.0.0.1", "localhost")  # TLS has a name now, which is no host
        registry.push_image("new.example.com/app")
        assert get(registry, f"{url}/v2/app/tags/list")[0] == 200
        assert [entry.host for entry in registry.journal] == ["new.example.com"]

    def test_the_scheme_is_that_of_the_host(self, registry: FakeRegistry) -> None:
        assert registry.url("plain.example.com:5000").startswith("http://127.0.0.1:")
        assert get(registry, f"{registry.url('plain.example.com:5000')}/v2/") == (200, {})

    def test_nobody_listens_for_a_host_that_is_down(self, registry: FakeRegistry) -> None:
        with pytest.raises(urllib.error.URLError, match="Connection refused"):
            get(registry, registry.url("down.example.com"))

    def test_nobody_trusts_a_selfsigned_host(self, registry: FakeRegistry) -> None:
        with pytest.raises(urllib.error.URLError, match="CERTIFICATE_VERIFY_FAILED"):
            get(registry, registry.url("selfsigned.example.com"))

    def test_the_token_endpoint_can_be_reached(self, registry: FakeRegistry) -> None:
        url = registry.url("private.example.com")
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(
                f"{url}/v2/",
                context=registry.ssl_context(),
            )
        with caught.value as answer:
            assert answer.headers["WWW-Authenticate"] == f'Bearer realm="{url}/token",service="private.example.com"'

    def test_the_listener_is_a_registry_itself(self, registry: FakeRegistry) -> None:
        registry.push_image(f"{registry.address}/app:1")
        assert get(registry, f"{registry.url()}/v2/app/tags/list") == (200, {"name": "app", "tags": ["1"]})

    def test_a_namespace_names_the_host(self, registry: FakeRegistry) -> None:
        registry.push_image("quay.io/app:1")
        assert get(registry, f"{registry.url()}/v2/app/tags/list?ns=quay.io")[0] == 200

    def test_pull_specs_are_made_reachable(self, registry: FakeRegistry) -> None:
        port = registry.url("quay.io").removeprefix("https://")
        digest = registry.push_image("quay.io/team/app:1.0")
        assert registry.pull_spec("quay.io/team/app:1.0") == f"{port}/team/app:1.0"
        assert registry.pull_spec(f"quay.io/team/app@{digest}") == f"{port}/team/app@{digest}"

    async def test_a_connector_reaches_all_hosts_by_name(self) -> None:
        hosts: Any = {**HOSTS, "plain.example.com": {"scheme": "https"}}
        async with (
            FakeRegistry(hosts=hosts) as registry,
            aiohttp.ClientSession(connector=registry.connector()) as session,
        ):
            urls = ["https://quay.io", "https://plain.example.com", "http://plain.example.com:5000", "https://new.org"]
            for url in urls:
                async with session.get(f"{url}/v2/") as answer:
                    assert answer.status == 200
            assert [entry.host for entry in registry.journal] == [
                "quay.io",
                "plain.example.com",
                "plain.example.com:5000",
                "new.org",
            ]
            with pytest.raises(aiohttp.ClientConnectorCertificateError):
                await session.get("https://selfsigned.example.com/v2/")
            with pytest.raises(aiohttp.ClientConnectorError, match=r"down\.example\.com:443"):
                await session.get("https://down.example.com/v2/")

    async def test_a_connector_takes_options(self) -> None:
        async with FakeRegistry() as registry, registry.connector(limit=3, ssl=False) as connector:
            assert connector.limit == 3

    def test_programs_reach_hosts_by_name(self, registry: FakeRegistry) -> None:
        registry.push_image("quay.io/app:1")
        registry.push_image("plain.example.com:5000/app:2")
        program = "import sys, urllib.request as u\nfor url in sys.argv[1:]: print(u.urlopen(url, ).read().decode())"
        urls = ["https://quay.io/v2/app/tags/list", "http://plain.example.com:5000/v2/app/tags/list"]
        done = subprocess.run(
            [sys.executable, "-c", program, *urls],
            env=os.environ | registry.environment(),
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout.splitlines() == ['{"name":"app","tags":["1"]}', '{"name":"app","tags":["2"]}']

    def test_the_authority_is_the_same_for_all(self, registry: FakeRegistry) -> None:
        assert registry.ca_file.read_bytes() == registry.ca_pem
        with FakeRegistry() as other:
            assert other.ca_pem == registry.ca_pem
            assert other.ca_file != registry.ca_file
        context = ssl.create_default_context(cafile=registry.ca_file)
        with urllib.request.urlopen(
            f"{registry.url('quay.io')}/v2/",
            context=context,
        ) as answer:
            assert answer.status == 200


class TestContent:
    """What tests put into a registry, and find in it."""

    def test_an_image(self, registry: FakeRegistry) -> None:
        digest = registry.push_image(
            "quay.io/app:1.0", tags=["latest"], labels={"team": "a"}, env=["A=b"], cmd=["run"], entrypoint=["sh"]
        )
        assert registry.tags("quay.io/app") == ["1.0", "latest"]
        assert registry.digest("quay.io/app:1.0") == registry.digest("quay.io/app") == digest
        manifest = registry.manifest("quay.io/app:1.0")
        assert manifest is not None
        links = manifest_links(manifest)
        assert len(links.layers) == 3
        assert links.config is not None
        status, config = get(registry, f"{registry.url('quay.io')}/v2/app/blobs/{links.config.digest}")
        assert status == 200
        assert config["config"]["Labels"]["team"] == "a"
        assert (config["config"]["Env"], config["config"]["Cmd"], config["config"]["Entrypoint"]) == (
            ["A=b"],
            ["run"],
            ["sh"],
        )
        assert list(verify(registry.tree)) == []

    def test_the_same_words_make_the_same_image(self, registry: FakeRegistry) -> None:
        one = registry.push_image("quay.io/app:1.0")
        assert one == registry.push_image("quay.io/app:1.0")
        assert one != registry.push_image("quay.io/app:1.1")
        assert one != registry.push_image("quay.io/app:1.0", created=None, labels={"a": "b"})

    def test_an_index(self, registry: FakeRegistry) -> None:
        registry.push_image("quay.io/app", platforms=["linux/amd64", "linux/arm64"])
        manifest = registry.manifest("quay.io/app")
        assert manifest is not None
        links = manifest_links(manifest)
        assert links.media_type == OCI_INDEX
        assert len(links.children) == 2

    def test_tags(self, registry: FakeRegistry) -> None:
        digest = registry.push_image("quay.io/app", tags=[])
        assert registry.tags("quay.io/app") == []
        assert registry.digest(f"quay.io/app@{digest}") == digest
        registry.push_image("quay.io/app", tags="1.0")
        assert registry.tags("quay.io/app") == ["1.0"]

    def test_what_is_not_there(self, registry: FakeRegistry) -> None:
        assert registry.tags("quay.io/app") == []
        assert registry.digest("quay.io/app") is None
        assert registry.manifest("quay.io/app") is None
        registry.push_image("quay.io/app")
        assert registry.manifest("quay.io/app:2") is None

    def test_given_layers(self, registry: FakeRegistry) -> None:
        registry.push_image("quay.io/app", layers=[{"etc/motd": "hello"}, b"raw"])
        manifest = registry.manifest("quay.io/app")
        assert manifest is not None
        assert [layer.digest for layer in manifest_links(manifest).layers][1] == compute_digest(b"raw")

    def test_metadata_only(self, registry: FakeRegistry) -> None:
        registry.push_image("quay.io/app", layers=1, metadata_only=True, kind="docker")
        manifest = registry.manifest("quay.io/app")
        assert manifest is not None
        (layer,) = manifest_links(manifest).layers
        assert layer.size > 1_000_000
        status, error = get(registry, f"{registry.url('quay.io')}/v2/app/blobs/{layer.digest}")
        assert (status, error["errors"][0]["code"]) == (404, "BLOB_UNKNOWN")

    def test_an_artifact_refers_to_an_image(self, registry: FakeRegistry) -> None:
        image = registry.push_image("quay.io/app:1.0")
        artifact = registry.push_artifact(
            "quay.io/app", "application/spdx+json", files={"sbom.json": "{}"}, subject="1.0", annotations={"a": "b"}
        )
        status, index = get(registry, f"{registry.url('quay.io')}/v2/app/referrers/{image}")
        assert status == 200
        assert [(one["digest"], one["artifactType"], one["annotations"]) for one in index["manifests"]] == [
            (artifact, "application/spdx+json", {"a": "b"})
        ]
        assert registry.tags("quay.io/app") == ["1.0"]
        assert registry.push_artifact("quay.io/app:sig", "application/x", subject=image) != artifact
        assert registry.tags("quay.io/app") == ["1.0", "sig"]
        assert list(verify(registry.tree)) == []

    def test_an_artifact_refers_to_what_is_there(self, registry: FakeRegistry) -> None:
        with pytest.raises(UsageError, match=r"quay\.io/app has no 1\.0 to refer to"):
            registry.push_artifact("quay.io/app", "application/x", subject="1.0")


class TestPushing:
    """What clients push."""

    async def push(self, registry: FakeRegistry, manifest: bytes) -> int:
        """Pushes a manifest; the status that a client gets."""
        async with (
            aiohttp.ClientSession(f"{registry.url('quay.io')}/", connector=registry.connector()) as session,
            session.put("v2/app/manifests/1.0", data=manifest, headers={"Content-Type": OCI_MANIFEST}) as answer,
        ):
            return answer.status

    async def test_what_is_pushed_is_there(self) -> None:
        async with FakeRegistry() as registry:
            url = registry.url("quay.io")
            async with aiohttp.ClientSession(connector=registry.connector()) as session:
                async with session.post(f"{url}/v2/app/blobs/uploads/") as answer:
                    assert answer.status == 202
                    place = answer.url.join(URL(answer.headers["Location"], encoded=True))
                digest = compute_digest(b"{}")
                async with session.put(place.update_query(digest=digest), data=b"{}") as answer:
                    assert answer.status == 201
            manifest = image(b"{}", [])
            assert await self.push(registry, manifest) == 201
            assert registry.manifest("quay.io/app:1.0") == manifest
            assert registry.tags("quay.io/app") == ["1.0"]
            registry.reset()
            assert registry.tags("quay.io/app") == []
            assert await self.push(registry, manifest) == 201
            assert registry.tags("quay.io/app") == ["1.0"]

    async def test_what_a_registry_refuses(self) -> None:
        async with FakeRegistry(read_only=True) as registry:
            assert await self.push(registry, image()) == 405
            registry.push_image("quay.io/app")  # tests may
        async with FakeRegistry(require_references=True) as registry:
            assert await self.push(registry, image()) == 400
        async with FakeRegistry() as registry:
            assert await self.push(registry, image()) == 201


class TestTrees:
    """What is served, and what becomes of it."""

    @pytest.fixture
    def given(self, tmp_path: Path) -> Path:
        with FakeRegistry(tmp_path / "tree") as registry:
            registry.push_image("quay.io/app:1.0")
        return tmp_path / "tree"

    def test_a_tree_of_its_own_is_temporary(self) -> None:
        with FakeRegistry() as registry:
            registry.push_image("quay.io/app")
            root, ca_file = registry.tree.root, registry.ca_file
            assert root.is_dir()
        assert not root.exists()
        assert not ca_file.parent.exists()

    def test_a_given_tree_is_written_to(self, given: Path) -> None:
        with FakeRegistry(given) as registry:
            assert registry.tags("quay.io/app") == ["1.0"]
            registry.push_image("quay.io/app:1.1")
        with FakeRegistry(str(given)) as registry:
            assert registry.tags("quay.io/app") == ["1.0", "1.1"]
        with FakeRegistry(Tree.open(given)) as registry:
            assert registry.tags("quay.io/app") == ["1.0", "1.1"]

    def test_a_copy_leaves_the_tree_alone(self, given: Path) -> None:
        with FakeRegistry(given, copy=True) as registry:
            before = registry.digest("quay.io/app:1.0")
            registry.push_image("quay.io/app:1.1")
            registry.push_image("quay.io/app:1.0", labels={"other": "one"})
            assert registry.digest("quay.io/app:1.0") != before
            assert list(verify(registry.tree)) == []
        with FakeRegistry(given) as registry:
            assert registry.tags("quay.io/app") == ["1.0"]
            assert registry.digest("quay.io/app:1.0") == before
        assert list(verify(Tree.open(given))) == []

    def test_a_directory_that_is_no_tree_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        for copy in (False, True):
            with pytest.raises(TreeError, match="neither empty nor a fixture tree"), FakeRegistry(tmp_path, copy=copy):
                pass

    def test_reset_goes_back_to_the_start(self, registry: FakeRegistry) -> None:
        url = f"{registry.url('quay.io')}/v2/app/tags/list"
        digest = registry.push_image("quay.io/app:1.0")
        registry.faults.add(kind="ping", status=503)
        assert get(registry, url)[0] == 200
        assert get(registry, f"{registry.url('quay.io')}/v2/app/manifests/{digest}")[0] == 200
        registry.reset()
        assert (registry.journal.entries(), list(registry.faults), registry.tree.hosts()) == ([], [], [])
        assert get(registry, url)[0] == 404
        assert get(registry, f"{registry.url('quay.io')}/v2/app/manifests/{digest}")[0] == 404
        assert registry.push_image("quay.io/app:1.0") == digest
        assert get(registry, url)[0] == 200

    def test_reset_of_a_copy_copies_again(self, given: Path) -> None:
        with FakeRegistry(given, copy=True) as registry:
            registry.push_image("quay.io/other")
            registry.push_image("quay.io/app:1.1")
            registry.reset()
            assert registry.tree.repositories("quay.io") == ["app"]
            assert registry.tags("quay.io/app") == ["1.0"]

    def test_reset_leaves_a_given_tree_alone(self, given: Path) -> None:
        with FakeRegistry(given) as registry:
            registry.push_image("quay.io/app:1.1")
            registry.reset()
            assert registry.tags("quay.io/app") == ["1.0", "1.1"]

    def test_it_may_be_entered_again_but_not_twice(self) -> None:
        registry = FakeRegistry()
        for _ in range(2):
            with registry:
                assert registry.tree.hosts() == []
                registry.push_image("quay.io/app")
                with pytest.raises(UsageError, match="runs already"), registry:
                    pass
        with pytest.raises(UsageError, match="has to be entered first"):
            registry.push_image("quay.io/app")


class TestFaults:
    """Faults, and the account of them."""

    def test_faults_from_the_start(self) -> None:
        faults: Any = [{"host": "quay.io", "kind": "ping", "nth": 1, "status": 503, "times": 1}]
        with FakeRegistry(faults=faults) as registry:
            for _ in range(2):
                registry.reset()
                assert [get(registry, f"{registry.url('quay.io')}/v2/")[0] for _ in range(2)] == [503, 200]
                assert get(registry, f"{registry.url('docker.io')}/v2/")[0] == 200
                registry.faults.assert_met()

    def test_faults_that_are_added(self, registry: FakeRegistry) -> None:
        fault = registry.faults.add(host="quay.io", kind="ping", status=503, code="UNAVAILABLE", times=2)
        assert (fault.seen, fault.fired, fault.met) == (0, 0, False)
        status, body = get(registry, f"{registry.url('quay.io')}/v2/")
        assert (status, body["errors"][0]["code"]) == (503, "UNAVAILABLE")
        assert (fault.seen, fault.fired, fault.met) == (1, 1, False)
        assert [account.id for account in registry.faults.unmet()] == [fault.id]
        with pytest.raises(AssertionError, match=r"not all faults were met:\nfault .*1 requests matched, 1 met it"):
            registry.faults.assert_met()
        get(registry, f"{registry.url('quay.io')}/v2/")
        registry.faults.assert_met()
        assert [entry.fault for entry in registry.journal] == [fault.id] * 2
        fault.remove()
        assert len(registry.faults) == 0
        assert (fault.fired, fault.met) == (2, True)
        assert "2 met it" in repr(fault)

    def test_ways_to_say_a_fault(self, registry: FakeRegistry) -> None:
        registry.faults.add(Fault(action=FaultAction(status=500)))
        registry.faults.add(Fault(action=FaultAction(status=500)), host="quay.io")
        registry.faults.add({"status": 500}, host="docker.io")
        assert [account.host for account in registry.faults] == ["*", "quay.io", "docker.io"]
        with pytest.raises(UsageError, match="beside a Fault only host may be said, not times"):
            registry.faults.add(Fault(action=FaultAction(status=500)), times=1)
        registry.faults.clear()
        assert list(registry.faults) == []

    def test_faults_of_hosts_stay(self) -> None:
        hosts: Any = {"quay.io": {"faults": [{"action": {"status": 500}}]}}
        with FakeRegistry(hosts=hosts) as registry:
            registry.faults.add(status=503)
            registry.faults.clear()
            assert [account.configured for account in registry.faults] == [True]
            assert get(registry, f"{registry.url('quay.io')}/v2/")[0] == 500

    def test_a_handshake_of_one_host_fails(self, registry: FakeRegistry) -> None:
        fault = registry.faults.add(host="quay.io", tls="alert", times=1)
        with pytest.raises(urllib.error.URLError, match="HANDSHAKE_FAILURE"):
            get(registry, f"{registry.url('quay.io')}/v2/")
        assert get(registry, f"{registry.url('quay.io')}/v2/")[0] == 200
        assert fault.met

    def test_a_handshake_behind_the_proxy_fails(self, registry: FakeRegistry) -> None:
        fault = registry.faults.add(host="quay.io", tls="close", nth=2)
        proxy = urllib.request.ProxyHandler({"https": f"http://{registry.address}"})
        opener = urllib.request.build_opener(proxy, urllib.request.HTTPSHandler(context=registry.ssl_context()))
        opener.open("https://quay.io/v2/").close()
        with pytest.raises(urllib.error.URLError):
            opener.open("https://quay.io/v2/")
        opener.open("https://quay.io/v2/").close()
        assert (fault.seen, fault.fired) == (3, 1)

    def test_nobody_waits_for_an_answer_that_is_late_on_purpose(self, registry: FakeRegistry) -> None:
        registry.faults.add(latency="1h")
        client = http.client.HTTPSConnection(*registry.address, context=registry.ssl_context())
        with contextlib.closing(client):
            client.connect()
            client.sock.settimeout(0.1)
            client.request("GET", "/v2/")
            with pytest.raises(TimeoutError):
                client.getresponse()


def exchanged(registry: FakeRegistry) -> list[tuple[int, list[tuple[str, str]], bytes]]:
    """Everything that comes back of some requests over one connection: dates, ids, tokens."""
    wanted = [("POST", "/v2/app/blobs/uploads/", HOST_HEADERS), ("POST", "/v2/app/blobs/uploads/", HOST_HEADERS)]
    wanted += [("GET", "/token?service=private.example.com&scope=repository:app:pull", PRIVATE_HEADERS)]
    with contextlib.closing(http.client.HTTPConnection("127.0.0.1", registry.address.port)) as connection:
        answers = []
        for method, target, headers in wanted:
            connection.request(method, target, headers=headers)
            with connection.getresponse() as answer:
                answers.append((answer.status, answer.getheaders(), answer.read()))
    return answers


HOST_HEADERS = {"Host": "mine.example.com:80"}
PRIVATE_HEADERS = {"Host": "private.example.com", "Authorization": "Basic bWU6c2VjcmV0"}


def test_nothing_is_left_to_chance() -> None:
    hosts = {
        "private.example.com": {**HOSTS["private.example.com"], "scheme": "http"},
        "mine.example.com:80": {"scheme": "http"},
    }
    found = []
    for seed in (1, 1, 2):
        with FakeRegistry(hosts=hosts, clock=lambda: 1_700_000_000.0, seed=seed) as registry:
            found.append(exchanged(registry))
            registry.reset()
            assert exchanged(registry) == found[-1]
    assert [status for status, *_ in found[0]] == [202, 202, 200]
    assert dict(found[0][0][1])["Date"] == "Tue, 14 Nov 2023 22:13:20 GMT"
    assert found[0] == found[1]
    assert all(one != other for one, other in zip(found[0], found[2], strict=True))
    assert found[0][0] != found[0][1]


class TestWaiting:
    def test_for_what_another_thread_asks(self, registry: FakeRegistry) -> None:
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(registry.wait_for, host="quay.io", kind="tags", count=2, within=300)
            for _ in range(2):
                assert get(registry, f"{registry.url('quay.io')}/v2/app/tags/list")[0] == 404
            assert [entry.status for entry in waiting.result()] == [404, 404]
        assert registry.wait_for(status=404)[0].kind == "tags"  # it was there already

    def test_for_nothing(self, registry: FakeRegistry) -> None:
        get(registry, f"{registry.url('quay.io')}/v2/app/tags/list")
        with pytest.raises(TimeoutError, match=r"^kind='tags', status=404: 1 of 2 requests in 0 seconds$"):
            registry.wait_for(kind="tags", status=404, count=2, within=0)

    async def test_in_a_loop(self) -> None:
        async with FakeRegistry() as registry:
            waiting = asyncio.create_task(registry.journal.wait_for(kind="ping", within=300))
            await asyncio.sleep(0)
            await registry.core.handle(Request("GET", "/v2/", host="quay.io"))
            assert [entry.target for entry in await waiting] == ["/v2/"]
            with pytest.raises(UsageError, match=r"await registry.journal.wait_for"):
                registry.wait_for(kind="ping")


def test_the_journal_as_text(registry: FakeRegistry) -> None:
    assert registry.listing() == "nothing was asked"
    registry.faults.add(name="busy", kind="ping", status=503, times=1)
    get(registry, f"{registry.url('quay.io')}/v2/")
    get(registry, f"{registry.url('quay.io')}/v2/app/tags/list")
    before = registry.journal.total
    get(registry, f"{registry.url('private.example.com')}/v2/")
    assert registry.listing().splitlines() == [
        "503 GET quay.io/v2/  (fault 1; UNAVAILABLE: service unavailable)",
        "404 GET quay.io/v2/app/tags/list  (NAME_UNKNOWN: repository name not known to registry (app))",
        "401 GET private.example.com/v2/  (UNAUTHORIZED: authentication required)",
        "fault 1 (busy) of *: 2 requests matched, 1 met it",
    ]
    assert registry.listing(since=before).splitlines()[0].startswith("401 GET private.example.com/v2/")
    for _ in range(300):
        registry.journal.add(0, "quay.io", Request("GET", "/v2/"), 0)
    assert registry.listing().splitlines()[:2] == ["(103 earlier requests are left out)", "dropped GET quay.io/v2/"]

"""`ImageApi`, from code that is asynchronous and from code that is not."""

from __future__ import annotations

import asyncio
import json
import os
import ssl
import tempfile
import threading
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml
from support.leaks import held

from fake_registry import FakeRegistry, TreeError, UsageError
from mirror import ImageApi, InputError

STREAMS = "/apis/image.openshift.io/v1/namespaces/demo/imagestreams"
STREAM = {
    "apiVersion": "image.openshift.io/v1",
    "kind": "ImageStream",
    "metadata": {"name": "app", "namespace": "demo"},
}
NOW = "2026-01-02T03:04:05Z"
USERS = {
    "users": [{"name": "jane", "token": "j"}, {"name": "joe", "token": "k"}, {"name": "nobody"}],
    "rules": [
        {"users": ["jane"], "verbs": ["*"], "resources": ["*"]},
        {"users": ["joe"], "verbs": ["list"], "resources": ["*"]},
    ],
}


@pytest.fixture
def api() -> Iterator[ImageApi]:
    with ImageApi() as api:
        yield api


def ask(api: ImageApi, path: str, method: str = "GET", body: Any = None, token: str | None = None) -> tuple[int, Any]:
    """Status and JSON of an answer to a client that knows URL, token and authority."""
    headers = api.headers if token is None else {"Authorization": f"Bearer {token}"}
    handlers: list[urllib.request.BaseHandler] = [urllib.request.ProxyHandler({})]
    if api.url.startswith("https"):
        handlers.append(urllib.request.HTTPSHandler(context=api.ssl_context()))
    data = None if body is None else json.dumps(body).encode()
    wanted = urllib.request.Request(
        api.url + path, data, {"Content-Type": "application/json", **headers}, method=method
    )
    try:
        with urllib.request.build_opener(*handlers).open(wanted) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def names(api: ImageApi) -> list[str]:
    return [item["metadata"]["name"] for item in ask(api, STREAMS)[1]["items"]]


def digests(stream: dict[str, Any] | None) -> dict[str, list[str]]:
    """The images of a stream by its tags."""
    tags = (stream or {}).get("status", {}).get("tags") or []
    return {tag["tag"]: [event["image"] for event in tag["items"] or []] for tag in tags}


def test_a_cluster_in_a_thread(api: ImageApi) -> None:
    digest = api.registry.push_image("quay.io/team/app:1.0")
    imported = api.import_image("quay.io/team/app:1.0", "demo/app")
    assert digests(imported) == {"1.0": [digest]}
    status, stream = ask(api, f"{STREAMS}/app")
    assert status == 200
    assert digests(stream) == digests(imported) == digests(api.image_stream("demo/app"))
    assert api.image_stream("demo/other") is None
    assert [(one.method, one.target, one.status, one.user) for one in api.requests] == [
        ("GET", f"{STREAMS}/app", 200, "admin")
    ]
    assert [entry.repository for entry in api.registry.journal.entries(kind="manifest")] == ["team/app"]


async def test_a_cluster_in_the_loop_that_runs() -> None:
    before, threads = asyncio.all_tasks(), threading.enumerate()
    async with FakeRegistry() as registry, ImageApi(registry) as api, aiohttp.ClientSession() as session:
        assert threading.enumerate() == threads
        registry.push_image("quay.io/app:1.0")
        image = {"from": {"kind": "DockerImage", "name": "quay.io/app:1.0"}}
        body = {"metadata": {"name": "app"}, "spec": {"import": True, "images": [image]}}
        url = api.url + STREAMS.replace("imagestreams", "imagestreamimports")
        async with session.post(url, json=body, headers=api.headers, ssl=api.ssl_context()) as answer:
            assert answer.status == 201
            assert digests((await answer.json())["status"]["import"]) == {"1.0": [registry.digest("quay.io/app:1.0")]}
    assert asyncio.all_tasks() == before


async def test_what_waits_is_for_other_threads() -> None:
    async with ImageApi(load=[STREAM]) as api:
        with pytest.raises(UsageError, match=r"await asyncio\.to_thread"):
            api.reset()
        await asyncio.to_thread(api.reset)
        assert await asyncio.to_thread(api.image_stream, "demo/app") is not None
    async with FakeRegistry() as registry:
        with pytest.raises(UsageError, match="'async with'"), ImageApi(registry):
            pass


async def test_a_registry_in_a_thread_serves_one_in_a_loop() -> None:
    with FakeRegistry() as registry:
        registry.push_image("quay.io/app")
        async with ImageApi(registry) as api:
            assert digests(api.import_image("quay.io/app", "app")) == {"latest": [registry.digest("quay.io/app")]}
        assert registry.running


def test_a_registry_that_was_not_entered_runs_with_it() -> None:
    registry = FakeRegistry(hosts={"down.example.com": {"scheme": "down"}})
    with ImageApi(registry) as api:
        assert registry.running
        stream = api.import_image("down.example.com/app", "demo/app")
        assert "connection refused" in stream["status"]["tags"][0]["conditions"][0]["message"]
    assert not registry.running


def test_hosts_come_and_go(api: ImageApi) -> None:
    def condition() -> str:
        tags = api.import_image("late.example.com/app:1", "demo/app")["status"]["tags"]
        return str((tags[0].get("conditions") or [{"message": ""}])[0]["message"])

    assert "no such host" in condition()
    api.registry.push_image("late.example.com/app:1")
    assert condition() == ""
    api.registry.reset()
    assert "no such host" in condition()


def test_programs_find_it_by_its_kubeconfig(api: ImageApi) -> None:
    path = Path(api.environment()["KUBECONFIG"])
    document = yaml.safe_load(path.read_text())
    assert document["clusters"][0]["cluster"]["server"] == api.url
    assert document["users"][0]["user"] == {"token": api.token}
    assert api.kubeconfig == path
    assert path.stat().st_mode & 0o077 == 0
    assert ssl.create_default_context(cafile=api.ca_file).cert_store_stats()["x509_ca"] == 1


def test_users_and_what_they_may_do(tmp_path: Path) -> None:
    with ImageApi(access=USERS, load=[STREAM]) as api:
        assert api.token == "j"
        assert ask(api, f"{STREAMS}/app")[0] == 200
        assert ask(api, f"{STREAMS}/app", token=api.token_of("joe"))[0] == 403
        assert ask(api, STREAMS, token=api.token_of("joe"))[0] == 200
        assert ask(api, STREAMS, token="wrong")[0] == 401
        document = yaml.safe_load(api.kubeconfig_of("joe").read_text())
        assert document["users"][0]["user"] == {"token": "k"}
        for unknown in ("nobody", "else"):
            with pytest.raises(UsageError, match="jane, joe"):
                api.token_of(unknown)
    (tmp_path / "access.yaml").write_text(json.dumps(USERS))
    with (
        ImageApi(access=tmp_path / "access.yaml", anonymous=True) as api,
        urllib.request.urlopen(f"{api.url}/version", context=api.ssl_context()) as answer,
    ):
        assert answer.status == 200


def test_clear_text() -> None:
    with ImageApi(http=True) as api:
        assert api.url.startswith("http://127.0.0.1:")
        assert (api.token, api.headers) == ("", {})
        assert ask(api, STREAMS)[0] == 200
        assert "certificate-authority-data" not in api.kubeconfig.read_text()


def test_objects_to_start_with(tmp_path: Path) -> None:
    file = tmp_path / "objects.yaml"
    file.write_text("apiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {name: b, namespace: demo}\n")
    many = {"apiVersion": "v1", "kind": "List", "items": [STREAM]}
    with ImageApi(load=[file, many]) as api:
        assert names(api) == ["app", "b"]
        loaded = api.load(STREAM, {**STREAM, "metadata": {"name": "c", "namespace": "demo"}})
        assert [(one.name, one.created) for one in loaded] == [
            ("imagestreams/demo/app", False),
            ("imagestreams/demo/c", True),
        ]
        with pytest.raises(InputError, match="object 1: found kind Pod, apiVersion v1; expected an object of a kind"):
            api.load({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}})


def test_reset_is_the_start() -> None:
    with ImageApi(load=[STREAM]) as api:
        ask(api, STREAMS, "POST", {"metadata": {"name": "more"}})
        token, url = api.token, api.url
        api.reset()
        assert len(api.requests) == 0
        assert names(api) == ["app"]
        assert (api.token, api.url) == (token, url)


def test_the_cluster_is_as_it_is_told(tmp_path: Path) -> None:
    cluster = {"allowedRegistriesForImport": [{"domainName": "quay.io"}], "denyCreateImages": True}
    with ImageApi(cluster=cluster, require_namespaces=True) as api:
        api.load({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "demo"}})
        with pytest.raises(InputError, match=r"quay\.io"):
            api.import_image("docker.io/nginx", "demo/nginx")
        assert ask(api, STREAMS, "POST", STREAM)[0] == 201
        assert ask(api, STREAMS.replace("demo", "other"), "POST", {"metadata": {"name": "a"}})[0] == 404


def test_state_is_kept(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    for _ in range(2):
        with ImageApi(state=tmp_path / "state.db", load=[STREAM]) as api:
            api.reset()
            assert names(api) == ["app"]


def test_controllers_import_what_streams_want() -> None:
    spec = {"tags": [{"name": "t", "from": {"kind": "DockerImage", "name": "quay.io/app"}}]}
    for controllers in (True, False):
        with ImageApi(controllers=controllers) as api:
            digest = api.registry.push_image("quay.io/app")
            api.load({**STREAM, "spec": spec})
            api.settle()
            assert digests(api.image_stream("demo/app")) == ({"t": [digest]} if controllers else {})


def test_time_passes_when_it_is_told_to() -> None:
    with ImageApi(now=NOW) as api:
        first = api.registry.push_image("quay.io/app:1")
        stream = api.import_image("quay.io/app:1", "demo/app", scheduled=True)
        assert stream["metadata"]["creationTimestamp"] == NOW
        second = api.registry.push_image("quay.io/app:1", labels={"build": "2"})
        api.advance(60)
        assert digests(api.image_stream("demo/app")) == {"1": [first]}
        api.advance(900 * 5 / 4)
        stream = api.image_stream("demo/app") or {}
        assert digests(stream) == {"1": [second, first]}
        assert NOW < stream["status"]["tags"][0]["items"][0]["created"] < "2026-01-02T03:25:00Z"
    with ImageApi() as api, pytest.raises(InputError, match="give now to ImageApi"):
        api.advance(1)


def test_the_same_clock_gives_the_same_bytes() -> None:
    found = []
    for _ in range(2):
        with ImageApi(now=NOW) as api:
            api.registry.push_image("quay.io/app:1")
            found.append(api.import_image("quay.io/app:1", "demo/app"))
    assert found[0] == found[1]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"cluster": {"blocked": []}}, "cluster.*blocked"),
        ({"cluster": {"insecureRegistries": "quay.io"}}, "cluster.insecureRegistries: Expected `array`"),
        ({"access": {"users": [{"name": "a"}, {"name": "a"}]}}, "access: users: two have the same name"),
        ({"access": {"people": []}}, "access.*people"),
        ({"access": "nowhere.yaml"}, "nowhere.yaml: No such file"),
        ({"now": "today"}, "'today' is not a time such as"),
    ],
)
def test_what_cannot_be(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        ImageApi(**options)


@pytest.mark.parametrize("stream", ["", "/app", "demo/", ":tag"])
def test_what_is_no_stream(api: ImageApi, stream: str) -> None:
    with pytest.raises(UsageError, match="is not an image stream such as"):
        api.import_image("quay.io/app", stream)


def test_a_start_that_fails_leaves_nothing(tmp_path: Path) -> None:
    threads = threading.enumerate()
    with pytest.raises(InputError, match=r"none\.yaml"), ImageApi(load=["none.yaml"]):
        pass
    (tmp_path / "file").write_text("no tree")
    with pytest.raises(TreeError), ImageApi(FakeRegistry(tmp_path)):
        pass
    assert threading.enumerate() == threads


async def test_a_start_that_fails_in_a_loop_leaves_nothing() -> None:
    tasks = asyncio.all_tasks()
    api = ImageApi(load=["none.yaml"])
    with pytest.raises(InputError, match=r"none\.yaml"):
        async with api:
            pass
    assert not api.registry.running
    assert asyncio.all_tasks() == tasks


async def test_a_start_that_failed_does_not_take_the_registry_with_it_later(tmp_path: Path) -> None:
    objects = tmp_path / "objects.yaml"
    api = ImageApi(load=[objects])
    with pytest.raises(InputError, match=r"objects\.yaml"):
        async with api:
            pass
    objects.write_text("{kind: ImageStream, apiVersion: image.openshift.io/v1, metadata: {name: app}}")
    async with api.registry:
        async with api:
            assert api.registry.running
        assert api.registry.running


def test_use_at_the_wrong_time(api: ImageApi) -> None:
    with pytest.raises(UsageError, match="runs already"), api:
        pass
    other = ImageApi()
    for use in (lambda: other.url, lambda: other.kubeconfig, other.reset):
        with pytest.raises(UsageError, match="has to be entered first"):
            use()


def use(api: ImageApi) -> None:
    """Imports, asks, and asks for a file."""
    api.registry.push_image("quay.io/app")
    api.import_image("quay.io/app", "demo/app")
    assert api.kubeconfig.exists()
    assert ask(api, f"{STREAMS}/app")[0] == 200


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="open files are listed in /proc")
def test_nothing_is_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with ImageApi() as api:  # what is made once for a process
        use(api)
    before = held()
    for _ in range(20):
        with ImageApi() as api:
            use(api)
    assert held() == before
    assert not any(os.scandir(tmp_path))


async def test_watches_end_with_it() -> None:
    tasks = asyncio.all_tasks()
    async with aiohttp.ClientSession() as session:
        async with ImageApi(load=[STREAM]) as api:
            url = f"{api.url}{STREAMS}?watch=true"
            answer = await session.get(url, headers=api.headers, ssl=api.ssl_context())
            assert json.loads(await answer.content.readline())["type"] == "ADDED"
        assert await answer.content.read() == b""
        answer.release()
    if left := asyncio.all_tasks() - tasks:
        await asyncio.wait(left)  # they end by themselves

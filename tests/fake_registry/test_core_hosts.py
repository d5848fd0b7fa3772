"""Which registry a request is for, scripted answers, and the journal."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support.registry import NOW, ask, body, error, header, put_image
from support.vectors import VECTORS

from fake_registry.config import Auth, Host, Route
from fake_registry.core.journal import Entry, Journal
from fake_registry.core.registry import RegistryCore
from fake_registry.fixtures import Tree
from fake_registry.oci import OCI_MANIFEST

PLAIN = "plain.example.com:5000"
CLEAR_TEXT = b"Client sent an HTTP request to an HTTPS server.\n"


@pytest.fixture
def tree() -> Tree:
    return Tree.open(VECTORS / "tree")


@pytest.fixture
def core(tree: Tree) -> RegistryCore:
    hosts = {
        "quay.io": Host(),
        PLAIN: Host(scheme="http"),
        "selfsigned.example.com": Host(scheme="selfsigned"),
        "down.example.com": Host(scheme="down"),
        "configured.example.com": Host(),
    }
    return RegistryCore(tree, hosts, clock=lambda: NOW)


class TestHosts:
    def test_known(self, core: RegistryCore, tree: Tree) -> None:
        assert core.known_hosts() == sorted({*tree.hosts(), "down.example.com", "configured.example.com"})

    @pytest.mark.parametrize(
        ("name", "config"),
        [
            ("quay.io", Host()),
            ("Quay.IO", Host()),
            ("quay.io:443", Host()),
            ("docker.io", Host()),
            ("registry-1.docker.io", Host()),
            ("registry-1.docker.io:443", Host()),
            ("index.docker.io", Host()),
            (PLAIN, Host(scheme="http")),
            ("down.example.com", Host(scheme="down")),
            ("configured.example.com", Host()),
            ("plain.example.com", None),
            ("quay.io:80", None),
            ("quay.io:5000", None),
            ("unknown.example.com", None),
            ("", None),
            ("..", None),
            ("../registries/quay.io", None),
        ],
    )
    def test_configuration(self, core: RegistryCore, name: str, config: Host | None) -> None:
        for _ in range(2):
            assert core.host(name) == config

    def test_default_port_of_clear_text(self, tree: Tree) -> None:
        core = RegistryCore(tree, {"plain.example.com": Host(scheme="http")})
        assert core.host("plain.example.com:80") == Host(scheme="http")
        assert core.host("plain.example.com:443") is None

    def test_docker_hub_under_any_name(self, tree: Tree) -> None:
        assert RegistryCore(tree, {"index.docker.io": Host(page=3)}).host("docker.io") == Host(page=3)
        both = {"registry-1.docker.io": Host(page=3), "docker.io": Host(page=4)}
        assert RegistryCore(tree, both).host("index.docker.io") == Host(page=4)

    @pytest.mark.parametrize(
        ("host", "sni", "query", "expected"),
        [
            ("quay.io", "quay.io", "", "quay.io"),
            ("quay.io", "docker.io", "", "quay.io"),
            ("QUAY.io:443", "x", "", "quay.io"),
            ("registry-1.docker.io", "x", "", "docker.io"),
            (PLAIN, None, "", PLAIN),
            ("127.0.0.1:5000", "quay.io", "", "quay.io"),
            ("127.0.0.1:5000", "index.docker.io", "", "docker.io"),
            ("127.0.0.1:5000", "unknown.example.com", "", "unknown.example.com"),
            ("127.0.0.1:5000", None, "", "127.0.0.1:5000"),
            ("unknown.example.com", None, "", "unknown.example.com"),
            ("quay.io", "quay.io", "ns=docker.io", "docker.io"),
            ("quay.io", "quay.io", "n=1&ns=Registry-1.docker.io&last=x", "docker.io"),
            ("quay.io", "quay.io", "ns=plain.example.com%3A5000", PLAIN),
            ("quay.io", "quay.io", "ns=unknown.example.com", "unknown.example.com"),
            ("quay.io", "quay.io", "ns=", "quay.io"),
            ("quay.io", "quay.io", "returns=docker.io", "quay.io"),
            ("quay.io", "quay.io", "ns=..%2F..", "../.."),
            ("quay.io", "quay.io", "ns=a%0D%0Ab", ""),
        ],
    )
    async def test_host_of_a_request(
        self, core: RegistryCore, host: str, sni: str | None, query: str, expected: str
    ) -> None:
        for _ in range(2):
            response = await ask(core, f"/v2/app/few/tags/list?{query}", host=host, sni=sni)
            assert list(core.journal)[-1].host == expected
            assert (response.status == 200) == (expected == "quay.io")
            named = expected and "&ns=" in f"&{query}" and query != "ns="
            assert header(response, "OCI-Namespace") == (expected if named else None)

    async def test_unknown_host_has_no_repositories(self, core: RegistryCore) -> None:
        response = await ask(core, "/v2/app/few/manifests/v1", host="unknown.example.com")
        assert error(response)["code"] == "NAME_UNKNOWN"
        assert (await ask(core, "/v2/", host="unknown.example.com")).status == 200

    async def test_host_that_gets_a_directory(self, tmp_path: Path) -> None:
        tree = Tree.open(tmp_path)
        core = RegistryCore(tree)
        assert core.host("quay.io") is None
        assert (await ask(core, "/v2/app/tags/list")).status == 404
        put_image(tree, "app", "v1")
        assert core.host("quay.io") == Host()
        assert core.known_hosts() == ["quay.io"]
        assert (await ask(core, "/v2/app/tags/list")).status == 200
        shutil.rmtree(tree.root / "registries" / "quay.io")
        assert core.host("quay.io") is None
        assert core.known_hosts() == []

    async def test_registry_of_its_own(self, tmp_path: Path) -> None:
        tree = Tree.open(tmp_path)
        tree.put_manifest("127.0.0.1:5000", "app", b"{}", OCI_MANIFEST, "v1")
        assert (tmp_path / "registries" / "127.0.0.1_5000" / "app").is_dir()
        response = await ask(RegistryCore(tree), "/v2/app/manifests/v1", host="127.0.0.1:5000", secure=False)
        assert body(response) == b"{}"


class TestClearText:
    @pytest.mark.parametrize("host", ["quay.io", "QUAY.IO", "selfsigned.example.com", "configured.example.com"])
    @pytest.mark.parametrize("path", ["/v2/", "/v2/app/few/manifests/v1?ns=docker.io", "/anything"])
    async def test_refused_by_hosts_that_speak_tls(self, core: RegistryCore, host: str, path: str) -> None:
        response = await ask(core, path, host=host, secure=False)
        assert (response.status, response.headers, response.body) == (400, [], CLEAR_TEXT)

    @pytest.mark.parametrize("host", [PLAIN, "docker.io", "private.example.com", "127.0.0.1:5000", "unknown"])
    async def test_taken_by_all_others(self, core: RegistryCore, host: str) -> None:
        assert (await ask(core, "/v2/", host=host, secure=False)).status == 200

    async def test_before_scripted_routes(self, tree: Tree) -> None:
        core = RegistryCore(tree, {"quay.io": Host(routes=[Route(path="/v2/", body="scripted")])})
        assert (await ask(core, "/v2/", secure=False)).body == CLEAR_TEXT

    async def test_nobody_listens(self, core: RegistryCore) -> None:
        assert (await ask(core, "/v2/", host="down.example.com")).drop


def recorded_routes() -> Iterator[Any]:
    """Hosts and routes of the scenarios that have some."""
    for path in sorted((VECTORS / "scenarios").glob("wire-*.json")):
        for name, config in json.loads(path.read_text())["hosts"].items():
            for route in config.get("routes", []):
                yield pytest.param(name, route, id=path.stem)


class TestScriptedRoutes:
    @staticmethod
    def core(tree: Tree, *routes: Route, auth: Auth | None = None) -> RegistryCore:
        return RegistryCore(tree, {"quay.io": Host(routes=list(routes), auth=auth)})

    async def test_exactly_what_is_written(self, tree: Tree) -> None:
        route = Route(path="/v2/", status=418, headers={"X-B": "2", "X-A": "1"}, body="téa")
        response = await ask(self.core(tree, route), "/v2/")
        assert (response.status, response.body) == (418, "téa".encode())
        assert response.headers == [("X-B", "2"), ("X-A", "1")]

    async def test_defaults(self, tree: Tree) -> None:
        response = await ask(self.core(tree, Route(path="/v2/")), "/v2/")
        assert (response.status, response.headers, response.body) == (200, [], b"")

    @pytest.mark.parametrize(
        ("route", "method", "target", "answers"),
        [
            (Route(path="/x"), "GET", "/x", True),
            (Route(path="/x"), "HEAD", "/x", False),
            (Route(path="/x"), "GET", "/x?n=1", False),
            (Route(path="/x?n=1"), "GET", "/x?n=1", True),
            (Route(path="/x?n=1"), "GET", "/x", False),
            (Route(path="/x"), "GET", "/x/", False),
            (Route(path="/%78"), "GET", "/x", False),
            (Route(path="/x", method="*"), "DELETE", "/x", True),
            (Route(path="/x", method="PUT"), "PUT", "/x", True),
            (Route(path="/x", method="put"), "PUT", "/x", True),
        ],
    )
    async def test_matching(self, tree: Tree, route: Route, method: str, target: str, *, answers: bool) -> None:
        response = await ask(self.core(tree, route), target, method)
        assert (response.status == 200) == answers

    async def test_only_on_its_host(self, tree: Tree) -> None:
        core = self.core(tree, Route(path="/v2/", status=500))
        assert (await ask(core, "/v2/", host="docker.io")).status == 200
        assert (await ask(core, "/v2/", host="quay.io")).status == 500

    async def test_times_are_counted_over_all_requests(self, tree: Tree) -> None:
        core = self.core(
            tree, Route(path="/v2/", status=500, times=2), Route(path="/v2/", status=503, times=1, method="*")
        )
        for _ in range(2):
            statuses = [(await ask(core, "/v2/")).status for _ in range(5)]
            assert statuses == [500, 500, 503, 200, 200]
            core.reset()

    async def test_never(self, tree: Tree) -> None:
        assert (await ask(self.core(tree, Route(path="/v2/", status=500, times=0)), "/v2/")).status == 200

    async def test_close(self, tree: Tree) -> None:
        core = self.core(tree, Route(path="/v2/", close=True, times=1))
        assert (await ask(core, "/v2/")).drop
        assert [entry.status for entry in core.journal] == [0]
        assert not (await ask(core, "/v2/")).drop

    async def test_before_authentication(self, tree: Tree) -> None:
        core = self.core(tree, Route(path="/v2/", body="scripted"), auth=Auth(type="basic"))
        assert (await ask(core, "/v2/")).body == b"scripted"

    async def test_head_has_no_body(self, tree: Tree) -> None:
        response = await ask(self.core(tree, Route(path="/v2/", method="*", body="12345")), "/v2/", "HEAD")
        assert (response.headers, response.body) == ([("Content-Length", "5")], b"")

    async def test_wrong_length_on_purpose(self, tree: Tree) -> None:
        route = Route(path="/v2/", method="*", body="12345", headers={"content-length": "7"})
        for method in ("GET", "HEAD"):
            response = await ask(self.core(tree, route), "/v2/", method)
            assert response.headers == [("content-length", "7")]

    @pytest.mark.parametrize(("name", "route"), list(recorded_routes()))
    async def test_routes_of_the_scenarios(self, tree: Tree, name: str, route: dict[str, Any]) -> None:
        core = RegistryCore(tree, {name: Host(routes=[Route(**route)])})
        response = await ask(core, route["path"], host=name)
        assert response.drop == route.get("close", False)
        if not response.drop:
            assert (response.status, body(response).decode()) == (route["status"], route["body"])
            assert dict(response.headers) == route["headers"]


class TestJournal:
    async def test_what_is_kept(self, core: RegistryCore) -> None:
        headers = {"accept": "a/b, c/d", "authorization": "Basic c2VjcmV0", "user-agent": "me/1", "cookie": "secret"}
        await ask(core, "/v2/app/few/manifests/none?x=1", headers=headers)
        assert list(core.journal) == [
            Entry(
                time=NOW,
                host="quay.io",
                method="GET",
                target="/v2/app/few/manifests/none?x=1",
                status=404,
                kind="manifest",
                repository="app/few",
                note="MANIFEST_UNKNOWN: manifest unknown (none)",
                accept="a/b, c/d",
                authorization="Basic",
                user_agent="me/1",
            )
        ]
        assert next(iter(core.journal)).accepts == ["a/b", "c/d"]

    @pytest.mark.parametrize(
        ("authorization", "kept"), [("", ""), ("Bearer x", "Bearer"), ("secret", "?"), ("se-cret x", "?"), (" x", "?")]
    )
    async def test_credentials_are_never_kept(self, core: RegistryCore, authorization: str, kept: str) -> None:
        await ask(core, "/v2/", headers={"authorization": authorization})
        assert [entry.authorization for entry in core.journal] == [kept]

    async def test_entries(self, core: RegistryCore) -> None:
        for path in ("/v2/", "/v2/app/few/tags/list", "/v2/app/few/manifests/none"):
            await ask(core, path)
        await ask(core, "/v2/", "HEAD", host="docker.io")
        targets = [entry.target for entry in core.journal.entries(repository="app/few")]
        assert targets == ["/v2/app/few/tags/list", "/v2/app/few/manifests/none"]
        assert [entry.host for entry in core.journal.entries(method="HEAD")] == ["docker.io"]
        assert len(core.journal.entries(host="quay.io", status=200)) == 2
        assert len(core.journal.entries(target="/manifests/")) == 1
        assert len(core.journal.entries(since=NOW)) == 4
        assert core.journal.entries(since=NOW + 1) == []
        core.journal.clear()
        assert (len(core.journal), core.journal.total) == (0, 4)

    async def test_long_texts_are_cut(self, core: RegistryCore) -> None:
        await ask(core, "/v2/" + "x" * 10_000, headers={"user-agent": "y" * 10_000})
        entry = next(iter(core.journal))
        assert (len(entry.target), len(entry.user_agent)) == (2048, 2048)

    async def test_bounded(self, tree: Tree) -> None:
        core = RegistryCore(tree, journal=Journal(3))
        for number in range(5):
            await ask(core, f"/v2/?{number}")
        assert [entry.target for entry in core.journal] == ["/v2/?2", "/v2/?3", "/v2/?4"]
        assert core.journal.total == 5

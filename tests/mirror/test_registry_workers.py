"""``ismirror registry --workers``: several processes that clients take for one."""

from __future__ import annotations

import base64
import hashlib
import os
import signal
import ssl
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.command import ismirror
from support.running import Running, ask, serving
from support.vectors import VECTORS

TREE = str(VECTORS / "tree")
CONNECTIONS = 24
"""The system deals connections out by their ports: that all of them go to one of two workers does not happen."""


def worker_pids(registry: Running) -> list[int]:
    """The workers: what is started last serves the control plane."""
    return registry.children(3)[:2]


@pytest.fixture
def tree(tmp_path: Path) -> str:
    return str(tmp_path / "tree")


def test_a_token_is_good_at_every_worker(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("hosts: {q.example.com: {scheme: http, auth: {type: bearer, username: me, password: x}}}\n")
    with serving("--data", str(tmp_path / "tree"), "--config", str(config), "--workers", "2") as registry:
        basic = "Basic " + base64.b64encode(b"me:x").decode()
        answer = ask(registry.port, "/token", host="q.example.com", Authorization=basic)
        bearer = f"Bearer {answer.json['token']}"
        answers = [
            ask(registry.port, "/v2/", host="q.example.com", Authorization=bearer).status for _ in range(CONNECTIONS)
        ]
        assert answers == [200] * CONNECTIONS
        registry.end()


def test_an_upload_goes_on_at_another_worker(tree: str, tmp_path: Path) -> None:
    """And a link to the blob is good at every worker."""
    config = tmp_path / "config.yaml"
    hosts = "{q.example.com: {scheme: http, blobRedirects: {host: cdn.example.com}}, cdn.example.com: {scheme: http}}"
    config.write_text(f"hosts: {hosts}\n")
    with serving("--data", tree, "--config", str(config), "--workers", "2") as registry:
        host = "q.example.com"
        content = os.urandom(CONNECTIONS)
        location = ask(registry.port, "/v2/app/blobs/uploads/", "POST", b"", host=host).headers["location"]
        for position in range(CONNECTIONS):
            piece = content[position : position + 1]
            answer = ask(registry.port, location, "PATCH", piece, host=host, Content_Range=f"{position}-{position}")
            assert answer.status == 202
            location = answer.headers["location"]
        digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
        assert ask(registry.port, f"{location}?digest={digest}", "PUT", b"", host=host).status == 201
        answers = [ask(registry.port, f"/v2/app/blobs/{digest}", host=host) for _ in range(CONNECTIONS)]
        assert {one.status for one in answers} == {307}
        links = [one.headers["location"].removeprefix("http://cdn.example.com") for one in answers]
        assert {ask(registry.port, link, host="cdn.example.com").body for link in links} == {content}
        registry.end()


def test_what_is_counted_is_counted_once(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "hosts: {q.example.com: {scheme: http, routes: [{path: /v2/odd, status: 418, times: 3}],\n"
        "  faults: [{match: {kind: catalog, nth: 5}, action: {status: 503}}]}}\n"
    )
    options = ("--config", str(config), "--workers", "2", "--control", "127.0.0.1:0")
    with serving("--data", str(tmp_path / "tree"), *options) as registry:
        odd = [ask(registry.port, "/v2/odd", host="q.example.com").status for _ in range(CONNECTIONS)]
        assert odd == [418] * 3 + [404] * (CONNECTIONS - 3)
        with ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(registry.control, f"journal?kind=catalog&count={CONNECTIONS}&wait=300")
            catalog = [ask(registry.port, "/v2/_catalog", host="q.example.com").status for _ in range(CONNECTIONS)]
            assert len(waiting.result().json["entries"]) == CONNECTIONS
        assert catalog == [200] * 4 + [503] + [200] * (CONNECTIONS - 5)
        page = registry.control("journal").json
        assert page["total"] == 2 * CONNECTIONS
        assert [entry["status"] for entry in page["entries"]] == odd + catalog
        assert len(registry.control("journal?limit=7").json["entries"]) == 7
        (fault,) = registry.control("faults").json
        assert (fault["seen"], fault["fired"]) == (CONNECTIONS, 1)
        metrics = registry.control("metrics").body.decode()
        assert f'kind="catalog",method="GET",status="200"}} {CONNECTIONS - 1}.0' in metrics
        assert 'ismirror_fault_seen_total{host="q.example.com",id="1",name=""} 24.0' in metrics
        assert metrics.count("process_resident_memory_bytes{worker=") == 2
        assert registry.control("readyz").json == {"status": "ok"}
        registry.end()


def test_changes_reach_all_workers(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("hosts: {q.example.com: {scheme: http}}\n")
    options = ("--config", str(config), "--workers", "2", "--control", "127.0.0.1:0")

    def pings(registry: Running) -> set[int]:
        return {ask(registry.port, "/v2/", host="q.example.com").status for _ in range(CONNECTIONS)}

    with serving("--data", str(tmp_path / "tree"), *options) as registry:
        registry.says()
        added = registry.control("faults", "POST", {"action": {"status": 503}})
        assert (added.status, added.headers["location"]) == (201, "/_ismirror/faults/1")
        assert pings(registry) == {503}
        assert registry.control("faults/1").json["seen"] == CONNECTIONS
        assert registry.control("faults/1", "DELETE").status == 204
        assert registry.control("faults/1", "DELETE").status == 404
        assert pings(registry) == {200}
        registry.control("faults", "POST", {"action": {"status": 500}})
        assert registry.control("reset", "POST").status == 204
        assert pings(registry) == {200}
        assert registry.control("journal").json["total"] == 3 * CONNECTIONS
        assert len(registry.control("journal").json["entries"]) == CONNECTIONS
        config.write_text("hosts: {q.example.com: {scheme: http, routes: [{path: /v2/, status: 299}]}}\n")
        registry.send(signal.SIGHUP)
        assert registry.says() == f"{config}: read again; hosts: 1"
        assert pings(registry) == {299}
        config.write_text("hosts: [")
        registry.send(signal.SIGHUP)
        assert "the configuration stays as it was" in registry.says()
        assert pings(registry) == {299}
        registry.end()


def test_a_worker_that_dies_is_started_again_as_it_was(tmp_path: Path) -> None:
    options = ("--data", str(tmp_path / "tree"), "--workers", "2", "--control", "127.0.0.1:0")
    with serving(*options) as registry:
        registry.says()
        registry.control("faults", "POST", {"match": {"kind": "ping", "after": 1}, "action": {"status": 503}})
        assert ask(registry.port, "/v2/").status == 200
        context = ssl.create_default_context(cafile=str(registry.ca_file))
        first, second = worker_pids(registry)
        for position, pid in enumerate((first, second), 1):
            os.kill(pid, signal.SIGKILL)
            assert registry.says() == f"worker {position} (process {pid}) was ended by signal 9; started again"
        assert {first, second}.isdisjoint(registry.children(3))
        assert {ask(registry.port, "/v2/").status for _ in range(CONNECTIONS)} == {503}
        with urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        ).open(f"https://127.0.0.1:{registry.port}/v2/_catalog") as answer:
            assert answer.status == 200
        assert registry.control("readyz").json == {"status": "ok"}
        registry.end()


def test_the_control_plane_is_started_again(tmp_path: Path) -> None:
    options = ("--data", str(tmp_path / "tree"), "--workers", "2", "--control", "127.0.0.1:0")
    with serving(*options) as registry:
        registry.says()
        registry.control("faults", "POST", {"action": {"status": 503}})
        pid = registry.children(3)[2]
        os.kill(pid, signal.SIGKILL)
        assert registry.says() == f"control plane (process {pid}) was ended by signal 9; started again"
        assert [fault["id"] for fault in registry.control("faults").json] == ["1"]
        assert registry.control("faults", "DELETE").status == 204
        assert ask(registry.port, "/v2/").status == 200
        registry.end()


def test_workers_that_die_again_and_again_are_given_up(tree: str) -> None:
    with serving("--data", tree, "--workers", "2") as registry:
        registry.says()
        for _ in range(5):
            os.kill(registry.children(2)[0], signal.SIGKILL)
            assert registry.says().endswith("was ended by signal 9; started again")
        os.kill(registry.children(2)[0], signal.SIGKILL)
        assert registry.says().endswith("more than 5 processes ended within 60 seconds, no more are started")
        assert registry.process.wait() == 1
        with pytest.raises(ConnectionRefusedError):
            ask(registry.port, "/v2/")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_all_end_when_told_to(tree: str, number: signal.Signals) -> None:
    with serving("--data", tree, "--workers", "3") as registry:
        registry.says()
        assert ask(registry.port, "/v2/").status == 200
        children = registry.children(3)
        registry.send(number)
        out, err = registry.process.communicate()
        assert (registry.process.returncode, out, err) == (0, "", "")
        assert not [pid for pid in children if Path(f"/proc/{pid}").exists()]
        assert not registry.ca_file.parent.exists()


def test_workers_do_not_outlive_who_looks_after_them(tree: str) -> None:
    with serving("--data", tree, "--workers", "2") as registry:
        registry.says()
        assert ask(registry.port, "/v2/").status == 200
        registry.process.kill()
        # they hold the other end of standard error: it ends when they do
        assert registry.says() == ""
        with pytest.raises(ConnectionRefusedError):
            ask(registry.port, "/v2/")


def test_a_port_that_others_share_is_taken(tree: str) -> None:
    with serving("--data", tree, "--workers", "2") as registry:
        again = ismirror("registry", "--data", tree, "--workers", "2", "--registry", f"127.0.0.1:{registry.port}")
        assert again.exit_code == 2
        assert "Address already in use" in again.stderr
        registry.end()

"""``ismirror registry`` and ``serve``: control plane, access log, ports of hosts, a configuration that changes."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import ssl
import urllib.request
from pathlib import Path

import pytest
from support.certificates import LONG_AGO, Authority
from support.command import ismirror
from support.running import ask, serving
from support.vectors import VECTORS

from mirror.client_tls import verifying_context

TREE = str(VECTORS / "tree")
ROUTE = "hosts: {quay.io: {scheme: http, routes: [{path: /v2/odd, status: 418, body: %s}]}}\n"


def test_a_fault_is_added_met_and_accounted_for() -> None:
    with serving("--data", TREE, "--control", "127.0.0.1:0") as registry:
        rule = {"host": "quay.io", "match": {"kind": "ping"}, "action": {"status": 503}, "times": 1}
        assert registry.control("faults", "POST", rule).status == 201
        assert [ask(registry.port, "/v2/?ns=quay.io").status for _ in range(2)] == [503, 200]
        (fault,) = registry.control("faults").json
        assert (fault["seen"], fault["fired"], fault["met"]) == (2, 1, True)
        page = registry.control("journal?status=503").json
        assert (page["total"], [entry["target"] for entry in page["entries"]]) == (2, ["/v2/?ns=quay.io"])
        assert b'ismirror_requests_total{host="quay.io"' in registry.control("metrics").body
        assert registry.control("readyz").json == {"status": "ok"}
        assert "/_ismirror/reset" in registry.control("openapi.json").json["paths"]
        assert registry.control("reset", "POST").status == 204
        assert registry.control("faults").json == []
        assert ask(registry.port, "/_ismirror/healthz").status == 404
        registry.end()


def test_a_control_plane_that_others_can_reach_has_a_token(tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("s3cret\n")
    data = ("--data", TREE, "--registry", "127.0.0.1:0")
    refused = ismirror("registry", *data, "--control", "0.0.0.0:0")
    assert (refused.exit_code, refused.stdout) == (2, "")
    assert "--control: 0.0.0.0:0 can be reached from other machines" in refused.stderr
    (tmp_path / "empty").touch()
    assert ismirror("registry", *data, "--control-token", str(tmp_path / "empty")).exit_code == 2
    with serving("--data", TREE, "--control", "127.0.0.1:0", "--control-token", str(token)) as registry:
        assert registry.control("journal").status == 401
        assert registry.control("healthz").status == 200
        assert registry.control("journal", Authorization="Bearer s3cret").status == 200
        registry.end()


def test_the_access_log() -> None:
    with serving("--data", TREE, "--access-log") as registry:
        assert registry.says().startswith(f"serving {Path(TREE).resolve()}: ")
        ask(registry.port, "/v2/app/oci/tags/list?ns=quay.io", User_Agent="tests")
        line = json.loads(registry.says())
        assert (line["host"], line["status"], line["kind"], line["userAgent"]) == ("quay.io", 200, "tags", "tests")
        registry.end()
    with serving("--data", TREE) as registry:
        registry.says()
        ask(registry.port, "/v2/")
        assert registry.end() == ""


def test_the_configuration_is_read_again(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(ROUTE % "first")
    with serving("--data", TREE, "--config", str(config)) as registry:
        registry.says()
        assert ask(registry.port, "/v2/odd", host="quay.io").body == b"first"
        config.write_text(ROUTE % "second")
        registry.send(signal.SIGHUP)
        assert registry.says() == f"{config}: read again; hosts: 1"
        assert ask(registry.port, "/v2/odd", host="quay.io").body == b"second"
        config.write_text("hosts:\n  quay.io:\n    scheme: gopher\n")
        registry.send(signal.SIGHUP)
        problem = registry.says()
        assert problem.startswith(f"{config}: hosts[quay.io].scheme: ")
        assert problem.endswith("(line 3); the configuration stays as it was")
        assert ask(registry.port, "/v2/odd", host="quay.io").body == b"second"
        config.write_text("server: {requireReferences: true, registry: '127.0.0.1:1'}\n")
        registry.send(signal.SIGHUP)
        assert registry.says() == f"{config}: read again; hosts: those of the tree"
        assert "only requireReferences and certificates change" in registry.says()
        assert ask(registry.port, "/v2/odd", host="quay.io").status == 404
        registry.end()


def test_certificates_are_read_again(tmp_path: Path) -> None:
    """With a configuration file and without one; one that cannot be used changes nothing."""
    first, second = Authority("First CA"), Authority("Second CA")
    file = tmp_path / "server.pem"
    (tmp_path / "config.yaml").write_text(f"server: {{certificates: {{quay.io: {{cert: {file}}}}}}}\n")

    def issuer(port: int) -> str:
        context = verifying_context(first.pem + second.pem)
        with (
            socket.create_connection(("127.0.0.1", port)) as plain,
            context.wrap_socket(plain, server_hostname="quay.io") as tls,
        ):
            certificate = tls.getpeercert()
        assert certificate is not None
        return str(certificate["issuer"][0][0][1])

    for options, said in (
        (("--tls-cert", str(file)), f"{file}: read again"),
        (("--config", str(tmp_path / "config.yaml")), f"{tmp_path}/config.yaml: read again; hosts: those of the tree"),
    ):
        file.write_bytes(b"".join(first.issue("quay.io")))
        with serving("--data", TREE, *options) as registry:
            registry.says()
            assert issuer(registry.port) == "First CA"
            file.write_bytes(b"".join(second.issue("docker.io", "quay.io", not_before=LONG_AGO)))
            registry.send(signal.SIGHUP)
            assert registry.says() == said
            assert issuer(registry.port) == "Second CA"
            file.write_bytes(second.pem)
            registry.send(signal.SIGHUP)
            assert "key" in registry.says()
            assert issuer(registry.port) == "Second CA"
            registry.end()


def test_the_configuration_of_a_cluster_is_read_again(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text("hosts: {}\n")
    options = ["--data", TREE, "--config", str(config), "--api", "127.0.0.1:0", "--http", "--control", "127.0.0.1:0"]
    kubeconfig = str(tmp_path / "kubeconfig")
    image = {"from": {"kind": "DockerImage", "name": "quay.io/app/web:latest"}}
    body = json.dumps({"metadata": {"name": "app"}, "spec": {"import": True, "images": [image]}}).encode()
    path = "/apis/image.openshift.io/v1/namespaces/default/imagestreamimports"
    with serving(*options, "--kubeconfig", kubeconfig, command="serve", last="use it with") as cluster:
        cluster.says()
        api = cluster.ports["API"]
        found = ask(api, path, "POST", body, Content_Type="application/json").json
        assert found["status"]["images"][0]["status"]["status"] == "Failure"
        config.write_text("hosts: {quay.io: {}}\n")
        cluster.send(signal.SIGHUP)
        assert cluster.says() == f"{config}: read again; hosts: 1"
        found = ask(api, path, "POST", body, Content_Type="application/json").json
        assert found["status"]["images"][0]["status"]["status"] == "Success"
        assert cluster.control("journal?host=quay.io").json["entries"]
        cluster.end()


def test_a_port_of_a_host(tmp_path: Path) -> None:
    shutil.copytree(TREE, tmp_path / "tree", symlinks=True)
    config = tmp_path / "config.yaml"
    config.write_text(
        "server: {hostPorts: {docker.io: 0}}\n"
        "hosts: {quay.io: {auth: {type: bearer, username: me, password: x}}, docker.io: {scheme: http}}\n"
    )
    data = ("--data", str(tmp_path / "tree"), "--config", str(config), "--host-port", "quay.io=0")
    with serving(*data, "--control", "127.0.0.1:0") as registry:
        context = ssl.create_default_context(cafile=str(registry.ca_file))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        with pytest.raises(urllib.request.HTTPError) as caught:
            opener.open(f"https://127.0.0.1:{registry.ports['quay.io']}/v2/")
        realm = f'realm="https://127.0.0.1:{registry.ports["quay.io"]}/token",service="quay.io"'
        assert realm in caught.value.headers["WWW-Authenticate"]
        caught.value.close()
        assert ask(registry.ports["docker.io"], "/v2/_catalog").status == 200
        hosts = [entry["host"] for entry in registry.control("journal").json["entries"]]
        assert hosts == ["quay.io", "docker.io"]
        registry.end()


@pytest.mark.parametrize(
    ("option", "problem"),
    [
        ("quay.io", "--host-port: 'quay.io' is not a host and its port such as quay.io=5001"),
        ("quay.io=http", "--host-port: 'quay.io=http' is not a host and its port such as quay.io=5001"),
        ("quay.io=65536", "--host-port: 'quay.io=65536' is not a host and its port such as quay.io=5001"),
        ("a b=1", "--host-port: 'a b' is no host such as quay.io or quay.io:8443"),
    ],
)
def test_ports_that_cannot_be(option: str, problem: str) -> None:
    refused = ismirror("registry", "--data", TREE, "--registry", "127.0.0.1:0", "--host-port", option)
    assert (refused.exit_code, refused.stderr) == (2, f"ismirror: error: {problem}\n")


def test_one_port_for_two_hosts() -> None:
    options = ("--host-port", "a.example.com=5999", "--host-port", "b.example.com=5999")
    refused = ismirror("registry", "--data", TREE, "--registry", "127.0.0.1:0", *options)
    assert refused.exit_code == 2
    assert "port 5999 of a.example.com is that of another host, too" in refused.stderr

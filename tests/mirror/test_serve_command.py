"""``ismirror serve`` as a process: what it prints and writes, how it is used, how it ends."""

from __future__ import annotations

import base64
import signal
import socket
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.certificates import Authority
from support.command import ismirror
from support.serve_command import PORTS, Client, serving
from support.vectors import VECTORS

from fake_registry.config import ServerCertificate
from fake_registry.given_certificates import name_at, vouching
from mirror.client_tls import verifying_context

STREAMS = "/apis/image.openshift.io/v1/namespaces/default/imagestreams"


def test_it_prints_how_to_use_it_and_answers(tmp_path: Path) -> None:
    with serving(tmp_path) as (client, lines, _):
        assert lines[0].startswith("CA certificate: ")
        assert lines[1].startswith("registry listening on 127.0.0.1:")
        assert lines[2:] == [
            f"API listening on {client.server}",
            "state is in memory: it is gone when this ends",
            f"use it with: export KUBECONFIG={tmp_path / 'kubeconfig'}",
        ]
        image = {"from": {"kind": "DockerImage", "name": "quay.io/app/web:latest"}}
        body = {"metadata": {"name": "app"}, "spec": {"import": True, "images": [image]}}
        status, found = client.ask("POST", STREAMS.replace("imagestreams", "imagestreamimports"), body)
        assert (status, found["status"]["images"][0]["status"]["status"]) == (201, "Success")
        assert client.ask("GET", STREAMS, token="wrong")[0] == 401
        assert client.ask("GET", "/apis/user.openshift.io/v1/users/~")[1]["metadata"]["name"] == "admin"


def test_state_is_kept_and_files_are_loaded(tmp_path: Path) -> None:
    pytest.importorskip("sqlalchemy")
    objects = tmp_path / "objects.yaml"
    objects.write_text("apiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata: {name: loaded}\n")
    options = ["--state", str(tmp_path / "state.db"), "--load", str(objects), "--no-controllers"]
    with serving(tmp_path, *options) as (client, lines, _):
        assert f"state is kept in {tmp_path / 'state.db'}" in lines
        assert client.ask("POST", STREAMS, {"metadata": {"name": "made"}})[0] == 201
    with serving(tmp_path, *options) as (client, _, _):
        _, found = client.ask("GET", STREAMS)
        assert [item["metadata"]["name"] for item in found["items"]] == ["loaded", "made"]


def test_clear_text_needs_no_credentials(tmp_path: Path) -> None:
    with serving(tmp_path, "--http") as (client, _, _):
        assert client.server.startswith("http://127.0.0.1:")
        assert client.token == ""
        assert client.ask("POST", STREAMS, {"metadata": {"name": "a"}})[0] == 201


def test_users_of_a_file(tmp_path: Path) -> None:
    access = tmp_path / "access.yaml"
    access.write_text(
        "users: [{name: jane, token: j}, {name: joe, token: k}]\n"
        "rules: [{users: [jane], verbs: [get, list], resources: [imagestreams]}]\n"
    )
    with serving(tmp_path, "--access", str(access), "--anonymous") as (client, _, _):
        assert client.token == "j"
        assert client.ask("GET", STREAMS)[0] == 200
        assert client.ask("POST", STREAMS, {"metadata": {"name": "a"}})[0] == 403
        assert client.ask("GET", STREAMS, token="k")[0] == 403
        assert client.ask("GET", "/version", token="")[0] == 200


def test_a_kubeconfig_is_merged_on_request(tmp_path: Path) -> None:
    (tmp_path / "kubeconfig").write_text("clusters: [{name: other, cluster: {server: 'https://other'}}]\n")
    with serving(tmp_path, "--merge"):
        found = yaml.safe_load((tmp_path / "kubeconfig").read_text())
    assert [cluster["name"] for cluster in found["clusters"]] == ["other", "ismirror"]


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--api", "nowhere"], "--api: 'nowhere' is not an address such as 127.0.0.1:5000"),
        (["--load", "none.yaml"], "none.yaml: No such file or directory"),
        (["--access", "none.yaml"], "none.yaml: No such file or directory"),
        (["--config", "none.yaml"], "none.yaml: No such file or directory"),
    ],
)
def test_wrong_use(tmp_path: Path, options: list[str], problem: str) -> None:
    arguments = ["--data", str(VECTORS / "tree"), *PORTS, "--kubeconfig", str(tmp_path / "kubeconfig"), *options]
    found = ismirror("serve", *arguments, cwd=tmp_path)
    assert found.exit_code == 2
    assert problem in found.stderr
    assert found.stderr.count("\n") == 1
    assert not (tmp_path / "kubeconfig").exists()


def test_the_schema_of_access_files() -> None:
    found = ismirror("schema", "access")
    assert found.exit_code == 0
    assert found.json["$defs"]["AccessConfig"]["properties"].keys() == {"users", "clientCa", "anonymous", "rules"}


# Certificates of one's own


def test_a_certificate_that_is_given_is_shown_by_registry_and_api(tmp_path: Path) -> None:
    """The kubeconfig fits it: what it trusts, and the name to look for, as the certificate is not for the address."""
    ours = Authority("Company CA")
    file, key = tmp_path / "server.pem", tmp_path / "server-key.pem"

    def write(*names: str) -> None:
        certificate, private = ours.issue(*names)
        file.write_bytes(certificate + ours.pem)
        key.write_bytes(private)

    def cluster() -> dict[str, str]:
        found: dict[str, str] = yaml.safe_load((tmp_path / "kubeconfig").read_text())["clusters"][0]["cluster"]
        return found

    write("quay.io", "api.example.com")
    with serving(tmp_path, "--tls-cert", str(file), "--tls-key", str(key)) as (client, lines, process):
        assert base64.b64decode(cluster()["certificate-authority-data"]) == ours.pem
        assert cluster()["tls-server-name"] == "api.example.com"
        api = ("127.0.0.1", int(client.server.rpartition(":")[2]))
        registry = ("127.0.0.1", int(lines[1].rpartition(":")[2]))
        assert names_shown(api, "api.example.com", ours) == names_shown(registry, "quay.io", ours)
        write("quay.io", "127.0.0.1")
        process.send_signal(signal.SIGHUP)
        assert process.stderr.readline().startswith("serving ")
        assert process.stderr.readline() == f"{file}: read again\n"
        assert "tls-server-name" not in cluster()
        assert Client(tmp_path / "kubeconfig").ask("GET", STREAMS)[0] == 200
        assert names_shown(registry, "quay.io", ours) == {"quay.io", "127.0.0.1"}


def names_shown(address: tuple[str, int], name: str, trusted: Authority) -> set[str]:
    """The names in the certificate that a server shows, which has to be for `name`."""
    context = verifying_context(trusted.pem)
    with socket.create_connection(address) as plain, context.wrap_socket(plain, server_hostname=name) as secured:
        shown: Any = secured.getpeercert()
    return {value for _, value in shown["subjectAltName"]}


@pytest.mark.parametrize(
    ("names", "address", "name"),
    [
        (("127.0.0.1", "a.example.com"), "127.0.0.1", ""),
        (("b.example.com", "a.example.com"), "127.0.0.1", "a.example.com"),
        (("*.example.com", "z.example.com"), "127.0.0.1", "z.example.com"),
        (("*.example.com",), "::1", "api.example.com"),
        (("192.0.2.1",), "127.0.0.1", ""),
        ((), "127.0.0.1", ""),
    ],
)
def test_the_name_to_look_for(names: tuple[str, ...], address: str, name: str) -> None:
    certificate, key = Authority().issue(*names)
    assert name_at(address, ServerCertificate(cert=certificate.decode(), key=key.decode())) == name


def test_a_certificate_without_authority_vouches_for_itself() -> None:
    ours = Authority()
    certificate, key = (pem.decode() for pem in ours.issue("quay.io"))
    assert vouching(ServerCertificate(cert=certificate, key=key)) == certificate
    assert vouching(ServerCertificate(cert=certificate + ours.pem.decode(), key=key)) == ours.pem.decode()

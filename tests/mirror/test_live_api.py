"""Image streams read from a cluster: our own API server, as a kubeconfig names it."""

from __future__ import annotations

import base64
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from aiohttp import web
from aiohttp.test_utils import TestServer
from support.api import GROUP, ask_json, new_cluster

from fake_registry.listening import Address
from fake_registry.tls import CertificateAuthority
from mirror import exec_credentials
from mirror.api.access import Access
from mirror.api.app import GROUP_PATH, ApiCore
from mirror.api.authentication import Authenticator, UserConfig
from mirror.api.kubeconfig import Login, write_kubeconfig
from mirror.api.server import ApiServer
from mirror.errors import InputError
from mirror.live_api import LiveApiError, load_connection
from mirror.seed.streams import live_pull_specs

AUTHORITY = CertificateAuthority.create()


def stream(name: str, pull_spec: str) -> dict[str, Any]:
    tag = {"name": "1", "from": {"kind": "DockerImage", "name": pull_spec}}
    return {
        "kind": "ImageStream",
        "apiVersion": "image.openshift.io/v1",
        "metadata": {"name": name},
        "spec": {"tags": [tag]},
    }


@pytest.fixture
async def address() -> AsyncIterator[Address]:
    api = ApiCore(new_cluster(), access=Access(Authenticator([UserConfig(name="me", token="good")])))
    open_api = ApiCore(api.cluster)
    for namespace, name in (("one", "a"), ("one", "b"), ("two", "c")):
        body = stream(name, f"quay.io/{namespace}/{name}:1")
        status, _ = await ask_json(open_api, "POST", f"{GROUP}/namespaces/{namespace}/imagestreams", body)
        assert status == 201
    async with ApiServer(api, AUTHORITY) as server:
        yield await server.start()


def kubeconfig(path: Path, address: Address, **fields: Any) -> Path:
    write_kubeconfig(path, Login(f"https://{address}", AUTHORITY.ca_pem, "good"))
    document = yaml.safe_load(path.read_text())
    document["clusters"][0]["cluster"] |= fields.get("cluster", {})
    document["users"][0]["user"] |= fields.get("user", {})
    path.write_text(yaml.safe_dump(document))
    return path


async def specs(path: Path, namespace: str = "", **more: Any) -> list[str]:
    connection = load_connection({}, path.parent, path, **more)
    return [spec.text async for spec in live_pull_specs(connection, namespace)]


async def test_streams_of_all_namespaces_and_of_one(address: Address, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", address)
    assert sorted(await specs(path)) == ["quay.io/one/a:1", "quay.io/one/b:1", "quay.io/two/c:1"]
    assert await specs(path, "two") == ["quay.io/two/c:1"]
    assert await specs(path, "none") == []


async def test_long_lists_come_in_pages(tmp_path: Path) -> None:
    asked = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(dict(request.query))
        following = {"": "a/b=", "a/b=": "c", "c": ""}[request.query.get("continue", "")]
        item = {"spec": {"dockerImageRepository": f"quay.io/{len(asked)}"}}
        return web.json_response({"metadata": {"continue": following}, "items": [item]})

    app = web.Application()
    app.router.add_get("/sub" + GROUP_PATH + "/imagestreams", answer)
    async with TestServer(app) as server:
        path = tmp_path / "config"
        write_kubeconfig(path, Login(str(server.make_url("/sub"))))
        assert await specs(path) == ["quay.io/1", "quay.io/2", "quay.io/3"]
    assert asked == [{"limit": "500"}, {"limit": "500", "continue": "a/b="}, {"limit": "500", "continue": "c"}]


async def test_a_token_may_lie_in_a_file(address: Address, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("good\n")
    path = kubeconfig(tmp_path / "config", address, user={"token": "", "tokenFile": "token"})
    assert len(await specs(path)) == 3


async def test_who_may_not_is_told_so(address: Address, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", address, user={"token": "bad"})
    with pytest.raises(LiveApiError, match=r"imagestreams: 401 Unauthorized"):
        await specs(path)


async def test_another_authority_is_not_trusted(address: Address, tmp_path: Path) -> None:
    other = base64.b64encode(CertificateAuthority.create().ca_pem).decode()
    path = kubeconfig(tmp_path / "config", address, cluster={"certificate-authority-data": other})
    with pytest.raises(LiveApiError, match="certificate verify failed"):
        await specs(path)
    path = kubeconfig(path, address, cluster={"certificate-authority-data": "", "insecure-skip-tls-verify": True})
    assert len(await specs(path)) == 3


def test_files_of_the_environment_are_merged(tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    first.write_text("current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u, namespace: mine}}]\n")
    second.write_text(
        "current-context: z\nclusters: [{name: c, cluster: {server: 'https://api.example.com:6443/sub/'}}]\n"
        "users: [{name: u, user: {username: me, password: secret}}]\n"
    )
    connection = load_connection({"KUBECONFIG": f"{first}:{tmp_path / 'none'}:{second}"}, tmp_path)
    assert (str(connection.server), connection.namespace) == ("https://api.example.com:6443/sub/", "mine")
    assert connection.headers["Authorization"] == "Basic " + base64.b64encode(b"me:secret").decode()


CONTEXT = "current-context: x\ncontexts: [{name: x, context: {cluster: c, user: u}}]\n"
CLUSTER = "clusters: [{name: c, cluster: {server: 'https://a'}}]\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind: Config\n", "current-context: is not set; --context names one of none"),
        ("current-context: x\n", "contexts: none is called 'x'; there are none"),
        ("contexts: 3\n", "no kubeconfig: "),
        (CONTEXT, "clusters: none is called 'c'"),
        (
            f"{CONTEXT}clusters: [{{name: c, cluster: {{server: api}}}}]",
            "server of cluster c: 'api' is no URL of an API",
        ),
        (
            f"{CONTEXT}clusters: [{{name: c, cluster: {{server: 'https://a', certificate-authority-data: '*'}}}}]",
            "certificate-authority-data: expected base64",
        ),
    ],
)
def test_kubeconfigs_that_cannot_be_used(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "config"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        load_connection({}, tmp_path, path)
    assert str(raised.value).startswith(f"{path}: {problem}")


def test_without_a_kubeconfig_one_is_asked_for(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"\.kube/config: no such file; --kubeconfig names one"):
        load_connection({}, tmp_path)


NOBODY = Address("127.0.0.1", 6443)
V1 = "client.authentication.k8s.io/v1"
TOKEN = '{"kind": "ExecCredential", "apiVersion": "%s", "status": {"token": "good"}}'


def plugin(folder: Path, text: str, **fields: Any) -> dict[str, Any]:
    """The ``exec`` of a user whose credentials come from a shell script beside the kubeconfig."""
    script = folder / "plugin"
    script.write_text(f"#!/bin/sh\n{text}\n")
    script.chmod(0o755)
    return {"token": "", "exec": {"command": "./plugin", "apiVersion": V1, **fields}}


@pytest.mark.parametrize("version", ["v1", "v1beta1"])
async def test_a_program_may_have_the_token(version: str, address: Address, tmp_path: Path) -> None:
    group = f"client.authentication.k8s.io/{version}"
    script = f'test "$1-$2" = \'a b-c\' && printf \'%s\' "$KUBERNETES_EXEC_INFO" > {tmp_path}/info && echo "$ANSWER"'
    env = [{"name": "ANSWER", "value": TOKEN % group}]
    more = {"apiVersion": group, "args": ["a b", "c"], "env": env, "provideClusterInfo": True}
    extension = {"name": "client.authentication.k8s.io/exec", "extension": {"audience": "x"}}
    user = plugin(tmp_path, script, **more)
    path = kubeconfig(tmp_path / "config", address, user=user, cluster={"extensions": [extension]})
    assert len(await specs(path)) == 3
    info = json.loads((tmp_path / "info").read_text())
    cluster = info["spec"].pop("cluster")
    assert info == {"kind": "ExecCredential", "apiVersion": group, "spec": {"interactive": False}}
    assert cluster["config"] == {"audience": "x"}
    assert base64.b64decode(cluster["certificate-authority-data"]).startswith(b"-----BEGIN CERTIFICATE-----")


def test_a_program_may_have_a_certificate(tmp_path: Path) -> None:
    issued = AUTHORITY.issue_client("me")
    status = {"clientCertificateData": issued.certificate.decode(), "clientKeyData": issued.key.decode()}
    answer = json.dumps({"kind": "ExecCredential", "apiVersion": V1, "status": status})
    (tmp_path / "answer").write_text(answer)
    path = kubeconfig(tmp_path / "config", NOBODY, user=plugin(tmp_path, f"cat {tmp_path}/answer"))
    connection = load_connection({}, tmp_path, path)
    assert "Authorization" not in connection.headers
    del status["clientKeyData"]
    (tmp_path / "answer").write_text(json.dumps({"kind": "ExecCredential", "apiVersion": V1, "status": status}))
    with pytest.raises(InputError, match="expected clientCertificateData and clientKeyData together"):
        load_connection({}, tmp_path, path)


@pytest.mark.parametrize(
    ("script", "fields", "problem"),
    [
        ("exit 3", {}, r"\S+/plugin: exit code 3; run it by hand, or put a token into a kubeconfig"),
        ("echo token", {}, rf"\./plugin printed no ExecCredential of {V1}; expected one as for kubectl"),
        (f"echo '{TOKEN % (V1 + 'beta1')}'", {}, rf"\./plugin printed no ExecCredential of {V1}; expected one"),
        (
            f"echo '{TOKEN % V1}' | sed s/good//",
            {},
            r"\./plugin: expected a token or a client certificate in its status",
        ),
        ("head -c 2000000 /dev/zero", {}, "printed more than 1048576 bytes; expected an ExecCredential"),
        ("", {"command": "./none", "installHint": "get\nit"}, r"command: '\./none': no such program; get it"),
        ("", {"command": "no-such-program"}, "command: 'no-such-program': no such program"),
        ("", {"command": 3}, r"Expected str, got int - at \$\.command"),
        ("", {"apiVersion": f"{V1}alpha1"}, rf"apiVersion: '{V1}alpha1'; expected {V1} or {V1}beta1"),
        ("", {"interactiveMode": "Always"}, r"\./plugin asks questions, and nobody answers here; put a token"),
    ],
)
def test_programs_that_give_no_credentials(script: str, fields: dict[str, Any], problem: str, tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", NOBODY, user=plugin(tmp_path, script, **fields))
    with pytest.raises(InputError, match=rf"^{path}: user \S+: exec: {problem}"):
        load_connection({}, tmp_path, path)


@pytest.mark.parametrize("script", ["sleep 1000", "exec >&-; sleep 1000"], ids=["says nothing", "does not end"])
def test_a_program_that_takes_too_long_is_ended(script: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exec_credentials, "_LEAST", 0.0)
    user = plugin(tmp_path, script)
    with pytest.raises(InputError, match=r"user u: exec: no answer in 0 seconds; run .*/plugin by hand"):
        exec_credentials.exec_credential(tmp_path / "config", "u", user["exec"], {}, None, {"PATH": os.defpath}, 0.0)


def test_a_program_of_former_times_is_refused(tmp_path: Path) -> None:
    path = kubeconfig(tmp_path / "config", NOBODY, user={"token": "", "auth-provider": {"name": "gcp"}})
    with pytest.raises(InputError, match="auth-provider: clients of Kubernetes have not had these"):
        load_connection({}, tmp_path, path)

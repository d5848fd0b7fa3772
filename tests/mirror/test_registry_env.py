"""``ismirror registry env``: what it prints and writes, and that what it says is so."""

from __future__ import annotations

import json
import os
import ssl
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml
from cryptography import x509
from support.certificates import Authority
from support.command import Outcome, ismirror
from support.running import serving
from support.vectors import VECTORS

from fake_registry.listening import Address
from mirror.client_setup import Reached, client_setup, hosts_of
from mirror.config import Config, decode_document

PEM = b"-----BEGIN CERTIFICATE-----\nMA==\n-----END CERTIFICATE-----\n"

CONFIG = """
server: {hostPorts: {quay.io: 5001, selfsigned.example.com: 5002}}
hosts:
  quay.io: {}
  docker.io: {}
  plain.example.com:5000: {scheme: http}
  selfsigned.example.com: {scheme: selfsigned}
  other.example.com: {scheme: selfsigned}
  down.example.com: {scheme: down}
"""


@pytest.fixture
def config(tmp_path: Path) -> str:
    (tmp_path / "config.yaml").write_text(CONFIG)
    return str(tmp_path / "config.yaml")


def env(tmp_path: Path, *options: str) -> Outcome:
    return ismirror("registry", "env", "--tls-dir", str(tmp_path / "tls"), *options)


def setup(tmp_path: Path, ports: dict[str, int] | None = None, address: Address | None = None) -> Any:
    """What there is for clients, as it is printed."""
    config = decode_document(CONFIG.encode(), Config, "config")
    reached = Reached(
        address=address or Address("127.0.0.1", 5000),
        hosts=hosts_of([], config.hosts),
        ports=config.server.hostPorts | (ports or {}),
        ca_pem=PEM,
        ca_file=tmp_path / "tls" / "ca.pem",
    )
    return json.loads(msgspec.json.encode(client_setup(reached)))


@pytest.fixture
def found(tmp_path: Path) -> Any:
    return setup(tmp_path)


def test_registries_conf(found: Any) -> None:
    document = tomllib.loads(found["files"]["containers/registries.conf"])
    assert document["unqualified-search-registries"] == ["docker.io"]
    assert document["registry"] == [
        {"prefix": "docker.io", "location": "docker.io:5000"},
        {"prefix": "down.example.com", "location": "down.example.com:5000"},
        {"prefix": "other.example.com", "location": "other.example.com:5000"},
        {"prefix": "plain.example.com:5000", "location": "plain.example.com:5000", "insecure": True},
        {"prefix": "quay.io", "location": "127.0.0.1:5001"},
        {"prefix": "selfsigned.example.com", "location": "127.0.0.1:5002"},
    ]


def test_certificates_are_for_hosts_that_are_to_be_trusted(found: Any) -> None:
    for client in ("containers", "docker"):
        there = {
            path.split("/")[2]: text for path, text in found["files"].items() if path.startswith(f"{client}/certs.d/")
        }
        assert set(there.values()) == {PEM.decode()}
        assert set(there) == {
            *("127.0.0.1:5000", "127.0.0.1:5001", "quay.io", "quay.io:5000"),
            *("docker.io", "docker.io:5000", "index.docker.io", "registry-1.docker.io"),
        }


def test_docker_and_containerd(found: Any, tmp_path: Path) -> None:
    daemon = json.loads(found["files"]["docker/daemon.json"])
    assert daemon["proxies"]["https-proxy"] == "http://127.0.0.1:5000"
    assert daemon["insecure-registries"] == ["plain.example.com:5000"]
    assert "registry-mirrors" not in daemon
    capabilities = ["pull", "resolve", "push"]
    hosts = {
        path.split("/")[2]: tomllib.loads(text)
        for path, text in found["files"].items()
        if path.startswith("containerd/")
    }
    assert hosts == {
        host: {"server": url, "host": {url: {"capabilities": capabilities, **ca}}}
        for host, url, ca in (
            ("docker.io", "https://127.0.0.1:5000", {"ca": str(tmp_path / "tls" / "ca.pem")}),
            ("quay.io", "https://127.0.0.1:5001", {"ca": str(tmp_path / "tls" / "ca.pem")}),
            ("plain.example.com:5000", "http://127.0.0.1:5000", {}),
            ("selfsigned.example.com", "https://127.0.0.1:5002", {}),
        )
    }


def test_docker_hub_with_a_port_of_its_own_is_a_mirror(tmp_path: Path) -> None:
    found = setup(tmp_path, {"docker.io": 5003})
    assert json.loads(found["files"]["docker/daemon.json"])["registry-mirrors"] == ["https://127.0.0.1:5003"]


def test_lines_of_etc_hosts(found: Any) -> None:
    names = "docker.io index.docker.io registry-1.docker.io other.example.com plain.example.com quay.io"
    assert found["hosts"] == [f"127.0.0.1 {names} selfsigned.example.com"]


def test_what_is_printed(tmp_path: Path, config: str) -> None:
    options = ("--config", config, "--tls-dir", str(tmp_path / "tls"), "--registry", "[::]:5555")
    in_front = ismirror("registry", *options, "env", "--host-port", "index.docker.io=5003", "-o", "json")
    assert (in_front.exit_code, in_front.stderr) == (0, "")
    found = in_front.json
    assert found["environment"]["HTTPS_PROXY"] == "http://[::1]:5555"
    assert json.loads(found["files"]["docker/daemon.json"])["registry-mirrors"] == ["https://[::1]:5003"]
    assert found["files"]["containers/certs.d/quay.io/ca.crt"] == (tmp_path / "tls" / "ca.pem").read_text()
    behind = ("registry", "env", *options, "--host-port", "docker.io=5003")
    assert yaml.safe_load(ismirror(*behind, "-o", "yaml").stdout) == found
    text = ismirror(*behind).stdout
    for path, content in found["files"].items():
        assert f"# ==> {path}\n" in text
        assert content in text


def test_files_are_written_and_not_replaced(tmp_path: Path, config: str) -> None:
    folder = tmp_path / "out"
    first = env(tmp_path, "--config", config, "--write", str(folder))
    assert first.exit_code == 0
    paths = sorted(str(path) for path in folder.rglob("*") if path.is_file())
    assert first.stdout.splitlines() == paths
    (folder / "hosts").write_text("127.0.0.1 mine\n")
    (folder / "containers" / "registries.conf").unlink()
    refused = env(tmp_path, "--config", config, "--write", str(folder))
    assert refused.exit_code == 2
    assert f"{folder / 'hosts'}: is there already and says something else" in refused.stderr
    assert not (folder / "containers" / "registries.conf").exists()
    assert env(tmp_path, "--config", config, "--write", str(folder), "--force").exit_code == 0
    assert "quay.io" in (folder / "hosts").read_text()


def test_what_links_lead_to_stays_as_it_is(tmp_path: Path, config: str) -> None:
    """A link to the files of the machine, say: the link is replaced, if it may be."""
    folder, mine = tmp_path / "out", tmp_path / "mine"
    folder.mkdir()
    mine.write_text("127.0.0.1 mine\n")
    (folder / "hosts").symlink_to(mine)
    (folder / "environment").symlink_to(tmp_path / "absent")
    options = ("--config", config, "--write", str(folder))
    refused = env(tmp_path, *options)
    assert refused.exit_code == 2
    assert "is there already and says something else" in refused.stderr
    assert (folder / "hosts").is_symlink()
    assert env(tmp_path, *options, "--force").exit_code == 0
    assert mine.read_text() == "127.0.0.1 mine\n"
    assert not (tmp_path / "absent").exists()
    assert not [path for path in folder.rglob("*") if path.is_symlink() or path.name.endswith(".tmp")]
    assert "quay.io" in (folder / "hosts").read_text()


def test_a_directory_is_not_replaced(tmp_path: Path, config: str) -> None:
    hosts = tmp_path / "out" / "hosts"
    hosts.mkdir(parents=True)
    outcome = env(tmp_path, "--config", config, "--write", str(tmp_path / "out"), "--force")
    assert (outcome.exit_code, outcome.stderr) == (2, f"ismirror: error: {hosts}: Is a directory\n")
    assert [path for path in hosts.parent.iterdir() if path.name.endswith(".tmp")] == []


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--registry", "127.0.0.1:0"], "--registry: 127.0.0.1:0: give the port that the registry listens on"),
        (["--ca", __file__], f"{__file__}: not a certificate (PEM)"),
    ],
)
def test_wrong_use(tmp_path: Path, options: list[str], problem: str) -> None:
    outcome = env(tmp_path, *options)
    assert (outcome.exit_code, outcome.stderr) == (2, f"ismirror: error: {problem}\n")


def test_a_certificate_is_needed() -> None:
    outcome = ismirror("registry", "env")
    assert outcome.exit_code == 2
    assert outcome.stderr.startswith("ismirror: error: give --tls-dir DIR")


def test_a_program_with_the_variables_reaches_a_host_by_its_name(tmp_path: Path) -> None:
    tree = str(VECTORS / "tree")
    with serving("--data", tree, "--tls-dir", str(tmp_path / "tls")) as registry:
        found = env(tmp_path, "--registry", f"127.0.0.1:{registry.port}", "--data", tree, "-o", "json").json
        program = "import urllib.request as r; print(r.urlopen('https://quay.io/v2/app/oci/tags/list').status)"
        done = subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | found["environment"],
            capture_output=True,
            text=True,
            check=True,
        )
        assert done.stdout == "200\n"
        registry.end()


def test_client_certificates(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text(
        "hosts: {mtls.example.com: {mtls: {}}, partner.example.com: {mtls: {ca: ca.pem}}, quay.io: {}}\n"
    )
    (tmp_path / "ca.pem").write_bytes(Authority("Partner CA").pem)
    options = ("--config", str(tmp_path / "config.yaml"), "--host-port", "mtls.example.com=5001")
    out = tmp_path / "out"
    for _ in range(2):  # the second time it says the same, and so nothing is in the way
        assert env(tmp_path, *options, "--client-name", "robot", "--write", str(out)).exit_code == 0
    places = {path.parent for path in out.rglob("client.cert")}
    names = ("mtls.example.com", "mtls.example.com:5000", "127.0.0.1:5001")
    assert places == {out / client / "certs.d" / name for client in ("containers", "docker") for name in names}
    for place in places:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.load_cert_chain(place / "client.cert", place / "client.key")
        assert (place / "client.key").stat().st_mode & 0o077 == 0
        certificate = x509.load_pem_x509_certificate((place / "client.cert").read_bytes())
        assert certificate.subject.rfc4514_string() == "CN=robot"
    key = out / "docker/certs.d/mtls.example.com/client.key"
    key.write_text("for everybody")
    key.chmod(0o644)
    assert env(tmp_path, *options, "--client-name", "robot", "--write", str(out), "--force").exit_code == 0
    assert key.stat().st_mode & 0o077 == 0
    toml = tomllib.loads((out / "containerd/certs.d/mtls.example.com/hosts.toml").read_text())
    client = out / "docker/certs.d/127.0.0.1:5001"
    assert toml["host"]["https://127.0.0.1:5001"]["client"] == [[f"{client}/client.cert", f"{client}/client.key"]]
    assert not (out / "containerd/certs.d/partner.example.com").exists()  # it has to be asked by its name


@pytest.mark.parametrize(
    ("mtls", "problem"),
    [
        ("{ca: absent.pem}", "absent.pem: No such file or directory (line 3)"),
        ("{ca: config.yaml}", "expected the certificate of an authority (PEM) (line 3)"),
    ],
)
def test_authorities_that_cannot_be_used(tmp_path: Path, mtls: str, problem: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(f"hosts:\n  mtls.example.com:\n    mtls: {mtls}\n")
    outcome = env(tmp_path, "--config", str(file))
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    where = f"{file}: hosts[mtls.example.com].mtls.ca: "
    assert where in outcome.stderr
    assert outcome.stderr.rstrip().endswith(problem)

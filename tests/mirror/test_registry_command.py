"""``ismirror registry`` as a process: what it prints, what it serves, how it ends."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import ssl
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support.command import ismirror
from support.forked import Forked
from support.vectors import VECTORS

TREE = VECTORS / "tree"


@contextmanager
def running(*options: str) -> Iterator[tuple[Forked, str, Path]]:
    """The process, its address, and the file of its CA."""
    with Forked(("registry", *options), os.environ) as process:
        listening, certificate = process.stdout.readline(), process.stdout.readline()
        address = re.fullmatch(r"registry listening on (127\.0\.0\.1:\d+)\n", listening)
        assert address is not None, (listening, process.communicate())
        yield process, address[1], Path(certificate.removeprefix("CA certificate: ").rstrip("\n"))


def refused(*options: str) -> str:
    """What a command that cannot run says."""
    done = ismirror("registry", *options)
    assert (done.exit_code, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    return done.stderr.rstrip("\n").removeprefix("ismirror: error: ")


def fetch(url: str, context: ssl.SSLContext | None = None, host: str | None = None) -> tuple[int, str]:
    """Status and body, whatever proxies the environment names."""
    handlers = [urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)]
    request = urllib.request.Request(url, headers={} if host is None else {"Host": host})
    with urllib.request.build_opener(*handlers).open(request) as answer:
        return answer.status, answer.read().decode()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_serves_until_it_is_told_to_stop(number: signal.Signals) -> None:
    with running("--data", str(TREE), "--registry", "127.0.0.1:0") as (process, address, certificate):
        context = ssl.create_default_context(cafile=certificate)
        assert fetch(f"http://{address}/v2/") == (200, "{}")
        assert fetch(f"https://{address}/v2/", context) == (200, "{}")
        assert '"tags":' in fetch(f"https://{address}/v2/app/oci/tags/list", context, host="quay.io")[1]
        process.send_signal(number)
        out, err = process.communicate()
        assert (process.returncode, out) == (0, "")
        assert re.fullmatch(f"serving {TREE.resolve()}: .*, .* and 5 more\n", err)
        assert not certificate.parent.exists()


@pytest.mark.parametrize("options", [(), ("--workers", "2"), ("--control", "127.0.0.1:0")])
def test_it_may_be_stopped_as_soon_as_it_says_where_it_is(options: tuple[str, ...]) -> None:
    with running("--data", str(TREE), "--registry", "127.0.0.1:0", *options) as (process, _, _):
        process.terminate()
        _, err = process.communicate()
        assert (process.returncode, "Traceback" in err) == (0, False)


def test_the_authority_is_kept(tmp_path: Path) -> None:
    certificates = []
    for _ in range(2):
        options = ("--data", str(TREE), "--registry", "127.0.0.1:0", "--tls-dir", str(tmp_path / "tls"), "--read-only")
        with running(*options) as (_, address, certificate):
            assert certificate == tmp_path / "tls" / "ca.pem"
            certificates.append(certificate.read_bytes())
            assert fetch(f"https://{address}/v2/", ssl.create_default_context(cafile=certificate))[0] == 200
    assert certificates[0] == certificates[1]


def test_the_configuration_counts_and_flags_win(tmp_path: Path) -> None:
    config = tmp_path / "config.yaml"
    config.write_text(
        "server: {registry: '127.0.0.1:0', tlsDir: " + str(tmp_path / "tls") + "}\n"
        "hosts: {quay.io: {routes: [{path: /v2/odd, status: 418, body: short}]}}\n"
    )
    with running("--data", str(TREE), "--config", str(config)) as (_, address, certificate):
        assert certificate == tmp_path / "tls" / "ca.pem"
        context = ssl.create_default_context(cafile=certificate)
        with pytest.raises(urllib.request.HTTPError) as caught:
            fetch(f"https://{address}/v2/odd", context, host="quay.io")
        assert (caught.value.code, caught.value.read()) == (418, b"short")
        caught.value.close()
    with running(
        "--data", str(TREE), "--config", str(config), "--tls-dir", str(tmp_path / "other"), "--registry", "127.0.0.1:0"
    ) as (_, _, certificate):
        assert certificate == tmp_path / "other" / "ca.pem"


def test_what_it_cannot_do(tmp_path: Path) -> None:
    data = ("--data", str(TREE))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        assert refused(*data, "--registry", address) == (
            f"--registry: cannot listen on {address}: Address already in use; stop what listens there, or choose "
            "another port"
        )
    assert refused(*data, "--registry", "5000") == "--registry: '5000' is not an address such as 127.0.0.1:5000"
    assert refused(*data, "--registry", "192.0.2.10:5000").startswith("--registry: cannot listen on 192.0.2.10:5000: ")
    assert refused(*data, "--config", str(tmp_path / "absent")).startswith(f"{tmp_path / 'absent'}: ")
    not_a_tree = tmp_path / "not-a-tree"
    not_a_tree.mkdir()
    (not_a_tree / "letter.txt").touch()
    assert str(not_a_tree) in refused("--data", str(not_a_tree), "--registry", "127.0.0.1:0")
    (tmp_path / "tls").mkdir()
    shutil.copy(__file__, tmp_path / "tls" / "ca.pem")
    options = ("--registry", "127.0.0.1:0", "--tls-dir", str(tmp_path / "tls"))
    assert "ca-key.pem is missing" in refused(*data, *options)


def test_help() -> None:
    done = ismirror("registry", "--help")
    assert done.exit_code == 0
    for option in ("--data", "--config", "--registry", "--tls-dir", "--read-only", "Example:"):
        assert option in done.stdout

"""`record_from` and its fixture: registries that are asked once."""

from __future__ import annotations

import inspect
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from support.certificates import Authority
from support.plugins import FLAGS

from fake_registry import FakeRegistry, UsageError
from mirror import InputError, record_from
from mirror.pytest_plugin import RECORDING_OPTIONS

pytest_plugins = ["pytester"]

HOSTS: dict[str, Any] = {
    "quay.io": {"auth": {"type": "bearer", "username": "me", "password": "secret", "anonymous": True}, "page": 1},
    "private.example.com": {"auth": {"type": "basic", "username": "me", "password": "secret"}},
}


@pytest.fixture(autouse=True)
def no_mode(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ISMIRROR_RECORD", raising=False)


@pytest.fixture
def upstream() -> Iterator[FakeRegistry]:
    with FakeRegistry(hosts=HOSTS) as registry:
        registry.push_image("quay.io/app:1", layers=[{"a": "1"}])
        registry.push_image("quay.io/app:2", layers=[{"a": "1"}])
        registry.push_image("private.example.com/app:1")
        yield registry


def get(registry: FakeRegistry, path: str, host: str | None = "quay.io") -> tuple[int, bytes]:
    """Status and body of an answer."""
    handlers = urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=registry.ssl_context())
    try:
        with urllib.request.build_opener(*handlers).open(registry.url(host) + path) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def send(registry: FakeRegistry, host: str, path: str, method: str) -> int:
    """The status of the answer to a request that is refused."""
    request = urllib.request.Request(registry.url(host) + path, b"", method=method)
    opener = urllib.request.build_opener(
        urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=registry.ssl_context())
    )
    with pytest.raises(urllib.error.HTTPError) as refused:
        opener.open(request)
    with refused.value as answer:
        return answer.code


PATHS = ("/v2/", "/v2/app/tags/list", "/v2/app/manifests/1", "/v2/app/manifests/none", "/v2/app/tags/list?n=1&last=1")


def test_once(upstream: FakeRegistry, tmp_path: Path) -> None:
    options: dict[str, Any] = {"into": tmp_path / "kept", "ca": upstream.ca_pem, "connect": str(upstream.address)}
    with record_from("quay.io", **options) as registry:
        first = [get(registry, path) for path in PATHS]
        assert get(registry, "/v2/app/manifests/1", None) == first[2]
        digest = registry.digest("quay.io/app:1")
    assert [status for status, _ in first] == [200, 200, 200, 404, 200]
    assert digest == upstream.digest("quay.io/app:1")
    assert sorted(path.name for path in (tmp_path / "kept").iterdir()) == ["recorded.yaml", "tree"]

    asked = upstream.journal.total
    registry = record_from("quay.io", **options)
    for _ in range(2):  # it can be entered again
        with registry:
            assert [get(registry, path) for path in PATHS] == first
            assert get(registry, "/v2/app/manifests/1", None) == first[2]
            assert registry.digest("quay.io/app:1") == digest
            status, body = get(registry, "/v2/app/manifests/2")
            assert (status, b'"not recorded: GET /v2/app/manifests/2"' in body) == (501, True)
    assert upstream.journal.total == asked

    upstream.push_image("quay.io/app:3")
    with record_from("quay.io", mode="all", **options) as registry:
        assert b"3" in get(registry, "/v2/app/tags/list?n=1&last=2")[1]
    with record_from("quay.io", mode="none", **options) as registry:
        assert b"3" in get(registry, "/v2/app/tags/list?n=1&last=2")[1]
        assert [get(registry, path) for path in PATHS] == first


def holding(text: bytes, directory: Path) -> list[Path]:
    """The files below a directory that contain a text."""
    return [path for path in directory.rglob("*") if path.is_file() and text in path.read_bytes()]


async def test_logins_and_loops(upstream: FakeRegistry, tmp_path: Path) -> None:
    """In the loop of the test; with a login that clients do not need, and that is not kept."""
    options: dict[str, Any] = {"into": str(tmp_path), "ca": upstream.ca_file, "connect": str(upstream.address)}
    for _ in range(2):
        async with (
            record_from("private.example.com", creds="me:secret", **options) as registry,
            aiohttp.ClientSession(connector=registry.connector()) as session,
            session.get("https://private.example.com/v2/app/manifests/1") as answer,
        ):
            assert answer.status == 200
    assert not holding(b"secret", tmp_path)
    assert [entry.user for entry in upstream.journal if entry.status == 200] == ["me"]


def test_nothing_can_be_pushed(upstream: FakeRegistry, tmp_path: Path) -> None:
    """Neither to what is recorded, nor to anything else; and nobody asks the real registry to take it."""
    refusals = []
    for _ in range(2):
        with record_from("quay.io", into=tmp_path, ca=upstream.ca_pem, connect=str(upstream.address)) as registry:
            for host in ("quay.io", "mine.example.com"):
                for path in ("blobs/uploads/", "manifests/1"):
                    refusals.append(send(registry, host, f"/v2/app/{path}", "POST" if "uploads" in path else "PUT"))
    assert refusals == [405] * 4 + [501] * 4  # the second time, nobody knows whether it could be done: not recorded
    assert upstream.journal.entries(method="POST") == upstream.journal.entries(method="PUT") == []


@pytest.mark.parametrize(
    ("sources", "options", "problem"),
    [
        ((), {}, "record_from: name at least one registry, such as quay.io"),
        (("quay.io/app",), {}, "record_from: 'quay.io/app': expected a registry such as https://quay.io, or HOST=URL"),
        (("quay.io",), {"mode": "twice"}, "mode: 'twice'; expected one of once, missing, none, all"),
        (("quay.io",), {"creds": "me"}, "record_from: creds: expected USER:PASSWORD"),
        (("quay.io",), {"ca": b"none"}, "record_from: ca: no certificates in PEM format"),
        (("quay.io",), {"connect": "there"}, "record_from: connect: 'there' is not an address such as 127.0.0.1:5000"),
        (("quay.io",), {"proxy": "ftp://x"}, "record_from: proxy: 'ftp://x' is not the URL of an HTTP proxy"),
    ],
)
def test_what_cannot_be(sources: tuple[str, ...], options: dict[str, Any], problem: str, tmp_path: Path) -> None:
    with pytest.raises(UsageError) as raised:
        record_from(*sources, into=tmp_path / "new", **options)
    assert str(raised.value).startswith(problem)
    assert not (tmp_path / "new").exists()


def test_modes_of_the_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ISMIRROR_RECORD", "none")
    with pytest.raises(
        UsageError, match=r"recorded.yaml: there is no such recording; record it once with ISMIRROR_REC"
    ):
        record_from("quay.io", into=tmp_path)
    monkeypatch.setenv("ISMIRROR_RECORD", "never")
    with pytest.raises(UsageError, match="ISMIRROR_RECORD: 'never'; expected one of once, missing, none, all"):
        record_from("quay.io", into=tmp_path)
    (tmp_path / "recorded.yaml").write_text("hosts: 1\n")
    monkeypatch.delenv("ISMIRROR_RECORD")
    with pytest.raises(UsageError, match=r"record_from: .*recorded.yaml: hosts: Expected"):
        record_from("quay.io", into=tmp_path)


def test_what_the_recording_lacks(upstream: FakeRegistry, tmp_path: Path) -> None:
    options: dict[str, Any] = {"into": tmp_path, "ca": upstream.ca_pem, "connect": str(upstream.address)}
    with record_from("quay.io", **options) as registry:
        first = [get(registry, path) for path in PATHS]
    upstream.push_image("quay.io/app:1", layers=[{"a": "another"}])
    count = upstream.journal.total
    with record_from("quay.io", mode="missing", **options) as registry:
        assert [get(registry, path) for path in PATHS] == first
        assert upstream.journal.total == count
        second = get(registry, "/v2/app/manifests/2")
    assert second[0] == 200
    assert [entry.target for entry in upstream.journal if entry.status == 200][-1] == "/v2/app/manifests/2"
    with record_from("quay.io", mode="none", **options) as registry:
        assert [get(registry, path) for path in (*PATHS, "/v2/app/manifests/2")] == [*first, second]


def test_a_file_that_cannot_be_written(tmp_path: Path) -> None:
    """What was answered is lost, and that is said; nothing stays open."""
    registry = record_from("quay.io", into=tmp_path / "kept", ca=Authority().pem)
    with pytest.raises(InputError, match="its log has what it lacks"), registry:
        (tmp_path / "kept" / "recorded.yaml").mkdir()
    assert (tmp_path / "kept" / ".recorded.yaml.log").exists()


SUITE = """
    import urllib.request

    import pytest

    class TestIt:
        @pytest.mark.recorded_registry("quay.io")
        @pytest.mark.parametrize("path", ["tags/list?n=1", "manifests/1"])
        def test_it(self, recorded_registry, path):
            url = recorded_registry.url() + "/v2/app/" + path
            opener = urllib.request.build_opener(
                urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=recorded_registry.ssl_context())
            )
            with opener.open(url) as answer:
                assert answer.status == 200
            assert LAST
"""


def test_the_fixture(upstream: FakeRegistry, pytester: pytest.Pytester) -> None:
    (pytester.path / "ca.pem").write_bytes(upstream.ca_pem)
    pytester.makeconftest(
        f"""
        import pytest

        @pytest.fixture(scope="session")
        def recorded_registry_options():
            return {{"ca": "ca.pem", "connect": "{upstream.address}"}}
        """
    )
    pytester.makepyfile(test_app=SUITE.replace("LAST", "True"))
    run = [*FLAGS, "-p", "no:asyncio", "-p", "no:aiohttp"]
    result = pytester.runpytest_inprocess(*run, "--registry-record=none")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        ["*recorded.yaml: there is no such recording; record it once with ISMIRROR_RECORD=once"]
    )
    pytester.runpytest_inprocess(*run).assert_outcomes(passed=2)
    made = pytester.path / "recordings" / "test_app"
    assert sorted(path.name for path in made.iterdir()) == [
        "TestIt.test_it-manifests-1",
        "TestIt.test_it-tags-list-n=1",
    ]
    asked = upstream.journal.total
    pytester.runpytest_inprocess(*run, "--registry-record=none").assert_outcomes(passed=2)
    pytester.runpytest_inprocess(*run).assert_outcomes(passed=2)
    assert upstream.journal.total == asked
    pytester.runpytest_inprocess(*run, "--registry-record=all").assert_outcomes(passed=2)
    assert upstream.journal.total > asked
    pytester.makepyfile(test_app=SUITE.replace("LAST", "False"))
    result = pytester.runpytest_inprocess(*run)
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(["*- recorded_registry -*", "200 GET quay.io/v2/app/*"])


def test_the_marker_takes_what_the_function_takes(pytester: pytest.Pytester) -> None:
    parameters = inspect.signature(record_from).parameters
    assert [name for name in parameters if name != "sources"] == list(RECORDING_OPTIONS)
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.recorded_registry("quay.io", tree="x")
        def test_unknown(recorded_registry):
            pass

        def test_unmarked(recorded_registry):
            pass
        """
    )
    result = pytester.runpytest_inprocess(*FLAGS, "-p", "no:asyncio", "-p", "no:aiohttp")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*know into, mode,*; not tree", "*name at least one registry, such as quay.io"])

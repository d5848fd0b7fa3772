"""The pytest plugin, in suites of other people."""

from __future__ import annotations

import inspect
from pathlib import Path

import pytest
from support.plugins import ASYNCIO, FLAGS, NO_ASYNCIO, check_cost, run

from fake_registry import FakeRegistry
from fake_registry.pytest_plugin import OPTIONS

pytest_plugins = ["pytester"]

SYNCHRONOUS = """
    import json
    import urllib.request

    def test_it(fake_registry):
        fake_registry.push_image("quay.io/app:1.0")
        url = fake_registry.url("quay.io") + "/v2/app/tags/list"
        with urllib.request.urlopen(url, context=fake_registry.ssl_context()) as answer:
            assert json.load(answer)["tags"] == ["1.0"]
        assert len(fake_registry.journal) == 1
"""

ASYNCHRONOUS = """
    import aiohttp
    import pytest
    from fake_registry import FakeRegistry

    async def ask(registry):
        registry.push_image("quay.io/app:1.0")
        async with aiohttp.ClientSession(connector=registry.connector()) as session:
            async with session.get("https://quay.io/v2/app/tags/list") as answer:
                assert (await answer.json())["tags"] == ["1.0"]
        assert len(registry.journal) == 1

    MARK
    async def test_the_fixture(fake_registry):
        await ask(fake_registry)

    MARK
    async def test_one_in_the_loop_of_the_test():
        async with FakeRegistry() as registry:
            await ask(registry)

    FIXTURE
    async def own():
        async with FakeRegistry() as registry:
            yield registry

    MARK
    async def test_one_in_the_loop_of_a_fixture(own):
        await ask(own)
"""


def test_without_any_other_plugin(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SYNCHRONOUS)
    disabled = [f"-pno:{name}" for name in ("asyncio", "aiohttp", "xdist", "timeout", "hypothesispytest", "anyio")]
    run(pytester, *disabled).assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("mode", "mark", "fixture"),
    [
        ("auto", "", "@pytest.fixture"),
        ("strict", "@pytest.mark.asyncio", "import pytest_asyncio; @pytest_asyncio.fixture"),
    ],
)
def test_with_pytest_asyncio(pytester: pytest.Pytester, mode: str, mark: str, fixture: str) -> None:
    fixture = fixture.replace("; ", "\n    ")
    pytester.makepyfile(ASYNCHRONOUS.replace("MARK", mark).replace("FIXTURE", fixture))
    pytester.runpytest_inprocess(*FLAGS, *ASYNCIO, "-o", f"asyncio_mode={mode}", "-p", "no:aiohttp").assert_outcomes(
        passed=3
    )


def test_with_pytest_aiohttp(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import aiohttp
        import pytest
        from aiohttp import web

        @pytest.fixture
        async def session(fake_registry):
            async with aiohttp.ClientSession(connector=fake_registry.connector()) as session:
                yield session

        async def test_it(aiohttp_client, fake_registry, session):
            async def tags(request):
                async with session.get("https://quay.io/v2/app/tags/list") as answer:
                    return web.json_response(await answer.json())

            fake_registry.push_image("quay.io/app:1.0")
            app = web.Application()
            app.router.add_get("/", tags)
            client = await aiohttp_client(app)
            async with client.get("/") as answer:
                assert (await answer.json())["tags"] == ["1.0"]
        """
    )
    pytester.runpytest_inprocess(*FLAGS, *ASYNCIO, "-o", "asyncio_mode=auto").assert_outcomes(passed=1)


def test_under_xdist(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(8))
        def test_it(fake_registry, fake_registry_session, number):
            assert fake_registry.tags("quay.io/app") == []
            fake_registry.push_image("quay.io/app", tags=str(number))
            fake_registry_session.push_image("quay.io/app", tags=str(number))
            assert fake_registry.tags("quay.io/app") == [str(number)]
            assert str(number) in fake_registry_session.tags("quay.io/app")

        def test_that_fails(fake_registry):
            import urllib.request

            urllib.request.urlopen(fake_registry.url() + "/v2/", context=fake_registry.ssl_context()).close()
            assert False
        """
    )
    result = run(pytester, "-n", "2", *NO_ASYNCIO)
    result.assert_outcomes(passed=8, failed=1)
    result.stdout.fnmatch_lines(["*- fake_registry -*", "200 GET 127.0.0.1:*/v2/"])


@pytest.fixture
def tree(pytester: pytest.Pytester) -> Path:
    """A tree in the directory of the suite."""
    with FakeRegistry(pytester.path / "tree") as registry:
        registry.push_image("quay.io/app:1.0")
    return pytester.path / "tree"


def test_markers_say_what_is_served(pytester: pytest.Pytester, tree: Path) -> None:
    pytester.makepyfile(
        f"""
        import urllib.error
        import urllib.request

        import pytest

        pytestmark = pytest.mark.registry(hosts={{"quay.io": {{"page": 1}}}})

        def test_of_the_module(fake_registry):
            assert fake_registry.tree.hosts() == []
            assert fake_registry.url("quay.io").startswith("https:")

        @pytest.mark.registry("tree", copy=True)
        class TestClass:
            def test_of_the_class(self, fake_registry):
                assert fake_registry.tags("quay.io/app") == ["1.0"]
                fake_registry.push_image("quay.io/app:1.1")

            @pytest.mark.registry(hosts={{"quay.io": {{"scheme": "http"}}}}, copy=False)
            def test_of_the_function(self, fake_registry):
                assert fake_registry.tags("quay.io/app") == ["1.0"]
                assert fake_registry.url("quay.io").startswith("http:")

        @pytest.mark.registry(tree={str(tree)!r}, faults=[{{"kind": "tags", "status": 503, "times": 1}}])
        def test_faults(fake_registry):
            url = fake_registry.url("quay.io") + "/v2/app/tags/list"
            with pytest.raises(urllib.error.HTTPError, match="503") as caught:
                urllib.request.urlopen(url, context=fake_registry.ssl_context())
            caught.value.close()
            urllib.request.urlopen(url, context=fake_registry.ssl_context()).close()
            fake_registry.faults.assert_met()
        """
    )
    pytester.runpytest_inprocess(*FLAGS, *NO_ASYNCIO).assert_outcomes(passed=4)


def test_a_suite_may_say_what_is_served_everywhere(pytester: pytest.Pytester, tree: Path) -> None:
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def fake_registry_options():
            return {"tree": "tree", "copy": True}
        """
    )
    pytester.makepyfile(
        """
        import pytest

        def test_each(fake_registry, fake_registry_session):
            assert fake_registry.tags("quay.io/app") == fake_registry_session.tags("quay.io/app") == ["1.0"]

        @pytest.mark.registry(tree=None, copy=False)
        def test_other(fake_registry):
            assert fake_registry.tree.hosts() == []
        """
    )
    pytester.runpytest_inprocess(*FLAGS, *NO_ASYNCIO).assert_outcomes(passed=2)


def test_what_a_marker_cannot_say(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.registry("tree", "other")
        def test_positional(fake_registry): ...

        @pytest.mark.registry(trees="tree")
        def test_unknown(fake_registry): ...

        @pytest.mark.registry(hosts={"quay.io": {"schema": "http"}})
        def test_wrong(fake_registry): ...
        """
    )
    result = pytester.runpytest_inprocess(*FLAGS, *NO_ASYNCIO)
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(
        [
            "pytest.mark.registry takes the tree as its only positional argument, not ('tree', 'other')",
            "pytest.mark.registry and fake_registry_options know *; not trees",
            "pytest.mark.registry or fake_registry_options: hosts?'quay.io'?: Object contains unknown field `schema`",
        ]
    )


def test_a_marker_may_say_all_that_a_registry_is_made_with() -> None:
    assert tuple(inspect.signature(FakeRegistry).parameters) == OPTIONS


def test_a_failed_test_shows_what_was_asked(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import urllib.error
        import urllib.request

        import pytest

        def ask(registry, path):
            try:
                url = registry.url("quay.io") + path
                urllib.request.urlopen(url, context=registry.ssl_context()).close()
            except urllib.error.HTTPError as error:
                error.close()

        def test_that_passes(fake_registry_session):
            ask(fake_registry_session, "/v2/passes/tags/list")

        @pytest.mark.registry(faults=[{"name": "busy", "kind": "blob", "status": 503}])
        def test_that_fails(fake_registry, fake_registry_session):
            ask(fake_registry, "/v2/app/manifests/1.0")
            ask(fake_registry_session, "/v2/fails/tags/list")
            assert False

        @pytest.fixture
        def broken(fake_registry):
            ask(fake_registry, "/v2/setup/tags/list")
            raise ValueError

        def test_that_is_not_set_up(broken): ...

        @pytest.fixture
        def ends_badly(fake_registry):
            yield
            ask(fake_registry, "/v2/teardown/tags/list")
            raise ValueError

        def test_that_is_not_torn_down(ends_badly): ...

        def test_that_asks_nothing(fake_registry, fake_registry_session):
            assert False
        """
    )
    result = pytester.runpytest_inprocess(*FLAGS, *NO_ASYNCIO)
    result.assert_outcomes(passed=2, failed=2, errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_that_is_not_set_up*",
            "*- fake_registry -*",
            "404 GET quay.io/v2/setup/tags/list  (NAME_UNKNOWN: *",
            "*ERROR at teardown of test_that_is_not_torn_down*",
            "*- fake_registry -*",
            "404 GET quay.io/v2/teardown/tags/list  (NAME_UNKNOWN: *",
            "*test_that_fails*",
            "*- fake_registry -*",
            "404 GET quay.io/v2/app/manifests/1.0  (NAME_UNKNOWN: *",
            "fault 1 (busy) of *: 0 requests matched, 0 met it",
            "*- fake_registry_session -*",
            "404 GET quay.io/v2/fails/tags/list  (NAME_UNKNOWN: *",
            "*test_that_asks_nothing*",
            "*- fake_registry -*",
            "nothing was asked",
        ]
    )
    assert "passes/tags/list" not in result.stdout.str()


def test_a_suite_that_does_not_use_it_pays_nothing(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    check_cost(pytester, monkeypatch, "fake_registry.pytest_plugin")

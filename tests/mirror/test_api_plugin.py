"""The pytest plugin of `ImageApi`, in suites of other people."""

from __future__ import annotations

import inspect

import pytest
from support.plugins import ASYNCIO, FLAGS, NO_ASYNCIO, SHARED, check_cost, loaded_by, run

from mirror import ImageApi
from mirror.pytest_plugin import OPTIONS

pytest_plugins = ["pytester"]

SYNCHRONOUS = """
    import json
    import urllib.request

    STREAMS = "/apis/image.openshift.io/v1/namespaces/default/imagestreams"

    def test_it(fake_registry, image_api):
        digest = fake_registry.push_image("quay.io/app:1.0")
        image_api.import_image("quay.io/app:1.0", "app")
        asked = urllib.request.Request(image_api.url + STREAMS, headers=image_api.headers)
        with urllib.request.urlopen(asked, context=image_api.ssl_context()) as answer:
            (stream,) = json.load(answer)["items"]
        assert stream["status"]["tags"][0]["items"][0]["image"] == digest
        assert len(image_api.requests) == 1
"""

ASYNCHRONOUS = """
    import aiohttp
    import pytest
    from fake_registry import FakeRegistry
    from mirror import ImageApi

    async def ask(api):
        api.registry.push_image("quay.io/app:1.0")
        async with aiohttp.ClientSession(headers=api.headers) as session:
            async with session.get(api.url + "/version", ssl=api.ssl_context()) as answer:
                assert (await answer.json())["major"] == "1"
        assert len(api.requests) == 1

    MARK
    async def test_the_fixture(image_api):
        await ask(image_api)
        image_api.import_image("quay.io/app:1.0", "app")

    MARK
    async def test_one_in_the_loop_of_the_test(fake_registry):
        async with ImageApi() as api:
            await ask(api)
        async with ImageApi(fake_registry) as api:
            await ask(api)

    FIXTURE
    async def own():
        async with FakeRegistry() as registry, ImageApi(registry) as api:
            yield api

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
        ("strict", "@pytest.mark.asyncio", "import pytest_asyncio\n    @pytest_asyncio.fixture"),
    ],
)
@pytest.mark.parametrize("others", [(), ("-p", "no:aiohttp")], ids=["with pytest-aiohttp", "with pytest-asyncio alone"])
def test_in_asynchronous_tests(
    pytester: pytest.Pytester, mode: str, mark: str, fixture: str, others: tuple[str, ...]
) -> None:
    pytester.makepyfile(ASYNCHRONOUS.replace("MARK", mark).replace("FIXTURE", fixture))
    result = pytester.runpytest_inprocess(*FLAGS, *ASYNCIO, "-o", f"asyncio_mode={mode}", *others)
    result.assert_outcomes(passed=3)


def test_under_xdist(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", range(6))
        def test_it(fake_registry, image_api, image_api_session, number):
            fake_registry.push_image("quay.io/app")
            assert image_api.image_stream("app") is None
            image_api.import_image("quay.io/app", "app")
            image_api_session.registry.push_image(f"quay.io/app:{number}")
            image_api_session.import_image(f"quay.io/app:{number}", "app")
            tags = {tag["tag"] for tag in image_api_session.image_stream("app")["status"]["tags"]}
            assert str(number) in tags

        def test_that_fails(image_api):
            import urllib.request

            asked = urllib.request.Request(image_api.url + "/version", headers=image_api.headers)
            urllib.request.urlopen(asked, context=image_api.ssl_context()).close()
            assert False
        """
    )
    result = run(pytester, "-n", "2", *NO_ASYNCIO)
    result.assert_outcomes(passed=6, failed=1)
    result.stdout.fnmatch_lines(["*- image_api -*", "200 GET /version  (admin)"])


def test_markers_and_a_fixture_say_what_it_is_like(pytester: pytest.Pytester) -> None:
    pytester.makefile(
        ".yaml", streams="{apiVersion: image.openshift.io/v1, kind: ImageStream, metadata: {name: loaded}}"
    )
    pytester.makeconftest(
        """
        import pytest

        @pytest.fixture(scope="session")
        def image_api_options():
            return {"load": ["streams.yaml"]}
        """
    )
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.image_api(now="2026-01-02T03:04:05Z")

        def test_of_the_suite_and_the_module(image_api, image_api_session):
            stream = image_api.image_stream("loaded")
            assert stream["metadata"]["creationTimestamp"] == "2026-01-02T03:04:05Z"
            assert image_api_session.image_stream("loaded") is not None

        @pytest.mark.image_api(load=[], cluster={"blockedRegistries": ["quay.io"]})
        class TestClass:
            def test_of_the_class(self, fake_registry, image_api):
                fake_registry.push_image("quay.io/app")
                assert image_api.image_stream("loaded") is None
                (tag,) = image_api.import_image("quay.io/app", "app")["status"]["tags"]
                assert tag["conditions"][0]["status"] == "False"

            @pytest.mark.image_api(access={"users": [{"name": "jane", "token": "j"}]})
            def test_of_the_function(self, image_api):
                assert image_api.token == "j"
        """
    )
    pytester.runpytest_inprocess(*FLAGS, *NO_ASYNCIO).assert_outcomes(passed=3)


def test_what_a_marker_cannot_say(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.image_api("file.yaml")
        def test_positional(image_api): ...

        @pytest.mark.image_api(registry="quay.io")
        def test_unknown(image_api): ...

        @pytest.mark.image_api(cluster={"blocked": []})
        def test_wrong(image_api): ...
        """
    )
    result = pytester.runpytest_inprocess(*FLAGS, *NO_ASYNCIO)
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(
        [
            "pytest.mark.image_api takes no positional arguments, not ('file.yaml',)",
            "pytest.mark.image_api and image_api_options know *; not registry",
            "pytest.mark.image_api or image_api_options: cluster*unknown field `blocked`",
        ]
    )


def test_a_marker_may_say_all_that_an_api_is_made_with() -> None:
    assert tuple(inspect.signature(ImageApi).parameters) == ("registry", *OPTIONS)


def test_a_failed_test_shows_what_was_asked(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        import urllib.error
        import urllib.request

        import pytest

        def ask(api, path):
            asked = urllib.request.Request(api.url + path, headers=api.headers)
            try:
                urllib.request.urlopen(asked, context=api.ssl_context()).close()
            except urllib.error.HTTPError as error:
                error.close()

        def test_that_passes(image_api_session):
            ask(image_api_session, "/healthz")

        def test_that_fails(image_api, image_api_session):
            ask(image_api, "/apis/nothing")
            ask(image_api_session, "/livez")
            assert False

        def test_that_asks_nothing(image_api, image_api_session):
            assert False
        """
    )
    result = pytester.runpytest_inprocess(*FLAGS, *NO_ASYNCIO)
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(
        [
            "*- image_api -*",
            "404 GET /apis/nothing  (admin)",
            "*- image_api_session -*",
            "200 GET /livez  (admin)",
            "*test_that_asks_nothing*",
            "*- image_api -*",
            "nothing was asked",
        ]
    )
    assert "/healthz" not in result.stdout.str()


def test_a_suite_that_does_not_use_it_pays_nothing(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    check_cost(pytester, monkeypatch, "mirror.pytest_plugin")


@pytest.mark.parametrize(("module", "more"), [("mirror", set()), ("mirror.pytest_plugin", SHARED)])
def test_importing_it_imports_nothing_else(module: str, more: set[str]) -> None:
    assert loaded_by(module) == {"mirror", module, *more}

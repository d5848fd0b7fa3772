"""The pytest plugin: the fixtures `image_api` and `image_api_session`, and the marker ``image_api``.

It goes with the plugin of `fake_registry`, whose fixtures are the registries that imports come from. Every suite in an
environment with this package loads this module, so that it imports nothing of the API before a test asks for one.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from fake_registry import FakeRegistry
    from mirror.testing.image_api import ImageApi

OPTIONS: Final = (
    "cluster",
    "load",
    "access",
    "anonymous",
    "controllers",
    "scheduled_interval",
    "require_namespaces",
    "state",
    "http",
    "now",
)
"""What a marker may say: the parameters of `ImageApi`, the registry aside, which is the test's."""

_OWN: Final = pytest.StashKey["ImageApi"]()
_SHARED: Final = pytest.StashKey["ImageApi"]()
_ASKED_BEFORE: Final = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known."""
    config.addinivalue_line(
        "markers",
        "image_api(cluster=None, load=(), access=None, controllers=True, now=None): what the fixture image_api is "
        "like; relative files are looked for in the root directory; markers of classes and modules count where a test "
        "says nothing.",
    )


@pytest.fixture(scope="session")
def image_api_options() -> dict[str, Any]:
    """What `ImageApi` is made with, unless a marker says otherwise: to be overridden in a ``conftest.py``."""
    return {}


@pytest.fixture
def image_api(
    request: pytest.FixtureRequest, fake_registry: FakeRegistry, image_api_options: dict[str, Any]
) -> Iterator[ImageApi]:
    """An `ImageApi` for one test, as its marker ``image_api`` says; it imports from the test's `fake_registry`."""
    options = dict(image_api_options)
    for marker in reversed(list(request.node.iter_markers("image_api"))):
        options |= _said(marker)
    with _made(request.config, fake_registry, options) as api:
        request.node.stash[_OWN] = api
        yield api


@pytest.fixture(scope="session")
def image_api_session(
    request: pytest.FixtureRequest, fake_registry_session: FakeRegistry, image_api_options: dict[str, Any]
) -> Iterator[ImageApi]:
    """An `ImageApi` for all tests of a process, with `fake_registry_session`; `ImageApi.reset` brings it back to where
    it began."""
    with _made(request.config, fake_registry_session, image_api_options) as api:
        request.config.stash[_SHARED] = api
        yield api
        del request.config.stash[_SHARED]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remembers what the API of the session was asked before this test."""
    shared = item.config.stash.get(_SHARED, None)
    item.stash[_ASKED_BEFORE] = 0 if shared is None else shared.requests.total


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows what the APIs of a failed test were asked."""
    report = yield
    if report.failed:
        own = item.stash.get(_OWN, None)
        if own is not None:
            report.sections.append(("image_api", own.requests.listing()))
        shared = item.config.stash.get(_SHARED, None)
        asked_before = item.stash.get(_ASKED_BEFORE, 0)
        if shared is not None and shared.requests.total > asked_before:
            report.sections.append(("image_api_session", shared.requests.listing(since=asked_before)))
    return report


def _said(marker: pytest.Mark) -> Mapping[str, Any]:
    if marker.args:
        pytest.fail(f"pytest.mark.image_api takes no positional arguments, not {marker.args!r}", pytrace=False)
    return marker.kwargs


def _made(config: pytest.Config, registry: FakeRegistry, options: dict[str, Any]) -> ImageApi:
    # Not before a test needs them.
    from mirror.errors import InputError  # noqa: PLC0415
    from mirror.testing.image_api import ImageApi  # noqa: PLC0415

    unknown = ", ".join(map(str, options.keys() - OPTIONS))
    if unknown:
        pytest.fail(
            f"pytest.mark.image_api and image_api_options know {', '.join(OPTIONS)}; not {unknown}", pytrace=False
        )
    try:
        return ImageApi(registry, **_below(config.rootpath, options))
    except InputError as error:
        pytest.fail(f"pytest.mark.image_api or image_api_options: {error}", pytrace=False)


def _below(root: Path, options: dict[str, Any]) -> dict[str, Any]:
    """The options with their files below a directory."""
    found = dict(options)
    if isinstance(found.get("access"), str | Path):
        found["access"] = root / found["access"]
    if "load" in found:
        found["load"] = [one if isinstance(one, Mapping) else root / one for one in found["load"]]
    return found

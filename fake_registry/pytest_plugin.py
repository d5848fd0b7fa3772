"""The pytest plugin: the fixtures `fake_registry` and `fake_registry_session`, and the marker ``registry``.

Every suite in an environment with this package loads this module, so that it imports nothing of the registry before a
test asks for one. The fixtures serve in a thread of their own: they need no plugin for asynchronous tests, and get on
with all of them.
"""

from __future__ import annotations

from collections.abc import Generator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

if TYPE_CHECKING:
    from fake_registry.testing.registry import FakeRegistry

OPTIONS: Final = ("tree", "hosts", "faults", "copy", "read_only", "require_references", "clock")
"""What a marker may say: the parameters of `FakeRegistry`."""

_OWN: Final = pytest.StashKey["FakeRegistry"]()
_SHARED: Final = pytest.StashKey["FakeRegistry"]()
_ASKED_BEFORE: Final = pytest.StashKey[int]()


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known."""
    config.addinivalue_line(
        "markers",
        "registry(tree=None, hosts=None, faults=(), copy=False, ...): what the fixture fake_registry serves; a "
        "relative tree is looked for in the root directory; markers of classes and modules count where a test says "
        "nothing.",
    )


@pytest.fixture(scope="session")
def fake_registry_options() -> dict[str, Any]:
    """What `FakeRegistry` is made with, unless a marker says otherwise: to be overridden in a ``conftest.py``."""
    return {}


@pytest.fixture
def fake_registry(request: pytest.FixtureRequest, fake_registry_options: dict[str, Any]) -> Iterator[FakeRegistry]:
    """A `FakeRegistry` for one test, as its marker ``registry`` says."""
    options = dict(fake_registry_options)
    for marker in reversed(list(request.node.iter_markers("registry"))):
        options |= _said(marker)
    with _made(request.config, options) as registry:
        request.node.stash[_OWN] = registry
        yield registry


@pytest.fixture(scope="session")
def fake_registry_session(
    request: pytest.FixtureRequest, fake_registry_options: dict[str, Any]
) -> Iterator[FakeRegistry]:
    """A `FakeRegistry` for all tests of a process; `FakeRegistry.reset` brings it back to where it began."""
    with _made(request.config, fake_registry_options) as registry:
        request.config.stash[_SHARED] = registry
        yield registry
        del request.config.stash[_SHARED]


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remembers what the registry of the session was asked before this test."""
    shared = item.config.stash.get(_SHARED, None)
    item.stash[_ASKED_BEFORE] = 0 if shared is None else shared.journal.total


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows what the registries of a failed test were asked."""
    report = yield
    if report.failed:
        own = item.stash.get(_OWN, None)
        if own is not None:
            report.sections.append(("fake_registry", own.listing()))
        shared = item.config.stash.get(_SHARED, None)
        asked_before = item.stash.get(_ASKED_BEFORE, 0)
        if shared is not None and shared.journal.total > asked_before:
            report.sections.append(("fake_registry_session", shared.listing(since=asked_before)))
    return report


def _said(marker: pytest.Mark) -> dict[str, Any]:
    """What a marker says; the tree may be said without its name."""
    if len(marker.args) > 1:
        pytest.fail(
            f"pytest.mark.registry takes the tree as its only positional argument, not {marker.args!r}", pytrace=False
        )
    return {**({"tree": marker.args[0]} if marker.args else {}), **marker.kwargs}


def _made(config: pytest.Config, options: dict[str, Any]) -> FakeRegistry:
    # Not before a test needs them.
    from fake_registry.errors import UsageError  # noqa: PLC0415
    from fake_registry.testing.registry import FakeRegistry  # noqa: PLC0415

    unknown = ", ".join(map(str, options.keys() - OPTIONS))
    if unknown:
        pytest.fail(
            f"pytest.mark.registry and fake_registry_options know {', '.join(OPTIONS)}; not {unknown}", pytrace=False
        )
    tree = options.get("tree")
    if isinstance(tree, str | Path):
        options = {**options, "tree": config.rootpath / tree}
    try:
        return FakeRegistry(**options)
    except UsageError as error:
        pytest.fail(f"pytest.mark.registry or fake_registry_options: {error}", pytrace=False)

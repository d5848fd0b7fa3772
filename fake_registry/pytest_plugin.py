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

from fake_registry.testing.failure_report import FailureReport, check_options, marked_options

if TYPE_CHECKING:
    from fake_registry.testing.registry import FakeRegistry

OPTIONS: Final = (
    "tree",
    "hosts",
    "faults",
    "copy",
    "read_only",
    "require_references",
    "clock",
    "token_key",
    "certificates",
    "default_host",
    "seed",
    "origin",
)
"""What a marker may say: the parameters of `FakeRegistry`."""

_REPORT: Final = FailureReport["FakeRegistry"](
    "fake_registry", lambda registry: registry.journal.total, lambda registry, since: registry.listing(since=since)
)


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
    options = marked_options(request.node, "registry", fake_registry_options, _said)
    with _made(request.config, options) as registry:
        _REPORT.has(request.node, registry)
        yield registry


@pytest.fixture(scope="session")
def fake_registry_session(
    request: pytest.FixtureRequest, fake_registry_options: dict[str, Any]
) -> Iterator[FakeRegistry]:
    """A `FakeRegistry` for all tests of a process; `FakeRegistry.reset` brings it back to where it began."""
    with _made(request.config, fake_registry_options) as registry, _REPORT.shares(request.config, registry):
        yield registry


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remembers what the registry of the session was asked before this test."""
    _REPORT.begin(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows what the registries of a failed test were asked."""
    report = yield
    _REPORT.complete(item, report)
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

    check_options(options, OPTIONS, "pytest.mark.registry and fake_registry_options")
    tree = options.get("tree")
    if isinstance(tree, str | Path):
        options = {**options, "tree": config.rootpath / tree}
    try:
        return FakeRegistry(**options)
    except UsageError as error:
        pytest.fail(f"pytest.mark.registry or fake_registry_options: {error}", pytrace=False)

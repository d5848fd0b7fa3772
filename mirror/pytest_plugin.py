"""The pytest plugin: the fixtures `image_api`, `image_api_session` and `recorded_registry`, and their markers.

It goes with the plugin of `fake_registry`, whose fixtures are the registries that imports come from. Every suite in an
environment with this package loads this module, so that it imports nothing of the API before a test asks for one.
"""

from __future__ import annotations

import re
from collections.abc import Generator, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest

from fake_registry.testing.failure_report import FailureReport, check_options, marked_options

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

RECORDING_OPTIONS: Final = (
    "into",
    "mode",
    "creds",
    "authfile",
    "anonymous",
    "ca",
    "insecure",
    "connect",
    "proxy",
)
"""What a marker of `recorded_registry` may say beside the registries: the parameters of `record_from`."""

_REPORT: Final = FailureReport["ImageApi"](
    "image_api", lambda api: api.requests.total, lambda api, since: api.requests.listing(since=since)
)


_RECORDED: Final = FailureReport["FakeRegistry"](
    "recorded_registry", lambda registry: registry.journal.total, lambda registry, since: registry.listing(since=since)
)
_NO_FILE_NAME: Final = re.compile(r"[^\w.=+-]+")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the switch between recording and replaying."""
    parser.getgroup("ismirror").addoption(
        "--registry-record",
        choices=("once", "missing", "none", "all"),
        help="recorded_registry: asks the real registries if there is no recording yet (once), for what it lacks "
        "(missing), never (none), always (all). Without it the markers, ISMIRROR_RECORD, and then once.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Makes the marker known."""
    config.addinivalue_line(
        "markers",
        "image_api(cluster=None, load=(), access=None, controllers=True, now=None): what the fixture image_api is "
        "like; relative files are looked for in the root directory; markers of classes and modules count where a test "
        "says nothing.",
    )
    config.addinivalue_line(
        "markers",
        "recorded_registry(*registries, into=DIRECTORY, mode=None, creds=None, ...): the real registries that the "
        "fixture recorded_registry asks once; by default the recording is in recordings/ beside the test.",
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
    options = marked_options(request.node, "image_api", image_api_options, _said)
    with _made(request.config, fake_registry, options) as api:
        _REPORT.has(request.node, api)
        yield api


@pytest.fixture(scope="session")
def image_api_session(
    request: pytest.FixtureRequest, fake_registry_session: FakeRegistry, image_api_options: dict[str, Any]
) -> Iterator[ImageApi]:
    """An `ImageApi` for all tests of a process, with `fake_registry_session`; `ImageApi.reset` brings it back to where
    it began."""
    with _made(request.config, fake_registry_session, image_api_options) as api, _REPORT.shares(request.config, api):
        yield api


@pytest.fixture(scope="session")
def recorded_registry_options() -> dict[str, Any]:
    """What `record_from` is given, unless a marker says otherwise: to be overridden in a ``conftest.py``."""
    return {}


@pytest.fixture
def recorded_registry(
    request: pytest.FixtureRequest, recorded_registry_options: dict[str, Any]
) -> Iterator[FakeRegistry]:
    """A `FakeRegistry` that answers as the real registries do which the marker ``recorded_registry`` names."""
    said = marked_options(request.node, "recorded_registry", recorded_registry_options, _said_of_recording)
    with _recorded(request.node, said) as registry:
        _RECORDED.has(request.node, registry)
        yield registry


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Remembers what the API of the session was asked before this test."""
    _REPORT.begin(item)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Shows what the APIs of a failed test were asked."""
    report = yield
    _REPORT.complete(item, report)
    _RECORDED.complete(item, report)
    return report


def _said(marker: pytest.Mark) -> Mapping[str, Any]:
    if marker.args:
        pytest.fail(f"pytest.mark.image_api takes no positional arguments, not {marker.args!r}", pytrace=False)
    return marker.kwargs


def _made(config: pytest.Config, registry: FakeRegistry, options: dict[str, Any]) -> ImageApi:
    # Not before a test needs them.
    from mirror.errors import InputError  # noqa: PLC0415
    from mirror.testing.image_api import ImageApi  # noqa: PLC0415

    check_options(options, OPTIONS, "pytest.mark.image_api and image_api_options")
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


def _said_of_recording(marker: pytest.Mark) -> Mapping[str, Any]:
    return {**({"registries": marker.args} if marker.args else {}), **marker.kwargs}


def _recorded(item: pytest.Item, said: dict[str, Any]) -> FakeRegistry:
    # Not before a test needs them.
    from fake_registry.errors import UsageError  # noqa: PLC0415
    from mirror.testing.recorded import record_from  # noqa: PLC0415

    root = item.config.rootpath
    where = "pytest.mark.recorded_registry and recorded_registry_options"
    registries = said.pop("registries", ())
    check_options(said, RECORDING_OPTIONS, where)
    names = item.nodeid.split("::")[1:]
    here = item.path.parent / "recordings" / item.path.stem / _NO_FILE_NAME.sub("-", ".".join(names)).strip("-")
    options = {**said, "into": root / said["into"] if "into" in said else here}
    for name in ("authfile", "ca"):
        value = options.get(name)
        if isinstance(value, Path) or (isinstance(value, str) and "-----BEGIN" not in value):
            options[name] = root / value
    if item.config.option.registry_record is not None:
        options["mode"] = item.config.option.registry_record
    try:
        return record_from(*registries, **options)
    except UsageError as error:
        pytest.fail(f"pytest.mark.recorded_registry or recorded_registry_options: {error}", pytrace=False)

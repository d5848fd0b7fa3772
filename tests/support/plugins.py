"""Suites of other people, with our pytest plugins in them."""

from __future__ import annotations

import subprocess
import sys

import pytest

FLAGS = ("-W", "error", "-p", "no:randomly", "-p", "no:cacheprovider", "--strict-markers")
NO_ASYNCIO = ("-p", "no:aiohttp", "-p", "no:asyncio")
ASYNCIO = ("-o", "asyncio_default_fixture_loop_scope=function")
SHARED = {"fake_registry", "fake_registry.testing", "fake_registry.testing.failure_report"}
"""What both plugins load."""


def run(pytester: pytest.Pytester, *options: str) -> pytest.RunResult:
    """Runs the suite in a process of its own, without what is not named."""
    return pytester.runpytest_subprocess(*FLAGS, *options)


def check_cost(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, plugin: str) -> None:
    """A suite that has a plugin, and uses nothing of it, loads the plugin and what both share."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    expected = sorted({plugin, plugin.partition(".")[0], *SHARED})
    pytester.makepyfile(
        f"""
        import sys

        def test_it():
            heavy = {{"aiohttp", "cryptography", "msgspec", "yarl", "yaml", "asyncio"}}
            assert not heavy & set(sys.modules)
            ours = {{name for name in sys.modules if name.split(".")[0] in {{"fake_registry", "mirror"}}}}
            assert sorted(ours) == {expected}
        """
    )
    run(pytester, "-p", plugin).assert_outcomes(passed=1)


def loaded_by(module: str) -> set[str]:
    """The modules that come with the import of one, where pytest is there already."""
    program = (
        "import importlib, pytest, sys\n"
        "before = set(sys.modules)\n"
        f"import {module}\n"
        "print(*(set(sys.modules) - before))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())

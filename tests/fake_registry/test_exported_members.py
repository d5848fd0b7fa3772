"""The public face is exactly what is meant, and costs nothing before it is used."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest
from support.plugins import SHARED, loaded_by

import fake_registry

PUBLIC = [
    "AccessRule",
    "Address",
    "Auth",
    "AuthorityError",
    "CertificateAuthority",
    "ContentError",
    "DigestError",
    "Entry",
    "FakeRegistry",
    "FakeRegistryError",
    "Fault",
    "FaultAccount",
    "FaultAction",
    "FaultMatch",
    "FaultRules",
    "Host",
    "ImageError",
    "Journal",
    "Limits",
    "PlacedFault",
    "RegistryCore",
    "RegistryServer",
    "Route",
    "Spread",
    "TooManyRequests",
    "Tree",
    "TreeError",
    "UsageError",
]


def test_the_public_names_are_those_that_are_meant() -> None:
    assert fake_registry.__all__ == PUBLIC
    assert [name for name in dir(fake_registry) if not name.startswith("__")] == PUBLIC


def test_what_type_checkers_see_is_what_there_is() -> None:
    for node in ast.walk(ast.parse(Path(fake_registry.__file__).read_text())):
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("fake_registry."):
            for alias in node.names:
                found = getattr(fake_registry, alias.name)
                assert found is getattr(sys.modules[node.module], alias.name)
    assert {name for name in PUBLIC if not hasattr(fake_registry, name)} == set()


def test_other_names_are_not_there() -> None:
    with pytest.raises(AttributeError, match="module 'fake_registry' has no attribute 'Registry'"):
        fake_registry.Registry  # noqa: B018


@pytest.mark.parametrize(("module", "more"), [("fake_registry", set()), ("fake_registry.pytest_plugin", SHARED)])
def test_importing_it_imports_nothing_else(module: str, more: set[str]) -> None:
    assert loaded_by(module) == {"fake_registry", module, *more}

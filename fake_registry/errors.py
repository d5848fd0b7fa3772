"""All exceptions of the fake_registry package.

FakeRegistryError
 ├── TreeError         a fixture tree, or a file in it, that cannot be used
 └── DigestError       text that is not a digest, or bytes that do not match one
"""

from __future__ import annotations


class FakeRegistryError(Exception):
    """Base of every exception that this package raises on purpose."""


class TreeError(FakeRegistryError):
    """A fixture tree, or a file in it, that cannot be used. The text names the file and what would be right."""


class DigestError(FakeRegistryError):
    """Text that is not a digest, or content that does not match one."""

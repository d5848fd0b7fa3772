"""All exceptions of the fake_registry package.

FakeRegistryError
 ├── ImageError        a synthetic image that cannot be made
 ├── AuthorityError    a directory with a certificate authority that cannot be used
 ├── TreeError         a fixture tree, or a file in it, that cannot be used
 └── DigestError       text that is not a digest, or bytes that do not match one
      └── ContentError  a file of a tree whose content does not match the digest that names it
"""

from __future__ import annotations


class FakeRegistryError(Exception):
    """Base of every exception that this package raises on purpose."""


class TreeError(FakeRegistryError):
    """A fixture tree, or a file in it, that cannot be used. The text names the file and what would be right."""


class ImageError(FakeRegistryError):
    """A synthetic image that cannot be made. The text names the image and what would be right."""


class DigestError(FakeRegistryError):
    """Text that is not a digest, or content that does not match one."""


class ContentError(DigestError):
    """Content of a tree that does not match the digest that names it; raised when it is loaded to be served."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"content of {digest} does not match its digest")
        self.digest = digest


class AuthorityError(FakeRegistryError):
    """A directory with a certificate authority that cannot be used. The text names the file and what to do."""

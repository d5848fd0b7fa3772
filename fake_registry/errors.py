"""All exceptions of the fake_registry package.

FakeRegistryError
 ├── ImageError        a synthetic image that cannot be made
 ├── AuthorityError    a directory with a certificate authority that cannot be used
 ├── TreeError         a fixture tree, or a file in it, that cannot be used
 ├── MissingContentError   a manifest that names what its repository does not have, where it must
 ├── UploadError       an upload that cannot be gone on with
 │    ├── UploadGone   there is no such upload (any more)
 │    └── UploadBusy   somebody else is writing to it
 ├── TallyFull         no counter is left for another rule
 ├── WorkersFailed     worker processes that end again and again
 ├── DirectoryError    a directory that cannot say who somebody is
 ├── UsageError        a FakeRegistry used in a way that cannot be
 └── DigestError       text that is not a digest, or bytes that do not match one
      └── ContentError  a file of a tree whose content does not match the digest that names it
"""

from __future__ import annotations

from collections.abc import Sequence


class FakeRegistryError(Exception):
    """Base of every exception that this package raises on purpose."""


class TreeError(FakeRegistryError):
    """A fixture tree, or a file in it, that cannot be used. The text names the file and what would be right."""


class MissingContentError(FakeRegistryError):
    """A manifest names content that its repository does not have, and may not be pushed without; has the digests."""

    def __init__(self, digests: Sequence[str]) -> None:
        more = f" and {len(digests) - 1} more" if len(digests) > 1 else ""
        super().__init__(f"no {digests[0]}{more}")
        self.digests = tuple(digests)


class UploadError(FakeRegistryError):
    """An upload that cannot be gone on with; `session` is its id."""

    def __init__(self, session: str) -> None:
        super().__init__(f"upload {session[:100]!r}")
        self.session = session


class UploadGone(UploadError):
    """There is no such upload in the repository: it never was, is complete, was cancelled or swept."""


class UploadBusy(UploadError):
    """Somebody else is writing to the upload."""


class ImageError(FakeRegistryError):
    """A synthetic image that cannot be made. The text names the image and what would be right."""


class TallyFull(FakeRegistryError):
    """No counter is left for another rule."""


class WorkersFailed(FakeRegistryError):
    """Worker processes end again and again: there is no use in starting more of them."""


class DirectoryError(FakeRegistryError):
    """A directory cannot be asked, or not make sense of, who somebody is. The text names it and says what is wrong."""


class UsageError(FakeRegistryError):
    """A `fake_registry.FakeRegistry` used in a way that cannot be. The text says what would be right."""


class DigestError(FakeRegistryError):
    """Text that is not a digest, or content that does not match one."""


class ContentError(DigestError):
    """Content of a tree that does not match the digest that names it; raised when it is loaded to be served."""

    def __init__(self, digest: str) -> None:
        super().__init__(f"content of {digest} does not match its digest")
        self.digest = digest


class AuthorityError(FakeRegistryError):
    """A directory with a certificate authority that cannot be used. The text names the file and what to do."""

"""Pull specs, as tests write them: the host is never left out."""

from __future__ import annotations

from typing import Final, NamedTuple

from fake_registry.errors import UsageError
from fake_registry.fixtures import canonical_host, is_host, is_repository, is_tag
from fake_registry.oci import is_digest

_EXPECTED: Final = "expected HOST/REPOSITORY[:TAG][@DIGEST], such as quay.io/team/app:1.0"


class ImageName(NamedTuple):
    """Where an image lies: canonical host, repository, and the tag and digest if they are said."""

    host: str
    repository: str
    tag: str | None
    digest: str | None

    @property
    def reference(self) -> str:
        """What is asked for: the digest, else the tag, else ``latest``."""
        return self.digest or self.tag or "latest"

    @property
    def suffix(self) -> str:
        """Tag and digest, as they stand behind the repository."""
        return (f":{self.tag}" if self.tag else "") + (f"@{self.digest}" if self.digest else "")


def image_name(text: str) -> ImageName:
    """Takes a pull spec apart. ``docker.io/nginx`` is ``docker.io/library/nginx``, as for all clients.

    Raises:
        UsageError: it is none, or does not begin with a host.
    """
    rest, at, digest = text.partition("@")
    host, slash, path = rest.partition("/")
    colon = path.rfind(":", path.rfind("/") + 1)
    repository, tag = (path, None) if colon < 0 else (path[:colon], path[colon + 1 :])
    host = canonical_host(host)
    if not slash or not ("." in host or ":" in host or host == "localhost") or not is_host(host):
        raise UsageError(f"image {text!r}: {_EXPECTED}")
    if host == "docker.io" and "/" not in repository:
        repository = f"library/{repository}"
    if not is_repository(repository) or (tag is not None and not is_tag(tag)) or (at and not is_digest(digest)):
        raise UsageError(f"image {text!r}: {_EXPECTED}")
    return ImageName(host, repository, tag, digest or None)

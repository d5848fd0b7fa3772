"""The locations that pull secrets are for (kubernetes ``credentialprovider/keyring.go``).

A location is a host with an optional port and path, with or without ``https://`` in front. It is read as a URL, by the
rules of Go's ``net/url``. Then each label of its host is a shell glob, of which only ``*`` is left: ``?`` begins the
query, a backslash is no character of a host, and brackets (since Go 1.24.8) are for IPv6 addresses only.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote_to_bytes

from mirror.hostport import split_host_port

__all__ = ["Location", "index_key", "parse_location"]

# What each part of a URL may hold; in a host only bytes beyond ASCII, and the percent sign, may be escaped.
_ESCAPE = "%[0-9a-fA-F]{2}"
_HOST = re.compile(r"""(?:[A-Za-z0-9!$&'()*+,;=:<>"._~-]|[^\x00-\x7f]|%25|%[89a-fA-F][0-9a-fA-F])*+""")
_USER = re.compile(rf"(?:[A-Za-z0-9._:~!$&'()*+,;=@-]|{_ESCAPE})*+")
_ESCAPED = re.compile(f"(?:[^%]|{_ESCAPE})*+", re.DOTALL)
_PORT = re.compile("[0-9]*")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class Location(NamedTuple):
    """Host, with its port if it has one, and path; decoded."""

    host: str
    path: str

    def covers(self, image: Location) -> bool:
        """Whether this location, in whose host there may be globs, is one that serves the image."""
        labels, port = _labels(self.host)
        image_labels, image_port = _labels(image.host)
        return (
            port == image_port
            and len(labels) == len(image_labels)
            and image.path.startswith(self.path)  # not segment by segment: quay.io/n covers quay.io/ns
            and all(_glob(label).fullmatch(other) for label, other in zip(labels, image_labels, strict=True))
        )


def index_key(location: str) -> str | None:
    """The key under which the credentials of a location are kept; None for what is no URL.

    ``/v1/`` and ``/v2/`` at the beginning of the path count for nothing, nor does a lone ``/``.
    """
    scheme = "http://" if location.startswith("http://") else "https://"
    parsed = parse_location(location.removeprefix(scheme))
    if parsed is None:
        return None
    path = parsed.path
    if path.startswith(("/v1/", "/v2/")):
        path = path[3:]
    return parsed.host + (path if path != "/" else "")


def parse_location(text: str) -> Location | None:
    """What ``url.Parse`` makes of ``https://`` and the text; None where it reports an error.

    IPv6 addresses, which it accepts, are given up as well: no image reference can name one.
    """
    text, _, fragment = text.partition("#")
    if _CONTROL.search(text) or not _ESCAPED.fullmatch(fragment):
        return None
    authority, slash, path = text.partition("?")[0].partition("/")
    user, at, host = authority.rpartition("@")
    if at and not _USER.fullmatch(user):
        return None
    # What follows the last colon is a port; Go bears more colons before it.
    port = host.rpartition(":")[2] if ":" in host else ""
    if not _PORT.fullmatch(port) or not _HOST.fullmatch(host) or not _ESCAPED.fullmatch(path):
        return None
    return Location(_unescape(host), slash + _unescape(path))


def _unescape(text: str) -> str:
    """Decode the escapes. Bytes that are no UTF-8 are kept as lone surrogates, as Python does with file names."""
    return unquote_to_bytes(text).decode("utf-8", "surrogateescape") if "%" in text else text


def _labels(host: str) -> tuple[list[str], str]:
    name, port = split_host_port(host) or (host, "")
    return name.split("."), port


@lru_cache(maxsize=1024)
def _glob(label: str) -> re.Pattern[str]:
    """A label as an expression.

    What lies between two stars is taken where it first fits, for good, so that no label makes the search long.
    """
    first, *others = map(re.escape, label.split("*"))
    if others:
        first += "".join(f"(?>.*?{chunk})" for chunk in others[:-1]) + f".*{others[-1]}"
    return re.compile(first, re.DOTALL)

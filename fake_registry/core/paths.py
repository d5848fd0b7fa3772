"""Paths of the registry API, taken apart.

Source: distribution specification, "Endpoints". A path is looked at from its end, since names contain slashes.
"""

from __future__ import annotations

from typing import Final
from urllib.parse import parse_qsl, unquote

import msgspec

BASE: Final = "/v2/"
CATALOG: Final = "/v2/_catalog"
TAGS: Final = "/v2/{name}/tags/list"
MANIFEST: Final = "/v2/{name}/manifests/{reference}"
BLOB: Final = "/v2/{name}/blobs/{digest}"
UPLOADS: Final = "/v2/{name}/blobs/uploads/"
UPLOAD: Final = "/v2/{name}/blobs/uploads/{session}"
REFERRERS: Final = "/v2/{name}/referrers/{digest}"
TOKEN: Final = "/token"
EXTENSIONS: Final = "/extensions/v2/"
SIGNATURES: Final = "/extensions/v2/{name}/signatures/{digest}"
LINK: Final = "/{host}/{name}/blobs/{digest}"
BELOW: Final = "/v2/{unknown}"
ELSEWHERE: Final = "{unknown}"

_KINDS: Final = {"manifests": MANIFEST, "blobs": BLOB, "referrers": REFERRERS}


class Target(msgspec.Struct, frozen=True, gc=False):
    """What a path names: its pattern, the repository and the reference, digest or session; empty where it has none."""

    pattern: str
    name: str = ""
    argument: str = ""


def parse_path(path: str) -> Target:
    """Finds the pattern of a path that is still percent-encoded. Names are not checked."""
    path = decoded(path)
    head, _, argument = path.rpartition("/")
    name, _, kind = head.rpartition("/")
    if not name.startswith(BASE) or len(name) == len(BASE):
        if kind == "signatures" and argument and name.startswith(EXTENSIONS) and name != EXTENSIONS:
            return Target(SIGNATURES, name[len(EXTENSIONS) :], argument)
        return _short(path)
    pattern = _KINDS.get(kind)
    if pattern is not None and argument:
        return Target(pattern, name[4:], argument)
    if kind == "tags" and argument == "list":
        return Target(TAGS, name[4:])
    if kind == "uploads" and name.endswith("/blobs") and len(name) > len("/v2/" + "/blobs"):
        return Target(UPLOAD if argument else UPLOADS, name[4 : -len("/blobs")], argument)
    return Target(BELOW)


def decoded(path: str) -> str:
    """A path without percent-encoding; what is not UTF-8 in it is replaced."""
    return unquote(path.encode("utf-8", "replace")) if "%" in path or not path.isascii() else path


def _short(path: str) -> Target:
    if path in {BASE, CATALOG, TOKEN}:
        return Target(path)
    return Target(BELOW if path.startswith(BASE) else ELSEWHERE)


def parse_link(path: str) -> tuple[str, Target] | None:
    """The registry that a signed link is of, and what it names there; None if this is the path of no link.

    Links are made here, so that nothing in them is percent-encoded. Whether one is good is found out elsewhere.
    """
    host, _, rest = path[1:].partition("/")
    name, blobs, digest = rest.rpartition("/blobs/")
    return (host, Target(LINK, name, digest)) if host and name and digest and blobs else None


def first_parameters(query: str) -> dict[str, str]:
    """The parameters of a query by name, also those without a value; of several with one name the first."""
    found: dict[str, str] = {}
    for key, value in parameters(query, blank=True) if query else ():
        found.setdefault(key, value)
    return found


def parameters(query: str, *, blank: bool = False) -> list[tuple[str, str]]:
    """The parameters of a query, in order, `blank` ones if asked for; what is not UTF-8 in them is replaced."""
    return parse_qsl(query.encode("utf-8", "replace").decode(), keep_blank_values=blank)

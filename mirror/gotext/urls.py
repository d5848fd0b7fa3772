"""URLs as Go's ``net/url`` reads, resolves and prints them, and its error texts.

Texts may hold what is no UTF-8, as ``surrogateescape`` has it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, NamedTuple
from urllib.parse import quote_plus, unquote_to_bytes

from mirror.gotext.quoting import quote

_ALWAYS: Final = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_.~"
_PLAIN_IN_PATH: Final = frozenset(_ALWAYS + b"$&+,/:;=@")
_PLAIN_IN_FRAGMENT: Final = frozenset(_ALWAYS + b"$&+,/:;=?@!()*")
_PLAIN_IN_PASSWORD: Final = frozenset(_ALWAYS + b"$&+,;=")
_PLAIN_IN_HOST: Final = frozenset(_ALWAYS + b"!$&'()*+,;=:[]<>\"")

_LEFT_ALONE: Final = "A-Za-z0-9_.~!$&'()*+,;=:@\\[\\]%/"
_VALID_PATH: Final = re.compile(f"[{_LEFT_ALONE}-]*")
_VALID_FRAGMENT: Final = re.compile(f"[{_LEFT_ALONE}?-]*")
_USERINFO: Final = re.compile("[A-Za-z0-9._:~!$&'()*+,;=%@-]*")
_SCHEME: Final = re.compile("([A-Za-z][A-Za-z0-9+.-]*):")
_CONTROL: Final = re.compile("[\x00-\x1f\x7f]")
# An escape is three bytes, even where that cuts a character in two.
_BAD_ESCAPE: Final = re.compile(b"%(?![0-9A-Fa-f]{2}).{0,2}", re.DOTALL)
_BAD_HOST_ESCAPE: Final = re.compile(b"%(?!25)(?:[0-7][0-9A-Fa-f])")
_BAD_IN_HOST: Final = re.compile(r"""[^A-Za-z0-9_.~!$&'()*+,;=:\[\]<>"%\x80-\U0010ffff-]""")
_PORT: Final = re.compile("(?::[0-9]*)?")


class GoUrlError(ValueError):
    """A text that is no URL. The message is Go's: ``parse "TEXT": PROBLEM``."""

    def __init__(self, text: str, problem: str) -> None:
        super().__init__(f"parse {quote(text)}: {problem}")


class GoUrl(NamedTuple):
    """A URL in parts. ``path`` and ``fragment`` are as printed, ``user`` and ``host`` decoded; ``query`` is None where
    there is not even a question mark, ``opaque`` what follows the scheme where that is no path."""

    scheme: str = ""
    opaque: str = ""
    user: tuple[str, str | None] | None = None
    host: str = ""
    path: str = ""
    query: str | None = None
    fragment: str = ""
    omits_host: bool = False

    @classmethod
    def parse(cls, text: str) -> GoUrl:
        """Reads a URL or a relative reference.

        Raises:
            GoUrlError: it is none.
        """
        main, _, fragment = text.partition("#")
        try:
            url = cls._parse_main(main)
        except _Problem as problem:
            raise GoUrlError(main, str(problem)) from None
        if not fragment:
            return url
        try:
            return url._replace(fragment=_printed(fragment, _VALID_FRAGMENT, _PLAIN_IN_FRAGMENT))
        except _Problem as problem:
            raise GoUrlError(text, str(problem)) from None

    @classmethod
    def _parse_main(cls, text: str) -> GoUrl:
        if _CONTROL.search(text):
            raise _Problem("net/url: invalid control character in URL")
        if text == "*":
            return cls(path="*")
        if text.startswith(":"):
            raise _Problem("missing protocol scheme")
        found = _SCHEME.match(text)
        scheme = found[1].lower() if found else ""
        rest, mark, after = text[found.end() if found else 0 :].partition("?")
        url = cls(scheme=scheme, query=after if mark else None)
        if not rest.startswith("/"):
            if scheme:
                return url._replace(opaque=rest)
            if ":" in rest.partition("/")[0]:
                raise _Problem("first path segment in URL cannot contain colon")
        elif rest.startswith("//") and (scheme or not rest.startswith("///")):
            authority, slash, path = rest[2:].partition("/")
            user, host = _authority(authority)
            url, rest = url._replace(user=user, host=host), slash + path
        elif scheme:
            url = url._replace(omits_host=True)
        return url._replace(path=_printed(rest, _VALID_PATH, _PLAIN_IN_PATH))

    def resolve(self, reference: GoUrl) -> GoUrl:
        """What a reference means that was found under this URL (RFC 3986, section 5.2)."""
        scheme = reference.scheme or self.scheme
        if reference.scheme or reference.host or reference.user is not None:
            return reference._replace(scheme=scheme, path=_resolved_path(reference.path, ""))
        if reference.opaque:
            return reference._replace(scheme=scheme, path="")
        query, fragment = reference.query, reference.fragment
        if not reference.path and query is None:
            query, fragment = self.query, fragment or self.fragment
        resolved = reference._replace(scheme=scheme, query=query, fragment=fragment)
        if not reference.path and self.opaque:
            return resolved._replace(opaque=self.opaque)
        return resolved._replace(user=self.user, host=self.host, path=_resolved_path(self.path, reference.path))

    @property
    def authority(self) -> str:
        """User and host, as printed."""
        host = _escaped(self.host, _PLAIN_IN_HOST)
        if self.user is None:
            return host
        name, password = self.user
        user = _escaped(name, _PLAIN_IN_PASSWORD)
        if password is not None:
            user += f":{_escaped(password, _PLAIN_IN_PASSWORD)}"
        return f"{user}@{host}"

    @property
    def target(self) -> str:
        """What the first line of a request says: path and query."""
        path = self.opaque or self.path or "/"
        return path if self.query is None else f"{path}?{self.query}"

    def __str__(self) -> str:
        text = f"{self.scheme}:" if self.scheme else ""
        if self.opaque:
            text += self.opaque
        else:
            authority, path = self.authority, self.path
            if authority or ((self.scheme or self.user is not None) and path and not self.omits_host):
                text += f"//{authority}"
            if path and not path.startswith("/") and self.host:
                text += "/"
            if not text and ":" in path.partition("/")[0]:
                text = "./"
            text += path
        if self.query is not None:
            text += f"?{self.query}"
        return f"{text}#{self.fragment}" if self.fragment else text


class _Problem(Exception):
    """What is wrong with a URL, without the URL."""


def _authority(text: str) -> tuple[tuple[str, str | None] | None, str]:
    userinfo, at, host_text = text.rpartition("@")
    host = _host(host_text)
    if not at:
        return None, host
    if not _USERINFO.fullmatch(userinfo):
        raise _Problem("net/url: invalid userinfo")
    name, colon, password = userinfo.partition(":")
    return (_unescaped(name), _unescaped(password) if colon else None), host


def _host(text: str) -> str:
    if "[" in text and "]" not in text:
        raise _Problem("missing ']' in host")
    if text.startswith("["):
        port = text[text.rfind("]") + 1 :]
    else:
        colon = text.rfind(":")
        port = text[colon:] if colon >= 0 else ""
    if not _PORT.fullmatch(port):
        raise _Problem(f"invalid port {quote(port)} after host")
    data = text.encode("utf-8", "surrogateescape")
    for bad_escape in (_BAD_ESCAPE.search(data), _BAD_HOST_ESCAPE.search(data)):
        if bad_escape:
            raise _Problem(f"invalid URL escape {quote(bad_escape[0])}")
    bad = _BAD_IN_HOST.search(text)
    if bad:
        raise _Problem(f"invalid character {quote(bad[0])} in host name")
    return _unescaped(text)


def _unescaped(text: str) -> str:
    if "%" not in text:
        return text
    data = text.encode("utf-8", "surrogateescape")
    bad = _BAD_ESCAPE.search(data)
    if bad:
        raise _Problem(f"invalid URL escape {quote(bad[0])}")
    return unquote_to_bytes(data).decode("utf-8", "surrogateescape")


def _escaped(text: str, plain: frozenset[int]) -> str:
    data = text.encode("utf-8", "surrogateescape")
    return "".join(chr(byte) if byte in plain else f"%{byte:02X}" for byte in data)


def _printed(text: str, valid: re.Pattern[str], plain: frozenset[int]) -> str:
    """A path or fragment as it is printed again: as it stands, or with everything in it escaped anew."""
    decoded = _unescaped(text)
    return text if valid.fullmatch(text) else _escaped(decoded, plain)


def _resolved_path(base: str, reference: str) -> str:
    """A path in place of the last element of another, without ``.`` and ``..``."""
    full = reference if reference.startswith("/") else base[: base.rfind("/") + 1] + reference if reference else base
    if not full:
        return ""
    kept: list[str] = []
    elements = full.split("/")
    for element in elements:
        if element == "..":
            del kept[-1:]
        elif element != ".":
            kept.append(element)
    path = "/".join(kept)
    if elements[-1] in {".", ".."}:
        path += "/"
    return path if path.startswith("/") else f"/{path}"


def parse_query(text: str) -> list[tuple[str, str]]:
    """The pairs of a query; those with a semicolon or a broken escape are left out, as ``URL.Query`` does."""
    pairs = []
    for part in text.split("&"):
        if not part or ";" in part:
            continue
        key, _, value = part.partition("=")
        try:
            pairs.append((_unescaped(key.replace("+", " ")), _unescaped(value.replace("+", " "))))
        except _Problem:
            continue
    return pairs


def encode_query(pairs: Iterable[tuple[str, str]]) -> str:
    """The query of some pairs, by keys in byte order (``Values.Encode``)."""
    ordered = sorted(pairs, key=lambda pair: pair[0].encode("utf-8", "surrogateescape"))
    return "&".join(
        f"{quote_plus(key, errors='surrogateescape')}={quote_plus(value, errors='surrogateescape')}"
        for key, value in ordered
    )

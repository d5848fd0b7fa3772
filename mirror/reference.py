"""Image references: three grammars that agree on most texts and differ where it shows.

| class, function              | upstream                              | used for                                    |
|------------------------------|---------------------------------------|---------------------------------------------|
| ``Reference.parse``          | library-go pkg/image/reference        | validation, defaults, pull specs            |
| ``parse_normalized_named``   | distribution v3 reference             | the name under which a manifest is fetched  |
| ``parse_canonical_named``    | containers/image docker/reference     | texts rewritten to a mirror's location      |

Every parser raises ``InvalidReference``, whose text is the upstream error's, word for word. The parsers are
pure and run for every tag of a repository, so their outcomes are cached (bounded; overlong texts never).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Literal, TypeVar
from urllib.parse import quote

import msgspec

from mirror.errors import IsmirrorError
from mirror.hostport import split_host_port

__all__ = [
    "DOCKER_HUB_HOSTS",
    "InvalidReference",
    "Named",
    "Reference",
    "check_digest",
    "check_digest_library_go",
    "check_repository_name",
    "parse_canonical_named",
    "parse_normalized_named",
    "valid_repository_name",
]


class InvalidReference(IsmirrorError):  # named for what was found, as the error texts are
    """A text that is no image reference, digest or repository name. The text is the upstream error's."""


DOCKER_HUB = "docker.io"
DOCKER_HUB_V1 = "index.docker.io"
DOCKER_HUB_V2 = "registry-1.docker.io"
DOCKER_HUB_HOSTS = frozenset({DOCKER_HUB, DOCKER_HUB_V1, DOCKER_HUB_V2})

LONGEST_NAME = 255
LONGEST_CACHED = 1024  # characters; no valid reference is longer, and hostile ones shall not fill the cache

# What Go's url.URL leaves unescaped in a host, besides letters and digits.
URL_HOST_CHARACTERS = "!$&'()*+,;=:[]<>\"-_.~"

# The error texts that more than one parser uses.
INVALID_FORMAT = "invalid reference format"
NO_COMPONENT = "repository name must have at least one component"
NOT_LOWERCASE = "repository name must be lowercase"
TOO_LONG = f"repository name must not be more than {LONGEST_NAME} characters"
NOT_CANONICAL = "repository name must be canonical"
DIGEST_FORMAT = "invalid checksum digest format"
DIGEST_LENGTH = "invalid checksum digest length"
DIGEST_UNSUPPORTED = "unsupported digest algorithm"

# Grammar
# The parts are those of distribution's regexp.go. Upstream relies on an engine without backtracking; here every
# repetition is possessive ("++", "*+"), which changes nothing in what is matched, because no part can end where
# the next one could begin differently, and keeps the time linear for any input.

_ALPHANUMERIC = r"[a-z0-9]++"
# Between the alphanumerics of a path component: two underscores, one dot or underscore, or any number of dashes.
_SEPARATOR = r"(?:__|[._]|-++)"
_COMPONENT = rf"{_ALPHANUMERIC}(?:{_SEPARATOR}{_ALPHANUMERIC})*+"
_PATH = rf"{_COMPONENT}(?:/{_COMPONENT})*+"

# A label of a host name: letters of either case and digits, dashes inside only.
_HOST_LABEL = r"[a-zA-Z0-9]++(?:-++[a-zA-Z0-9]++)*+"
_HOST_NAME = rf"{_HOST_LABEL}(?:\.{_HOST_LABEL})*+"
_IPV6 = r"\[[a-fA-F0-9:]++\]"
_PORT = r"(?::[0-9]++)?"

# A word character, then up to 127 word characters, dots and dashes.
_TAG = r"\w[\w.-]{0,127}+"
# Algorithm components of letters and digits beginning with a letter, then 32 or more hexadecimal digits.
_DIGEST = r"[A-Za-z][A-Za-z0-9]*+(?:[-_+.][A-Za-z][A-Za-z0-9]*+)*+:[0-9a-fA-F]{32,}+"


def _name_pattern(host: str) -> str:
    """``[host[:port]/]path``: the host is tried first, so ``a/b`` has the host ``a``."""
    return rf"(?P<name>(?:(?P<host>{host}{_PORT})/)?(?P<path>{_PATH}))"


def _reference_pattern(host: str) -> re.Pattern[str]:
    return re.compile(rf"{_name_pattern(host)}(?::(?P<tag>{_TAG}))?(?:@(?P<digest>{_DIGEST}))?", re.ASCII)


# library-go and containers/image know host names only, distribution also IPv6 addresses in brackets.
_PLAIN_REFERENCE = _reference_pattern(_HOST_NAME)
_IPV6_REFERENCE = _reference_pattern(f"(?:{_HOST_NAME}|{_IPV6})")
_REPOSITORY_NAME = re.compile(_name_pattern(f"(?:{_HOST_NAME}|{_IPV6})"), re.ASCII)

_IMAGE_ID = re.compile(r"[a-f0-9]{64}")


def _lower(text: str) -> str:
    """Go's strings.ToLower: one rune for one rune, where Python's lower() makes two of the dotted capital I."""
    return text.replace("\u0130", "i").lower()


def _match(pattern: re.Pattern[str], text: str, check: Callable[[str], None]) -> re.Match[str]:
    """Match the whole text and judge name and digest; the steps and their order are those of ``reference.Parse``."""
    match = pattern.fullmatch(text)
    if match is None:
        if not text:
            raise InvalidReference(NO_COMPONENT)
        if pattern.fullmatch(_lower(text)):
            raise InvalidReference(NOT_LOWERCASE)
        raise InvalidReference(INVALID_FORMAT)
    if len(match["name"]) > LONGEST_NAME:
        raise InvalidReference(TOO_LONG)
    if match["digest"]:
        check(match["digest"])
    return match


# Digests

_HEX_DIGITS = {"sha256": 64, "sha384": 96, "sha512": 128}
_LIBRARY_GO_DIGEST = re.compile(r"[a-zA-Z0-9_+.-]+:[a-fA-F0-9]+")
_GO_DIGEST = re.compile(r"[a-z0-9]++(?:[.+_-][a-z0-9]++)*+:[a-zA-Z0-9=_-]+")
_LOWER_HEX = re.compile(r"[a-f0-9]+")
_ANY_DIGEST = re.compile("|".join(rf"{name}:[a-fA-F0-9]{{{size}}}" for name, size in _HEX_DIGITS.items()))


def check_digest_library_go(text: str) -> None:
    """Raise InvalidReference unless ``text`` is a digest to library-go: hexadecimal digits of either case."""
    if not _LIBRARY_GO_DIGEST.fullmatch(text):
        raise InvalidReference(DIGEST_FORMAT)
    algorithm, _, encoded = text.partition(":")
    if algorithm not in _HEX_DIGITS:
        raise InvalidReference(DIGEST_UNSUPPORTED)
    if len(encoded) != _HEX_DIGITS[algorithm]:
        raise InvalidReference(DIGEST_LENGTH)


def check_digest(text: str) -> None:
    """Raise InvalidReference unless ``text`` is a digest to go-digest: lower-case, and the length judged first."""
    algorithm, _, encoded = text.partition(":")
    if not algorithm or not encoded:
        raise InvalidReference(DIGEST_FORMAT)
    if algorithm not in _HEX_DIGITS:
        raise InvalidReference(DIGEST_UNSUPPORTED if _GO_DIGEST.fullmatch(text) else DIGEST_FORMAT)
    if len(encoded.encode("utf-8", "surrogatepass")) != _HEX_DIGITS[algorithm]:
        raise InvalidReference(DIGEST_LENGTH)
    if not _LOWER_HEX.fullmatch(encoded):
        raise InvalidReference(DIGEST_FORMAT)


def _is_digest(text: str) -> bool:
    return _ANY_DIGEST.fullmatch(text) is not None


# library-go


class Reference(msgspec.Struct, frozen=True, gc=False):
    """A pull spec in library-go's five parts; an absent part is the empty text.

    ``namespace`` is the first segment of the repository, ``name`` all the others; ``id`` is a digest, or any text
    when the reference was put together from parts (an image id of the v1 protocol).
    """

    registry: str = ""
    namespace: str = ""
    name: str = ""
    tag: str = ""
    id: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Parse a pull spec.

        A text of one segment that contains a dot or begins with ``localhost`` is a registry without repository:
        all of it, tag and digest included, becomes ``registry``.

        Raises InvalidReference.
        """
        return _resolve(_cached_reference(text) if len(text) <= LONGEST_CACHED else _reference_outcome(text))

    def replace(self, **parts: str) -> Reference:
        """A copy with the given parts replaced."""
        return msgspec.structs.replace(self, **parts)

    @property
    def is_registry_docker_hub(self) -> bool:
        """Whether the registry is one of Docker Hub's three names. No registry at all is none of them."""
        return self.registry in DOCKER_HUB_HOSTS

    def name_string(self) -> str:
        """The name with its id, else its tag: an id hides the tag. Empty without a name."""
        if not self.name:
            return ""
        if self.id:
            # What is no digest is taken for an image id of the v1 protocol, which was used like a tag.
            return f"{self.name}{'@' if _is_digest(self.id) else ':'}{self.id}"
        return f"{self.name}:{self.tag}" if self.tag else self.name

    def exact(self) -> str:
        """The parts that are set, nothing added; empty without a name."""
        name = self.name_string()
        if not name:
            return ""
        registry = f"{self.registry}/" if self.registry else ""
        namespace = f"{self.namespace}/" if self.namespace else ""
        return f"{registry}{namespace}{name}"

    def string(self) -> str:
        """Like ``exact``, with the namespace ``library`` where an explicit Docker Hub reference has none."""
        if not self.namespace and self.is_registry_docker_hub:
            return self.replace(namespace="library").exact()
        return self.exact()

    def docker_client_defaults(self) -> Reference:
        """What a Docker client would fill in: ``docker.io``, ``library``, and ``latest`` even beside an id."""
        registry = self.registry or DOCKER_HUB
        namespace = self.namespace or ("library" if registry in DOCKER_HUB_HOSTS else "")
        return Reference(registry, namespace, self.name, self.tag or "latest", self.id)

    def as_v2(self) -> Reference:
        """The host that serves Docker Hub's v2 protocol in place of its other names."""
        if self.registry in {DOCKER_HUB, DOCKER_HUB_V1}:
            return self.replace(registry=DOCKER_HUB_V2)
        return self

    def registry_url(self) -> str:
        """``https://`` and the host of the v2 registry, no path; ``https:`` without a registry."""
        host = self.as_v2().registry
        return f"https://{quote(host, safe=URL_HOST_CHARACTERS)}" if host else "https:"

    def repository_name(self) -> str:
        """The repository within its registry: ``[namespace/]name``."""
        return Reference(namespace=self.namespace, name=self.name).exact()

    def as_repository(self) -> Reference:
        """The reference without tag and id."""
        return self.replace(tag="", id="")

    def most_specific(self) -> Reference:
        """Id or tag, not both: a digest drops the tag; an id that is none becomes the tag if there is no tag."""
        if not self.id:
            return self
        if _is_digest(self.id):
            return self.replace(tag="")
        return self if self.tag else self.replace(tag=self.id, id="")

    def minimal(self) -> Reference:
        """Without the tag ``latest``."""
        return self.replace(tag="") if self.tag == "latest" else self

    def daemon_minimal(self) -> Reference:
        """Without what Docker assumes: Docker Hub's aliases, its namespace ``library``, the tag ``latest``."""
        registry = DOCKER_HUB if self.is_registry_docker_hub else self.registry
        namespace = "" if registry == DOCKER_HUB and self.namespace == "library" else self.namespace
        return self.replace(registry=registry, namespace=namespace).minimal()

    def registry_host_port(self, insecure: bool) -> tuple[str, str]:
        """Host and port that are contacted: port 80 or 443 when none is written.

        The v2 name is taken before the defaults, so a short name is ``docker.io``, not ``registry-1.docker.io``.
        A registry with colons that do not separate a host from a port gives two empty texts.
        """
        host = self.as_v2().registry or DOCKER_HUB
        if ":" in host:
            return split_host_port(host) or ("", "")
        return host, "80" if insecure else "443"

    def equal(self, other: Reference) -> bool:
        """Whether both mean the same to a Docker client."""
        return self.docker_client_defaults() == other.docker_client_defaults()


def _split_reference(text: str) -> Reference:
    """Parse and assign the parts; raises InvalidReference."""
    match = _match(_PLAIN_REFERENCE, text, check_digest_library_go)
    name, tag, digest = match["name"], match["tag"] or "", match["digest"] or ""
    first, slash, rest = name.partition("/")
    if not slash:
        if "." in name or name.startswith("localhost"):
            return Reference(registry=text, id=digest)
        return Reference(name=name, tag=tag, id=digest)
    registry = ""
    if "." in first or ":" in first or first == "localhost":
        registry = first
        first, slash, rest = rest.partition("/")
    if not slash:
        return Reference(registry, "", first, tag, digest)
    return Reference(registry, first, rest, tag, digest)


# distribution and containers/image


class Named(msgspec.Struct, frozen=True, gc=False):
    """A normalised reference: domain and path, and a tag, a digest, both or neither (then empty)."""

    domain: str
    path: str
    tag: str = ""
    digest: str = ""

    def name(self) -> str:
        """Domain and path."""
        return f"{self.domain}/{self.path}" if self.domain else self.path

    def __str__(self) -> str:
        return f"{self.name()}{self._suffix()}"

    def _suffix(self) -> str:
        return f"{':' if self.tag else ''}{self.tag}{'@' if self.digest else ''}{self.digest}"

    @property
    def kind(self) -> Literal["named", "tagged", "digested", "tagged+digested"]:
        """What the reference pins."""
        if self.digest:
            return "tagged+digested" if self.tag else "digested"
        return "tagged" if self.tag else "named"

    def familiar(self) -> str:
        """The short form of Docker's command line, without ``docker.io/`` and ``docker.io/library/``."""
        if self.domain != DOCKER_HUB:
            return str(self)
        official = self.path.removeprefix("library/")
        return f"{self.path if '/' in official else official}{self._suffix()}"


def parse_normalized_named(text: str) -> Named:
    """Parse a text as distribution does for a fetch, filling in ``docker.io/`` and ``library/``.

    Raises InvalidReference.
    """
    return _resolve(_cached_named(text) if len(text) <= LONGEST_CACHED else _named_outcome(text))


def parse_canonical_named(text: str) -> Named:
    """Parse a text as containers/image does for a mirror: nothing may have to be filled in, no IPv6 hosts.

    Raises InvalidReference.
    """
    named = _normalize(text, _split_domain_any_case(text), _PLAIN_REFERENCE, "")
    if str(named) != text:
        raise InvalidReference(NOT_CANONICAL)
    return named


def _is_domain(segment: str) -> bool:
    return "." in segment or ":" in segment or segment == "localhost"


def _split_domain(text: str) -> tuple[str, str]:
    """Domain and remainder in distribution v3, where an upper-case first segment counts as a domain."""
    first, slash, rest = text.partition("/")
    if not slash or not (_is_domain(first) or _lower(first) != first):
        return DOCKER_HUB, text
    return first, rest


def _split_domain_any_case(text: str) -> tuple[str, str]:
    """Domain and remainder in containers/image, whose older rule knows nothing of case."""
    first, slash, rest = text.partition("/")
    if not slash or not _is_domain(first):
        return DOCKER_HUB, text
    return first, rest


def _normalize(text: str, parts: tuple[str, str], pattern: re.Pattern[str], which: str) -> Named:
    """The steps that both normalising parsers share; ``which`` says how the name is put into the lower-case error."""
    if _IMAGE_ID.fullmatch(text):
        raise InvalidReference(f"invalid repository name ({text}), cannot specify 64-byte hexadecimal strings")
    domain, remainder = parts
    if domain == DOCKER_HUB_V1:
        domain = DOCKER_HUB
    if domain == DOCKER_HUB and "/" not in remainder:
        remainder = f"library/{remainder}"
    remote = remainder.partition(":")[0]  # of name@algorithm:digits this is name@algorithm
    if _lower(remote) != remote:
        shown = which.format(remote)
        raise InvalidReference(f"{INVALID_FORMAT}: repository name {shown}must be lowercase")
    match = _match(pattern, f"{domain}/{remainder}", check_digest)
    return Named(match["host"] or "", match["path"], match["tag"] or "", match["digest"] or "")


# Repository names


def check_repository_name(name: str) -> None:
    """Raise InvalidReference unless distribution takes ``name`` for a repository's name (``reference.WithName``).

    The grammar is that of a name, so a first segment may look like a host: ``Registry/foo`` passes.
    """
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST_NAME:
        raise InvalidReference(TOO_LONG)
    if not _REPOSITORY_NAME.fullmatch(name):
        raise InvalidReference(INVALID_FORMAT)


def valid_repository_name(name: str) -> bool:
    """Whether ``check_repository_name`` finds nothing wrong."""
    try:
        check_repository_name(name)
    except InvalidReference:
        return False
    return True


# Outcomes, cached
# A failure is cached as its text, since a raised exception must be a new object each time.


def _reference_outcome(text: str) -> Reference | str:
    try:
        return _split_reference(text)
    except InvalidReference as error:
        return str(error)


def _named_outcome(text: str) -> Named | str:
    try:
        return _normalize(text, _split_domain(text), _IPV6_REFERENCE, "({}) ")
    except InvalidReference as error:
        return str(error)


_cached_reference = lru_cache(maxsize=8192)(_reference_outcome)
_cached_named = lru_cache(maxsize=8192)(_named_outcome)

_Parsed = TypeVar("_Parsed", Reference, Named)


def _resolve(outcome: _Parsed | str) -> _Parsed:
    if isinstance(outcome, str):
        raise InvalidReference(outcome)
    return outcome

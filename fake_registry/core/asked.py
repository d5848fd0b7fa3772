"""What rules look at in a request: those of faults and those of rate limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, NamedTuple

from fake_registry.config import RequestKind, RequestMatch
from fake_registry.core import paths
from fake_registry.core.patterns import Matcher, matcher

KINDS: Final[dict[str, RequestKind]] = {
    paths.BASE: "ping",
    paths.TOKEN: "token",
    paths.MANIFEST: "manifest",
    paths.BLOB: "blob",
    paths.LINK: "blob",
    paths.TAGS: "tags",
    paths.UPLOADS: "upload",
    paths.UPLOAD: "upload",
    paths.REFERRERS: "referrers",
    paths.CATALOG: "catalog",
}


class Asked(NamedTuple):
    """What rules look at in a request. `user` finds out who it says it comes from, if anybody wants to know."""

    method: str
    kind: RequestKind
    repository: str
    reference: str
    digest: str
    user: Callable[[], str]
    user_agent: str


def asked_of(method: str, target: paths.Target, query: str, user: Callable[[], str], user_agent: str) -> Asked:
    """What rules look at in a request."""
    digest = target.argument if ":" in target.argument else ""
    if not digest and ("digest=" in query or "mount=" in query):
        digest = next((value for key, value in paths.parameters(query) if key in {"digest", "mount"}), "")
    return Asked(method, KINDS.get(target.pattern, "other"), target.name, target.argument, digest, user, user_agent)


def conditions(match: RequestMatch) -> Iterator[Callable[[Asked], object]]:
    """What all has to be true of the requests that are meant."""
    methods = frozenset(map(str.upper, [match.method] if isinstance(match.method, str) else match.method)) - {"*"}
    if methods:
        yield lambda asked: asked.method in methods
    kinds = frozenset([match.kind] if isinstance(match.kind, str) else match.kind)
    if kinds:
        yield lambda asked: asked.kind in kinds
    if match.repository is not None:
        yield _has("repository", match.repository)
    if match.reference is not None:
        yield _has("reference", match.reference)
    if match.digest is not None:
        yield _has("digest", match.digest)
    if match.user_agent is not None:
        yield _has("user_agent", match.user_agent)
    if match.user is not None:
        is_user = matcher(match.user)
        yield lambda asked: is_user(asked.user())


def _has(field: str, pattern: str) -> Callable[[Asked], object]:
    fits: Matcher = matcher(pattern)
    return lambda asked: fits(getattr(asked, field))

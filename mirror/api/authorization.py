"""Who may do what: rules like those of RBAC, in one list (apiserver ``endpoints/filters/authorization.go``)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from mirror.api import failures
from mirror.api.messages import ADMIN_GROUP, AUTHENTICATED_GROUP, User
from mirror.api.requestinfo import RequestInfo
from mirror.gotext import quote

_PUBLIC_PATHS: Final = ("/healthz", "/livez", "/readyz", "/version", "/version/")
_DISCOVERY_PATHS: Final = (*_PUBLIC_PATHS, "/api", "/api/*", "/apis", "/apis/*", "/openapi", "/openapi/*")
_HTML: Final = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;"})

Words = list[str]


class Rule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename="camel", omit_defaults=True):
    """Allows some users something. In every list ``*`` stands for all.

    ``resources`` are plurals, ``imagestreams/layers`` a subresource, ``*/status`` that of all. Without ``namespaces`` a
    rule holds in all of them and for what is in none; with them only in those.
    """

    users: Words = []
    groups: Words = []
    verbs: Annotated[Words, Meta(description="get, list, watch, create, update, patch, delete, deletecollection, *")]
    api_groups: Annotated[Words, Meta(description="The core group is the empty text.")] = msgspec.field(
        default_factory=lambda: ["image.openshift.io", ""]
    )
    resources: Words = []
    resource_names: Words = []
    namespaces: Words = []
    paths: Annotated[Words, Meta(description="Paths that are no resources, such as /metrics or /healthz/*.")] = []

    def holds_for(self, user: User) -> bool:
        """Whether the rule is about a user."""
        return _has(self.users, user.name) or any(_has(self.groups, group) for group in user.groups)

    def holds_in(self, namespace: str) -> bool:
        """Whether the rule is about what is in a namespace; the empty one stands for what is in none."""
        return not self.namespaces or (namespace != "" and _has(self.namespaces, namespace))

    def allows(self, info: RequestInfo) -> bool:
        """Whether the rule allows a request to those whom it is about."""
        if not _has(self.verbs, info.verb):
            return False
        if not info.is_resource:
            return any(_path_fits(pattern, info.path) for pattern in self.paths)
        return (
            _has(self.api_groups, info.group)
            and _resource_fits(self.resources, info)
            and (not self.resource_names or info.name in self.resource_names)
            and self.holds_in(info.namespace)
        )


def _has(words: Sequence[str], word: str) -> bool:
    return word in words or "*" in words


def _resource_fits(resources: Sequence[str], info: RequestInfo) -> bool:
    if not info.subresource:
        return _has(resources, info.resource)
    wanted = (f"{info.resource}/{info.subresource}", f"{info.resource}/*", f"*/{info.subresource}", "*")
    return any(word in resources for word in wanted)


def _path_fits(pattern: str, path: str) -> bool:
    return path == pattern or (pattern.endswith("*") and path.startswith(pattern[:-1]))


_EVERYBODYS: Final = (
    Rule(groups=["*"], verbs=["get", "head"], paths=list(_PUBLIC_PATHS)),
    Rule(groups=[AUTHENTICATED_GROUP], verbs=["get", "head"], paths=list(_DISCOVERY_PATHS)),
    Rule(
        groups=[AUTHENTICATED_GROUP],
        verbs=["create"],
        api_groups=["authorization.k8s.io"],
        resources=["selfsubjectaccessreviews", "selfsubjectrulesreviews"],
    ),
    Rule(
        groups=[AUTHENTICATED_GROUP],
        verbs=["create"],
        api_groups=["authentication.k8s.io"],
        resources=["selfsubjectreviews"],
    ),
    Rule(
        groups=[AUTHENTICATED_GROUP],
        verbs=["get"],
        api_groups=["user.openshift.io"],
        resources=["users"],
        resource_names=["~"],
    ),
)
"""What everybody may do: see what there is (discovery), and ask about themselves."""


class Authorizer:
    """Says what users may do. Without rules all that are known may do everything.

    Members of ``system:masters`` may always do everything, and everybody may see what there is (discovery) and ask
    about themselves.
    """

    def __init__(self, rules: Iterable[Rule] | None = None) -> None:
        self.rules = None if rules is None else list(rules)

    def rules_of(self, user: User) -> list[Rule]:
        """The rules that hold for a user; whoever may do everything has one that says so."""
        if ADMIN_GROUP in user.groups or (self.rules is None and AUTHENTICATED_GROUP in user.groups):
            return [Rule(users=[user.name], verbs=["*"], api_groups=["*"], resources=["*"], paths=["*"])]
        return [rule for rule in (*(self.rules or ()), *_EVERYBODYS) if rule.holds_for(user)]

    def allows(self, user: User, info: RequestInfo) -> bool:
        """Whether a user may do something."""
        if ADMIN_GROUP in user.groups or (self.rules is None and AUTHENTICATED_GROUP in user.groups):
            return True
        return any(rule.allows(info) for rule in self.rules_of(user))

    def check(self, user: User, info: RequestInfo) -> None:
        """Refuses what a user may not do.

        Raises:
            ApiFailure: 403.
        """
        if self.allows(user, info):
            return
        if not info.is_resource:
            raise failures.forbidden_path(
                f"User {quote(user.name)} cannot {info.verb} path {quote(info.path)}".translate(_HTML)
            )
        raise failures.forbidden(info.resource, info.name, refusal(user, info).translate(_HTML), info.group)

    def may_create_images(self, user: User) -> bool:
        """Whether a user is exempt from ``allowedRegistriesForImport``: whoever may create images by hand is.

        The second question is about a resource that does not exist under this name, as in the real server.
        """
        return any(
            self.allows(user, RequestInfo("create", "", True, "image.openshift.io", "v1", resource=resource))
            for resource in ("images", "imagestreammapping")
        )


def refusal(user: User, info: RequestInfo) -> str:
    """``User "x" cannot list resource "imagestreams" in API group "image.openshift.io" in the namespace "demo"``."""
    resource = f"{info.resource}/{info.subresource}" if info.subresource else info.resource
    where = f"in the namespace {quote(info.namespace)}" if info.namespace else "at the cluster scope"
    what = f"resource {quote(resource)} in API group {quote(info.group)}"
    return f"User {quote(user.name)} cannot {info.verb} {what} {where}"

"""Questions about oneself: who one is, what one may do (kubernetes ``registry/authorization``, ``authentication``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from mirror.api import failures
from mirror.api.authorization import Authorizer, refusal
from mirror.api.decoding import decode_body
from mirror.api.groups import ApiGroup, Resource
from mirror.api.messages import User as Requester
from mirror.api.requestinfo import RequestInfo
from mirror.api.resource_kinds import ResourceKind, T
from mirror.api.routing import Call, Reply, Route
from mirror.v1.meta import ObjectMeta
from mirror.v1.review import (
    NonResourceAttributes,
    NonResourceRule,
    ResourceAttributes,
    ResourceRule,
    SelfSubjectAccessReview,
    SelfSubjectReview,
    SelfSubjectReviewStatus,
    SelfSubjectRulesReview,
    SubjectAccessReviewStatus,
    SubjectRulesReviewStatus,
    User,
    UserInfo,
)

AUTHORIZATION: Final = "authorization.k8s.io"
AUTHENTICATION: Final = "authentication.k8s.io"
USERS: Final = "user.openshift.io"


def _nothing(item: T) -> None:
    del item


_ACCESS: Final = ResourceKind(
    "SelfSubjectAccessReview",
    "selfsubjectaccessreviews",
    SelfSubjectAccessReview,
    _nothing,
    namespaced=False,
    api_version=f"{AUTHORIZATION}/v1",
    package="authorization",
)
_RULES: Final = ResourceKind(
    "SelfSubjectRulesReview",
    "selfsubjectrulesreviews",
    SelfSubjectRulesReview,
    _nothing,
    namespaced=False,
    api_version=f"{AUTHORIZATION}/v1",
    package="authorization",
)
_SELF: Final = ResourceKind(
    "SelfSubjectReview",
    "selfsubjectreviews",
    SelfSubjectReview,
    _nothing,
    namespaced=False,
    api_version=f"{AUTHENTICATION}/v1",
    package="authentication",
)


def review_groups(authorizer: Authorizer) -> list[ApiGroup]:
    """The groups in which clients ask about themselves."""
    reviews = Reviews(authorizer)
    authorization: Mapping[str, Route] = {
        "selfsubjectaccessreviews": Route(False, everywhere={"create": reviews.access}),
        "selfsubjectrulesreviews": Route(False, everywhere={"create": reviews.rules}),
    }
    return [
        ApiGroup(
            name=AUTHENTICATION,
            version="v1",
            routes={"selfsubjectreviews": Route(False, everywhere={"create": reviews.self})},
            resources={"selfsubjectreviews": Resource("SelfSubjectReview", "selfsubjectreview")},
            package="authentication",
            types={"SelfSubjectReview": SelfSubjectReview},
            schema_package="io.k8s.api.authentication.v1",
            protobuf=True,
        ),
        ApiGroup(
            name=AUTHORIZATION,
            version="v1",
            routes=authorization,
            resources={
                "selfsubjectaccessreviews": Resource("SelfSubjectAccessReview", "selfsubjectaccessreview"),
                "selfsubjectrulesreviews": Resource("SelfSubjectRulesReview", "selfsubjectrulesreview"),
            },
            package="authorization",
            types={
                "SelfSubjectAccessReview": SelfSubjectAccessReview,
                "SelfSubjectRulesReview": SelfSubjectRulesReview,
            },
            schema_package="io.k8s.api.authorization.v1",
            protobuf=True,
        ),
        ApiGroup(
            name=USERS,
            version="v1",
            routes={"users": Route(False, item={"get": reviews.user})},
            resources={"users": Resource("User", "user")},
            package="user",
            types={"User": User},
            schema_package="com.github.openshift.api.user.v1",
        ),
    ]


class Reviews:
    """Answers the questions; nothing of them is kept."""

    def __init__(self, authorizer: Authorizer) -> None:
        self._authorizer = authorizer

    async def access(self, call: Call) -> Reply:
        """Whether the user may do something."""
        body = decode_body(call.request, _ACCESS)
        review = body.value
        info = _asked(review.spec.resourceAttributes, review.spec.nonResourceAttributes)
        user = call.request.user
        allowed = self._authorizer.allows(user, info)
        reason = "" if allowed or not info.is_resource else refusal(user, info)
        review.kind, review.apiVersion = _ACCESS.kind, _ACCESS.api_version
        review.metadata = ObjectMeta()
        review.status = SubjectAccessReviewStatus(allowed=allowed, reason=reason)
        return Reply(review, 201, tuple(body.warnings))

    async def rules(self, call: Call) -> Reply:
        """What the user may do in a namespace."""
        body = decode_body(call.request, _RULES)
        review = body.value
        if not review.spec.namespace:
            raise failures.bad_request("no namespace on request")
        review.kind, review.apiVersion = _RULES.kind, _RULES.api_version
        review.metadata = ObjectMeta()
        review.status = self._rules_of(call.request.user, review.spec.namespace)
        return Reply(review, 201, tuple(body.warnings))

    def _rules_of(self, user: Requester, namespace: str) -> SubjectRulesReviewStatus:
        mine = self._authorizer.rules_of(user)
        here = [rule for rule in mine if rule.resources and rule.holds_in(namespace)]
        return SubjectRulesReviewStatus(
            [ResourceRule(rule.verbs, rule.api_groups, rule.resources, rule.resource_names or None) for rule in here],
            [NonResourceRule(rule.verbs, rule.paths) for rule in mine if rule.paths],
            incomplete=False,
        )

    async def self(self, call: Call) -> Reply:
        """Who the user is, as Kubernetes sees it."""
        body = decode_body(call.request, _SELF)
        review = body.value
        review.kind, review.apiVersion = _SELF.kind, _SELF.api_version
        user = call.request.user
        review.metadata = ObjectMeta()
        review.status = SelfSubjectReviewStatus(UserInfo(user.name, user.uid, list(user.groups) or None))
        return Reply(review, 201, tuple(body.warnings))

    async def user(self, call: Call) -> Reply:
        """Who the user is, as OpenShift sees it: the name ``~`` stands for oneself."""
        user = call.request.user
        if call.name not in ("~", user.name):
            raise failures.not_found("users", call.name, USERS)
        meta = ObjectMeta(name=user.name, uid=user.uid)
        return Reply(User("User", f"{USERS}/v1", meta, groups=list(user.groups)))


def _asked(resource: ResourceAttributes | None, other: NonResourceAttributes | None) -> RequestInfo:
    """What a review is about.

    Raises:
        ApiFailure: 422, it is about nothing, or about two things.
    """
    if (resource is None) == (other is None):
        problem = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        raise failures.bad_request(problem)
    if other is not None:
        return RequestInfo(other.verb, other.path)
    assert resource is not None
    return RequestInfo(
        resource.verb,
        "",
        True,
        resource.group,
        resource.version,
        resource.namespace,
        resource.resource,
        resource.subresource,
        resource.name,
    )

"""Questions about oneself (k8s.io/api ``authorization/v1``, ``authentication/v1``; openshift/api ``user/v1``)."""

from __future__ import annotations

from mirror.v1.meta import V1, ApiObject, always, nullable


class ResourceAttributes(V1):
    """Something that is to be done with a resource."""

    namespace: str = ""
    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""


class NonResourceAttributes(V1):
    """Something that is to be done at a path that is no resource."""

    path: str = ""
    verb: str = ""


class SelfSubjectAccessReviewSpec(V1):
    resourceAttributes: ResourceAttributes | None = None
    nonResourceAttributes: NonResourceAttributes | None = None


class SubjectAccessReviewStatus(V1):
    allowed: bool = always(bool)
    denied: bool = False
    reason: str = ""
    evaluationError: str = ""


class SelfSubjectAccessReview(ApiObject):
    """May I do that?"""

    spec: SelfSubjectAccessReviewSpec = always(SelfSubjectAccessReviewSpec)
    status: SubjectAccessReviewStatus = always(SubjectAccessReviewStatus)


class SelfSubjectRulesReviewSpec(V1):
    namespace: str = ""


class ResourceRule(V1):
    verbs: list[str] = always(list[str])
    apiGroups: list[str] | None = None
    resources: list[str] | None = None
    resourceNames: list[str] | None = None


class NonResourceRule(V1):
    verbs: list[str] = always(list[str])
    nonResourceURLs: list[str] | None = None


class SubjectRulesReviewStatus(V1):
    resourceRules: list[ResourceRule] = always(list[ResourceRule])
    nonResourceRules: list[NonResourceRule] = always(list[NonResourceRule])
    incomplete: bool = always(bool)


class SelfSubjectRulesReview(ApiObject):
    """What may I do?"""

    spec: SelfSubjectRulesReviewSpec = always(SelfSubjectRulesReviewSpec)
    status: SubjectRulesReviewStatus = always(SubjectRulesReviewStatus)


class UserInfo(V1):
    username: str = ""
    uid: str = ""
    groups: list[str] | None = None


class SelfSubjectReviewStatus(V1):
    userInfo: UserInfo = always(UserInfo)


class SelfSubjectReview(ApiObject):
    """Who am I?"""

    status: SelfSubjectReviewStatus = always(SelfSubjectReviewStatus)


class User(ApiObject):
    """A user of OpenShift."""

    fullName: str = ""
    identities: list[str] | None = nullable()
    groups: list[str] | None = nullable()

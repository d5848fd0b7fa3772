"""Why a tag fails, or what is to be known about one that imports: each cause once, with its words."""

from __future__ import annotations

from enum import StrEnum
from typing import Final, NamedTuple


class Cause(StrEnum):
    """The causes, the ones that say most about what is to be done first: reports group by them in this order.

    The value is what reports carry; it never changes once it is released.
    """

    # What the cluster is told
    REGISTRY_BLOCKED = "registry-blocked"
    REGISTRY_NOT_ALLOWED = "registry-not-allowed"
    STREAM_REFUSED = "stream-refused"
    OBJECT_INVALID = "object-invalid"
    INVALID_PULL_SPEC = "invalid-pull-spec"
    # Mirrors
    NOT_MIRRORED = "not-mirrored"
    DIGEST_MIRRORS_ONLY = "digest-mirrors-only"
    TAG_MIRRORS_ONLY = "tag-mirrors-only"
    MIRROR_RULE_UNUSABLE = "mirror-rule-unusable"
    NO_MIRROR_RULE = "no-mirror-rule"
    # Credentials
    NO_PULL_SECRET = "no-pull-secret"
    WRONG_CREDENTIALS = "wrong-credentials"
    ACCESS_DENIED = "access-denied"
    PULL_SECRET_UNREADABLE = "pull-secret-unreadable"
    # Certificates
    CERTIFICATE_UNTRUSTED = "certificate-untrusted"
    CERTIFICATE_WRONG_NAME = "certificate-wrong-name"
    CERTIFICATE_EXPIRED = "certificate-expired"
    TLS_FAILED = "tls-failed"
    HTTP_ONLY = "http-only"
    # The network
    HOST_UNKNOWN = "host-unknown"
    HOST_UNREACHABLE = "host-unreachable"
    CONNECTION_REFUSED = "connection-refused"
    CONNECTION_LOST = "connection-lost"
    TIMEOUT = "timeout"
    # What the registry says
    RATE_LIMITED = "rate-limited"
    NO_REGISTRY = "no-registry"
    REGISTRY_ERROR = "registry-error"
    REPOSITORY_UNKNOWN = "repository-unknown"
    IMAGE_UNKNOWN = "image-unknown"
    INDEX_INCOMPLETE = "index-incomplete"
    MANIFEST_BROKEN = "manifest-broken"
    BLOB_MISSING = "blob-missing"
    # Tags
    OVER_TAG_LIMIT = "over-tag-limit"
    ALIAS_FAILS = "alias-fails"
    ALIAS_UNKNOWN = "alias-unknown"
    ALIAS_LOOP = "alias-loop"
    TOO_SLOW = "too-slow"
    OTHER = "other"
    # Of tags that import all the same
    ARCHITECTURE_MISSING = "architecture-missing"
    SCHEDULED_DIGEST = "scheduled-digest"
    REFERENCE_ONLY = "reference-only"
    # Of streams and policies
    NOTHING_TO_IMPORT = "nothing-to-import"
    POLICY_UNUSED = "policy-unused"
    POLICY_CONTRADICTION = "policy-contradiction"

    @property
    def heading(self) -> str:
        """A few words, as a heading."""
        return TEXTS[self].heading

    @property
    def explanation(self) -> str:
        """One sentence on what it means."""
        return TEXTS[self].explanation

    @property
    def rank(self) -> int:
        """The place in the order of causes; 0 comes first."""
        return _RANKS[self]


class CauseText(NamedTuple):
    """The words of a cause."""

    heading: str
    explanation: str


TEXTS: Final[dict[Cause, CauseText]] = {
    Cause.REGISTRY_BLOCKED: CauseText(
        "registry blocked",
        "The registry is in registrySources.blockedRegistries of image.config.openshift.io/cluster and has no mirrors.",
    ),
    Cause.REGISTRY_NOT_ALLOWED: CauseText(
        "registry not allowed for import",
        "allowedRegistriesForImport does not list the registry that the tag names; its mirrors do not count.",
    ),
    Cause.STREAM_REFUSED: CauseText(
        "refused because of another tag",
        "The API server takes an image stream as a whole: one tag that it refuses keeps all others out.",
    ),
    Cause.OBJECT_INVALID: CauseText("object not valid", "The API server refuses the object as it is written."),
    Cause.INVALID_PULL_SPEC: CauseText("not a pull spec", "The name that the tag follows is not one of an image."),
    Cause.NOT_MIRRORED: CauseText(
        "not mirrored", "Mirrors are configured for the image, and none of those that answer has it."
    ),
    Cause.DIGEST_MIRRORS_ONLY: CauseText(
        "only digests are mirrored",
        "The tag follows a tag, and the mirrors of its repository are only for images by digest.",
    ),
    Cause.TAG_MIRRORS_ONLY: CauseText(
        "only tags are mirrored",
        "The tag follows a digest, and the mirrors of its repository are only for images by tag.",
    ),
    Cause.MIRROR_RULE_UNUSABLE: CauseText(
        "mirror rule cannot be used",
        "The mirror rule that matches makes no pull spec of this one, so that no mirror is asked.",
    ),
    Cause.NO_MIRROR_RULE: CauseText(
        "no mirror rule matches",
        "The registry cannot be reached, and no mirror rule is for this repository.",
    ),
    Cause.NO_PULL_SECRET: CauseText(
        "no pull secret matches", "The registry wants a login, and no pull secret has one for this repository."
    ),
    Cause.WRONG_CREDENTIALS: CauseText(
        "login not accepted", "The registry does not accept the login that the pull secret has for it."
    ),
    Cause.ACCESS_DENIED: CauseText(
        "access denied", "The registry knows who asks, and does not let them pull from this repository."
    ),
    Cause.PULL_SECRET_UNREADABLE: CauseText(
        "pull secret cannot be read",
        "A pull secret of the namespace is damaged, which keeps all imports of the namespace from working.",
    ),
    Cause.CERTIFICATE_UNTRUSTED: CauseText(
        "certificate not trusted",
        "The registry's certificate was signed by an authority that the cluster does not trust.",
    ),
    Cause.CERTIFICATE_WRONG_NAME: CauseText(
        "certificate for another name", "The registry's certificate is not for the name that the registry is called by."
    ),
    Cause.CERTIFICATE_EXPIRED: CauseText(
        "certificate expired", "The registry's certificate has expired, or is not valid yet."
    ),
    Cause.TLS_FAILED: CauseText("TLS failed", "No secure connection to the registry came about."),
    Cause.HTTP_ONLY: CauseText(
        "HTTP only", "The registry speaks HTTP without TLS, and neither the tag nor the cluster calls it insecure."
    ),
    Cause.HOST_UNKNOWN: CauseText("host unknown", "There is no host of that name where the cluster is."),
    Cause.HOST_UNREACHABLE: CauseText("host unreachable", "No way leads to the host from where the cluster is."),
    Cause.CONNECTION_REFUSED: CauseText("connection refused", "The host is there, and nothing listens on the port."),
    Cause.CONNECTION_LOST: CauseText(
        "connection lost", "The registry ended the connection before its answer was there."
    ),
    Cause.TIMEOUT: CauseText(
        "no answer in time", "The registry does not answer within the time that the cluster waits."
    ),
    Cause.RATE_LIMITED: CauseText("rate limited", "The registry answers that too much is asked of it (429)."),
    Cause.NO_REGISTRY: CauseText("not a registry", "What answers there does not speak the registry protocol."),
    Cause.REGISTRY_ERROR: CauseText("registry error", "The registry answers with an error of its own."),
    Cause.REPOSITORY_UNKNOWN: CauseText("repository unknown", "The registry has no repository of that name."),
    Cause.IMAGE_UNKNOWN: CauseText("image unknown", "The registry has no image of that tag or digest."),
    Cause.INDEX_INCOMPLETE: CauseText(
        "index without its images",
        "The index of the image's platforms is there, and the manifest for the platform, which it names, is not.",
    ),
    Cause.MANIFEST_BROKEN: CauseText(
        "manifest not usable",
        "The registry gives a manifest that the cluster cannot use, or that is not what its digest says.",
    ),
    Cause.BLOB_MISSING: CauseText(
        "config missing", "The manifest is there, and the image's config, which it names, is not."
    ),
    Cause.OVER_TAG_LIMIT: CauseText(
        "over the tag limit", "The repository has more tags than are imported at once; this one is only listed."
    ),
    Cause.ALIAS_FAILS: CauseText(
        "follows a tag that fails", "The tag follows another tag, and that one does not import."
    ),
    Cause.ALIAS_UNKNOWN: CauseText(
        "follows an unknown tag", "The tag follows another tag, which none of the image streams has."
    ),
    Cause.ALIAS_LOOP: CauseText("follows itself", "The tag follows a tag that leads back to it."),
    Cause.TOO_SLOW: CauseText(
        "import takes too long", "All tags of a stream are imported in one request, which is given up after 34 seconds."
    ),
    Cause.OTHER: CauseText("other", "The cluster's message says all that is known."),
    Cause.ARCHITECTURE_MISSING: CauseText(
        "no image for the nodes' architecture",
        "The image that would be imported is for another architecture than the nodes have.",
    ),
    Cause.SCHEDULED_DIGEST: CauseText(
        "scheduled, and by digest",
        "The tag is to be imported again and again, and follows a digest, which never changes.",
    ),
    Cause.REFERENCE_ONLY: CauseText(
        "reference only", "The tag is a reference: nothing is imported, and pods pull from the registry it names."
    ),
    Cause.NOTHING_TO_IMPORT: CauseText("nothing to import", "The image stream has no tag that follows an image."),
    Cause.POLICY_UNUSED: CauseText("has no effect", "A part of the policy has no effect on imports."),
    Cause.POLICY_CONTRADICTION: CauseText("contradiction", "Two parts of the policy say different things."),
}

_RANKS: Final = {cause: place for place, cause in enumerate(Cause)}

AWAY: Final = frozenset(
    {Cause.HOST_UNKNOWN, Cause.HOST_UNREACHABLE, Cause.CONNECTION_REFUSED, Cause.TIMEOUT, Cause.CONNECTION_LOST}
)
"""The causes that mean that a registry cannot be reached."""

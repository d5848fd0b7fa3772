"""The causes of preflight, each as a set-up that produces it, over sockets, TLS and tokens.

A case is a set-up that fails, the part of the printed remedy that is followed, and a word that the explanation has to
have. Where a remedy names several ways, each is a case.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mirror.preflight.causes import Cause
from support import administrator as do
from support.administrator import Action
from support.preflight_world import APP, AUTH, MIRROR, SILENT, Setup, image_config, mirrors, secret, tag

MIRRORED = Setup(hosts={MIRROR: {}}, images=(f"{MIRROR}/team/app:1",), policy=(mirrors("ImageTagMirrorSet"),))
PRIVATE = Setup(hosts={"quay.io": {"auth": AUTH}})
GONE = Setup(hosts={"docker.io": {}})
OTHER_ALLOWED = image_config(allowedRegistriesForImport=[{"domainName": MIRROR}])


def host(**options: Any) -> Setup:
    return Setup(hosts={"quay.io": options})


def fault(**action: Any) -> Setup:
    return Setup(faults=({"host": "quay.io", **action},), virtual=True)


def elsewhere(setup: Setup) -> Setup:
    """The set-up with a mirror that the cluster reaches, and that has nothing yet."""
    return replace(setup, policy=(mirrors("ImageTagMirrorSet", source="quay.io/other"),))


# The registry answers every other request for a manifest only when it is asked once more, two seconds later.
SLOW = replace(
    fault(kind="manifest", status=429, body="later", every=2),
    tags=tuple(tag(str(number), f"quay.io/team/app:{number}") for number in range(20)),
    images=tuple(f"quay.io/team/app:{number}" for number in range(20)),
)

CASES: list[tuple[Cause, Setup, Action, str]] = [
    (
        Cause.REGISTRY_BLOCKED,
        Setup(policy=(image_config(registrySources={"blockedRegistries": ["quay.io"]}),)),
        do.UNBLOCK,
        "blockedRegistries",
    ),
    (Cause.REGISTRY_NOT_ALLOWED, Setup(policy=(OTHER_ALLOWED,)), do.ALLOW, "quay.io:443"),
    (
        Cause.REGISTRY_NOT_ALLOWED,
        replace(MIRRORED, policy=(*MIRRORED.policy, OTHER_ALLOWED)),
        do.ALLOW,
        f"That {MIRROR}/team mirrors it does not count",
    ),
    (
        Cause.STREAM_REFUSED,
        Setup(
            hosts={"quay.io": {}, MIRROR: {}},
            images=(APP, f"{MIRROR}/team/app:1"),
            tags=(tag(), tag("2", f"{MIRROR}/team/app:1")),
            policy=(image_config(allowedRegistriesForImport=[{"domainName": "quay.io"}]),),
        ),
        do.ALLOW,
        "because of its tag 2",
    ),
    (Cause.OBJECT_INVALID, Setup(tags=(tag(importPolicy={"importMode": "Odd"}),)), do.CORRECT_FIELD, "importMode"),
    (Cause.OBJECT_INVALID, Setup(tags=(tag(kind="Image"),)), do.CORRECT_FIELD, "spec.tags[1].from.kind: Required"),
    (
        Cause.OBJECT_INVALID,
        Setup(tags=(tag(), tag("2", "app:1", "ImageStreamTag", importPolicy={"scheduled": True}))),
        do.CORRECT_FIELD,
        "only tags pointing to Docker repositories may be scheduled",
    ),
    (Cause.INVALID_PULL_SPEC, Setup(tags=(tag(source="quay.io/Team/app:1"),)), do.CORRECT_NAME, "lowercase"),
    (Cause.INVALID_PULL_SPEC, Setup(tags=(tag(source="docker://quay.io/team/app:1"),)), do.CORRECT_NAME, "invalid"),
    (Cause.NOT_MIRRORED, replace(MIRRORED, images=()), do.COPY, f"{MIRROR} lacks it"),
    (
        Cause.DIGEST_MIRRORS_ONLY,
        replace(MIRRORED, images=(), policy=(mirrors("ImageDigestMirrorSet"),)),
        do.ADD_RULE,
        "for digests",
    ),
    (Cause.TAG_MIRRORS_ONLY, replace(MIRRORED, images=(), tags=(tag(source="DIGEST"),)), do.ADD_RULE, "for tags"),
    (
        Cause.MIRROR_RULE_UNUSABLE,
        replace(MIRRORED, policy=(mirrors("ImageTagMirrorSet", mirror=f"{MIRROR}/team/"),)),
        do.REWRITE_MIRROR,
        "invalid reference format",
    ),
    (
        Cause.MIRROR_RULE_UNUSABLE,
        replace(MIRRORED, policy=(mirrors("ImageTagMirrorSet", mirror=f"https://{MIRROR}/team"),)),
        do.REWRITE_MIRROR,
        "invalid reference format",
    ),
    (
        Cause.NO_MIRROR_RULE,
        replace(elsewhere(MIRRORED), images=()),
        do.ADD_RULE,
        "nearest rules are for quay.io/other",
    ),
    (Cause.NO_PULL_SECRET, PRIVATE, do.CREATE_SECRET, "wants a login"),
    (
        Cause.NO_PULL_SECRET,
        replace(PRIVATE, policy=(secret(namespace="elsewhere"),)),
        do.CREATE_SECRET,
        "is in the namespace elsewhere",
    ),
    (
        Cause.NO_PULL_SECRET,
        replace(PRIVATE, policy=(secret("quay.io/teams"),)),
        do.CREATE_SECRET,
        "secret pull has a login for quay.io/teams",
    ),
    (Cause.NO_PULL_SECRET, replace(PRIVATE, policy=(secret("quay.io:443"),)), do.CREATE_SECRET, "the ports differ"),
    (Cause.NO_PULL_SECRET, host(auth={**AUTH, "type": "basic"}), do.CREATE_SECRET, "wants a login"),
    (Cause.WRONG_CREDENTIALS, replace(PRIVATE, policy=(secret(password="no"),)), do.CORRECT_LOGIN, "user me"),
    (
        Cause.ACCESS_DENIED,
        Setup(
            hosts=PRIVATE.hosts,
            policy=(secret(),),
            faults=(
                {
                    "host": "quay.io",
                    "kind": "manifest",
                    "user": "me",
                    "repository": "team/app",
                    "status": 403,
                    "code": "DENIED",
                },
            ),
        ),
        do.GRANT,
        "does not let",
    ),
    (Cause.PULL_SECRET_UNREADABLE, Setup(policy=(secret(raw='{"auths":'),)), do.DELETE_SECRET, "pull secret pull"),
    (Cause.CERTIFICATE_UNTRUSTED, Setup(ca=""), do.TRUST, "authority"),
    (Cause.CERTIFICATE_WRONG_NAME, Setup(impostor="wrong-name"), do.CERTIFICATE_FOR, "other.example.com"),
    (Cause.CERTIFICATE_EXPIRED, Setup(impostor="expired"), do.RENEW, "has expired"),
    (Cause.TLS_FAILED, fault(tls="alert"), do.TLS, "handshake failure"),
    (Cause.HTTP_ONLY, host(scheme="http"), do.INSECURE_REGISTRY, "without TLS"),
    (Cause.HTTP_ONLY, host(scheme="http"), do.INSECURE_TAG, "without TLS"),
    (Cause.HTTP_ONLY, host(scheme="http"), do.USE_TLS, "without TLS"),
    (Cause.HOST_UNKNOWN, GONE, do.NAME_KNOWN, "no host quay.io"),
    (Cause.HOST_UNKNOWN, GONE, do.MIRROR_IT, "no host quay.io"),
    (Cause.HOST_UNREACHABLE, Setup(far=("quay.io",)), do.WAY, "No way leads to quay.io"),
    (Cause.HOST_UNREACHABLE, Setup(far=("quay.io",)), do.MIRROR_IT, "No way leads to quay.io"),
    (Cause.CONNECTION_REFUSED, host(scheme="down"), do.START_IT, "refuses connections"),
    (Cause.CONNECTION_REFUSED, host(scheme="down"), do.MIRROR_IT, "refuses connections"),
    (Cause.CONNECTION_LOST, fault(kind="ping", reset="before", times=1), do.AGAIN, "ends the connection"),
    (Cause.TIMEOUT, Setup(impostor=SILENT, virtual=True), do.FIREWALL, "does not answer in time"),
    (Cause.RATE_LIMITED, fault(kind="manifest", status=429, times=1), do.AGAIN, "too much"),
    (
        Cause.RATE_LIMITED,
        replace(fault(kind="manifest", status=429, user=""), hosts={"quay.io": {"auth": {**AUTH, "anonymous": True}}}),
        do.ADD_LOGIN,
        "too much",
    ),
    (Cause.RATE_LIMITED, fault(kind="manifest", status=429), do.MIRROR_IT, "too much"),
    (Cause.NO_REGISTRY, host(routes=[{"path": "/v2/", "status": 404, "body": "nothing here"}]), do.LEAD, "404"),
    (Cause.REGISTRY_ERROR, fault(kind="manifest", status=500, times=1), do.AGAIN, "500"),
    (Cause.REPOSITORY_UNKNOWN, Setup(images=("quay.io/other/app:1",)), do.PUSH, "no repository team/app"),
    (Cause.IMAGE_UNKNOWN, Setup(images=("quay.io/team/app:2",)), do.PUSH, "has no quay.io/team/app:1"),
    (Cause.INDEX_INCOMPLETE, Setup(damaged="child"), do.PUSH, "linux/amd64"),
    (Cause.INDEX_INCOMPLETE, replace(MIRRORED, damaged="child"), do.COPY, "linux/amd64"),
    (Cause.BLOB_MISSING, Setup(damaged="config"), do.PUSH, "config"),
    (Cause.BLOB_MISSING, replace(MIRRORED, damaged="config"), do.COPY, "config"),
    (Cause.MANIFEST_BROKEN, Setup(damaged="entries"), do.PUSH, "no manifests in manifest list"),
    *(
        (
            Cause.OVER_TAG_LIMIT,
            Setup(
                tags=(),
                spec={"dockerImageRepository": "quay.io/team/app"},
                images=("quay.io/team/app:latest", "quay.io/team/app:0", APP),
                policy=({"cluster": {"maxImagesBulkImportedPerRepository": 2}},),
            ),
            action,
            "more than 2 tags",
        )
        for action in (do.NAME_TAG, do.RAISE_LIMIT)
    ),
    (
        Cause.ALIAS_FAILS,
        Setup(tags=(tag("1", kind="ImageStreamTag", source="real"), tag("real")), images=()),
        do.PUSH,
        "demo/app:real",
    ),
    (
        Cause.ALIAS_UNKNOWN,
        Setup(tags=(tag("1", kind="ImageStreamTag", source="other:real"),)),
        do.GIVE_STREAM,
        "demo/other:real",
    ),
    (
        Cause.ALIAS_LOOP,
        Setup(tags=(tag("1", kind="ImageStreamTag", source="2"), tag("2", kind="ImageStreamTag", source="app:1"))),
        do.FOLLOW_IMAGE,
        "demo/app:1 -> demo/app:2 -> demo/app:1",
    ),
    (
        Cause.TOO_SLOW,
        SLOW,
        do.SPREAD,
        "longer than the 34 seconds",
    ),
    (
        Cause.OTHER,
        host(routes=[{"path": "/v2/", "status": 302, "headers": {"Location": "ftp://quay.io/"}}]),
        do.EXPLAIN,
        'unsupported protocol scheme "ftp"',
    ),
]

"""The other ways that remedies name, and those that hold where content comes from a tree; see `preflight_cases`."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from mirror.preflight.causes import Cause
from support import administrator as do
from support.administrator import Action
from support.preflight_cases import MIRRORED, OTHER_ALLOWED, PRIVATE, SLOW, elsewhere, host
from support.preflight_world import (
    AUTH,
    MIRROR,
    SECOND,
    SILENT,
    Setup,
    image_config,
    mirrors,
    secret,
    stream,
    tag,
)

OTHER = "quay.io/team/app:2"
PING = {"path": "/v2/"}
TOKENS = {"WWW-Authenticate": 'Bearer realm="https://auth.example.com/token",service="quay.io"'}
MOVED = {"Location": "https://auth.example.com/v2/"}
DENIED = {"host": "quay.io", "kind": "manifest", "repository": "team/app", "status": 403, "code": "DENIED"}
BLOCKED = image_config(registrySources={"blockedRegistries": ["quay.io"]})
ALL_DOWN = Setup(
    hosts={MIRROR: {"scheme": "down"}, SECOND: {"auth": AUTH}},
    images=(f"{MIRROR}/team/app:1", f"{SECOND}/team/app:1"),
    policy=(mirrors("ImageTagMirrorSet", "quay.io/team", f"{MIRROR}/team", f"{SECOND}/team"),),
)


def mirror(**options: Any) -> Setup:
    """A mirror that is as the options say; its source is gone."""
    return replace(MIRRORED, hosts={MIRROR: options})


ALTERNATIVES: list[tuple[Cause, Setup, Action, str]] = [
    (Cause.REGISTRY_BLOCKED, Setup(policy=(BLOCKED,)), do.MIRROR_REGISTRY, "blockedRegistries"),
    *(
        (
            Cause.REGISTRY_NOT_ALLOWED,
            Setup(hosts={"quay.io": {"scheme": "http"}}, tags=(tag(importPolicy={"insecure": True}),), policy=policy),
            do.ALLOW,
            "quay.io:80",
        )
        for policy in (
            (OTHER_ALLOWED,),
            # Of who may create no images the list has to have the port, too.
            (
                image_config(allowedRegistriesForImport=[{"domainName": "quay.io"}]),
                {"cluster": {"denyCreateImages": True}},
            ),
        )
    ),
    (
        Cause.REGISTRY_NOT_ALLOWED,
        Setup(
            hosts={"quay.io:8443": {}},
            images=("quay.io:8443/team/app:1",),
            tags=(tag(source="quay.io:8443/team/app:1"),),
            policy=(image_config(allowedRegistriesForImport=[{"domainName": "quay.io"}]),),
        ),
        do.ALLOW,
        "quay.io:8443",
    ),
    (
        Cause.STREAM_REFUSED,
        Setup(
            tags=(tag(), tag("2", "quay.io/Team/app:1")),
            policy=(image_config(allowedRegistriesForImport=[{"domainName": "quay.io"}]),),
        ),
        do.CORRECT_NAMES,
        "because of its tag 2",
    ),
    *(
        # A reference is not imported, and its registry has to be allowed all the same.
        (
            cause,
            Setup(
                tags=(one, tag("real"), tag("2", f"{MIRROR}/team/app:1", reference=True)),
                policy=(image_config(allowedRegistriesForImport=[{"domainName": "quay.io"}]),),
                others=(stream("other", tag("real")),),
            ),
            do.ALLOW,
            "because of its tag 2",
        )
        for cause, one in (
            (Cause.STREAM_REFUSED, tag()),
            (Cause.STREAM_REFUSED, tag(kind="ImageStreamTag", source="other:real")),
            (Cause.ALIAS_FAILS, tag(kind="ImageStreamTag", source="real")),
        )
    ),
    (Cause.INVALID_PULL_SPEC, Setup(tags=(tag(source="quay.io/te am/app:1"),)), do.WRITE_PULL_SPEC, "invalid"),
    (
        Cause.MIRROR_RULE_UNUSABLE,
        replace(MIRRORED, policy=(mirrors("ImageTagMirrorSet", mirror=f"{MIRROR}/Team"),)),
        do.CORRECT_MIRROR,
        "must be lowercase",
    ),
    (
        Cause.IMAGE_UNKNOWN,
        Setup(
            hosts={"quay.io": {}, MIRROR: {}},
            images=(OTHER,),
            policy=(mirrors("ImageTagMirrorSet"),),
        ),
        do.PUSH,
        f"{MIRROR} lacks it, and quay.io does not have it",
    ),
    (
        Cause.IMAGE_UNKNOWN,
        Setup(
            hosts={"quay.io": {}, MIRROR: {}},
            images=(OTHER,),
            policy=(mirrors("ImageTagMirrorSet"),),
        ),
        do.CORRECT_SOURCE,
        f"{MIRROR} lacks it, and quay.io does not have it",
    ),
    (Cause.IMAGE_UNKNOWN, Setup(images=(OTHER,)), do.CORRECT_SOURCE, "has no quay.io/team/app:1"),
    (
        Cause.REPOSITORY_UNKNOWN,
        Setup(images=("quay.io/other/app:1",)),
        do.CORRECT_REPOSITORY,
        "no repository team/app",
    ),
    (
        # A name at the mirror that no push of a tree gives.
        Cause.NOT_MIRRORED,
        replace(MIRRORED, images=(), policy=(mirrors("ImageTagMirrorSet", "quay.io/team/app", f"{MIRROR}/renamed"),)),
        do.COPY,
        f"{MIRROR} lacks it",
    ),
    (Cause.NO_PULL_SECRET, PRIVATE, do.GLOBAL_SECRET, "wants a login"),
    (
        Cause.NO_PULL_SECRET,
        replace(PRIVATE, policy=({"auths": {"quay.io": {"auth": "!!!"}}},)),
        do.CREATE_SECRET,
        "Nearly: the global pull secret cannot be read: ",
    ),
    (Cause.NO_PULL_SECRET, mirror(auth=AUTH), do.CREATE_SECRET, f"{MIRROR} wants a login"),
    (Cause.NO_PULL_SECRET, mirror(auth=AUTH), do.GLOBAL_SECRET, f"{MIRROR} wants a login"),
    (
        Cause.ACCESS_DENIED,
        Setup(
            hosts={"quay.io": {"auth": {**AUTH, "users": {"you": "pass"}}}},
            policy=(secret(),),
            faults=({**DENIED, "user": "me"},),
        ),
        do.OTHER_LOGIN,
        "user me",
    ),
    (
        Cause.ACCESS_DENIED,
        Setup(hosts={"quay.io": {"auth": {**AUTH, "anonymous": True}}}, faults=({**DENIED, "user": ""},)),
        do.LOGIN_THAT_MAY,
        "without a login",
    ),
    *(
        (
            Cause.WRONG_CREDENTIALS,
            replace(PRIVATE, policy=(secret("quay.io/team/app", "", user="", name="empty"), secret())),
            action,
            "is empty",
        )
        for action in (do.FILL_LOGIN, do.DROP_LOGIN)
    ),
    (Cause.PULL_SECRET_UNREADABLE, Setup(policy=(secret(raw='{"auths":'),)), do.CORRECT_SECRET, "pull secret pull"),
    (Cause.CERTIFICATE_WRONG_NAME, Setup(impostor="wrong-name"), do.OTHER_NAME, "other.example.com"),
    (Cause.HTTP_ONLY, mirror(scheme="http"), do.INSECURE_REGISTRY, f"{MIRROR} speaks HTTP"),
    (Cause.HTTP_ONLY, mirror(scheme="http"), do.INSECURE_TAG, f"{MIRROR} speaks HTTP"),
    (Cause.HTTP_ONLY, mirror(scheme="http"), do.USE_TLS, f"{MIRROR} speaks HTTP"),
    (Cause.CONNECTION_REFUSED, mirror(scheme="down"), do.START_IT, f"{MIRROR} refuses"),
    (Cause.CONNECTION_REFUSED, mirror(scheme="down"), do.MIRROR_IT, f"{MIRROR} refuses"),
    (
        Cause.CONNECTION_REFUSED,
        replace(
            mirror(scheme="down"),
            tags=(tag(source="DIGEST"),),
            images=(),
            policy=(mirrors("ImageDigestMirrorSet"), mirrors("ImageTagMirrorSet")),
        ),
        do.MIRROR_IT,
        f"{MIRROR} refuses",
    ),
    (Cause.HOST_UNKNOWN, replace(MIRRORED, hosts={"docker.io": {}}, images=()), do.NAME_KNOWN_COPIED, MIRROR),
    (Cause.HOST_UNKNOWN, replace(MIRRORED, hosts={"docker.io": {}}, images=()), do.MIRROR_IT, MIRROR),
    # Where a registry sends whoever wants a token, or asks at all, has to be within reach, too.
    (Cause.HOST_UNKNOWN, host(routes=[{**PING, "status": 401, "headers": TOKENS}]), do.LET_REACH, "no host auth.exam"),
    (Cause.HOST_UNKNOWN, host(routes=[{**PING, "status": 301, "headers": MOVED}]), do.LET_REACH, "no host auth.exam"),
    (Cause.HOST_UNREACHABLE, replace(MIRRORED, far=(MIRROR,)), do.MIRROR_IT, f"No way leads to {MIRROR}"),
    (Cause.TIMEOUT, Setup(impostor=SILENT, virtual=True), do.MIRROR_IT, "does not answer in time"),
    (Cause.CONNECTION_REFUSED, ALL_DOWN, do.START_IT, f"{SECOND}/team/app:1: wants a login"),
    (Cause.CONNECTION_REFUSED, ALL_DOWN, do.CREATE_SECRET, f"{SECOND}/team/app:1: wants a login"),
    (
        Cause.CONNECTION_REFUSED,
        replace(ALL_DOWN, hosts={MIRROR: {"scheme": "down"}, SECOND: {}}, images=(f"{SECOND}/team/other:1",)),
        do.COPY,
        f"{SECOND}/team/app:1: does not have it",
    ),
    (
        Cause.TOO_SLOW,
        SLOW,
        do.ANSWER_SOONER,
        "longer than the 34 seconds",
    ),
    (
        Cause.ALIAS_UNKNOWN,
        Setup(tags=(tag("1", kind="ImageStreamTag", source="rael"), tag("real"))),
        do.CORRECT_ALIAS,
        "demo/app:rael",
    ),
    (
        Cause.ALIAS_UNKNOWN,
        Setup(tags=(tag("1", kind="ImageStreamTag", source="real"),)),
        do.LET_FOLLOW,
        "demo/app:real",
    ),
    (
        Cause.ALIAS_UNKNOWN,
        Setup(tags=(tag("1", kind="ImageStreamImage", source=f"app@sha256:{'0' * 64}"), tag("real"))),
        do.FOLLOW_TAG,
        f"demo/app@sha256:{'0' * 64}",
    ),
]

IN_TREE = replace(MIRRORED, tree=True, gone=("quay.io",), images=(f"{MIRROR}/team/other:1",))
LISTED = {"hosts": {"quay.io": {}, MIRROR: {}}}

TREES: list[tuple[Cause, Setup, Action, str]] = [
    (Cause.NOT_MIRRORED, IN_TREE, do.COPY, f"{MIRROR} lacks it"),
    (
        Cause.HOST_UNKNOWN,
        replace(IN_TREE, policy=(mirrors("ImageTagMirrorSet", "quay.io/team/app", f"{MIRROR}:5000/renamed"),)),
        do.COPY,
        f"no host {MIRROR}:5000: the tree",
    ),
    (
        Cause.NOT_MIRRORED,
        replace(IN_TREE, policy=(mirrors("ImageDigestMirrorSet"),), tags=(tag(source="DIGEST"),)),
        do.COPY,
        f"{MIRROR} lacks it",
    ),
    (Cause.NOT_MIRRORED, replace(IN_TREE, policy=(*IN_TREE.policy, LISTED), images=()), do.COPY, f"{MIRROR} lacks it"),
    (Cause.HOST_UNKNOWN, replace(IN_TREE, images=()), do.COPY, f"no host {MIRROR}: the tree"),
    (Cause.DIGEST_MIRRORS_ONLY, replace(IN_TREE, policy=(mirrors("ImageDigestMirrorSet"),)), do.ADD_RULE, "digests"),
    (Cause.TAG_MIRRORS_ONLY, replace(IN_TREE, tags=(tag(source="DIGEST"),)), do.ADD_RULE, "for tags"),
    (Cause.NO_MIRROR_RULE, elsewhere(IN_TREE), do.ADD_RULE, "nearest rules are for quay.io/other"),
    (
        Cause.NO_MIRROR_RULE,
        replace(IN_TREE, policy=(*elsewhere(IN_TREE).policy, {"hosts": {"quay.io": {}}})),
        do.ADD_RULE,
        "nearest rules are for quay.io/other",
    ),
    (Cause.HOST_UNKNOWN, Setup(tree=True, images=()), do.COPY, "no host quay.io: the tree"),
    (
        Cause.HOST_UNKNOWN,
        Setup(tree=True, policy=({"hosts": {"docker.io": {}}},)),
        do.NAME_HOST,
        "not among the hosts of the policy",
    ),
    (Cause.HOST_UNKNOWN, Setup(tree=True, gone=("quay.io",)), do.MIRROR_IT, "no host quay.io"),
    (Cause.IMAGE_UNKNOWN, Setup(tree=True, images=(OTHER,)), do.COPY, "has no quay.io/team/app:1"),
    (Cause.IMAGE_UNKNOWN, Setup(tree=True, images=(OTHER,)), do.CORRECT_SOURCE, "has no quay.io/team/app:1"),
    (Cause.REPOSITORY_UNKNOWN, Setup(tree=True, images=("quay.io/other/app:1",)), do.COPY, "no repository team/app"),
    (
        Cause.IMAGE_UNKNOWN,
        replace(IN_TREE, gone=(), images=(f"{MIRROR}/team/other:1", "quay.io/team/other:1")),
        do.COPY,
        "lacks it, and quay.io does not have it",
    ),
    *(
        (cause, replace(setup, damaged=what), do.COPY, word)
        for cause, what, word in (
            (Cause.INDEX_INCOMPLETE, "child", "linux/amd64"),
            (Cause.BLOB_MISSING, "config", "config"),
        )
        for setup in (Setup(tree=True), replace(IN_TREE, images=(f"{MIRROR}/team/app:1",)))
    ),
]

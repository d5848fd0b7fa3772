"""What several imports make of a stream: specs, generations, history, conditions. The rows are written from the rules,
none of them is a recording."""

from __future__ import annotations

import pytest
from support.import_cases import (
    FEW,
    NAMESPACE,
    NOWHERE,
    WEB,
    WEB_DIGEST,
    WEB_OK,
    Case,
    check,
    gone,
    image,
    imports,
    internal,
    patched,
    routed,
    secret,
    stream,
    tag,
)

from mirror.store import Store

P = "private.example.com/secret/app"
WRONG = {"secrets": [secret({"private.example.com": ("me", "wrong")})]}
OPEN = routed("private.example.com", auth={"type": "bearer", "username": "me", "password": "pass", "anonymous": True})
NOT_JSON = "invalid character 'o' in literal null (expecting 'u')"
GONE = gone(f"{WEB}:gone")


NO_SOURCE = 'spec.tags[x].from.name: Invalid value: "*": invalid reference format'
V2_OK = f"2.0.0 Success {WEB}@7078c1fe"
GONE_TAG = f"gone {GONE}"

MOST = {"openshift.io/images": "1", "openshift.io/image-tags": 1}
LIMITED = {
    "limitRanges": [{"kind": "LimitRange", "spec": {"limits": [{"type": "openshift.io/ImageStream", "max": MOST}]}}]
}
REFUSED_APP = (
    'ImageStream.image.openshift.io "app" is invalid: []: Internal error: '
    'ImageStream.image.openshift.io "app" is forbidden: '
)
EXCEEDS = "exceeds the maximum limit per openshift.io/ImageStream (2 > 1)"
TOO_MANY_IMAGES = f"{REFUSED_APP}requested usage of openshift.io/images {EXCEEDS}"
TOO_LARGE = (
    f"{REFUSED_APP}[requested usage of openshift.io/images {EXCEEDS}, "
    f"requested usage of openshift.io/image-tags {EXCEEDS}]"
)

STREAMS = {
    "a failure is in the spec of an image's tag, not in that of a repository's": Case(
        [imports(f"{WEB}:gone", repository="quay.io/app/partly", store=True)],
        [
            [
                GONE_TAG,
                "repository ImportFailed: 2 of the images from this repository failed to import",
                "  also-good Success quay.io/app/partly@8ec7a01c",
                f"  bad {internal(NOT_JSON)}",
                f"  bad2 {internal('quay.io/app/partly:bad2: unknown blob')}",
                "  good Success quay.io/app/partly@8ec7a01c",
            ]
        ],
        stream=[
            "generation 1",
            "also-good | quay.io/app/partly:also-good 1 Legacy/Source | 1@8ec7a01c",
            "bad |  | InternalError 1",
            "bad2 |  | InternalError 1",
            f"gone | {WEB}:gone 1 Legacy/Source |  | NotFound 1",
            "good | quay.io/app/partly:good 1 Legacy/Source | 1@8ec7a01c",
        ],
    ),
    "what works without a wrong password works, for the repository, too": Case(
        [imports(P, repository=P, store=True)],
        [
            [
                f"latest Success {P}@b9dabf0e",
                "repository Success",
                f"  latest Success {P}@b9dabf0e",
                f"  1.25 Success {P}@76ce3c72",
            ]
        ],
        WRONG,
        OPEN,
        stream=[
            "generation 1",
            f"1.25 | {P}:1.25 1 Legacy/Source | 1@76ce3c72",
            f"latest | {P}:latest 1 Legacy/Source | 1@b9dabf0e",
        ],
    ),
    "a repository alone is not tried without a password": Case(
        [imports(repository=P, store=True)],
        [
            [
                f"""repository {
                    internal(
                        'Get "https://private.example.com/v2/secret/app/tags/list": '
                        "unauthorized: incorrect username or password"
                    )
                }"""
            ]
        ],
        WRONG,
        OPEN,
        stream=["generation 1"],
    ),
    "the second try decides, if it says something else": Case(
        [imports(f"{P}:latest", store=True)],
        [
            [
                f"""latest {
                    internal(
                        f'{P}:latest: Get "https://private.example.com/v2/secret/app/manifests/latest": unauthorized'
                    )
                }"""
            ]
        ],
        WRONG,
        stream=["generation 1", f"latest | {P}:latest 1 Legacy/Source |  | InternalError 1"],
    ),
    "two for one tag are both there, time and again": Case(
        [imports(image(WEB, "x"), image(f"{WEB}:2.0.0", "x"), store=True)] * 2,
        [[WEB_OK, V2_OK]] * 2,
        stream=[
            "generation 2",
            f"x | {WEB}:2.0.0 2 Legacy/Source | 2@7078c1fe 2@13fe8e49 1@7078c1fe 1@13fe8e49",
        ],
    ),
    "a failure after a success is a condition": Case(
        [imports(image(WEB, "x"), image(f"{WEB}:gone", "x"), store=True)],
        [[WEB_OK, GONE_TAG]],
        stream=["generation 1", f"x | {WEB} 1 Legacy/Source | 1@13fe8e49 | NotFound 1"],
    ),
    "a success after a failure takes it away, which is no new generation": Case(
        [
            imports(image(WEB, "x"), image(f"{WEB}:gone", "x"), store=True),
            imports(image(f"{WEB}:gone", "x"), image(WEB, "x"), store=True),
        ],
        [[WEB_OK, GONE_TAG], [GONE_TAG, WEB_OK]],
        stream=["generation 1", f"x | {WEB} 1 Legacy/Source | 1@13fe8e49"],
    ),
    "images come after the repository": Case(
        [imports(image(f"{WEB}:v1.0", "v1"), image(f"{WEB}:gone", "v2"), repository=FEW, store=True)],
        [
            [
                f"v1.0 Success {WEB}@13fe8e49",
                GONE_TAG,
                "repository Success",
                f"  v1 Success {FEW}@3eb02289",
                f"  v2 Success {FEW}@7301589b",
                f"  v3 Success {FEW}@53a42655",
            ]
        ],
        stream=[
            "generation 1",
            f"v1 | {WEB}:v1.0 1 Legacy/Source | 1@13fe8e49 1@3eb02289",
            f"v2 | {FEW}:v2 1 Legacy/Source | 1@7301589b | NotFound 1",
            f"v3 | {FEW}:v3 1 Legacy/Source | 1@53a42655",
        ],
    ),
    "an import policy is that of the latest success, a reference policy stays": Case(
        [
            stream(
                tag("x", "DockerImage", WEB, importPolicy={"scheduled": True}, referencePolicy={"type": "Local"}),
            ),
            imports(image(WEB, "x", insecure=True), store=True),
            imports(image(f"{WEB}:gone", "x", scheduled=True), store=True),
            imports(image(f"{WEB}:gone", "x", scheduled=True), store=True),
        ],
        [
            ["generation 1", f"x | {WEB} 1 scheduled/Legacy/Local"],
            [WEB_OK],
            [GONE_TAG],
            [GONE_TAG],
        ],
        stream=["generation 3", f"x | {WEB} 3 insecure/Legacy/Local | 2@13fe8e49 | NotFound 3"],
    ),
    "a policy alone is a new generation of the stream, not of the tag": Case(
        [imports(image(WEB, "x"), store=True), imports(image(WEB, "x", scheduled=True), store=True)],
        [[WEB_OK], [WEB_OK]],
        stream=["generation 2", f"x | {WEB} 1 scheduled/Legacy/Source | 1@13fe8e49"],
    ),
    "a mode that gives the same image is a new generation of both": Case(
        [imports(image(WEB, "x"), store=True), imports(image(WEB, "x", importMode="PreserveOriginal"), store=True)],
        [[WEB_OK], [WEB_OK]],
        stream=["generation 2", f"x | {WEB} 2 PreserveOriginal/Source | 1@13fe8e49"],
    ),
    "the same image from elsewhere changes the newest in place": Case(
        [
            imports(image(WEB, "x"), image("mirror.example.com/quay/app/web:v1.0", "x"), store=True),
            imports(image(WEB, "x"), store=True),
        ],
        # an image is stored once in a request, and shown as it was stored
        [[WEB_OK, f"v1.0 Success {WEB}@13fe8e49"], [WEB_OK]],
        stream=["generation 2", f"x | {WEB} 2 Legacy/Source | 2@13fe8e49"],
    ),
    "tags that follow a tag follow its imports, and become others by their own": Case(
        [
            imports(image(WEB, "latest"), store=True),
            patched(
                tag("a", "ImageStreamTag", "latest"),
                tag("b", "ImageStreamTag", "app:latest"),
                tag("c", "ImageStreamImage", "app@13fe"),
            ),
            imports(image(f"{WEB}:2.0.0", "latest"), store=True),
            imports(image(f"{WEB}:2.0.0", "b"), store=True),
            imports(image(f"{WEB}:v1.0", "a"), store=True),
        ],
        [
            [WEB_OK],
            [
                "generation 2",
                "a | latest 2 Legacy/Source | 2@13fe8e49",
                "b | app:latest 2 Legacy/Source | 2@13fe8e49",
                "c | app@13fe 2 Legacy/Source | 2@13fe8e49",
                f"latest | {WEB} 1 Legacy/Source | 2@13fe8e49",
            ],
            [V2_OK],
            [V2_OK],
            [f"v1.0 Success {WEB}@13fe8e49"],
        ],
        stream=[
            "generation 4",
            f"a | {WEB}:v1.0 4 Legacy/Source | 4@13fe8e49 3@7078c1fe 2@13fe8e49",
            "b | app:latest 2 Legacy/Source | 3@7078c1fe 2@13fe8e49",
            "c | app@13fe 2 Legacy/Source | 2@13fe8e49",
            f"latest | {WEB}:2.0.0 3 Legacy/Source | 3@7078c1fe 2@13fe8e49",
        ],
    ),
    "a tag that was only a reference has that in its history": Case(
        [stream(tag("x", "DockerImage", WEB, reference=True)), imports(image(WEB, "x"), store=True)],
        [["generation 1", f"x | {WEB} 1 Legacy/Source | 1@"], [WEB_OK]],
        stream=["generation 2", f"x | {WEB} 2 Legacy/Source | 2@13fe8e49 1@"],
    ),
    "a stream is there though nothing was tagged": Case(
        [imports(f"{WEB}@{WEB_DIGEST}", store=True), imports(f"{WEB}@{NOWHERE}", repository="quay.io/a/b", store=True)],
        [
            [f"- Success {WEB}@13fe8e49"],
            [f"- {gone(f'{WEB}@{NOWHERE}')}", f"repository {gone('quay.io/a/b')}"],
        ],
        stream=["generation 1"],
    ),
    "a new tag that is one too many is noted in the stream as it was": Case(
        [
            imports(image(WEB, "x"), store=True),
            imports(image(WEB, "x", scheduled=True), image(f"{WEB}:2.0.0", "y"), store=True),
        ],
        [[WEB_OK], [f"Invalid: {TOO_LARGE}"]],
        LIMITED,
        stream=["generation 1", f"x | {WEB} 1 Legacy/Source | 1@13fe8e49", "y |  | Invalid 2"],
    ),
    "of a new stream nothing is noted": Case(
        [
            imports(image(WEB, "x"), image(f"{WEB}:2.0.0", "y"), store=True),
            {"method": "GET", "path": f"{NAMESPACE}/imagestreams/app"},
        ],
        [[f"Invalid: {TOO_LARGE}"], ['NotFound: imagestreams.image.openshift.io "app" not found']],
        LIMITED,
    ),
    "another image for the tag that there is, is one too many, too": Case(
        [imports(image(WEB, "x"), store=True), imports(image(f"{WEB}:2.0.0", "x"), store=True)],
        [[WEB_OK], [f"Invalid: {TOO_MANY_IMAGES}"]],
        LIMITED,
        stream=["generation 1", f"x | {WEB} 1 Legacy/Source | 1@13fe8e49"],
    ),
    "what two tags have in common counts once": Case(
        [imports(image(WEB, "x"), image(f"{WEB}:latest", "y"), store=True)],
        [[WEB_OK, WEB_OK]],
        LIMITED,
        stream=[
            "generation 1",
            f"x | {WEB} 1 Legacy/Source | 1@13fe8e49",
            f"y | {WEB}:latest 1 Legacy/Source | 1@13fe8e49",
        ],
    ),
    "what the stream cannot have is refused as a whole": Case(
        [
            imports(image("*", "x"), image(WEB, "y"), store=True),
            {"method": "GET", "path": f"{NAMESPACE}/imagestreams/app"},
        ],
        [
            [
                f'Invalid: ImageStream.image.openshift.io "app" is invalid: {NO_SOURCE}',
            ],
            ['NotFound: imagestreams.image.openshift.io "app" not found'],
        ],
    ),
}


@pytest.mark.parametrize("name", STREAMS)
async def test_streams(name: str, store: Store) -> None:
    await check(STREAMS[name], store=store)

"""How the rules of an import come together: which reference decides, what is fetched how often, which tags and
platforms, who is asked next. The rows are written from the rules, none of them is a recording."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from support.command import TREE
from support.import_cases import (
    AMD64,
    CLEAR,
    FEW,
    MULTI,
    MULTI_DIGEST,
    NOWHERE,
    PLAIN,
    REFUSED,
    SELF,
    WEB,
    WEB_CONFIG,
    WEB_DIGEST,
    WEB_OK,
    Case,
    check,
    gone,
    image,
    imports,
    internal,
    mirrored,
    route,
    routed,
    secret,
    stream,
    tag,
)

from mirror.session import TransportKind

KINDS: tuple[TransportKind, ...] = ("embedded", "http")

# What is fetched, and how often

LATEST = "/v2/app/web/manifests/latest"
TAGS = "/v2/app/few/tags/list"
ONE_TAG = {"maxImagesBulkImportedPerRepository": 1}
ERROR_500 = internal(f"{WEB}:latest: received unexpected HTTP status: 500 Internal Server Error")
NOT_VALID = 'from.name: Invalid value: "": the provided repository name is not valid'
NO_REPOSITORY = f'.image.openshift.io "repository" is invalid: {NOT_VALID}'
NO_V2 = 'endpoint "https://quay.io" does not support v2 API (got 500 Internal Server Error)'

FETCHING = {
    "the first spelling of a repository is that of all": Case(
        [imports("nginx", "docker.io/library/nginx:1.25", f"registry-1.docker.io/library/nginx@{NOWHERE}")],
        [
            [
                "latest Success nginx@d3cf5caa",
                "1.25 Success nginx@9488901a",
                f"- {gone(f'docker.io/library/nginx@{NOWHERE}')}",
            ]
        ],
        asked=[  # digests before tags
            "GET /v2/",
            f"GET /v2/library/nginx/manifests/{NOWHERE}",
            "GET /v2/library/nginx/manifests/latest",
            "GET /v2/library/nginx/blobs/sha256:23eeeaa28b234d610e3e2ac83f55f4b2e9e3019640abdceee8d318082b9bebd6",
            "GET /v2/library/nginx/manifests/1.25",
            "GET /v2/library/nginx/blobs/sha256:60388b835a9baba5c2d2be9d9608f47eb9b802ce5b1034c64b6f791fa5ea079a",
        ],
    ),
    "the first decides that all are asked securely": Case(
        [imports(PLAIN, image(f"{PLAIN}:1.25", insecure=True))],
        [
            [
                f"latest {internal(f'{PLAIN}:latest: {CLEAR}')}",
                f"1.25 {internal(f'{PLAIN}:1.25: {CLEAR}')}",
            ]
        ],
        asked=[],
    ),
    "the way that a ping found is open to the repository": Case(
        [imports(image(PLAIN, insecure=True), f"{PLAIN}:1.25", repository=PLAIN)],
        [
            [
                f"latest Success {PLAIN}@6b242ba4",
                f"1.25 Success {PLAIN}@a24371d7",
                "repository Success",
                f"  latest Success {PLAIN}@6b242ba4",
                f"  1.25 Success {PLAIN}@a24371d7",
            ]
        ],
    ),
    "a ping that failed is failed for the repository": Case(
        [imports(PLAIN, repository=image(PLAIN, insecure=True))],
        [
            [
                f"latest {internal(f'{PLAIN}:latest: {CLEAR}')}",
                f"repository {internal(CLEAR)}",
            ]
        ],
    ),
    "a failed ping is kept, but by repository": Case(
        [imports(WEB, f"{WEB}:v1.0", f"{FEW}:v1")],
        [
            [
                f"latest {internal(f'{WEB}:latest: {NO_V2}')}",
                f"v1.0 {internal(f'{WEB}:v1.0: {NO_V2}')}",
                f"v1 Success {FEW}@3eb02289",
            ]
        ],
        hosts=routed("quay.io", route("/v2/", 500, times=1)),
    ),
    "the same twice is fetched once": Case(
        [imports(image(WEB, "a"), image(f"{WEB}:latest", "b"))],
        [[f"latest {ERROR_500}", f"latest {ERROR_500}"]],
        hosts=routed("quay.io", route(LATEST, 500, times=1)),
        asked=["GET /v2/", f"GET {LATEST}"],
    ),
    "in the other mode it is fetched again": Case(
        [imports(image(WEB, "a"), image(WEB, "b", importMode="PreserveOriginal"))],
        [[f"latest {ERROR_500}", WEB_OK]],
        hosts=routed("quay.io", route(LATEST, 500, times=1)),
    ),
    "a digest hides the tag": Case(
        [imports(f"{WEB}:gone@{WEB_DIGEST}", f"{WEB}@{WEB_DIGEST}")],
        [[f"- Success {WEB}@13fe8e49"] * 2],
        asked=["GET /v2/", f"GET /v2/app/web/manifests/{WEB_DIGEST}", f"GET /v2/app/web/blobs/{WEB_CONFIG}"],
    ),
    "what is blocked or has no repository has no tag": Case(
        [imports("nginx", "docker.io/nginx", "index.docker.io/nginx:1.25", "quay.io", repository="localhost:5000")],
        [
            [
                "- Forbidden: forbidden: registry  blocked",
                "- Forbidden: forbidden: registry docker.io blocked",
                "1.25 Success index.docker.io/nginx@9488901a",
                f"latest {internal('unable to parse docker reference : invalid reference format')}",
                f"repository Invalid: {NO_REPOSITORY}",
            ]
        ],
        {"blockedRegistries": ["docker.io"]},
    ),
    "too many requests three times, as one error": Case(
        [imports(WEB)],
        [[f"latest {internal(f'{WEB}:latest: toomanyrequests: slow')}"]],
        hosts=routed("quay.io", route(LATEST, 429, '{"details":"slow"}', times=3)),
        asked=["GET /v2/", *[f"GET {LATEST}"] * 3],
    ),
    "too many requests twice, as one error": Case(
        [imports(WEB)],
        [[WEB_OK]],
        hosts=routed("quay.io", route(LATEST, 429, '{"details":"slow"}', times=2)),
    ),
    "too many requests twice, in words": Case(
        [imports(WEB)], [[WEB_OK]], hosts=routed("quay.io", route(LATEST, 429, "slow", times=2))
    ),
    "too many requests once, as a list": Case(
        [imports(WEB)],
        [[f"latest {internal(f'{WEB}:latest: toomanyrequests')}"]],
        hosts=routed("quay.io", route(LATEST, 429, '{"errors":[{"code":"TOOMANYREQUESTS"}]}', times=1)),
    ),
    "a list of tags is asked for again": Case(
        [imports(repository=FEW)],
        [["repository Success", f"  v1 Success {FEW}@3eb02289", "  more v2 v3"]],
        ONE_TAG,
        routed("quay.io", route(TAGS, 429, "slow", times=2)),
    ),
    "a config is not asked for again": Case(
        [imports(WEB)],
        [[f"latest {internal(f'{WEB}:latest: toomanyrequests: slow')}"]],
        hosts=routed("quay.io", route(f"/v2/app/web/blobs/{WEB_CONFIG}", 429, '{"details":"slow"}', times=1)),
    ),
    "who is refused without a challenge gives no password": Case(
        [imports(WEB)],
        [[f'latest Unauthorized: you may not have access to the container image "{WEB}:latest"']],
        {"secrets": [secret({"quay.io": ("me", "pass")})]},
        routed("quay.io", route(LATEST, 401, WWW_Authenticate='Basic realm="x"')),
        asked=["GET /v2/", f"GET {LATEST}"],
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", FETCHING)
async def test_fetching(name: str, kind: TransportKind) -> None:
    await check(FETCHING[name], kind)


# Repositories, platforms

PREFER = "importer.image.openshift.io/prefer-"
PRESERVING = {"imageStreamImportMode": "PreserveOriginal"}

CHOOSING = {
    "the limit holds for the tags of a repository, images or not": Case(
        [imports(f"{FEW}:v1", f"{FEW}:v3", repository=FEW)],
        [
            [
                f"v1 Success {FEW}@3eb02289",
                f"v3 Success {FEW}@53a42655",
                "repository Success",
                f"  v1 Success {FEW}@3eb02289",
                f"  v3 Success {FEW}@53a42655",  # known already
                "  more v2",
            ]
        ],
        ONE_TAG,
    ),
    "what is known in another mode is not known": Case(
        [imports(image(f"{FEW}:v3", importMode="PreserveOriginal"), repository=FEW)],
        [
            [
                f"v3 Success {FEW}@53a42655",
                "repository Success",
                f"  v1 Success {FEW}@3eb02289",
                "  more v2 v3",
            ]
        ],
        ONE_TAG,
    ),
    "what is known of a preferred platform is not known": Case(
        [
            stream(tag("v3", "DockerImage", FEW, annotations={f"{PREFER}arch": "arm64"})),
            imports(f"{FEW}:v3", repository=FEW),
        ],
        [
            ["generation 1", f"v3 | {FEW} 1 Legacy/Source"],
            [f"v3 Success {FEW}@53a42655", "repository Success", f"  v1 Success {FEW}@3eb02289", "  more v2 v3"],
        ],
        ONE_TAG,
    ),
    "there may be nothing that is imported": Case(
        [imports(repository=FEW)],
        [["repository Success"]],
        {"maxImagesBulkImportedPerRepository": -2},
        asked=[],
    ),
    "no limit is fifty": Case(
        [imports(repository=FEW)],
        [
            [
                "repository Success",
                f"  v1 Success {FEW}@3eb02289",
                f"  v2 Success {FEW}@7301589b",
                f"  v3 Success {FEW}@53a42655",
            ]
        ],
        {"maxImagesBulkImportedPerRepository": 0},
    ),
    "a tag once, one without a name is the latest": Case(
        [imports(repository=FEW)],
        [
            [
                "repository ImportFailed: 2 of the images from this repository failed to import",
                f"  latest {gone(f'{FEW}:latest')}",
                f"  nope {gone(f'{FEW}:nope')}",
                f"  v1 Success {FEW}@3eb02289",
                f"  v2 Success {FEW}@7301589b",
            ]
        ],
        hosts=routed("quay.io", route(TAGS, 200, '{"tags":["v2","","v2","v1","nope"]}')),
    ),
    "a link is followed whatever it is to": Case(
        [imports(repository=FEW)],
        [["repository Success", f"  v1 Success {FEW}@3eb02289", f"  v3 Success {FEW}@53a42655"]],
        hosts=routed(
            "quay.io",
            route(TAGS, 200, '{"tags":["v3"]}', Link=f'<{TAGS}?page=2>; rel="prev"'),
            route(f"{TAGS}?page=2", 200, '{"tags":["v1"]}'),
        ),
    ),
    "a broken page takes all others with it": Case(
        [imports(repository=FEW)],
        [[f"repository {gone(FEW)}"]],
        hosts=routed(
            "quay.io",
            route(TAGS, 200, '{"tags":["v3"]}', Link=f"<{TAGS}?page=2>"),
            route(f"{TAGS}?page=2", 404, '{"errors":[{"code":"NAME_UNKNOWN"}]}'),
        ),
    ),
    "annotations of the tag that it goes to choose the platform, but not of a digest": Case(
        [
            stream(
                {
                    "name": "p",
                    "from": {"kind": "DockerImage", "name": MULTI},
                    "annotations": {f"{PREFER}arch": "arm64"},
                },
                {
                    "name": "q",
                    "from": {"kind": "DockerImage", "name": MULTI},
                    "annotations": {f"{PREFER}os": "windows"},
                },
            ),
            imports(
                image(MULTI, "p"),
                image(MULTI, "q"),
                image(MULTI, "r"),
                image(f"{MULTI}:windows", "q"),
                image(f"{MULTI}@{MULTI_DIGEST}", "p"),
                image(MULTI, "p", importMode="PreserveOriginal"),
            ),
        ],
        [
            ["generation 1", f"p | {MULTI} 1 Legacy/Source", f"q | {MULTI} 1 Legacy/Source"],
            [
                f"latest Success {MULTI}@4bc96813",
                f"latest Success {MULTI}@c5667778",
                f"latest Success {MULTI}@c5667778",
                f"windows Success {MULTI}@d3273b51",
                f"- Success {MULTI}@c5667778",
                f"latest Success {MULTI}@ac5554f8 +5",
            ],
        ],
    ),
    "the platform is the control plane's": Case(
        [imports(MULTI, f"{MULTI}:single")],
        [[f"latest Success {MULTI}@e058e89a", f"single Success {MULTI}@4bc96813"]],
        {"architecture": "s390x"},
    ),
    "the mode may be the cluster's": Case(
        [imports(f"{MULTI}:single", image(f"{MULTI}:single", importMode="Legacy"), repository=FEW)],
        [
            [
                f"single Success {MULTI}@a4409813 +1",
                f"single Success {MULTI}@4bc96813",
                "repository Success",
                f"  v1 Success {FEW}@3eb02289",
                "  more v2 v3",
            ]
        ],
        PRESERVING | ONE_TAG,
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", CHOOSING)
async def test_choosing(name: str, kind: TransportKind) -> None:
    await check(CHOOSING[name], kind)


# Mirrors

LIST_TYPE = "application/vnd.docker.distribution.manifest.list.v2+json"
MIRROR = "mirror.example.com/quay/app"
FIRST = "sha256:4bc96813caaaadb313da37b29080c663ee01a7498ba7dc01d68879ea2a64cbee"  # of what is in the list
NAME_UNKNOWN = "name unknown: repository name not known to registry"


def blob(digest: str) -> str:
    return Path(TREE, "blobs", "sha256", digest.removeprefix("sha256:")).read_text(encoding="utf-8")


def mirrored_list() -> dict[str, dict[str, Any]]:
    """A mirror that has a list, but nothing of what is in it."""
    path = f"/v2/quay/app/multi/manifests/{MULTI_DIGEST}"
    return routed("mirror.example.com", route(path, 200, blob(MULTI_DIGEST), Content_Type=LIST_TYPE))


def unusable(reason: str, named: str = f"quay.io/app/web@{NOWHERE}") -> str:
    why = f"unable to get all pull sources for {named}: rewriting reference: {reason}"
    return internal(f"[{why}, {gone(named).removeprefix('NotFound: ')}]")


MIRRORS = {
    "mirrors of digests are for digests": Case(
        [imports(f"{WEB}@{WEB_DIGEST}", WEB)],
        [[f"- Success {WEB}@13fe8e49", WEB_OK]],
        mirrored(WEB, f"{MIRROR}/web"),
        asked=[
            "GET /v2/",
            f"GET /v2/quay/app/web/manifests/{WEB_DIGEST}",
            f"GET /v2/quay/app/web/blobs/{WEB_CONFIG}",
            "GET /v2/",
            f"GET {LATEST}",
            f"GET /v2/app/web/blobs/{WEB_CONFIG}",
        ],
    ),
    "mirrors of tags are for tags, and may have others": Case(
        [imports(f"{WEB}@{WEB_DIGEST}", WEB)],
        [[f"- Success {WEB}@13fe8e49", f"latest Success {WEB}@59fd61b8"]],
        mirrored(WEB, f"{MIRROR}/web", tags=True),
    ),
    "tags are listed at the source": Case(
        [imports(repository=WEB)],
        [["repository Success", f"  latest Success {WEB}@59fd61b8", "  more v2.0 v1.0 2.0.1-rc1 2.0.0 1.0.0"]],
        mirrored(WEB, f"{MIRROR}/web", tags=True) | ONE_TAG,
    ),
    "one after the other, the source last": Case(
        [imports(f"{WEB}@{NOWHERE}")],
        [
            [
                "- "
                + internal(
                    f'[down.example.com/x/web@{NOWHERE}: Get "https://down.example.com/v2/": {REFUSED}, '
                    f'dockerimage.image.openshift.io "{MIRROR}/web@{NOWHERE}" not found, '
                    f'dockerimage.image.openshift.io "{WEB}@{NOWHERE}" not found]'
                )
            ]
        ],
        mirrored("quay.io/app", "down.example.com/x", MIRROR, "down.example.com/x"),
    ),
    "what is in a list that a mirror has is not looked for elsewhere": Case(
        [imports(f"{MULTI}@{MULTI_DIGEST}")],
        [[f"- {internal(f'{MULTI}@{MULTI_DIGEST}: {NAME_UNKNOWN}')}"]],
        mirrored("quay.io/app", MIRROR),
        mirrored_list(),
        asked=[
            "GET /v2/",
            f"GET /v2/quay/app/multi/manifests/{MULTI_DIGEST}",
            f"GET /v2/quay/app/multi/manifests/{AMD64}",
        ],
    ),
    "of a list that is kept it is": Case(
        [imports(image(f"{MULTI}@{MULTI_DIGEST}", importMode="PreserveOriginal"))],
        [[f"- Success {MULTI}@ac5554f8 +5"]],
        mirrored("quay.io/app", MIRROR),
        mirrored_list(),
    ),
    "a source among its mirrors is asked twice, and what it says said once": Case(
        [imports(image(MULTI, importMode="PreserveOriginal"))],
        [
            [
                "latest "
                + internal(
                    f"[{MIRROR}/multi@{FIRST}: {NAME_UNKNOWN}, "
                    f'dockerimage.image.openshift.io "{MULTI}@{FIRST}" not found, '
                    f'down.example.com/multi@{FIRST}: Get "https://down.example.com/v2/": {REFUSED}]'
                )
            ]
        ],
        mirrored("quay.io/app", MIRROR, "quay.io/app", "down.example.com"),
        routed("quay.io", route(f"/v2/app/multi/manifests/{FIRST}", 404, '{"errors":[{"code":"MANIFEST_UNKNOWN"}]}')),
        asked=[
            "GET /v2/",
            "GET /v2/app/multi/manifests/latest",  # a tag
            "GET /v2/",
            f"GET /v2/quay/app/multi/manifests/{FIRST}",
            *[f"GET /v2/app/multi/manifests/{FIRST}"] * 2,
        ],
    ),
    "a config that a mirror lacks is not looked for elsewhere": Case(
        [imports(f"{WEB}@{WEB_DIGEST}")],
        [[f"- {internal(f'{WEB}@{WEB_DIGEST}: unknown blob')}"]],
        mirrored("quay.io/app", MIRROR),
        routed("mirror.example.com", route(f"/v2/quay/app/web/blobs/{WEB_CONFIG}", 404)),
    ),
    "a mirror's name must be canonical": Case(
        [imports(f"nginx@{NOWHERE}")],
        [[f"- {unusable('repository name must be canonical', f'docker.io/library/nginx@{NOWHERE}')}"]],
        mirrored("docker.io/library/nginx", "docker.io/nginx"),
    ),
    "a mirror is no URL": Case(
        [imports(f"{WEB}@{NOWHERE}")],
        [[f"- {unusable('invalid reference format')}"]],
        mirrored("quay.io/app", MIRROR, "https://mirror.example.com/x"),
    ),
    "a mirror is asked as insecurely as its source": Case(
        [imports(image(f"{PLAIN}@{NOWHERE}", insecure=True), f"{WEB}@{WEB_DIGEST}")],
        [
            [
                "- "
                + internal(
                    f'[dockerimage.image.openshift.io "{SELF}@{NOWHERE}" not found, '
                    f'dockerimage.image.openshift.io "{PLAIN}@{NOWHERE}" not found]'
                ),
                f"- Success {WEB}@13fe8e49",
            ]
        ],
        {
            "idms": [
                *mirrored("plain.example.com:5000", "selfsigned.example.com")["idms"],
                *mirrored("quay.io", "selfsigned.example.com")["idms"],
            ],
            "insecureRegistries": ["selfsigned.example.com"],
        },
    ),
    "a registry of which a part is mirrored may be blocked": Case(
        [imports(f"{WEB}@{WEB_DIGEST}", repository=WEB)],
        [
            [
                "- Forbidden: forbidden: registry quay.io blocked",
                "repository Forbidden: forbidden: registry quay.io blocked",
            ]
        ],
        {**mirrored("quay.io/app", MIRROR), "blockedRegistries": ["quay.io"]},
    ),
    "one that is mirrored as a whole is not": Case(
        [imports(f"{WEB}@{WEB_DIGEST}", repository=WEB)],
        [
            [
                f"- Success {WEB}@13fe8e49",
                "repository Success",
                f"  {WEB_OK}",
                "  more v2.0 v1.0 2.0.1-rc1 2.0.0 1.0.0",
            ]
        ],
        {**mirrored("quay.io", "down.example.com"), "blockedRegistries": ["quay.io"]} | ONE_TAG,
    ),
    "a mirror has a password of its own": Case(
        [imports(f"private.example.com/secret/app@{NOWHERE}")],
        [
            [
                "- "
                + internal(
                    f'[dockerimage.image.openshift.io "basic.example.com/secret/app@{NOWHERE}" not found, '
                    f'incorrect username or password for image "private.example.com/secret/app@{NOWHERE}"]'
                )
            ]
        ],
        {
            **mirrored("private.example.com", "basic.example.com"),
            "secrets": [secret({"basic.example.com": ("me", "pass"), "private.example.com": ("me", "wrong")})],
        },
    ),
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", MIRRORS)
async def test_mirrors(name: str, kind: TransportKind) -> None:
    await check(MIRRORS[name], kind)

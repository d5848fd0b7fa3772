"""Many objects at once: lists by selectors and page by page, deletions of all that a list would show."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest
from support.api import GROUP, TABLE, ask, ask_json, image_import, new_cluster

from mirror.api.app import ApiCore
from mirror.api.around import groups_around
from mirror.store import MemoryStore, Store

STREAMS = f"{GROUP}/namespaces/demo/imagestreams"
LABELS = {"a": {"app": "web"}, "b": {"app": "api"}, "c": {"app": "web", "old": "yes"}, "d": {}, "e": {"app": "web"}}


async def filled(store: Store) -> ApiCore:
    api = ApiCore(new_cluster(store=store))
    for name, labels in LABELS.items():
        assert (await ask(api, "POST", STREAMS, {"metadata": {"name": name, "labels": labels}})).status == 201
    other = f"{GROUP}/namespaces/other/imagestreams"
    repository = {"metadata": {"name": "a"}, "spec": {"dockerImageRepository": "quay.io/app/web"}}
    assert (await ask(api, "POST", other, repository)).status == 201
    return api


def names(found: Any) -> list[str]:
    return [item["metadata"]["name"] for item in found["items"]]


def token(version: int | str, start: str) -> str:
    text = json.dumps({"v": "meta.k8s.io/v1", "rv": int(version), "start": start}, separators=(",", ":"))
    return base64.urlsafe_b64encode(text.encode()).rstrip(b"=").decode()


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (f"{STREAMS}?labelSelector=app%3Dweb", ["a", "c", "e"]),
        (f"{STREAMS}?labelSelector=app%3Dweb,!old", ["a", "e"]),
        (f"{STREAMS}?labelSelector=app+notin+(web)", ["b", "d"]),
        (f"{STREAMS}?fieldSelector=metadata.name%3Db", ["b"]),
        (f"{STREAMS}?fieldSelector=metadata.name!%3Db&labelSelector=app", ["a", "c", "e"]),
        (f"{STREAMS}?fieldSelector=metadata.namespace%3Dother", []),
        (f"{GROUP}/imagestreams?fieldSelector=metadata.namespace%3Dother", ["a"]),
        (f"{GROUP}/imagestreams?fieldSelector=spec.dockerImageRepository%3Dquay.io/app/web", ["a"]),
        (f"{GROUP}/imagestreams?fieldSelector=metadata.name%3Da", ["a", "a"]),
        (f"{STREAMS}?limit=-1", ["a", "b", "c", "d", "e"]),
        (f"{STREAMS}?limit=2&resourceVersion=0", ["a", "b", "c", "d", "e"]),
    ],
)
async def test_selected(target: str, expected: list[str], store: Store) -> None:
    status, found = await ask_json(await filled(store), "GET", target)
    assert (status, names(found)) == (200, expected)
    assert found["metadata"] == {"resourceVersion": "1005"}


async def test_page_after_page_of_one_version(store: Store) -> None:
    api = await filled(store)
    status, first = await ask_json(api, "GET", f"{STREAMS}?limit=2")
    assert names(first) == ["a", "b"]
    assert first["metadata"] == {
        "resourceVersion": "1005",
        "continue": token(1005, "/b\0"),
        "remainingItemCount": 3,
    }
    # What happens meanwhile is not seen.
    await ask(api, "DELETE", f"{STREAMS}/c")
    await ask(api, "POST", STREAMS, {"metadata": {"name": "cc"}})
    status, second = await ask_json(api, "GET", f"{STREAMS}?limit=2&continue={first['metadata']['continue']}")
    assert (status, names(second)) == (200, ["c", "d"])
    assert (second["metadata"]["resourceVersion"], second["metadata"]["remainingItemCount"]) == ("1005", 1)
    status, last = await ask_json(api, "GET", f"{STREAMS}?limit=2&continue={second['metadata']['continue']}")
    assert (names(last), last["metadata"]) == (["e"], {"resourceVersion": "1005"})
    _, found = await ask_json(api, "GET", f"{STREAMS}?limit=9&resourceVersion=1005")
    assert names(found) == ["a", "b", "c", "d", "e"]
    _, found = await ask_json(api, "GET", f"{STREAMS}?resourceVersion=1002&resourceVersionMatch=Exact")
    assert (names(found), found["metadata"]) == (["a", "b", "c"], {"resourceVersion": "1002"})
    _, found = await ask_json(api, "GET", f"{STREAMS}?resourceVersion=1002&resourceVersionMatch=NotOlderThan")
    assert names(found) == ["a", "b", "cc", "d", "e"]


async def test_pages_over_all_namespaces_and_with_selectors(store: Store) -> None:
    api = await filled(store)
    seen, target = [], f"{GROUP}/imagestreams?limit=2&labelSelector=app%3Dweb"
    query = ""
    while True:
        _, found = await ask_json(api, "GET", f"{target}{query}")
        seen.append(names(found))
        assert "remainingItemCount" not in found["metadata"], "nobody has looked at those that follow"
        if "continue" not in found["metadata"]:
            break
        query = f"&continue={found['metadata']['continue']}"
    assert seen == [["a", "c"], ["e"]]
    _, found = await ask_json(api, "GET", f"{GROUP}/imagestreams?limit=5", accept=TABLE)
    assert [row["cells"][0] for row in found["rows"]] == ["a", "b", "c", "d", "e"]
    assert found["metadata"]["remainingItemCount"] == 1
    _, found = await ask_json(api, "GET", f"{GROUP}/imagestreams?continue={found['metadata']['continue']}")
    assert [item["metadata"]["namespace"] for item in found["items"]] == ["other"]


async def test_a_list_that_is_too_long_ago() -> None:
    api = await filled(MemoryStore(history=2))
    _, first = await ask_json(api, "GET", f"{STREAMS}?limit=2")
    for number in range(4):
        await ask(api, "POST", STREAMS, {"metadata": {"name": f"f{number}"}})
    status, refused = await ask_json(api, "GET", f"{STREAMS}?limit=2&continue={first['metadata']['continue']}")
    assert (status, refused["reason"], refused["code"]) == (410, "Expired", 410)
    assert refused["message"].startswith("The provided continue parameter is too old to display a consistent list")
    status, rest = await ask_json(api, "GET", f"{STREAMS}?limit=2&continue={refused['metadata']['continue']}")
    assert (status, names(rest), rest["metadata"]["resourceVersion"]) == (200, ["c", "d"], "1009")
    status, refused = await ask_json(api, "GET", f"{STREAMS}?limit=2&resourceVersion=1001")
    assert (status, refused["message"]) == (410, "The resourceVersion for the provided list is too old.")


@pytest.mark.parametrize(
    ("query", "status", "message"),
    [
        ("labelSelector=a%3Db%3Dc", 400, "found '=', expected: ',' or 'end of string'"),
        ("fieldSelector=junk", 400, "invalid selector: 'junk'; can't understand 'junk'"),
        (
            "fieldSelector=spec.foo%3Dx",
            400,
            '"spec.foo" is not a known field selector: only "metadata.name", "metadata.namespace"',
        ),
        ("limit=abc", 400, 'strconv.ParseInt: parsing "abc": invalid syntax'),
        ("timeoutSeconds=", 400, 'strconv.ParseInt: parsing "": invalid syntax'),
        (
            "resourceVersion=abc",
            400,
            (
                'invalid resource version: resourceVersion: Invalid value: "abc": '
                'strconv.ParseUint: parsing "abc": invalid syntax'
            ),
        ),
        ("resourceVersion=99999", 504, "Timeout: Too large resource version: 99999, current: 1005"),
        (
            "resourceVersionMatch=Exact",
            422,
            (
                'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Forbidden: '
                "resourceVersionMatch is forbidden unless resourceVersion is provided"
            ),
        ),
        (
            "resourceVersion=1&resourceVersionMatch=Best",
            422,
            (
                'ListOptions.meta.k8s.io "" is invalid: resourceVersionMatch: Unsupported value: "Best": '
                'supported values: "Exact", "NotOlderThan", ""'
            ),
        ),
        (
            "sendInitialEvents=true",
            422,
            (
                'ListOptions.meta.k8s.io "" is invalid: sendInitialEvents: Forbidden: '
                "sendInitialEvents is forbidden for list"
            ),
        ),
        ("continue=!", 400, "invalid continue token: continue key is not valid: illegal base64 data at input byte 0"),
        (
            f"continue={token(0, 'a')}",
            400,
            (
                "invalid continue token: continue key is not valid: "
                "incorrect encoded start resourceVersion (version meta.k8s.io/v1)"
            ),
        ),
        (
            f"continue={token(1005, '')}",
            400,
            "invalid continue token: continue key is not valid: encoded start key empty (version meta.k8s.io/v1)",
        ),
        (
            f"continue={token(1005, '/../x')}",
            400,
            "invalid continue token: continue key is not valid: /../x",
        ),
        (
            f"continue={token(1005, 'abc')[:-4]}",
            400,
            "invalid continue token: continue key is not valid: unexpected end of JSON input",
        ),
        (
            f"resourceVersion=5&continue={token(1005, '/a' + chr(0))}",
            400,
            "specifying resource version is not allowed when using continue",
        ),
    ],
)
async def test_refused(query: str, status: int, message: str) -> None:
    api = await filled(MemoryStore())
    for method in ("GET", "DELETE"):
        found = await ask_json(api, method, f"{STREAMS}?{query}")
        assert (found[0], found[1]["message"]) == (status, message)
    _, found_all = await ask_json(api, "GET", STREAMS)
    assert len(names(found_all)) == 5


async def test_tags_are_selected_by_their_streams(store: Store) -> None:
    api = ApiCore(new_cluster(store=store))
    for name in ("one", "two"):
        await ask(
            api, "POST", f"{GROUP}/namespaces/demo/imagestreamimports", image_import(name, "quay.io/app/web:latest")
        )
    await ask(
        api,
        "PATCH",
        f"{STREAMS}/two",
        {"metadata": {"labels": {"x": "y"}}},
        content_type="application/merge-patch+json",
    )
    for resource in ("imagestreamtags", "imagetags"):
        tags = f"{GROUP}/namespaces/demo/{resource}"
        for query, expected in (
            ("labelSelector=x%3Dy", ["two:latest"]),
            ("fieldSelector=metadata.name%3Dtwo:latest", []),
            ("fieldSelector=metadata.name%3Dtwo", []),
            ("fieldSelector=metadata.name!%3Dtwo", ["one:latest"]),
            ("fieldSelector=metadata.namespace%3Ddemo", ["one:latest", "two:latest"]),
            ("limit=1", ["one:latest"]),
        ):
            status, found = await ask_json(api, "GET", f"{tags}?{query}")
            assert (status, names(found), found["metadata"]) == (200, expected, {})
        status, found = await ask_json(api, "GET", f"{tags}?fieldSelector=spec.tag%3Da")
        assert (status, found["message"][:10]) == (400, '"spec.tag"')
        assert (await ask(api, "DELETE", tags)).status == 405


# Deleting


async def test_what_a_list_shows_is_deleted(store: Store) -> None:
    api = await filled(store)
    status, found = await ask_json(api, "DELETE", f"{STREAMS}?labelSelector=app%3Dweb&dryRun=All")
    assert (status, names(found)) == (200, ["a", "c", "e"])
    body = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
    status, found = await ask_json(api, "DELETE", f"{STREAMS}?labelSelector=app%3Dweb", body)
    assert (status, found["kind"], names(found)) == (200, "ImageStreamList", ["a", "c", "e"])
    _, left = await ask_json(api, "GET", STREAMS)
    assert names(left) == ["b", "d"]
    status, found = await ask_json(api, "DELETE", STREAMS, accept=TABLE)
    assert (status, [row["cells"][0] for row in found["rows"]]) == (200, ["b", "d"])
    _, left = await ask_json(api, "GET", f"{GROUP}/imagestreams")
    assert [item["metadata"]["namespace"] for item in left["items"]] == ["other"]
    assert (await ask(api, "DELETE", f"{GROUP}/imagestreams")).status == 405


async def test_preconditions_hold_for_each(store: Store) -> None:
    api = await filled(store)
    status, refused = await ask_json(api, "DELETE", STREAMS, {"preconditions": {"uid": "x"}})
    assert (status, refused["reason"], refused["details"]["kind"]) == (409, "Conflict", "ImageStream")
    _, left = await ask_json(api, "GET", STREAMS)
    assert len(names(left)) == 5


async def test_images_secrets_and_mirror_sets_are_deleted_so(store: Store) -> None:
    cluster = new_cluster(store=store)
    around = await groups_around(cluster)
    api = ApiCore(cluster, around.groups, None, around.namespaces)
    await ask(api, "POST", f"{GROUP}/namespaces/demo/imagestreamimports", image_import("one", "quay.io/app/web:latest"))
    secrets = "/api/v1/namespaces/demo/secrets"
    for name in ("s", "t"):
        await ask(api, "POST", secrets, {"metadata": {"name": name}, "type": f"example.com/{name}"})
    mirrors = "/apis/config.openshift.io/v1/imagedigestmirrorsets"
    mirror = {"source": "quay.io/app", "mirrors": ["mirror.example.com/app"]}
    await ask(api, "POST", mirrors, {"metadata": {"name": "m"}, "spec": {"imageDigestMirrors": [mirror]}})
    _, found = await ask_json(api, "GET", f"{secrets}?fieldSelector=type%3Dexample.com/t")
    assert names(found) == ["t"]
    status, found = await ask_json(api, "GET", f"{secrets}?fieldSelector=data%3Dx")
    assert (status, found["message"]) == (400, "field label not supported: data")
    for target in (f"{GROUP}/images", secrets, mirrors):
        status, found = await ask_json(api, "DELETE", target)
        assert (status, len(found["items"]) > 0) == (200, True)
        _, found = await ask_json(api, "GET", target)
        assert found["items"] == []
    body = image_import("two", "quay.io/app/web:latest")
    _, found = await ask_json(api, "POST", f"{GROUP}/namespaces/demo/imagestreamimports", body)
    assert found["status"]["images"][0]["status"]["status"] == "Success"
    assert (await ask(api, "DELETE", "/api/v1/namespaces")).status == 405

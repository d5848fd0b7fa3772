"""Objects from files: what is created, what is left alone, what is refused."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.api import GROUP, ask_json, new_cluster

from mirror.api.app import ApiCore
from mirror.api.around import groups_around
from mirror.errors import InputError
from mirror.loading import load_objects

FILE = """
apiVersion: v1
kind: Namespace
metadata: {name: demo}
---
apiVersion: v1
kind: List
items:
- apiVersion: v1
  kind: Secret
  metadata: {name: s, namespace: demo}
  stringData: {a: b}
- apiVersion: image.openshift.io/v1
  kind: ImageStream
  metadata: {name: web, namespace: demo, uid: old, resourceVersion: "77", generation: 5}
  spec: {tags: [{name: t, from: {kind: DockerImage, name: 'quay.io/app/web:latest'}}]}
  status:
    dockerImageRepository: ""
    tags:
    - tag: t
      items: [{created: "2025-01-01T00:00:00Z", dockerImageReference: quay.io/app/web:latest, image: "", generation: 1}]
---
apiVersion: image.openshift.io/v1
kind: ImageStreamImport
metadata: {name: imported}
spec: {import: true, bogus: 1, images: [{from: {kind: DockerImage, name: 'quay.io/app/web:latest'}}]}
"""


async def new_api() -> ApiCore:
    cluster = new_cluster()
    around = await groups_around(cluster)
    return ApiCore(cluster, around.groups, namespaces=around.namespaces)


async def test_objects_are_created_in_order(tmp_path: Path) -> None:
    file = tmp_path / "objects.yaml"
    file.write_text(FILE)
    api = await new_api()
    loaded = await load_objects(api, [str(file)])
    assert [(one.name, one.created) for one in loaded] == [
        ("namespaces/demo", True),
        ("secrets/demo/s", True),
        ("imagestreams/demo/web", True),
        ("imagestreamimports/default/imported", True),
    ]
    assert loaded[2].source == f"{file}, document 2, items[1]"
    assert loaded[3].warnings == ['299 - "unknown field \\"spec.bogus\\""']
    _, stream = await ask_json(api, "GET", f"{GROUP}/namespaces/demo/imagestreams/web")
    assert stream["metadata"]["generation"] == 1
    assert stream["status"]["tags"][0]["items"][0]["created"] == "2025-01-01T00:00:00Z"
    assert (await ask_json(api, "GET", f"{GROUP}/namespaces/default/imagestreams/imported"))[0] == 200


async def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "objects.yaml"
    file.write_text(FILE)
    api = await new_api()
    await load_objects(api, [str(file)])
    assert [one.created for one in await load_objects(api, [str(file)])] == [False, False, False, True]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- a", "no object"),
        ("{}", "found kind none, apiVersion none; expected an object of a kind that can be created here"),
        (
            "{apiVersion: v1, kind: Pod, metadata: {}}",
            "found kind Pod, apiVersion v1; expected an object of a kind that",
        ),
        ("{apiVersion: v1, kind: Secret}", "metadata: expected an object"),
        (
            "{apiVersion: image.openshift.io/v1, kind: ImageStream, metadata: {name: Up}}",
            'ImageStream.image.openshift.io "Up" is invalid: metadata.name: Invalid value: "Up": must match',
        ),
        ("a: [", "yaml: "),
    ],
)
async def test_what_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    file = tmp_path / "objects.yaml"
    file.write_text(text)
    with pytest.raises(InputError) as caught:
        await load_objects(await new_api(), [str(file)])
    assert str(caught.value).startswith(f"{file}: ")
    assert problem in str(caught.value)


async def test_files_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="No such file"):
        await load_objects(await new_api(), [str(tmp_path / "none.yaml")])

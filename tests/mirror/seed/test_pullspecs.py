"""What files say that images are: streams, imports, lists of other tools, in every form that they come in."""

from __future__ import annotations

import json
from io import BytesIO
from pathlib import Path

import pytest

from mirror.errors import InputError
from mirror.seed.pullspecs import pull_specs_of
from mirror.seed.streams import sources_of

DIGEST = "sha256:" + "1" * 64
STREAM = """\
kind: ImageStream
apiVersion: image.openshift.io/v1
metadata: {name: app}
spec:
  dockerImageRepository: quay.io/team/app
  tags:
    - {name: "1", from: {kind: DockerImage, name: "quay.io/team/web:1"}}
    - {name: latest, from: {kind: ImageStreamTag, name: "1"}}
    - {name: none}
    - {name: two, from: {kind: DockerImage, name: nginx}}
"""
IMPORT = """\
kind: ImageStreamImport
spec:
  import: true
  images:
    - {from: {kind: DockerImage, name: "quay.io/a@DIGEST"}, to: {name: x}}
  repository: {from: {kind: DockerImage, name: "registry.example.com:5000/b"}}
""".replace("DIGEST", DIGEST)
V1ALPHA2 = """\
apiVersion: mirror.openshift.io/v1alpha2
kind: ImageSetConfiguration
storageConfig: {local: {path: ./out}}
mirror:
  operators: [{catalog: "registry.example.com/index:v4", packages: [{name: x}]}]
  additionalImages:
    - name: registry.example.com/ubi8:latest
    - name: quay.io/team/tool@DIGEST
""".replace("DIGEST", DIGEST)
V2ALPHA1 = """\
apiVersion: mirror.openshift.io/v2alpha1
kind: ImageSetConfiguration
mirror:
  additionalImages: [{name: "docker://quay.io/a:1"}, {name: "quay.io/b"}, {name: "quay.io/c:3"}]
  blockedImages: [{name: "quay.io/c:3"}]
"""
LIST = f"""\
# images of the release
quay.io/team/app:1.0   # the newest
docker://nginx

registry.example.com:5000/b@{DIGEST}
"""

CASES = {
    "stream": (STREAM, ["quay.io/team/web:1", "docker.io/library/nginx:latest", "quay.io/team/app"]),
    "import": (IMPORT, [f"quay.io/a@{DIGEST}", "registry.example.com:5000/b"]),
    "several documents": (
        f"---\n{STREAM}--- # next\n{IMPORT}",
        [
            *("quay.io/team/web:1", "docker.io/library/nginx:latest", "quay.io/team/app"),
            *(f"quay.io/a@{DIGEST}", "registry.example.com:5000/b"),
        ],
    ),
    "list": (
        json.dumps(
            {
                "kind": "List",
                "items": [
                    {"kind": "Secret", "data": {}},
                    {"kind": "ImageStream", "spec": {"dockerImageRepository": "quay.io/a:9"}},
                ],
            }
        ),
        ["quay.io/a"],
    ),
    "typed list": (
        json.dumps({"kind": "ImageStreamList", "items": [{"spec": {"dockerImageRepository": "quay.io/a"}}]}),
        ["quay.io/a"],
    ),
    "template": (
        json.dumps(
            {
                "kind": "Template",
                "objects": [
                    {
                        "kind": "ImageStream",
                        "spec": {"tags": [{"from": {"kind": "DockerImage", "name": "quay.io/a:1"}}]},
                    }
                ],
            }
        ),
        ["quay.io/a:1"],
    ),
    "oc-mirror v1alpha2": (V1ALPHA2, ["registry.example.com/ubi8:latest", f"quay.io/team/tool@{DIGEST}"]),
    "oc-mirror v2alpha1": (V2ALPHA1, ["quay.io/a:1", "quay.io/b:latest"]),
    "pull specs": (
        LIST,
        ["quay.io/team/app:1.0", "docker.io/library/nginx:latest", f"registry.example.com:5000/b@{DIGEST}"],
    ),
    "pull specs with Windows line ends": ("quay.io/a:1\r\nquay.io/b:2\r\n", ["quay.io/a:1", "quay.io/b:2"]),
    "pull specs in YAML": ("- quay.io/a:1\n- quay.io/b\n", ["quay.io/a:1", "quay.io/b:latest"]),
    "pull specs in JSON": ('["quay.io/a:1"]', ["quay.io/a:1"]),
    "twice the same": ("quay.io/a:1\nquay.io/a:1\nquay.io/a:2\n", ["quay.io/a:1", "quay.io/a:2"]),
}


@pytest.mark.parametrize("name", CASES)
def test_what_a_file_names(name: str, tmp_path: Path) -> None:
    text, expected = CASES[name]
    path = tmp_path / "file"
    path.write_bytes(text.encode())
    sources, refused = sources_of(pull_specs_of([path]))
    assert (list(map(str, sources)), refused) == (expected, [])
    piped, _ = sources_of(pull_specs_of([Path("-")], BytesIO(text.encode())))
    assert piped == sources


def test_directories_are_walked_for_documents(tmp_path: Path) -> None:
    (tmp_path / "b").mkdir()
    (tmp_path / "b" / "one.yaml").write_text(V2ALPHA1)
    (tmp_path / "a.json").write_text('{"kind": "ConfigMap"}')
    (tmp_path / "c.yml").write_text(IMPORT)
    (tmp_path / "notes.txt").write_text("quay.io/not/this:1\n")
    found = [spec.text for spec in pull_specs_of([tmp_path])]
    assert found == [f"quay.io/a@{DIGEST}", "registry.example.com:5000/b", "quay.io/a:1", "quay.io/b"]


NOTHING = "no image stream in it that names an image, and no list of images"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", NOTHING),
        ("# nothing but words\n", NOTHING),
        ("kind: Deployment\n", NOTHING),
        ('{"kind": "ImageStream", "spec": {"tags": [{"from": {"kind": "ImageStreamTag", "name": "a:1"}}]}}', NOTHING),
        ("kind: ImageStream\nspec: []\n", NOTHING),
        ("kind: [\n", "error converting YAML to JSON: yaml: line 1: "),
        ("\xff\xfe", NOTHING),
    ],
)
def test_files_without_images_are_named(text: str, problem: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(InputError) as raised:
        pull_specs_of([path])
    assert str(raised.value).startswith(f"{path}: {problem}")


def test_what_is_no_pull_spec_does_not_stop_the_others(tmp_path: Path) -> None:
    path = tmp_path / "images.txt"
    path.write_text("quay.io/a:1\nquay.io/UPPER/b:1\nquay.io/c:2\n")
    sources, refused = sources_of(pull_specs_of([path]))
    assert list(map(str, sources)) == ["quay.io/a:1", "quay.io/c:2"]
    assert [(one.image, one.status) for one in refused] == [("quay.io/UPPER/b:1", "failed")]
    assert refused[0].reason.startswith(f"{path}, line 2: quay.io/UPPER/b:1: ")


def test_what_is_not_copied_of_an_image_set_is_said(tmp_path: Path) -> None:
    path = tmp_path / "imageset.yaml"
    sections = "  platform: {channels: [{name: stable-4.22}]}\n  helm: {}\n  later: [1]\n"
    path.write_text(V1ALPHA2 + sections)
    said: list[str] = []
    assert len(pull_specs_of([path], passed_over=said.append)) == 2
    assert [line.partition(": not copied: ")[0] for line in said] == [
        f"{path}: mirror.{section}" for section in ("later", "operators", "platform")
    ]
    assert said[2].endswith("'oc adm release mirror' writes releases to files, which 'ismirror seed archive' reads")

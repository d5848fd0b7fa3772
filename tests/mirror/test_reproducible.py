"""Same specs, same tree, same clock: the same bytes, whatever the machine and however the images travel."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from support.command import NOW, TREE, ismirror, served_registry

POLICY = """\
cluster:
  maxImagesBulkImportedPerRepository: 7
  blockedRegistries: [blocked.example.com]
  secrets:
    - {apiVersion: v1, kind: Secret, metadata: {name: pull}, type: kubernetes.io/dockerconfigjson,
       stringData: {.dockerconfigjson: '{"auths": {"private.example.com": {"username": "me", "password": "pass"},
                                                   "basic.example.com": {"username": "me", "password": "no"}}}'}}
  itms:
    - {apiVersion: config.openshift.io/v1, kind: ImageTagMirrorSet, metadata: {name: mirrors},
       spec: {imageTagMirrors: [{source: quay.io/app/web, mirrors: [mirror.example.com/quay/app/web,
                                                                    plain.example.com:5000/app]}]}}
hosts:
  quay.io: {scheme: https, page: 3}
  docker.io: {}
  mirror.example.com: {}
  plain.example.com:5000: {scheme: http}
  selfsigned.example.com: {scheme: selfsigned}
  private.example.com: {auth: {type: bearer, username: me, password: pass}}
  basic.example.com: {auth: {type: basic, username: me, password: pass}}
"""

SPECS = """\
kind: ImageStreamImport
apiVersion: image.openshift.io/v1
metadata: {name: many}
spec:
  import: true
  repository: {from: {kind: DockerImage, name: quay.io/app/many}}
  images:
    - {from: {kind: DockerImage, name: quay.io/app/multi}, importPolicy: {importMode: PreserveOriginal}}
    - {from: {kind: DockerImage, name: nginx}, to: {name: nginx}}
    - {from: {kind: DockerImage, name: private.example.com/secret/app}, to: {name: private}}
    - {from: {kind: DockerImage, name: basic.example.com/secret/app}, to: {name: basic}}
---
kind: ImageStreamImport
apiVersion: image.openshift.io/v1
metadata: {name: shapes, labels: {c: "3", a: "1", b: "2"}, annotations: {z: "1", y: "2"}}
spec:
  import: true
  repository: {from: {kind: DockerImage, name: quay.io/app/shapes}, importPolicy: {importMode: PreserveOriginal}}
  images:
    - {from: {kind: DockerImage, name: "quay.io/app/web:1.0"}}
    - {from: {kind: DockerImage, name: selfsigned.example.com/app}, importPolicy: {insecure: true}}
    - {from: {kind: DockerImage, name: selfsigned.example.com/app:1.0}}
    - {from: {kind: DockerImage, name: blocked.example.com/app}}
    - {from: {kind: DockerImage, name: "plain.example.com:5000/app"}, importPolicy: {insecure: true}}
---
kind: ImageStreamImport
apiVersion: image.openshift.io/v1
metadata: {name: many}
spec:
  import: true
  repository: {from: {kind: DockerImage, name: quay.io/app/broken}}
---
kind: ImageStreamImport
apiVersion: image.openshift.io/v1
metadata: {name: Bad/Name, annotations: {"bad key": x, "other bad key": x}}
spec: {import: true, images: []}
"""


class Inputs:
    """Specs and policy in files, and how to run them."""

    def __init__(self, folder: Path) -> None:
        (folder / "specs.yaml").write_text(SPECS)
        (folder / "policy.yaml").write_text(POLICY)
        self.folder = folder

    def run(self, *arguments: str, form: str = "json", seed: str = "0") -> str:
        """What the import prints on standard output."""
        outcome = ismirror(
            *("import", "specs.yaml", "--policy", "policy.yaml", "--now", NOW, "-o", form, *arguments),
            environment={"PYTHONHASHSEED": seed},
            cwd=self.folder,
        )
        assert outcome.exit_code == 1, outcome.stderr
        return outcome.stdout


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    return Inputs(tmp_path)


RUNS = [
    ("0", "embedded", "1"),
    ("1", "http", "64"),
    ("1", "embedded", "64"),
    ("0", "http", "1"),
    ("77", "http", "8"),
]
"""Hash seed, transport and concurrency. The ports are others each time."""


@pytest.mark.parametrize(("form", "runs"), [("json", RUNS), ("yaml", RUNS[:2]), ("table", RUNS[:2])])
def test_same_bytes(inputs: Inputs, form: str, runs: list[tuple[str, str, str]]) -> None:
    printed = {
        inputs.run("--data", TREE, "--transport", kind, "--concurrency", concurrency, form=form, seed=seed)
        for seed, kind, concurrency in runs
    }
    assert len(printed) == 1


def test_the_specs_are_worth_it(inputs: Inputs) -> None:
    answers = json.loads(inputs.run("--data", TREE))["items"]
    assert [answer["kind"] for answer in answers] == [
        "ImageStreamImport",
        "ImageStreamImport",
        "ImageStreamImport",
        "Status",
    ]
    statuses = [
        result["status"].get("reason", "Success")
        for answer in answers[:3]
        for result in (*answer["status"].get("images", ()), *answer["status"]["repository"]["images"])
    ]
    assert statuses.count("Success") > 15
    assert {"Forbidden", "InternalError", "NotFound", "Unauthorized"} <= set(statuses)
    assert NOW in json.dumps(answers)


def test_same_bytes_through_any_server(inputs: Inputs) -> None:
    expected = inputs.run("--data", TREE)
    for _ in range(2):
        with served_registry(TREE, "--config", str(inputs.folder / "policy.yaml")) as served:
            connected = inputs.run("--connect", served.address, "--ca", str(served.ca), "--concurrency", "16")
        assert connected == expected

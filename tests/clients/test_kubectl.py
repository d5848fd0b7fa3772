"""kubectl against the API: the one on the PATH, and 1.20, the last that reads OpenAPI only as a protocol buffer.

``KUBECTL_1_20`` names the old one where it is not on the PATH.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fake_registry import FakeRegistry
from mirror import ImageApi

pytestmark = pytest.mark.clients

NOW = "2026-01-02T03:04:05Z"
REPOSITORY = "image-registry.openshift-image-registry.svc:5000/default/web"


def clients() -> list[Any]:
    """The programs there are, each once."""
    found = {"PATH": shutil.which("kubectl"), "1.20": os.environ.get("KUBECTL_1_20")}
    return [
        pytest.param(path, id=name, marks=pytest.mark.skipif(path is None, reason=f"no kubectl: {name}"))
        for name, path in found.items()
    ]


class Kubectl:
    """Runs a kubectl with the kubeconfig of an API."""

    def __init__(self, program: str, api: ImageApi, home: Path) -> None:
        self.program = program
        self.home = home
        self.environment = os.environ | api.environment() | {"HOME": str(home), "NO_PROXY": "*", "no_proxy": "*"}

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        """Begins a command."""
        return subprocess.Popen(
            [self.program, *arguments],
            env=self.environment,
            cwd=self.home,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def exit_code(self, *arguments: str, code: int = 0) -> str:
        """What a command prints, which ends with an exit code."""
        with self.start(*arguments) as process:
            try:
                output, errors = process.communicate()
            finally:
                process.kill()
        assert process.returncode == code, f"{arguments}: {output}{errors}"
        return output if code == 0 else output + errors

    def __call__(self, *arguments: str) -> str:
        """What a command prints, which goes well."""
        return self.exit_code(*arguments)

    def json(self, *arguments: str) -> Any:
        """The object that a command prints."""
        return json.loads(self(*arguments, "-o", "json"))


@pytest.fixture(params=clients())
def kubectl(request: pytest.FixtureRequest, image_api: ImageApi, tmp_path: Path) -> Kubectl:
    """A kubectl in a directory of its own."""
    return Kubectl(request.param, image_api, tmp_path)


@pytest.fixture
def digest(fake_registry: FakeRegistry) -> str:
    """The digest of an image of two tags."""
    return fake_registry.push_image("quay.io/app/web:latest", tags=["1.0"])


@pytest.fixture
def manifest(digest: str, tmp_path: Path) -> Path:
    """The file of an image stream."""
    del digest
    return write(tmp_path / "stream.yaml", {"app": "web"})


def write(path: Path, labels: dict[str, str]) -> Path:
    tag = {"name": "latest", "from": {"kind": "DockerImage", "name": "quay.io/app/web:latest"}}
    document = {
        "apiVersion": "image.openshift.io/v1",
        "kind": "ImageStream",
        "metadata": {"name": "web", "labels": labels},
        "spec": {"tags": [tag]},
    }
    path.write_text(json.dumps(document))
    return path


@pytest.fixture
def stream(kubectl: Kubectl, manifest: Path, image_api: ImageApi) -> Iterator[str]:
    """An image stream that was applied, and whose tag was imported."""
    assert kubectl("apply", "-f", str(manifest)) == "imagestream.image.openshift.io/web created\n"
    image_api.settle()
    yield "web"
    assert not [one for one in image_api.requests if one.status >= 500]


def test_what_there_is(kubectl: Kubectl) -> None:
    table = [line.split() for line in kubectl("api-resources", "--no-headers").splitlines()]
    names = {(line[0], line[-3]) for line in table}
    assert names >= {
        ("imagestreams", "image.openshift.io/v1"),
        ("imagestreamtags", "image.openshift.io/v1"),
        ("secrets", "v1"),
        ("imagedigestmirrorsets", "config.openshift.io/v1"),
    }
    assert "image.openshift.io/v1\n" in kubectl("api-versions")
    assert kubectl("version").count("Version") >= 2
    assert kubectl("get", "--raw", "/healthz") == "ok"
    assert "is running at" in kubectl("cluster-info")
    assert kubectl("get", "services", "-A") == ""
    assert kubectl("get", "all") == ""


@pytest.mark.image_api(now=NOW)
def test_every_format(kubectl: Kubectl, stream: str, digest: str) -> None:
    header, row = kubectl("get", "is").splitlines()
    assert header.split() == ["NAME", "IMAGE", "REPOSITORY", "TAGS", "UPDATED"]
    assert row.split()[:3] == [stream, REPOSITORY, "latest"]
    assert kubectl("get", "is", "-o", "wide").splitlines()[0] == header
    assert kubectl("get", "is", "-L", "app", "--show-labels").splitlines()[1].split()[-2:] == ["web", "app=web"]
    assert "imagestream.image.openshift.io/web" in kubectl("get", "is,istag", "-A")
    assert kubectl("get", "is", "-o", "name") == "imagestream.image.openshift.io/web\n"
    assert kubectl("get", "is", "-o", "jsonpath={.items[*].status.tags[*].items[*].image}") == digest
    assert kubectl("get", "is", "-o", "custom-columns=N:.metadata.name,T:.status.tags[*].tag").split() == [
        *("N", "T", "web", "latest")
    ]
    assert kubectl("get", "is", "-o", "go-template={{range .items}}{{.metadata.name}};{{end}}") == "web;"
    assert kubectl.json("get", "is", "web")["metadata"]["creationTimestamp"] == NOW
    assert f'creationTimestamp: "{NOW}"' in kubectl("get", "is", "web", "-o", "yaml")
    assert kubectl.json("get", "istag", "web:latest")["image"]["metadata"]["name"] == digest
    assert kubectl("get", "istag", "web:latest", "-o", "wide").split()[-1] == digest
    described = kubectl("describe", "is", "web")
    assert "Labels:       app=web" in described
    assert digest in described


def test_selectors_and_pages(kubectl: Kubectl, stream: str) -> None:
    for number in range(5):
        kubectl("create", "namespace", f"n{number}")
    assert kubectl("get", "is", "-l", "app=web", "-o", "name") == f"imagestream.image.openshift.io/{stream}\n"
    assert kubectl("get", "is", "-l", "app!=web", "-o", "name") == ""
    assert kubectl("get", "is", "--field-selector", "metadata.name=web", "-o", "name").endswith("/web\n")
    assert len(kubectl("get", "ns", "-o", "name", "--chunk-size=2").splitlines()) == 8
    assert kubectl("get", "is", "--sort-by=.metadata.name", "-o", "name").endswith("/web\n")


def test_watching(kubectl: Kubectl, stream: str) -> None:
    with kubectl.start("get", "is", "-w", "-o", "name") as watching:
        try:
            assert watching.stdout is not None
            assert watching.stdout.readline() == "imagestream.image.openshift.io/web\n"
            kubectl("label", "is", stream, "watched=yes")
            assert watching.stdout.readline() == "imagestream.image.openshift.io/web\n"
        finally:
            watching.kill()


def test_changing(kubectl: Kubectl, stream: str) -> None:
    kubectl("label", "is", stream, "by=label")
    kubectl("annotate", "is", stream, "by=annotate")
    kubectl("patch", "is", stream, "-p", '{"metadata":{"labels":{"strategic":"1"}}}')
    kubectl("patch", "is", stream, "--type=merge", "-p", '{"metadata":{"labels":{"merge":"1"}}}')
    kubectl("patch", "is", stream, "--type=json", "-p", '[{"op":"remove","path":"/metadata/labels/app"}]')
    meta = kubectl.json("get", "is", stream)["metadata"]
    assert meta["labels"] == {"by": "label", "strategic": "1", "merge": "1"}
    assert meta["annotations"]["by"] == "annotate"
    assert "no change" in kubectl("patch", "is", stream, "--type=merge", "-p", '{"metadata":{"labels":{"merge":"1"}}}')
    refused = kubectl.exit_code("patch", "is", stream, "--type=json", "-p", '[{"op":"remove","path":"/x"}]', code=1)
    assert "The request is invalid" in refused


def test_applying(kubectl: Kubectl, stream: str, manifest: Path) -> None:
    write(manifest, {"app": "other"})
    assert kubectl("apply", "--dry-run=server", "-f", str(manifest)).endswith("configured (server dry run)\n")
    assert kubectl.json("get", "is", stream)["metadata"]["labels"] == {"app": "web"}
    shown = kubectl.exit_code("diff", "-f", str(manifest), code=1)
    assert "-    app: web" in shown
    assert "+    app: other" in shown
    assert kubectl("apply", "-f", str(manifest)).endswith("configured\n")
    assert kubectl("apply", "--server-side", "--force-conflicts", "-f", str(manifest)).endswith("serverside-applied\n")
    assert kubectl.json("get", "is", stream)["metadata"]["labels"] == {"app": "other"}
    assert kubectl("replace", "-f", str(write(manifest, {"app": "new"}))).endswith("replaced\n")
    assert f'imagestream.image.openshift.io "{stream}" deleted' in kubectl("delete", "-f", str(manifest))
    assert "NotFound" in kubectl.exit_code("get", "is", stream, code=1)


def test_conflicts_of_server_side_apply(kubectl: Kubectl, manifest: Path) -> None:
    kubectl("apply", "--server-side", "--field-manager=one", "-f", str(manifest))
    write(manifest, {"app": "other"})
    refused = kubectl.exit_code("apply", "--server-side", "--field-manager=two", "-f", str(manifest), code=1)
    assert 'conflict with "one"' in refused
    assert ".metadata.labels.app" in refused


def test_waiting_for_the_end(kubectl: Kubectl, stream: str) -> None:
    with kubectl.start("wait", "--for=delete", f"is/{stream}", "--timeout=60s") as waiting:
        timer = threading.Timer(0.5, kubectl, ("delete", "is", stream))
        timer.start()
        output, errors = waiting.communicate()
        timer.join()
    assert (waiting.returncode, output) == (0, f"imagestream.image.openshift.io/{stream} condition met\n"), errors


def test_explaining(kubectl: Kubectl) -> None:
    assert "mapping of tags to images" in " ".join(kubectl("explain", "is").split())
    assert "clusterIP" in kubectl("explain", "service.spec")
    assert "<string>" in kubectl("explain", "imagestream.spec.tags.from")
    listed = kubectl("explain", "is", "--recursive")
    assert all(name in listed for name in ("lookupPolicy", "importPolicy", "scheduled", "publicDockerImageRepository"))
    assert "stringData" in kubectl("explain", "secret")
    assert "does not exist" in kubectl.exit_code("explain", "is.spec.nothing", code=1)


def test_validation_of_clients(kubectl: Kubectl, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("apiVersion: image.openshift.io/v1\nkind: ImageStream\nmetadata:\n  name: a\nspec:\n  tag: []\n")
    refused = kubectl.exit_code("apply", "-f", str(wrong), code=1)
    assert 'unknown field "spec.tag"' in refused or 'unknown field "tag"' in refused
    assert kubectl("apply", "--validate=false", "-f", str(wrong)).endswith("created\n")


def test_namespaces_and_secrets(kubectl: Kubectl, fake_registry: FakeRegistry) -> None:
    assert kubectl("create", "namespace", "other") == "namespace/other created\n"
    kubectl(
        *("create", "secret", "docker-registry", "pull", "-n", "other"),
        *("--docker-server=quay.io", "--docker-username=me", "--docker-password=secret"),
    )
    secret = kubectl.json("get", "secret", "pull", "-n", "other")
    assert secret["type"] == "kubernetes.io/dockerconfigjson"
    kubectl("create", "secret", "generic", "more", "--from-literal=a=b", "-n", "other")
    rows = [line.split()[:4] for line in kubectl("get", "secrets", "-A", "--no-headers").splitlines()]
    assert rows == [["other", "more", "Opaque", "1"], ["other", "pull", "kubernetes.io/dockerconfigjson", "1"]]
    assert "Type:  Opaque" in kubectl("describe", "secret", "more", "-n", "other")
    assert "Status:       Active" in kubectl("describe", "namespace", "other")
    kubectl("delete", "secret", "more", "-n", "other")
    kubectl("delete", "namespace", "other")
    assert "NotFound" in kubectl.exit_code("get", "namespace", "other", code=1)
    assert kubectl("get", "secrets", "-A") == ""
    assert "AlreadyExists" in kubectl.exit_code("create", "namespace", "default", code=1)


@pytest.mark.registry(hosts={"quay.io": {"auth": {"type": "basic", "username": "me", "password": "secret"}}})
def test_a_pull_secret_of_kubectl_is_used(kubectl: Kubectl, manifest: Path, image_api: ImageApi) -> None:
    kubectl(
        *("create", "secret", "docker-registry", "pull"),
        *("--docker-server=quay.io", "--docker-username=me", "--docker-password=secret"),
    )
    kubectl("apply", "-f", str(manifest))
    image_api.settle()
    stream = image_api.image_stream("web")
    assert stream is not None
    assert len(stream["status"]["tags"][0]["items"]) == 1


def test_mirrors_that_are_applied_count_from_the_next_import_on(
    kubectl: Kubectl, image_api: ImageApi, fake_registry: FakeRegistry, digest: str, tmp_path: Path
) -> None:
    sets = [
        ("config.openshift.io/v1", "ImageDigestMirrorSet", "imageDigestMirrors", "a"),
        ("config.openshift.io/v1", "ImageTagMirrorSet", "imageTagMirrors", "b"),
        ("operator.openshift.io/v1alpha1", "ImageContentSourcePolicy", "repositoryDigestMirrors", "c"),
    ]
    for version, kind, field, name in sets:
        mirrors = [{"source": f"{name}.example.com/app", "mirrors": ["quay.io/app"]}]
        document = {"apiVersion": version, "kind": kind, "metadata": {"name": name}, "spec": {field: mirrors}}
        file = tmp_path / f"{name}.yaml"
        file.write_text(json.dumps(document))
        assert kubectl("apply", "-f", str(file)).endswith("created\n")
    sources = {"a": f"a.example.com/app/web@{digest}", "b": "b.example.com/app/web:latest"}
    sources["c"] = f"c.example.com/app/web@{digest}"
    for name, source in sources.items():
        tag = {"name": "latest", "from": {"kind": "DockerImage", "name": source}}
        stream = {"apiVersion": "image.openshift.io/v1", "kind": "ImageStream", "metadata": {"name": name}}
        file = tmp_path / "stream.yaml"
        file.write_text(json.dumps({**stream, "spec": {"tags": [tag]}}))
        kubectl("apply", "-f", str(file))
    image_api.settle()
    path = "jsonpath={.items[*].status.tags[*].items[*].image}"
    assert kubectl("get", "is", "-o", path).split() == [digest] * 3


def test_what_the_user_may_do(kubectl: Kubectl) -> None:
    assert kubectl("auth", "can-i", "create", "imagestreams.image.openshift.io") == "yes\n"
    assert kubectl("auth", "can-i", "--list").splitlines()[0].split()[0] == "Resources"


@pytest.mark.image_api(
    access={
        "users": [{"name": "jane", "token": "secret"}],
        "rules": [{"users": ["jane"], "verbs": ["get", "list"], "resources": ["imagestreams"]}],
    }
)
def test_what_the_user_may_not_do(kubectl: Kubectl, manifest: Path) -> None:
    assert kubectl("get", "is") == ""
    assert kubectl.exit_code("auth", "can-i", "create", "imagestreams.image.openshift.io", code=1).startswith("no")
    refused = kubectl.exit_code("create", "-f", str(manifest), "--validate=false", code=1)
    assert (
        'imagestreams.image.openshift.io is forbidden: User "jane" cannot create resource "imagestreams" in API group '
        '"image.openshift.io" in the namespace "default"'
    ) in refused

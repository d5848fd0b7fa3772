"""Bad input of every kind: one line that names the file and what is wrong in it, exit code 2, never a traceback."""

from __future__ import annotations

import json
import logging
import shutil
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support.command import TREE, Outcome, ismirror, served_registry

from mirror.cli.main import main

Run = Callable[..., Outcome]

GOOD_SPEC = """\
kind: ImageStreamImport
apiVersion: image.openshift.io/v1
metadata: {name: app}
spec: {import: true, images: [{from: {kind: DockerImage, name: quay.io/app/web}, to: {name: latest}}]}
"""

FILES: dict[str, str | bytes] = {
    "good.yaml": GOOD_SPEC,
    "empty.yaml": "",
    "not.yaml": "a: [\n",
    "text.yaml": "just text\n",
    "list.yaml": "- 1\n",
    "garbage.bin": bytes(range(255, 127, -1)) * 20,
    "zeros.bin": b"\0" * 1000,
    "utf-16.yaml": b"\xff\xfe\x00",
    "itself.yaml": "a: &a [*a]\n",
    "deep.json": '{"a":' * 20_000 + "1" + "}" * 20_000,
    "quite-deep.json": '{"a":' * 3_000 + "1" + "}" * 3_000,
    "deep-spec.json": '{"spec":' + '{"a":' * 3_000 + "1" + "}" * 3_001,
    "pod.yaml": "kind: Pod\nmetadata: {name: x}\n",
    "old.yaml": "kind: ImageStreamImport\napiVersion: v1\n",
    "second.yaml": f"{GOOD_SPEC}---\nkind: Secret\n",
    "map-of-items.yaml": "kind: List\nitems: {a: 1}\n",
    "numbers.yaml": "kind: List\nitems: [1]\n",
    "unknown-field.yaml": "cluster: {bogus: 1}\n",
    "wrong-type.yaml": "cluster: {maxImagesBulkImportedPerRepository: many}\n",
    "wrong-scheme.yaml": "hosts: {docker.io: {}, quay.io: {scheme: gopher}}\n",
    "wrong-route.yaml": "hosts: {quay.io: {routes: [{path: /v2/}, {path: 5}]}}\n",
    "wrong-status.yaml": "hosts: {quay.io: {routes: [{path: /v2/, status: 101}]}}\n",
    "wrong-page.yaml": "hosts: {quay.io: {page: 0}}\n",
    "bad-host.yaml": "hosts: {quay.io: {}, bad host: {}}\n",
    "bad-port.yaml": "hosts: {'quay.io:70000': {}}\n",
    "path-as-host.yaml": "hosts: {../../etc: {}}\n",
    "no-cdn.yaml": "hosts:\n  quay.io:\n    blobRedirects:\n      host: cdn.quay.io\n",
    "no-keys.yaml": "hosts: {quay.io: {blobRedirects: {store: 'https://s3.example.com/b', sign: {query: no-file}}}}\n",
    "same-host.yaml": "hosts: {quay.io: {}, QUAY.io: {scheme: http}}\n",
    "bad-secret.yaml": "cluster: {secrets: [{kind: Secret, metadata: {name: pull}, data: {a: '!!'}}]}\n",
    "bad-mirrors.yaml": "cluster: {idms: [{kind: ImageTagMirrorSet}]}\n",
    "bad-list.yaml": "cluster: {allowedRegistriesForImport: [{domainName: 'a:b:c'}]}\n",
    "policy-list.yaml": "- cluster\n",
    "no-steps.yaml": "hosts: {}\n",
    "more-steps.yaml": "steps: []\nmore: 1\n",
    "step-field.yaml": "steps: [{path: /a}, {path: /b, bodyy: 1}]\n",
    "step-header.yaml": "steps: [{path: /a, headers: {Accept: a, Times: 1}}]\n",
    "step-status.yaml": "steps: [{path: /a, expect: {status: '200'}}]\n",
    "scenario-host.yaml": "steps: []\nhosts: {a b: {}}\n",
    "scenario-secret.yaml": "steps: []\ncluster: {secrets: [{}]}\n",
    "recipe-field.yaml": "repositories: [{image: quay.io/a, tags: [a], colour: red}]\n",
    "recipe-place.yaml": "repositories: [{image: a, tags: [a]}]\n",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Files and directories that are not what they should be."""
    path = tmp_path_factory.mktemp("bad")
    for name, content in FILES.items():
        (path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    (path / "directory").mkdir()
    (path / "not-a-tree").mkdir()
    (path / "not-a-tree" / "notes.txt").write_text("nothing of a tree")
    (path / "bad-ca").mkdir()
    for name in ("ca.pem", "ca-key.pem"):
        (path / "bad-ca" / name).write_text("no certificate")
    return path


@pytest.fixture
def in_process(folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Run]:
    """Runs a command in this process, for tables of inputs that all take the same way: it is faster."""

    def run(*arguments: str) -> Outcome:
        monkeypatch.chdir(folder)
        monkeypatch.setattr("sys.argv", ["ismirror", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert isinstance(stopped.value.code, int)
        return Outcome(stopped.value.code, *capsys.readouterr())

    notes = logging.getLogger("ismirror")
    before = list(notes.handlers), notes.level, notes.propagate
    yield run
    notes.handlers[:], notes.level, notes.propagate = before


def check_refusal(outcome: Outcome, problem: str, *, stdout: bool = False) -> None:
    assert outcome.exit_code == 2, outcome
    assert bool(outcome.stdout) is stdout
    last = outcome.stderr.splitlines()[-1]
    assert last.startswith("ismirror: error: ")
    assert problem in last, last
    if not stdout:
        assert outcome.stderr == last + "\n"


SPECS = {
    "not.yaml": "not.yaml: error converting YAML to JSON: yaml: line 1: did not find expected node content",
    "empty.yaml": "empty.yaml: no ImageStreamImport in it",
    "text.yaml": "text.yaml: found a text; expected an object of kind ImageStreamImport",
    "list.yaml": "list.yaml: found a list; expected an object of kind ImageStreamImport",
    "garbage.bin": "garbage.bin: error converting YAML to JSON: yaml: ",
    "zeros.bin": "zeros.bin: error converting YAML to JSON: yaml: control characters are not allowed",
    "utf-16.yaml": "utf-16.yaml: error converting YAML to JSON: yaml: incomplete UTF-16 character",
    "itself.yaml": "itself.yaml: error converting YAML to JSON: yaml: anchor 'a' value contains itself",
    "deep.json": "deep.json: error converting YAML to JSON: yaml: exceeded max depth of 10000",
    "pod.yaml": "pod.yaml: kind: Pod is not ImageStreamImport",
    "wrong-page.yaml": "wrong-page.yaml: found neither kind nor spec; expected an object of kind ImageStreamImport",
    "old.yaml": "old.yaml: apiVersion: v1 is not image.openshift.io/v1",
    "second.yaml": "second.yaml, document 2: kind: Secret is not ImageStreamImport",
    "map-of-items.yaml": "map-of-items.yaml: items: expected a list of objects",
    "numbers.yaml": "numbers.yaml, items[0]: found a number; expected an object",
    "quite-deep.json": "quite-deep.json: found neither kind nor spec; expected an object of kind ImageStreamImport",
    "absent.yaml": "absent.yaml: No such file or directory",
    "directory": "directory: no ImageStreamImport in it",
}


@pytest.mark.parametrize(("name", "problem"), SPECS.items(), ids=SPECS)
def test_specs(folder: Path, name: str, problem: str) -> None:
    check_refusal(ismirror("import", "good.yaml", name, "--data", TREE, cwd=folder), problem)


def test_spec_of_standard_input(folder: Path) -> None:
    check_refusal(ismirror("import", "-", "--data", TREE, stdin="a: ]", cwd=folder), "standard input: error converting")


def test_a_deep_spec_is_for_the_api_to_refuse(folder: Path) -> None:
    outcome = ismirror("import", "deep-spec.json", "--data", TREE, "-o", "json", cwd=folder)
    assert outcome.exit_code == 1
    assert outcome.json["kind"] == "Status"


POLICIES = {
    "good.yaml": "good.yaml: found an object of kind ImageStreamImport; expected a file of another sort",
    "unknown-field.yaml": "unknown-field.yaml: cluster: Object contains unknown field `bogus`",
    "wrong-type.yaml": "cluster.maxImagesBulkImportedPerRepository: Expected `int`, got `str`",
    "wrong-scheme.yaml": "wrong-scheme.yaml: hosts[quay.io].scheme: Invalid enum value 'gopher'",
    "wrong-route.yaml": "wrong-route.yaml: hosts[quay.io].routes[1].path: Expected `str`, got `int`",
    "wrong-status.yaml": "wrong-status.yaml: hosts[quay.io].routes[0].status: Expected `int` >= 200",
    "wrong-page.yaml": "wrong-page.yaml: hosts[quay.io].page: Expected `int` >= 1",
    "bad-host.yaml": "bad-host.yaml: hosts[bad host]: expected a host such as quay.io",
    "bad-port.yaml": "bad-port.yaml: hosts[quay.io:70000]: expected a host such as quay.io",
    "path-as-host.yaml": "path-as-host.yaml: hosts[../../etc]: expected a host",
    "no-cdn.yaml": "no-cdn.yaml: hosts[quay.io].blobRedirects.host: 'cdn.quay.io' is not among the hosts; expected one "
    "of the hosts, where it may be as short as `cdn.quay.io: {}` (line 4)",
    "no-keys.yaml": "no-keys.yaml: hosts[quay.io].blobRedirects.sign.query: no-file: No such file or directory "
    "(line 1)",
    "same-host.yaml": "same-host.yaml: hosts[quay.io]: QUAY.io is the same host",
    "bad-secret.yaml": "bad-secret.yaml: cluster.secrets[0]: Secret 'pull': data[a]: illegal base64 data",
    "bad-mirrors.yaml": "bad-mirrors.yaml: cluster.idms[0]: ",
    "bad-list.yaml": 'bad-list.yaml: cluster.allowedRegistriesForImport: failed to parse allowed registry "a:b:c"',
    "policy-list.yaml": "policy-list.yaml: Expected `object`, got `array`",
    "not.yaml": "not.yaml: error converting YAML to JSON",
    "garbage.bin": "garbage.bin: error converting YAML to JSON",
    "quite-deep.json": "quite-deep.json: ",
    "absent.yaml": "absent.yaml: No such file or directory",
    "directory": "directory: Is a directory",
}


@pytest.mark.parametrize(("name", "problem"), POLICIES.items(), ids=POLICIES)
def test_policies(in_process: Run, name: str, problem: str) -> None:
    check_refusal(in_process("import", "good.yaml", "--data", TREE, "--policy", name), problem)


SCENARIOS = {
    "no-steps.yaml": "no-steps.yaml: Object missing required field `steps`",
    "more-steps.yaml": "more-steps.yaml: Object contains unknown field `more`",
    "step-field.yaml": "step-field.yaml: steps[1]: Object contains unknown field `bodyy`",
    "step-header.yaml": "step-header.yaml: steps[0].headers[Times]: Expected `str`, got `int`",
    "step-status.yaml": "step-status.yaml: steps[0].expect.status: Expected `int`, got `str`",
    "scenario-host.yaml": "scenario-host.yaml: hosts[a b]: expected a host such as quay.io",
    "scenario-secret.yaml": "scenario-secret.yaml: cluster.secrets[0]: Secret: Object missing required field `kind`",
    "not.yaml": "not.yaml: error converting YAML to JSON",
    "garbage.bin": "garbage.bin: error converting YAML to JSON",
    "absent.yaml": "absent.yaml: No such file or directory",
    "directory": "directory: Is a directory",
}


@pytest.mark.parametrize(("name", "problem"), SCENARIOS.items(), ids=SCENARIOS)
def test_scenarios(in_process: Run, name: str, problem: str) -> None:
    check_refusal(in_process("scenario", "run", name, "--data", TREE), problem)


def test_a_policy_and_a_scenario(folder: Path) -> None:
    outcome = ismirror("import", "good.yaml", "--data", TREE, "--policy", "wrong-type.yaml", cwd=folder)
    check_refusal(outcome, f"wrong-type.yaml: {POLICIES['wrong-type.yaml']}")
    outcome = ismirror("scenario", "run", "step-field.yaml", "--data", TREE, cwd=folder)
    check_refusal(outcome, SCENARIOS["step-field.yaml"])


OPTIONS = {
    "no-source": (["import", "good.yaml"], "give either --data TREE or --connect ADDR"),
    "two-sources": (["import", "good.yaml", "--data", TREE, "--connect", "127.0.0.1:1"], "give either --data TREE or"),
    "no-spec": (["import", "--data", TREE], "nothing to import: give files of ImageStreamImports, or --from IMAGE"),
    "connect": (["import", "good.yaml", "--connect", "nonsense"], "--connect: 'nonsense' is not an address such as"),
    "connect-port": (["import", "good.yaml", "--connect", "a:70000"], "--connect: 'a:70000' is not an address"),
    "ca": (["import", "good.yaml", "--connect", "127.0.0.1:1", "--ca", "good.yaml"], "--ca: good.yaml: "),
    "now": (["import", "good.yaml", "--data", TREE, "--now", "yesterday"], "--now: 'yesterday' is not a time such as"),
    "from": (["import", "--from", "Bad:::", "--data", TREE], "--from: 'Bad:::': invalid reference format"),
    "from-registry": (["import", "--from", "quay.io", "--data", TREE], "--from: 'quay.io' names a registry but no"),
    "transport": (["import", "good.yaml", "--data", TREE, "--transport", "pigeon"], "--transport: 'pigeon' is not one"),
    "output": (
        ["import", "good.yaml", "--data", TREE, "-o", "xml"],
        "'xml' is not one of 'table', 'json', 'yaml'; see",
    ),
    "concurrency": (["import", "good.yaml", "--data", TREE, "--concurrency", "0"], "'--concurrency': "),
    "unknown-option": (["import", "--bogus"], "No such option: --bogus; see 'ismirror import --help'"),
    "unknown-command": (["bogus"], "No such command 'bogus'; see 'ismirror --help'"),
    "missing-option": (["data", "verify"], "Missing option '--data'; see 'ismirror data verify --help'"),
    "missing-file": (["scenario", "run", "--data", TREE], "Missing argument 'FILE...'; see 'ismirror scenario run"),
    "schema": (["schema", "nothing"], "'nothing' is not one of 'scenario', 'policy'"),
    "no-tree": (["import", "good.yaml", "--data", "not-a-tree"], "not-a-tree: neither empty nor a fixture tree"),
    "file-as-tree": (
        ["import", "good.yaml", "--data", "good.yaml"],
        "good.yaml: Not a directory; expected a directory",
    ),
    "no-tree-to-verify": (["data", "verify", "--data", "not-a-tree"], "not-a-tree: neither empty nor a fixture tree"),
    "no-such-host": (["data", "ls", "ghcr.io", "--data", TREE], "no host ghcr.io in "),
    "no-such-image": (["data", "show", "quay.io/app/web:x", "--data", TREE], "quay.io/app/web:x: no x in that"),
    "recipe-field": (["seed", "synth", "recipe-field.yaml", "--data", "new"], "recipe-field.yaml: repositories[0]: "),
    "recipe-place": (["seed", "synth", "recipe-place.yaml", "--data", "new"], "image: 'a' has to be HOST/REPOSITORY"),
    "registry-tree": (["registry", "--data", "not-a-tree", "--registry", "127.0.0.1:0"], "not-a-tree: neither empty"),
    "registry-config": (["registry", "--data", TREE, "--config", "bad-host.yaml"], "bad-host.yaml: hosts[bad host]: "),
    "registry-address": (["registry", "--data", TREE, "--registry", "x"], "--registry: 'x' is not an address such as"),
    "registry-ca": (
        ["registry", "--data", TREE, "--registry", "127.0.0.1:0", "--tls-dir", "bad-ca"],
        "bad-ca/ca.pem: ",
    ),
}


@pytest.mark.parametrize(("arguments", "problem"), OPTIONS.values(), ids=OPTIONS)
def test_wrong_use(folder: Path, arguments: list[str], problem: str) -> None:
    check_refusal(ismirror(*arguments, cwd=folder), problem)


def test_port_in_use() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        outcome = ismirror("registry", "--data", TREE, "--registry", address)
    check_refusal(outcome, f"--registry: cannot listen on {address}: Address already in use; stop what listens there")


def test_unknown_fields_are_warned_about(tmp_path: Path) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(GOOD_SPEC.replace("{import: true,", "{import: true, bogus: 1,"))
    outcome = ismirror("import", "spec.yaml", "--data", TREE, "-o", "json", cwd=tmp_path)
    assert outcome.exit_code == 0
    assert outcome.stderr.splitlines() == ['spec.yaml: warning: unknown field "spec.bogus"', "1 of 1 imported"]
    assert "bogus" not in outcome.stdout


# Trees that are damaged


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A copy of the tree, to be damaged."""
    shutil.copytree(TREE, tmp_path / "tree", symlinks=True)
    return tmp_path / "tree"


def index_of_web(tree: Path) -> Path:
    return tree / "registries" / "quay.io" / "app" / "web" / "index.json"


INDEXES: dict[str, tuple[bytes, str]] = {
    "cut-short": (b'{"schemaVersion":2,"manifests":[', "input data was truncated"),
    "a-list": (b"[]", "expected object, got array"),
    "garbage": (bytes(range(256)), "JSON is malformed"),
    "bad-digest": (
        b'{"schemaVersion":2,"manifests":[{"mediaType":"a/b","size":1,"digest":"sha256:xyz"}]}',
        "manifests[0].digest: found 'sha256:xyz'; expected sha256: and 64 hexadecimal digits",
    ),
}


@pytest.mark.parametrize(("content", "problem"), INDEXES.values(), ids=INDEXES)
@pytest.mark.parametrize("command", ["import", "ls"])
def test_broken_index(folder: Path, tree: Path, content: bytes, problem: str, command: str) -> None:
    index_of_web(tree).write_bytes(content)
    named = f"registries/quay.io/app/web/index.json: {problem}"
    if command == "ls":
        check_refusal(ismirror("data", "ls", "quay.io/app/web", "--data", str(tree)), named)
        return
    outcome = ismirror("import", "good.yaml", "--data", str(tree), "-o", "json", cwd=folder)
    check_refusal(outcome, f"{tree}: {named}", stdout=True)
    (image,) = outcome.json["status"]["images"]
    assert "received unexpected HTTP status: 500 Internal Server Error" in image["status"]["message"]


def damaged_blob(tree: Path, which: str) -> str:
    """Changes the manifest or the config of an image; the digest of what was changed."""
    index = json.loads(index_of_web(tree).read_text())
    tags = {entry["annotations"]["org.opencontainers.image.ref.name"]: entry for entry in index["manifests"]}
    digest: str = tags["latest"]["digest"]
    file = tree / "blobs" / "sha256" / digest.partition(":")[2]
    if which == "config":
        digest = json.loads(file.read_bytes())["config"]["digest"]
        file = tree / "blobs" / "sha256" / digest.partition(":")[2]
    file.write_bytes(file.read_bytes() + b"\n")
    return digest


@pytest.mark.parametrize("which", ["manifest", "config"])
@pytest.mark.parametrize("transport", ["embedded", "http"])
def test_damaged_blob(folder: Path, tree: Path, which: str, transport: str) -> None:
    digest = damaged_blob(tree, which)
    arguments = ["import", "good.yaml", "--data", str(tree), "--transport", transport, "-o", "json"]
    outcome = ismirror(*arguments, cwd=folder)
    check_refusal(outcome, f"{tree}: content of {digest} does not match its digest", stdout=True)
    (image,) = outcome.json["status"]["images"]
    assert image["status"]["reason"] == "InternalError"
    verified = ismirror("data", "verify", "--data", str(tree))
    assert verified.exit_code == 1
    assert digest in verified.stdout


@pytest.mark.parametrize("which", ["manifest", "config"])
def test_damaged_blob_is_answered_as_an_error(tree: Path, which: str) -> None:
    digest = damaged_blob(tree, which)
    with served_registry(tree) as served:
        kind = "manifests" if which == "manifest" else "blobs"
        url = f"https://{served.address}/v2/app/web/{kind}/{digest}?ns=quay.io"
        https = urllib.request.HTTPSHandler(context=ssl.create_default_context(cafile=str(served.ca)))
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.build_opener(urllib.request.ProxyHandler({}), https).open(url)
        with caught.value as answer:
            assert answer.status == 500
            (error,) = json.loads(answer.read())["errors"]
        assert digest in json.dumps(error)

"""The command line as users meet it: help, streams, exit codes, inputs and outputs of ``import``."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest
import yaml
from support.command import NOW, ROOT, TREE, ismirror

from mirror.cli.commands import PLACES, Commands

COMMANDS = [
    (),
    ("registry",),
    ("import",),
    ("scenario", "run"),
    ("seed", "synth"),
    ("data", "ls"),
    ("data", "show"),
    ("data", "verify"),
    ("schema",),
]
GROUPS = [("scenario",), ("seed",), ("data",)]

HEAVY = {
    "aiohttp",
    "asyncio",
    "cryptography",
    "fake_registry.core.registry",
    "fake_registry.server",
    "mirror.api",
    "mirror.importer",
    "mirror.seed",
    "mirror.store",
    "msgspec",
    "sqlalchemy",
    "ssl",
    "uvloop",
    "yaml",
}


def spec(name: str = "app", *images: str, namespace: str = "", **fields: object) -> dict[str, object]:
    metadata = {"name": name, "namespace": namespace} if namespace else {"name": name}
    wanted = [
        {"from": {"kind": "DockerImage", "name": image}, "to": {"name": f"t{i}"}} for i, image in enumerate(images)
    ]
    return {
        "kind": "ImageStreamImport",
        "apiVersion": "image.openshift.io/v1",
        "metadata": metadata,
        "spec": {"import": True, "images": wanted, **fields},
    }


GOOD = spec("app", "quay.io/app/web:1.0.0")
MIXED = spec("mixed", "quay.io/app/web:1.0.0", "quay.io/app/web:nope")
REFUSED = spec("Not/A Name", "quay.io/app/web:1.0.0")


# Help


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_help_shows_an_example(command: tuple[str, ...]) -> None:
    outcome = ismirror(*command, "--help")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith(f"Usage: ismirror {' '.join(command)}".rstrip())
    assert f"Example: ismirror {' '.join(command)}".rstrip() in " ".join(outcome.stdout.split())
    assert "-h" in outcome.stdout


@pytest.mark.parametrize("command", GROUPS, ids=" ".join)
def test_help_of_groups(command: tuple[str, ...]) -> None:
    outcome = ismirror(*command, "-h")
    assert (outcome.exit_code, outcome.stderr) == (0, "")
    assert "Commands:" in outcome.stdout


@pytest.mark.parametrize("command", [(), *GROUPS], ids=" ".join)
def test_no_command_is_wrong_use(command: tuple[str, ...]) -> None:
    outcome = ismirror(*command)
    assert (outcome.exit_code, outcome.stdout) == (2, "")
    assert "Commands:" in outcome.stderr


def test_version() -> None:
    outcome = ismirror("--version")
    assert outcome == (0, f"ismirror {version('ismirror')}\n", "")


@pytest.mark.parametrize("name", PLACES)
def test_the_list_of_commands_says_what_each_says_of_itself(name: str) -> None:
    command = Commands().commands[name]
    assert command.name == name
    assert command.help.partition("\n\n")[0].replace("\n", " ") == PLACES[name].help


def test_a_list_of_the_commands_loads_none() -> None:
    assert not loaded_by("--help") & {place.module for place in PLACES.values()}
    assert "mirror.cli.serve" in loaded_by("serve", "--help")


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command loads, in a process of its own."""
    code = (
        "import sys; from mirror.cli.main import main\n"
        f"sys.argv[1:] = {arguments!r}\n"
        "try: main()\n"
        "finally: print(*sorted(sys.modules), sep='\\n', file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=ROOT)
    return set(done.stderr.split())


@pytest.mark.parametrize("arguments", [("--help",), ("--version",), ("import", "--help")], ids=" ".join)
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    loaded = loaded_by(*arguments)
    assert "mirror.cli.main" in loaded
    assert sorted(loaded & HEAVY) == []


# Streams and exit codes


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, document in {"good": GOOD, "mixed": MIXED, "refused": REFUSED}.items():
        (tmp_path / f"{name}.json").write_text(json.dumps(document))
    return tmp_path


def test_table(folder: Path) -> None:
    outcome = ismirror("import", "mixed.json", "--data", TREE, cwd=folder)
    assert outcome.exit_code == 1
    assert outcome.stderr == "1 of 2 imported\n"
    header, imported, failed = outcome.stdout.splitlines()
    assert header.split() == ["STREAM", "TAG", "DIGEST", "SIZE", "PLATFORM", "RESULT"]
    stream, tag, digest, size, platform, result = imported.split()
    assert (stream, tag, platform, result) == ("default/mixed", "t0", "amd64", "imported")
    assert digest.startswith("sha256:")
    assert int(size) > 100
    assert failed.split(maxsplit=5) == [
        *("default/mixed", "t1", "-", "-", "-"),
        'NotFound: dockerimage.image.openshift.io "quay.io/app/web:nope" not found',
    ]
    assert imported.index("imported") == failed.index("NotFound") == header.index("RESULT")


def test_table_of_a_multi_arch_image() -> None:
    arguments = ("import", "--from", "quay.io/app/multi", "--import-mode", "PreserveOriginal", "--data", TREE)
    outcome = ismirror(*arguments)
    assert outcome.exit_code == 0
    platforms = outcome.stdout.splitlines()[1].split()[4].split(",")
    assert "linux/amd64" in platforms
    assert len(platforms) > 2


@pytest.mark.parametrize(
    ("files", "code"),
    [
        (["good"], 0),
        (["mixed"], 1),
        (["refused"], 1),
        (["good", "refused"], 1),
        (["good", "absent"], 2),
    ],
    ids=str,
)
def test_exit_codes(folder: Path, files: list[str], code: int) -> None:
    outcome = ismirror("import", *(f"{file}.json" for file in files), "--data", TREE, "-o", "json", cwd=folder)
    assert outcome.exit_code == code
    assert bool(outcome.stdout) is (code != 2)


def test_data_and_remarks_are_apart(folder: Path) -> None:
    (folder / "unknown.json").write_text(json.dumps(spec("app", "quay.io/app/web", bogus=1)))
    outcome = ismirror("import", "unknown.json", "--data", TREE, "-o", "json", cwd=folder)
    assert outcome.json["kind"] == "ImageStreamImport"
    assert outcome.stderr == 'unknown.json: warning: unknown field "spec.bogus"\n1 of 1 imported\n'
    quiet = ismirror("import", "unknown.json", "--data", TREE, "-o", "json", "-q", cwd=folder)
    assert quiet.stderr == ""
    assert quiet.json["spec"] == outcome.json["spec"]


@pytest.mark.parametrize("flag", ["-q", "--quiet"])
def test_quiet_leaves_errors(folder: Path, flag: str) -> None:
    outcome = ismirror("import", "absent.json", "--data", TREE, flag, cwd=folder)
    assert outcome == (2, "", "ismirror: error: absent.json: No such file or directory\n")


def test_a_host_that_is_not_there_is_said_to_be_none(folder: Path) -> None:
    """The cluster's own message speaks of a name server, and nobody has asked one."""
    (folder / "elsewhere.json").write_text(json.dumps(spec("app", "ghcr.io/a/b:1", "ghcr.io/a/b:2", "quay.io/no:1")))
    (folder / "policy.yaml").write_text("hosts: {docker.io: {}}\n")
    arguments = ("import", "elsewhere.json", "--data", TREE)
    assert ismirror(*arguments, cwd=folder).stderr == (
        f"0 of 3 imported\nghcr.io: the tree {TREE} has nothing of it; 'ismirror data ls' shows what it has\n"
    )
    assert ismirror(*arguments, "--policy", "policy.yaml", cwd=folder).stderr == (
        "0 of 3 imported\n"
        "ghcr.io: not among the hosts of policy.yaml; name it there if the cluster reaches it\n"
        "quay.io: not among the hosts of policy.yaml; name it there if the cluster reaches it\n"
    )


# Inputs and outputs of import


def test_a_refusal_is_an_answer(folder: Path) -> None:
    outcome = ismirror("import", "refused.json", "--data", TREE, "-o", "json", cwd=folder)
    assert outcome.exit_code == 1
    assert (outcome.json["kind"], outcome.json["code"], outcome.json["reason"]) == ("Status", 422, "Invalid")
    table = ismirror("import", "refused.json", "--data", TREE, cwd=folder)
    assert table.exit_code == 1
    assert "Invalid: ImageStreamImport.image.openshift.io " in table.stdout.splitlines()[1]


def test_one_spec_gives_the_object_itself(folder: Path) -> None:
    as_json = ismirror("import", "good.json", "--data", TREE, "--now", NOW, "-o", "json", cwd=folder)
    as_yaml = ismirror("import", "good.json", "--data", TREE, "--now", NOW, "-o", "yaml", cwd=folder)
    assert as_json.json["kind"] == "ImageStreamImport"
    assert as_json.json["status"]["import"]["metadata"]["creationTimestamp"] == NOW
    assert yaml.load(as_yaml.stdout, yaml.BaseLoader)["metadata"]["uid"] == as_json.json["metadata"]["uid"]
    assert as_json.stdout.endswith("\n}\n")


def test_several_specs_give_a_list(folder: Path) -> None:
    outcome = ismirror("import", "good.json", "refused.json", "mixed.json", "--data", TREE, "-o", "json", cwd=folder)
    document = outcome.json
    assert (document["kind"], document["apiVersion"], document["metadata"]) == ("List", "v1", {})
    assert [item["kind"] for item in document["items"]] == ["ImageStreamImport", "Status", "ImageStreamImport"]
    assert outcome.stderr == "2 of 4 imported\n"


def test_specs_share_one_cluster(folder: Path) -> None:
    (folder / "again.json").write_text(json.dumps(spec("app", "quay.io/app/web:2.0.0")))
    outcome = ismirror("import", "good.json", "again.json", "--data", TREE, "-o", "json", cwd=folder)
    first, second = (item["status"]["import"] for item in outcome.json["items"])
    assert first["metadata"]["uid"] == second["metadata"]["uid"]
    assert len(first["status"]["tags"][0]["items"]) == 1
    assert len(second["status"]["tags"][0]["items"]) == 2


def test_documents_lists_and_namespaces(folder: Path) -> None:
    documents = [
        spec("one", "quay.io/app/web"),
        None,
        {"kind": "List", "apiVersion": "v1", "items": [spec("two", "quay.io/app/web", namespace="own"), spec("three")]},
    ]
    (folder / "all.yaml").write_text("---\n" + yaml.safe_dump_all(documents))
    outcome = ismirror("import", "all.yaml", "--data", TREE, "-n", "mine", "-o", "json", cwd=folder)
    one, two, three = outcome.json["items"]
    assert (one["metadata"]["name"], one["metadata"]["namespace"]) == ("one", "mine")
    assert (two["metadata"]["name"], two["metadata"]["namespace"]) == ("two", "own")
    assert three["code"] == 422


@pytest.mark.parametrize("form", ["json", "yaml"])
def test_standard_input(form: str) -> None:
    text = json.dumps(GOOD) if form == "json" else yaml.safe_dump(GOOD)
    outcome = ismirror("import", "-", "--data", TREE, stdin=text)
    assert outcome.exit_code == 0
    assert outcome.stdout.splitlines()[1].startswith("default/app ")


def test_from_an_image() -> None:
    outcome = ismirror("import", "--from", "quay.io/app/web:1.0.0", "--data", TREE, "-o", "json", "-n", "mine")
    assert outcome.exit_code == 0
    assert outcome.json["metadata"] == {**outcome.json["metadata"], "name": "web", "namespace": "mine"}
    (image,) = outcome.json["spec"]["images"]
    assert image["from"] == {"kind": "DockerImage", "name": "quay.io/app/web:1.0.0"}
    assert image["to"] == {"name": "1.0.0"}


def test_from_all_tags_of_an_image() -> None:
    outcome = ismirror("import", "--from", "quay.io/app/web", "--all", "--data", TREE)
    assert outcome.exit_code == 0
    tags = [line.split()[1] for line in outcome.stdout.splitlines()[1:]]
    assert tags == ["latest", "v2.0", "v1.0", "2.0.1-rc1", "2.0.0", "1.0.0"]


def test_tags_over_the_limit_are_named(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("cluster: {maxImagesBulkImportedPerRepository: 4}\n")
    arguments = ("import", "--from", "quay.io/app/web", "--all", "--data", TREE, "--policy", str(policy))
    outcome = ismirror(*arguments)
    assert outcome.exit_code == 0
    assert outcome.stdout.splitlines()[-1] == "default/web: not imported, over the limit: 2.0.0, 1.0.0"


def test_insecure_is_for_plain_registries(tmp_path: Path) -> None:
    policy = tmp_path / "policy.yaml"
    policy.write_text("hosts: {'plain.example.com:5000': {scheme: http}}\n")
    arguments = ("import", "--from", "plain.example.com:5000/app", "--data", TREE, "--policy", str(policy))
    refused = ismirror(*arguments)
    assert refused.exit_code == 1
    assert "http: server gave HTTP response to HTTPS client" in refused.stdout
    assert ismirror(*arguments, "--insecure").exit_code == 0


def test_the_clock_of_the_environment() -> None:
    arguments = ("import", "--from", "quay.io/app/web", "--data", TREE, "-o", "json")
    outcome = ismirror(*arguments, environment={"SOURCE_DATE_EPOCH": "1767323045"})
    assert outcome.json["metadata"]["creationTimestamp"] == NOW
    assert outcome == ismirror(*arguments, "--now", NOW)
    wrong = ismirror(*arguments, environment={"SOURCE_DATE_EPOCH": "soon"})
    assert (wrong.exit_code, wrong.stdout) == (2, "")
    assert "SOURCE_DATE_EPOCH: 'soon' is not a number of seconds since 1970" in wrong.stderr


def test_proxies_are_ignored() -> None:
    nowhere = "http://192.0.2.1:9"
    environment = dict.fromkeys(("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"), nowhere)
    arguments = ("import", "--from", "quay.io/app/web", "--data", TREE, "--transport", "http")
    assert ismirror(*arguments, environment=environment).exit_code == 0


# Schemas


@pytest.mark.parametrize(
    ("name", "fields"),
    [("scenario", {"cluster", "hosts", "steps"}), ("policy", {"cluster", "hosts"}), ("recipe", {"repositories"})],
)
def test_schema(name: str, fields: set[str]) -> None:
    outcome = ismirror("schema", name)
    assert outcome.exit_code == 0
    schema = outcome.json
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    top = schema["$defs"][schema["$ref"].rpartition("/")[2]]
    assert fields <= set(top["properties"])
    assert yaml.safe_load(ismirror("schema", name, "-o", "yaml").stdout) == schema

"""The files and formats that ``ismirror preflight`` writes its report in, on the sample data."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree as ET

import msgspec
import pytest
import yaml
from support.command import NOW, ROOT, ismirror

DATA = ROOT / "data"
SAMPLE = (str(DATA / "failing"), "--data", str(DATA / "tree"), "--policy", str(DATA / "policy.yaml"), "--now", NOW)


def test_each_file_says_what_the_report_says(tmp_path: Path) -> None:
    files = {name: tmp_path / name for name in ("html", "junit", "sarif", "image-set")}
    options = [part for name, file in files.items() for part in (f"--{name}", str(file))]
    done = ismirror("preflight", *SAMPLE, *options, "-o", "json")
    assert done.exit_code == 1
    fails = done.json["summary"]["fails"]
    assert fails > 0
    assert f'<dd id="total-fails">{fails}</dd>' in files["html"].read_text()
    assert len(list(ET.parse(files["junit"]).iter("failure"))) == fails
    results = json.loads(files["sarif"].read_text())["runs"][0]["results"]
    assert sum(one["level"] == "error" for one in results) == fails
    images = yaml.safe_load(files["image-set"].read_text())["mirror"]["additionalImages"]
    listed = ismirror("preflight", *SAMPLE, "-o", "pullspecs")
    assert [one["name"] for one in images] == listed.stdout.splitlines()
    assert listed.exit_code == 1


def test_the_schema_describes_the_report() -> None:
    schema = ismirror("schema", "report").json
    report = ismirror("preflight", *SAMPLE, "-o", "json").json
    tag = schema["$defs"]["TagResult"]["properties"]
    assert set(report) <= set(schema["$defs"]["Report"]["properties"])
    assert set(report["tags"][0]) == set(tag)
    required = {"namespace", "stream", "tag", "from", "verdict", "source", "digest", "status", "cause", "remedy"}
    assert required <= set(schema["$defs"]["TagResult"]["required"])


@pytest.mark.parametrize("option", ["--html", "--junit", "--sarif", "--image-set"])
def test_a_file_that_cannot_be_written_is_named(tmp_path: Path, option: str) -> None:
    done = ismirror("preflight", *SAMPLE, option, str(tmp_path / "absent" / "file"))
    assert (done.exit_code, done.stdout) == (2, "")
    where = tmp_path / "absent"
    assert done.stderr == f"ismirror: error: {option}: {where / 'file'}: there is no directory {where}\n"


def test_yaml_says_the_same_as_json() -> None:
    as_yaml = yaml.safe_load(ismirror("preflight", *SAMPLE, "-o", "yaml").stdout)
    assert as_yaml == msgspec.to_builtins(ismirror("preflight", *SAMPLE, "-o", "json").json)

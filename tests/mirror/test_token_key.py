"""The file with the key for tokens: made once, the same for all, and what cannot be one."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from support.command import Served, ismirror, served_registry

from mirror.cli.token_key import load_or_create
from mirror.errors import InputError

EXPECTED = "expected 32 or more, as 'openssl rand -base64 32' writes them"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
CONFIG = """\
hosts:
  private.example.com: {{scheme: http, auth: {{type: bearer, anonymous: true}}}}
server: {{defaultHost: private.example.com{more}}}
"""


def test_it_is_made_once(tmp_path: Path) -> None:
    file = tmp_path / "key"
    with ThreadPoolExecutor(8) as pool:
        keys = set(pool.map(load_or_create, [file] * 32))
    assert keys == {file.read_bytes().strip()}
    assert len(keys.pop()) == 43
    assert file.stat().st_mode & 0o777 == 0o600
    assert list(tmp_path.iterdir()) == [file]
    assert load_or_create(tmp_path / "other") != load_or_create(file)


@pytest.mark.parametrize(
    ("content", "key"),
    [(b"x" * 32, b"x" * 32), (b"\n" + b"\xff" * 40 + b" \n", b"\xff" * 40), (b"k" * 4096, b"k" * 4096)],
    ids=["least", "blanks", "most"],
)
def test_what_is_in_the_file_is_the_key(tmp_path: Path, content: bytes, key: bytes) -> None:
    (tmp_path / "key").write_bytes(content)
    assert load_or_create(tmp_path / "key") == key


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"x" * 31 + b"\n", f"a key for tokens has 31 bytes; {EXPECTED}"),
        (b"", f"a key for tokens has 0 bytes; {EXPECTED}"),
        (b"x" * 4097, "larger than 4096 bytes"),
    ],
    ids=["short", "empty", "long"],
)
def test_what_is_no_key(tmp_path: Path, content: bytes, problem: str) -> None:
    (tmp_path / "key").write_bytes(content)
    with pytest.raises(InputError) as refused:
        load_or_create(tmp_path / "key")
    assert str(refused.value) == f"{tmp_path}/key: {problem}"


def test_files_that_cannot_be(tmp_path: Path) -> None:
    for file, problem in ((tmp_path / "no" / "key", "No such file or directory"), (tmp_path, "Is a directory")):
        done = ismirror("registry", "--data", str(tmp_path / "tree"), "--token-key", str(file))
        assert done.exit_code == 2
        assert done.stderr.startswith("ismirror: error: ")
        assert done.stderr.endswith(f": {problem}\n")


def token(served: Served) -> str:
    with OPENER.open(f"http://{served.address}/token") as answer:
        found: str = json.load(answer)["token"]
    return found


def status(served: Served, sent: str) -> int:
    request = urllib.request.Request(f"http://{served.address}/v2/", headers={"Authorization": f"Bearer {sent}"})
    try:
        with OPENER.open(request) as answer:
            code: int = answer.status
    except urllib.error.HTTPError as error:
        with error:
            code = error.code
    return code


def test_registries_with_one_key_take_each_others_tokens(tmp_path: Path) -> None:
    flag, file = tmp_path / "flag.yaml", tmp_path / "file.yaml"
    flag.write_text(CONFIG.format(more=""))
    file.write_text(CONFIG.format(more=f", tokenKey: {tmp_path}/key"))
    data = tmp_path / "tree"
    with (
        served_registry(data, "--config", str(flag), "--token-key", f"{tmp_path}/key") as one,
        served_registry(data, "--config", str(file), "--workers", "2") as two,
        served_registry(data, "--config", str(flag)) as alone,
    ):
        issued = [token(served) for served in (one, two, alone)]
        found = [[status(served, sent) for served in (one, two, alone)] for sent in issued]
    assert found == [[200, 200, 401], [200, 200, 401], [401, 401, 200]]

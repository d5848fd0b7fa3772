"""``ismirror`` as users have it: a process of its own, nothing shared with the tests but the files."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryFile
from typing import IO, Any, NamedTuple

from support.forked import HASH_SEED, Forked, server
from support.forking import begin, line

ROOT = Path(__file__).resolve().parents[2]
TREE = str(ROOT / "tests" / "vectors" / "tree")
NOW = "2026-01-02T03:04:05Z"

_COMMAND = (sys.executable, "-m", "mirror.cli.main")
_LISTENING = re.compile(r"registry listening on 127\.0\.0\.1:(\d+)\n")
_CERTIFICATE = re.compile(r"CA certificate: (.+)\n")


class Outcome(NamedTuple):
    """What a command printed, and its exit code."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def json(self) -> Any:
        """Standard output, which is JSON."""
        return json.loads(self.stdout)


def ismirror(
    *arguments: str, stdin: str | bytes = b"", environment: Mapping[str, str] | None = None, cwd: Path | None = None
) -> Outcome:
    """Runs a command to its end. A traceback is never right."""
    given = stdin.encode() if isinstance(stdin, str) else stdin
    run = _forked if (environment or {}).get("PYTHONHASHSEED", HASH_SEED) == HASH_SEED else _started
    outcome = run(arguments, given, _environment(environment), cwd or Path.cwd())
    assert "Traceback" not in outcome.stderr, outcome.stderr
    return outcome


def _started(arguments: Sequence[str], stdin: bytes, environment: Mapping[str, str], cwd: Path) -> Outcome:
    """In an interpreter of its own, which takes its settings from the environment."""
    done = subprocess.run(
        [*_COMMAND, *arguments], check=False, input=stdin, capture_output=True, env=environment, cwd=cwd
    )
    return Outcome(done.returncode, done.stdout.decode(), done.stderr.decode())


def _forked(arguments: Sequence[str], stdin: bytes, environment: Mapping[str, str], cwd: Path) -> Outcome:
    with TemporaryFile() as given, TemporaryFile() as printed, TemporaryFile() as said:
        given.write(stdin)
        given.seek(0)
        streams = (given.fileno(), printed.fileno(), said.fileno())
        connection, _ = begin(server(), arguments, environment, str(cwd), streams)
        with connection:
            code = int(line(connection))
        return Outcome(code, _content(printed), _content(said))


def _content(file: IO[bytes]) -> str:
    file.seek(0)
    return file.read().decode()


class Served(NamedTuple):
    """A registry that runs."""

    port: int
    ca: Path

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self.port}"


@contextmanager
def served_registry(data: Path | str, *arguments: str) -> Iterator[Served]:
    """``ismirror registry`` on a free port, while the block runs; afterwards it has to stop when told to."""
    options = ("registry", "--data", str(data), "--registry", "127.0.0.1:0", *arguments)
    with Forked(options, _environment()) as process:
        lines = [process.stdout.readline(), process.stdout.readline()]
        listening, certificate = _LISTENING.fullmatch(lines[0]), _CERTIFICATE.fullmatch(lines[1])
        if listening is None or certificate is None:
            process.kill()
            raise AssertionError((lines, process.communicate()))
        try:
            yield Served(int(listening[1]), Path(certificate[1]))
        finally:
            process.terminate()
            _, stderr = process.communicate()
        assert process.returncode == 0, stderr
        assert "Traceback" not in stderr, stderr


def _environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Ours, without what would change the outcome; wide enough that nothing is wrapped."""
    inherited = {
        name: value
        for name, value in os.environ.items()
        if name not in {"SOURCE_DATE_EPOCH", "PYTHONHASHSEED", "FORCE_COLOR", "COLUMNS"}
    }
    return inherited | {"PYTHONPATH": str(ROOT), "COLUMNS": "120"} | dict(more or {})

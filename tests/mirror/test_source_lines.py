"""Where things stand in a file: what messages about configurations say of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mirror.config import Config, decode_document
from mirror.errors import InputError
from mirror.source_lines import line_of

TEXT = b"""# hosts
hosts:
  docker.io: {scheme: https}
  "quay.io":
    scheme: https
    faults:
      - action: {status: 500}
      - match: &match {kind: ping}
        action:
          status: 503
      -
        match: *match
server: {
  registry: 1,
  tlsDir: x }
"""


@pytest.mark.parametrize(
    ("path", "line"),
    [
        ([], None),
        (["hosts"], 2),
        (["hosts", "docker.io"], 3),
        (["hosts", "docker.io", "scheme"], 3),
        (["hosts", "quay.io"], 4),
        (["hosts", "quay.io", "faults"], 6),
        (["hosts", "quay.io", "faults", 0], 7),
        (["hosts", "quay.io", "faults", 1], 8),
        (["hosts", "quay.io", "faults", 1, "action"], 9),
        (["hosts", "quay.io", "faults", 1, "action", "status"], 10),
        (["hosts", "quay.io", "faults", 1, "action", "code"], 9),
        (["hosts", "quay.io", "faults", 2, "match", "kind"], 12),
        (["hosts", "quay.io", "faults", 3], 6),
        (["hosts", "ghcr.io", "faults"], 2),
        (["server", "registry"], 14),
        (["server", "tlsDir"], 15),
        (["cluster"], None),
        (["hosts", 0], 2),
    ],
)
def test_lines(path: list[Any], line: int | None) -> None:
    assert line_of(TEXT, path) == line


@pytest.mark.parametrize("text", [b"", b"a: [", b"\xff\xfe\x00", b"[" * 100_000, b"text"])
def test_texts_that_cannot_be_read(text: bytes) -> None:
    assert line_of(text, ["a", 1]) in {None, 1}


DOCUMENTS = st.recursive(
    st.integers() | st.text("abc"),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("abc", min_size=1), inner, max_size=3),
    max_leaves=12,
)


def _paths(document: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    found = [above]
    if isinstance(document, dict | list):
        items: Any = document.items() if isinstance(document, dict) else enumerate(document)
        for step, value in items:
            found += _paths(value, (*above, step))
    return found


@given(DOCUMENTS)
def test_every_line_of_indented_json(document: Any) -> None:
    """Everything in it stands on a line of its own, one after the other."""
    text = json.dumps(document, indent=1).encode()
    lines = [line for path in _paths(document)[1:] if (line := line_of(text, path)) is not None]
    assert lines == sorted(set(lines))
    assert len(lines) == len(_paths(document)) - 1


def test_messages_say_it() -> None:
    with pytest.raises(InputError) as caught:
        decode_document(TEXT, Config, "config.yaml")
    assert str(caught.value) == (
        "config.yaml: hosts[quay.io].faults[2]: Object missing required field `action` (line 12)"
    )
    with pytest.raises(InputError) as caught:
        decode_document(b"server:\n  registry: ''\n  tls: x\n", Config, "config.yaml")
    assert str(caught.value) == "config.yaml: server: Object contains unknown field `tls` (line 3)"

"""The documents of files, directories and standard input."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import pytest

from mirror.config import MAX_FILE
from mirror.documents import contents, documents
from mirror.errors import InputError


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a: 1", [("file", b'{"a":1}')]),
        (b' {"a": 1, "a": 2}', [("file", b' {"a": 1, "a": 2}')]),
        (b"{a: 1}", [("file", b'{"a":1}')]),
        (b"a: 1\n--- # next\nb: 2\n---\n# nothing\n---\n[c]\n", [
            ("file", b'{"a":1}'), ("file, document 2", b'{"b":2}'), ("file, document 3", b'["c"]'),
        ]),
        (b"", []),
        (b"--- \r\na: 1\r\n---\r\n", [("file", b'{"a":1}')]),
    ],
    ids=["YAML", "JSON", "braces", "several", "empty", "Windows"],
)  # fmt: skip
def test_documents(content: bytes, expected: list[tuple[str, bytes]]) -> None:
    assert list(documents(content, "file")) == expected


def test_what_is_no_document_names_the_file() -> None:
    with pytest.raises(InputError, match=r"^file: "):
        list(documents(b"a: [", "file"))


def test_contents(tmp_path: Path) -> None:
    for name in ("b/two.yml", "b/notes.txt", "a/one.json", "three.yaml"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    assert list(contents(str(tmp_path), BytesIO())) == [
        (f"{tmp_path}/three.yaml", b"three.yaml", False),
        (f"{tmp_path}/a/one.json", b"a/one.json", False),
        (f"{tmp_path}/b/two.yml", b"b/two.yml", False),
    ]
    assert list(contents(f"{tmp_path}/b/notes.txt", BytesIO())) == [(f"{tmp_path}/b/notes.txt", b"b/notes.txt", True)]
    assert list(contents("-", BytesIO(b"x"))) == [("standard input", b"x", True)]


def test_standard_input_is_bounded() -> None:
    with pytest.raises(InputError, match=r"^standard input: larger than"):
        list(contents("-", BytesIO(b" " * (MAX_FILE + 1))))

"""How commands print data: a table for people, JSON or YAML for programs, always on standard output."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Annotated

import typer


class Format(StrEnum):
    """What ``-o`` accepts."""

    TABLE = "table"
    JSON = "json"
    YAML = "yaml"


OutputOption = Annotated[Format, typer.Option("--output", "-o", help="How to print the data.")]


def print_table(headers: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Prints aligned columns, as kubectl does: nothing is cut or coloured, so that it can be piped."""
    cells = [tuple(headers), *(tuple(printable(value) for value in row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        line = "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        typer.echo(line.rstrip())


def print_facts(facts: Iterable[tuple[str, object]]) -> None:
    """Prints names and values, one a line, the values aligned."""
    cells = [(f"{name}:", printable(value)) for name, value in facts]
    width = max(len(name) for name, _ in cells)
    for name, value in cells:
        typer.echo(f"{name.ljust(width)}  {value}")


def print_document(value: object, form: Format) -> None:
    """Prints structs, lists and dictionaries as JSON or YAML."""
    write_whole(document_text(value, form))


def write_whole(text: str) -> None:
    """Writes a text of any length: standard output that is not buffered may take less than it is given."""
    sys.stdout.flush()
    rest = memoryview(text.encode())
    while rest:
        rest = rest[sys.stdout.buffer.write(rest) or 0 :]
    sys.stdout.buffer.flush()


def document_text(value: object, form: Format) -> str:
    """A value as JSON or YAML, indented by two, keys in the order in which they stand, newline at the end."""
    import msgspec

    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:  # names of files need not be UTF-8
        encoded = msgspec.json.encode(_encodable(msgspec.to_builtins(value)))
    if form is Format.JSON:
        return msgspec.json.format(encoded, indent=2).decode() + "\n"
    import yaml

    document = msgspec.json.decode(encoded)
    return yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=float("inf"))


def _encodable(value: object) -> object:
    """A document in which bytes that are no UTF-8 are written as escapes."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_encodable(key): _encodable(item) for key, item in value.items()}
    return [_encodable(item) for item in value] if isinstance(value, list) else value


def printable(value: object) -> str:
    """The text of something from outside: what could move the cursor or end the line is written as an escape."""
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in str(value))

"""Writing answers into scenario files: only ``expect`` changes, everything else stays as its author wrote it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any, Final

import yaml

_INDENT: Final = re.compile(r"\n([ \t]+)\S")


def with_answers(text: str, expects: Sequence[dict[str, Any]]) -> str:
    """The text of a scenario file with these answers as what its steps expect, in order.

    JSON keeps its indentation, YAML its comments and style.
    """
    if text.lstrip().startswith("{"):
        try:
            return _json_with_answers(text, expects)
        except ValueError:
            pass  # YAML in flow style
    return _yaml_with_answers(text, expects)


def _json_with_answers(text: str, expects: Sequence[dict[str, Any]]) -> str:
    document = json.loads(text)
    for step, expect in zip(document["steps"], expects, strict=True):
        step["expect"] = expect
    indent = _INDENT.search(text)
    written = json.dumps(document, indent=indent[1] if indent else None, ensure_ascii=text.isascii())
    return written + ("\n" if text.endswith("\n") else "")


def _yaml_with_answers(text: str, expects: Sequence[dict[str, Any]]) -> str:
    root: Any = yaml.compose(text, Loader=yaml.SafeLoader)
    steps = next(value for key, value in root.value if key.value == "steps")
    # from the last to the first, so that the places of those before stay true
    for step, expect in reversed(list(zip(steps.value, expects, strict=True))):
        start, end, written = _change(text, step, expect)
        text = text[:start] + written + text[end:]
    return text


def _change(text: str, step: Any, expect: dict[str, Any]) -> tuple[int, int, str]:
    """What is to be put in the place of which part of the text."""
    column = step.start_mark.column
    if step.flow_style:
        document = {**yaml.load(text[step.start_mark.index : step.end_mark.index], Loader=yaml.SafeLoader)}
        document["expect"] = expect
        return step.start_mark.index, step.end_mark.index, _block(document, column)
    written = _block({"expect": expect}, column)
    for key, value in step.value:
        if key.value == "expect":
            return key.start_mark.index, _end(text, value), written
    end = _end(text, step.value[-1][1])
    return end, end, f"\n{' ' * column}{written}"


def _end(text: str, node: Any) -> int:
    """Where a node's own text ends: a block node's mark lies behind the blank lines and comments that follow it."""
    end = node.end_mark.index
    if isinstance(node, yaml.ScalarNode) or node.flow_style:
        return int(end)
    lines = text[: node.end_mark.index].splitlines(keepends=True)
    while lines and (not lines[-1].strip() or lines[-1].lstrip().startswith("#")):
        lines.pop()
    return len("".join(lines).rstrip())


def _block(document: dict[str, Any], column: int) -> str:
    """A mapping as YAML whose first line starts where it is put, the others at `column`."""
    dumped = yaml.safe_dump(document, sort_keys=False, allow_unicode=True, width=1 << 16).rstrip("\n")
    return dumped.replace("\n", "\n" + " " * column)

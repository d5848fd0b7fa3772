"""YAML to JSON as ``sigs.k8s.io/yaml`` does it, on go-yaml v2.

The parser's events are turned into a tree without recursion; aliases share what they stand for, and what they would
come to is counted, so that neither nesting nor aliases cost more than the text that was sent.
"""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple

import yaml

from mirror.gotext import format_float, format_general, quote
from mirror.kubejson.yamllists import list_to_json
from mirror.kubejson.yamlscalars import MERGE, STR, Scalar, YamlValueError, resolve

_MAX_DEPTH: Final = 10_000
_MAX_OUTPUT: Final = 64 * 1024 * 1024
_LONG: Final = 100_000
"""From so many bytes on it is looked whether a text is a list as clients print it, which is read faster."""

_MOST_SHOWN: Final = 64 * 1024
_DEEPEST_SHOWN: Final = 20
_RATIO_LOW: Final = 400_000
_RATIO_HIGH: Final = 4_000_000
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


class YamlError(ValueError):
    """A text that is no YAML, or YAML that JSON cannot say.

    `problem` is the text of the server and of ``YAMLToJSON``, ``yaml: line 2: …``; ``str()`` has the prefix of
    ``yaml.Unmarshal`` before it, which clients show.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(f"error converting YAML to JSON: {problem}")
        self.problem = problem


class Conversion(NamedTuple):
    """A JSON text, and what strict decoding finds wrong with the YAML: repeated keys, of which the last counts."""

    json: bytes
    problems: list[str]


def yaml_to_json(data: bytes) -> bytes:
    """Converts the first document of a YAML text. Keys become strings and are sorted; no document gives ``null``.

    Raises:
        YamlError: with the text of go-yaml.
    """
    found = _list_to_json(data) if len(data) >= _LONG else None
    return convert_yaml(data).json if found is None else found


def _list_to_json(data: bytes) -> bytes | None:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    return list_to_json(text, lambda part: convert_yaml(part.encode()).json)


def convert_yaml(data: bytes) -> Conversion:
    """The same, with the problems that ``fieldValidation`` is about.

    Raises:
        YamlError: with the text of go-yaml.
    """
    try:
        builder = _Builder()
        root = builder.build(data)
        converted = _Writer(max(_MAX_OUTPUT, 4 * len(data))).write(root)
    except YamlValueError as error:
        raise YamlError(str(error)) from None
    lines = "\n  ".join(builder.repeated)
    return Conversion(converted, [f"yaml: unmarshal errors:\n  {lines}"] if lines else [])


# Go's map keys of different types are different, Python's 1, 1.0 and True are not.
_Key = tuple[type, Scalar]


@dataclass(slots=True)
class _Node:
    """A node whose value is complete once it is closed. `weight` is what decoding it costs, aliases included."""

    line: int
    value: Any = None
    weight: int = 1
    open: bool = True
    merge: bool = False
    alias: str = ""
    children: list[_Node] = field(default_factory=list)


class _Builder:
    """Builds the tree of one document. Decoding errors wait until the text is known to be YAML, as in Go."""

    def __init__(self) -> None:
        self.repeated: list[str] = []
        self._anchors: dict[str, _Node] = {}
        self._stack: list[_Node] = []
        self._decoded = 1
        self._aliased = 0
        self._problem: YamlValueError | None = None

    def build(self, data: bytes) -> Any:
        """The value of the first document.

        Raises:
            YamlError, YamlValueError
        """
        root: Any = None
        try:
            for event in yaml.parse(data or b"\n", Loader=_LOADER):
                node = self._take(event)
                if node is not None and not self._stack:
                    root = node.value
                if isinstance(event, yaml.DocumentEndEvent):
                    break
        except yaml.YAMLError as error:
            raise YamlValueError(f"yaml: {_syntax_problem(error)}") from None
        if self._problem is not None:
            raise self._problem
        return root

    def _take(self, event: Any) -> _Node | None:
        """Handles an event; the node that it completes."""
        if isinstance(event, yaml.ScalarEvent):
            return self._finish(self._anchor(event, self._scalar(event)))
        if isinstance(event, yaml.AliasEvent):
            return self._finish(self._alias(event))
        if isinstance(event, yaml.CollectionStartEvent):
            self._decoded += 1
            value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
            self._stack.append(self._anchor(event, _Node(_line(event.start_mark), value)))
            if len(self._stack) > _MAX_DEPTH:
                where = f"line {_line(event.start_mark) + 1}: " if _line(event.start_mark) else ""
                raise YamlValueError(f"yaml: {where}exceeded max depth of {_MAX_DEPTH}")
            return None
        if isinstance(event, yaml.CollectionEndEvent):
            node = self._stack.pop()
            node.open = False
            if isinstance(node.value, list):
                node.value.extend(child.value for child in node.children)
            if not node.merge:  # a sequence of mappings to merge is looked at once more
                node.children = []
            return self._finish(node)
        return None

    def _anchor(self, event: Any, node: _Node) -> _Node:
        if event.anchor is not None:
            self._anchors[event.anchor] = node
        parent = self._stack[-1] if self._stack else None
        if parent is not None and isinstance(parent.value, dict) and parent.children:
            node.merge = parent.children[-1].merge
        return node

    def _scalar(self, event: Any) -> _Node:
        node = _Node(_line(event.start_mark), open=False)
        tag, plain = event.tag or "", event.implicit[0]
        if event.value == "<<" and (plain or tag == MERGE) and self._key_comes_next():
            node.merge = True
            return node
        self._decoded += 1
        try:
            node.value = resolve(tag or ("" if plain else STR), event.value)
        except YamlValueError as error:
            self._fail(str(error))
        return node

    def _key_comes_next(self) -> bool:
        return bool(self._stack) and isinstance(self._stack[-1].value, dict) and not self._stack[-1].children

    def _alias(self, event: Any) -> _Node:
        target = self._anchors.get(event.anchor)
        if target is None:
            raise YamlValueError(f"yaml: unknown anchor '{event.anchor}' referenced")
        if target.open:
            self._fail(f"anchor '{event.anchor}' value contains itself")
        self._decoded += 1 + target.weight
        self._aliased += target.weight
        if self._aliased > 100 and self._decoded > 1000 and self._aliased / self._decoded > _allowed(self._decoded):
            self._fail("document contains excessive aliasing")
        return _Node(_line(event.start_mark), target.value, 1 + target.weight, open=False, alias=event.anchor)

    def _finish(self, node: _Node) -> _Node:
        """Gives a complete node to what contains it."""
        if self._stack:
            parent = self._stack[-1]
            parent.weight += node.weight
            parent.children.append(node)
            if isinstance(parent.value, dict) and len(parent.children) == 2:
                key, value = parent.children
                parent.children = []
                if key.merge:
                    self._merge(parent.value, value)
                else:
                    self._set(parent.value, key, value)
        return node

    def _set(self, target: dict[_Key, Any], key: _Node, value: _Node) -> None:
        if isinstance(key.value, dict | list):
            self._fail(f"invalid map key: {_go_syntax(key.value)}")
            return
        self._put(target, (type(key.value), key.value), value.value, value.line)

    def _put(self, target: dict[_Key, Any], key: _Key, value: Any, line: int) -> None:
        if key in target:
            self.repeated.append(f"line {line + 1}: key {_go_syntax(key[1])} already set in map")
        target[key] = value

    def _merge(self, target: dict[_Key, Any], node: _Node) -> None:
        """The merge key ``<<``. Go-yaml v2 lets it overwrite the keys before it."""
        sequence = isinstance(node.value, list) and not node.alias
        for source in node.children[::-1] if sequence else [node]:  # the first of a sequence takes precedence
            if not isinstance(source.value, dict):
                self._fail("map merge requires map or sequence of maps as the value")
                return
            for key, value in source.value.items():
                self._put(target, key, value, source.line)

    def _fail(self, problem: str) -> None:
        if self._problem is None:
            self._problem = YamlValueError(f"yaml: {problem}")


def _allowed(decoded: int) -> float:
    """The share of a document that may come from aliases: nearly all of a small one, a tenth of a large one."""
    if decoded <= _RATIO_LOW:
        return 0.99
    if decoded >= _RATIO_HIGH:
        return 0.10
    return 0.99 - 0.89 * (decoded - _RATIO_LOW) / (_RATIO_HIGH - _RATIO_LOW)


def _syntax_problem(error: yaml.YAMLError) -> str:
    """Go-yaml's words for an error of the parser. It names no line for what is wrong in the first one."""
    if not isinstance(error, yaml.MarkedYAMLError):
        return str(getattr(error, "reason", "")) or "unknown problem parsing YAML content"
    line = _line(error.problem_mark)
    if line and isinstance(error, yaml.scanner.ScannerError):
        line += 1  # scanner errors count lines from one, parser errors from none
    line = line or _line(error.context_mark)
    where = f"line {line}: " if line else ""
    return f"{where}{error.problem or 'unknown problem parsing YAML content'}"


def _line(mark: Any) -> int:
    line: int = mark.line if mark else 0
    return line


def _go_syntax(value: Any) -> str:
    """A value as Go's ``%#v`` prints it. Of one that is very long, which aliases make cheap to send, the beginning."""
    text = ""
    for piece in _go_pieces(value):
        text += piece
        if len(text) > _MOST_SHOWN:
            return f"{text}..."
    return text


def _go_pieces(value: Any, depth: int = 0) -> Iterator[str]:
    """The text piece by piece, so that only what is asked for is made; what is nested very deep is left out."""
    if isinstance(value, dict | list):
        yield "map[interface {}]interface {}{" if isinstance(value, dict) else "[]interface {}{"
        if depth >= _DEEPEST_SHOWN:
            yield "..."
        elif isinstance(value, dict):
            for place, ((_, key), inner) in enumerate(value.items()):
                yield f"{', ' if place else ''}{_go_scalar(key)}:"
                yield from _go_pieces(inner, depth + 1)
        else:
            for place, inner in enumerate(value):
                yield ", " if place else ""
                yield from _go_pieces(inner, depth + 1)
        yield "}"
    else:
        yield "<nil>" if value is None and depth == 0 else _go_scalar(value)


def _go_scalar(value: Scalar) -> str:
    """A scalar inside of a container."""
    if isinstance(value, str):
        return quote(value)
    if value is None:
        return "interface {}(nil)"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return hex(value) if value >= 2**63 else str(value)
    if math.isfinite(value):
        return format_general(value)
    return "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"


class _Writer:
    """Writes compact JSON with sorted keys, without recursion and up to a limit of bytes."""

    def __init__(self, limit: int) -> None:
        self._parts: list[str] = []
        self._left = limit

    def write(self, value: Any) -> bytes:
        """The JSON text of a value.

        Raises:
            YamlValueError: JSON has no such value, or the limit is reached.
        """
        pending: list[Any] = [_Begin(value)]
        while pending:
            item = pending.pop()
            if isinstance(item, str):
                self._add(item)
            else:
                self._begin(item.value, pending)
        return "".join(self._parts).encode("utf-8", "replace")

    def _begin(self, value: Any, pending: list[Any]) -> None:
        if isinstance(value, dict):
            entries = sorted({_key_text(key, entry): entry for (_, key), entry in value.items()}.items(), key=_in_bytes)
            pending.append("}")
            for index in range(len(entries) - 1, -1, -1):
                key, entry = entries[index]
                pending += (_Begin(entry), f"{',' if index else '{'}{json.dumps(key, ensure_ascii=False)}:")
            if not entries:
                pending.append("{")
        elif isinstance(value, list):
            pending.append("]")
            for index in range(len(value) - 1, -1, -1):
                pending += (_Begin(value[index]), "," if index else "[")
            if not value:
                pending.append("[")
        else:
            self._add(_scalar_text(value))

    def _add(self, text: str) -> None:
        self._parts.append(text)
        self._left -= len(text)
        if self._left < 0:
            raise YamlValueError("yaml: document contains excessive aliasing")


class _Begin(NamedTuple):
    """A value that is still to be written."""

    value: Any


def _in_bytes(entry: tuple[str, Any]) -> bytes:
    return entry[0].encode("utf-8", "surrogatepass")


def _scalar_text(value: Scalar) -> str:
    if isinstance(value, float):
        if math.isnan(value) or math.isinf(value):
            name = "NaN" if math.isnan(value) else "+Inf" if value > 0 else "-Inf"
            raise YamlValueError(f"json: unsupported value: {name}")
        return format_float(value)
    return json.dumps(value, ensure_ascii=False)


def _key_text(key: Scalar, value: Any) -> str:
    """A key as a string: numbers and booleans have one, null and what exceeds int64 have none."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, float):
        return _short_float(key)
    if key is None or key >= 2**63:
        kind = "%!s(<nil>)" if key is None else "uint64"
        raise YamlValueError(f"unsupported map key of type: {kind}, key: {_go_syntax(key)}, value: {_go_syntax(value)}")
    return str(key)


def _short_float(number: float) -> str:
    """A float key: ``strconv.FormatFloat(number, 'g', -1, 32)``, in the fewest digits that a float32 needs."""
    if math.isnan(number):
        return ".nan"
    try:
        single = struct.pack("f", number)
    except OverflowError:
        single = struct.pack("f", math.copysign(math.inf, number))
    rounded: float = struct.unpack("f", single)[0]
    if math.isinf(rounded):
        return ".inf" if number > 0 else "-.inf"
    return format_general(rounded, bits=32)

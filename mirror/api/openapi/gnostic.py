"""A version 2 document as the protocol buffer that older clients want: gnostic's ``openapi.v2.Document``.

Only what our own documents contain is known here. Source: gnostic ``openapiv2/OpenAPIv2.proto``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from mirror.api.protobuf import message, number, text
from mirror.kubejson import to_yaml

Document = Mapping[str, Any]


def encode_document(document: Document) -> bytes:
    """The document as bytes."""
    info = document["info"]
    found = text(1, document["swagger"]) + message(2, text(1, info["title"]) + text(2, info["version"]))
    paths = b"".join(_named(2, path, _path_item(item)) for path, item in document["paths"].items())
    definitions = b"".join(_named(1, name, _schema(schema)) for name, schema in document["definitions"].items())
    return found + message(8, paths) + message(9, definitions)


def _named(field: int, name: str, value: bytes) -> bytes:
    """An entry of a map, which gnostic has as a list of names and values."""
    return message(field, text(1, name) + message(2, value))


def _any(value: Any) -> bytes:
    """A value of any type, as YAML."""
    return text(2, to_yaml(value))


def _extensions(field: int, source: Document) -> bytes:
    return b"".join(_named(field, key, _any(value)) for key, value in source.items() if key.startswith("x-"))


def _texts(field: int, values: Iterable[str]) -> bytes:
    return b"".join(message(field, value.encode()) for value in values)


_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "patch": 8}


def _path_item(item: Document) -> bytes:
    found = b"".join(message(field, _operation(item[name])) for name, field in _METHODS.items() if name in item)
    return found + b"".join(message(9, _parameter(one)) for one in item.get("parameters", ()))


def _operation(operation: Document) -> bytes:
    responses = b"".join(_named(1, code, _response(answer)) for code, answer in operation["responses"].items())
    return b"".join(
        (
            _texts(1, operation.get("tags", ())),
            text(3, operation.get("description", "")),
            text(5, operation.get("operationId", "")),
            _texts(6, operation.get("produces", ())),
            _texts(7, operation.get("consumes", ())),
            *(message(8, _parameter(one)) for one in operation.get("parameters", ())),
            message(9, responses),
            _extensions(13, operation),
        )
    )


def _response(answer: Document) -> bytes:
    found = text(1, answer["description"])
    if "schema" in answer:
        found += message(2, message(1, _schema(answer["schema"])))
    return message(1, found)


def _parameter(parameter: Document) -> bytes:
    """An entry of a list of parameters: a body, or one in path or query."""
    place = parameter["in"]
    if place == "body":
        body = text(2, parameter["name"]) + text(3, place) + number(4, parameter.get("required", False))
        return message(1, message(1, body + message(5, _schema(parameter["schema"]))))
    found = b"".join(
        (
            number(1, parameter.get("required", False)),
            text(2, place),
            text(3, parameter.get("description", "")),
            text(4, parameter["name"]),
        )
    )
    if place == "path":
        found = message(4, found + text(5, parameter["type"]) + number(19, parameter.get("uniqueItems", False)))
    else:
        found = message(3, found + text(6, parameter["type"]) + number(20, parameter.get("uniqueItems", False)))
    return message(1, message(2, found))


def _schema(schema: Document) -> bytes:
    parts = [
        text(1, schema.get("$ref", "")),
        text(2, schema.get("format", "")),
        text(4, schema.get("description", "")),
        _texts(19, schema.get("required", ())),
    ]
    if "default" in schema:
        parts.append(message(5, _any(schema["default"])))
    if "additionalProperties" in schema:
        parts.append(message(21, message(1, _schema(schema["additionalProperties"]))))
    if "type" in schema:
        parts.append(message(22, text(1, schema["type"])))
    if "items" in schema:
        parts.append(message(23, message(1, _schema(schema["items"]))))
    if "properties" in schema:
        properties = (_named(1, name, _schema(one)) for name, one in schema["properties"].items())
        parts.append(message(25, b"".join(properties)))
    parts.append(_extensions(31, schema))
    return b"".join(parts)

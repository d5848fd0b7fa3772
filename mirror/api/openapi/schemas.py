"""Schemas of types, found by looking at their Structs (kube-openapi ``generators``)."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from mirror.api.groups import ApiGroup
from mirror.api.openapi.descriptions import Words, recorded_descriptions
from mirror.api.openapi.names import (
    ATOMIC_TYPES,
    FIELD_HINTS,
    INT32,
    META,
    RAW_EXTENSION,
    REQUIRED,
    definition_name,
)
from mirror.api.openapi.texts import FIELDS, TYPES

Schema = dict[str, Any]

PREFIX: Final = "#/components/schemas/"
WATCH_EVENT: Final = f"{META}.WatchEvent"
PATCH: Final = f"{META}.Patch"
_TIME: Final = f"{META}.Time"
_FIELDS_V1: Final = f"{META}.FieldsV1"

_ZEROS: Final[Mapping[Any, Any]] = {str: "", bool: False, int: 0}


class Schemas:
    """Collects the schemas of types of one group and of everything that they refer to."""

    def __init__(self, group: ApiGroup | None) -> None:
        self._group = group
        self._found: dict[str, Schema] = {}

    @property
    def all(self) -> dict[str, Schema]:
        """All schemas so far, by name."""
        return dict(sorted(self._found.items()))

    def reference(self, type_: type[msgspec.Struct]) -> str:
        """The reference to a type, whose schema is added."""
        name = definition_name(type_, self._group)
        if name not in self._found:
            self._found[name] = {}  # a type may lead back to itself
            self._found[name] = self._schema(type_, name)
        return PREFIX + name

    def well_known(self, name: str) -> str:
        """The reference to a type that is no Struct: times, raw objects, patches, events."""
        if name not in self._found:
            words = recorded_descriptions()[name]
            schema: Schema = {"description": words[""], "type": "object"}
            self._found[name] = schema
            if name == _TIME:
                schema |= {"type": "string", "format": "date-time"}
            elif name == WATCH_EVENT:
                schema["properties"] = {
                    "object": {
                        "description": words["object"],
                        "allOf": [{"$ref": self.well_known(RAW_EXTENSION)}],
                    },
                    "type": {"type": "string", "default": ""},
                }
                schema["required"] = ["type", "object"]
                schema["x-kubernetes-group-version-kind"] = self._in_all_versions("WatchEvent")
        return PREFIX + name

    def _schema(self, type_: type[msgspec.Struct], definition: str) -> Schema:
        name = type_.__name__
        words = recorded_descriptions().get(definition) or _own_words(type_)
        fields = sorted(msgspec.structs.fields(type_), key=lambda field: field.encode_name)
        properties = {field.encode_name: self._property(name, field, words) for field in fields}
        found: Schema = {"description": words[""], "type": "object"}
        if name in REQUIRED:
            found["required"] = list(REQUIRED[name])
        found["properties"] = properties
        if name in ATOMIC_TYPES:
            found["x-kubernetes-map-type"] = "atomic"
        if (
            "kind" in properties
            and "apiVersion" in properties
            and name not in ATOMIC_TYPES
            and name != "ObjectReference"
        ):
            found["x-kubernetes-group-version-kind"] = self._versions(type_)
        return found

    def _property(self, name: str, field: msgspec.structs.FieldInfo, words: Words) -> Schema:
        place = (name, field.encode_name)
        text = words.get(field.encode_name)
        schema: Schema = {"description": text} if text else {}
        schema |= self._field(field.type, place)
        if field.default_factory in _ZEROS:
            schema["default"] = _ZEROS[field.default_factory]
        schema.update(FIELD_HINTS.get(place, {}))
        return schema

    def _versions(self, type_: type[msgspec.Struct]) -> list[dict[str, str]]:
        if self._group is not None:
            for kind, known in self._group.types.items():
                if known is type_:
                    return [_gvk(self._group.name, self._group.version, kind)]
        kind = type_.__name__
        return self._in_all_versions(kind) if kind == "DeleteOptions" else [_gvk("", "v1", kind)]

    def _in_all_versions(self, kind: str) -> list[dict[str, str]]:
        """Kinds that every group has in its own version, too."""
        found = [_gvk("", "v1", kind)]
        if self._group is not None and self._group.name:
            found.append(_gvk(self._group.name, self._group.version, kind))
        return found

    def _field(self, annotation: Any, place: tuple[str, str]) -> Schema:
        """The schema of a field's annotation."""
        origin = typing.get_origin(annotation)
        if origin is Annotated:
            return self._annotated(annotation, place)
        if origin in (typing.Union, types.UnionType):
            (inner,) = (part for part in typing.get_args(annotation) if part is not type(None))
            schema = self._field(inner, place)
            schema.pop("default", None)
            return schema
        if origin is list:
            return {"type": "array", "items": self._item(typing.get_args(annotation)[0])}
        if origin is dict:
            return {"type": "object", "additionalProperties": self._item(typing.get_args(annotation)[1])}
        if annotation is msgspec.Raw:
            name = _FIELDS_V1 if place[1] == "fieldsV1" else RAW_EXTENSION
            return {"allOf": [{"$ref": self.well_known(name)}]}
        if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
            return {"default": {}, "allOf": [{"$ref": self.reference(annotation)}]}
        if annotation is int:
            return {"type": "integer", "format": "int32" if place in INT32 else "int64"}
        return dict(_PLAIN[annotation])

    def _annotated(self, annotation: Any, place: tuple[str, str]) -> Schema:
        base, *notes = typing.get_args(annotation)
        if any(isinstance(note, msgspec.Meta) and (note.extra or {}).get("go") == "Time" for note in notes):
            return {"allOf": [{"$ref": self.well_known(_TIME)}]}
        return self._field(base, place)

    def _item(self, annotation: Any) -> Schema:
        """The schema of what a list or a map holds."""
        schema = self._field(annotation, ("", ""))
        if annotation in _ZEROS:
            schema["default"] = _ZEROS[annotation]
        return schema


_PLAIN: Final[Mapping[Any, Schema]] = {
    str: {"type": "string"},
    bool: {"type": "boolean"},
    float: {"type": "number", "format": "double"},
    bytes: {"type": "string", "format": "byte"},
    Any: {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}


def _gvk(group: str, version: str, kind: str) -> dict[str, str]:
    return {"group": group, "kind": kind, "version": version}


def _own_words(type_: type) -> Words:
    """Our own words for what the real document does not have."""
    name = type_.__name__
    return {**FIELDS["*"], **FIELDS.get(name, {}), "": TYPES.get(name) or _docstring(type_)}


def _docstring(type_: type) -> str:
    """What a Struct says of itself, without the marks of documentation."""
    text = inspect.cleandoc(type_.__doc__ or "") if "__doc__" in vars(type_) else ""
    return text.replace("``", "").replace("\n\n", "\0").replace("\n", " ").replace("\0", "\n\n")


def as_swagger(value: Any) -> Any:
    """A part of an OpenAPI 3 document as one of version 2: references stand alone and point elsewhere."""
    if isinstance(value, dict):
        found = {key: as_swagger(item) for key, item in value.items()}
        if len(found.get("allOf") or ()) == 1:
            found |= found.pop("allOf")[0]
        if isinstance(found.get("$ref"), str):
            found["$ref"] = found["$ref"].replace(PREFIX, "#/definitions/")
        return found
    if isinstance(value, list):
        return [as_swagger(item) for item in value]
    return value

"""Rules for ``metadata`` (apimachinery ``api/validation``, openshift-apiserver image validation)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from mirror.api.fields import FieldError, invalid, required
from mirror.v1.meta import ObjectMeta

_STREAM_NAME: Final = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_STREAM_NAME_PATTERN: Final = re.compile(_STREAM_NAME)
_QUALIFIED: Final = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_QUALIFIED_PATTERN: Final = re.compile(_QUALIFIED)
_LABEL_VALUE: Final = f"({_QUALIFIED})?"
_LABEL_VALUE_PATTERN: Final = re.compile(_LABEL_VALUE)
_SUBDOMAIN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_SUBDOMAIN_PATTERN: Final = re.compile(_SUBDOMAIN)
_ANNOTATIONS_SIZE: Final = 256 * 1024
_STANDARD_FINALIZERS: Final = frozenset({"kubernetes", "orphan", "foregroundDeletion"})

_CHARACTERS: Final = (
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character"
)


def stream_name_errors(name: str) -> list[str]:
    """What is wrong with the name of an image stream: a path segment first, then the pattern."""
    problems = path_segment_errors(name)
    if problems or _STREAM_NAME_PATTERN.fullmatch(name):
        return problems
    return [f'must match "{_STREAM_NAME}"']


def path_segment_errors(name: str) -> list[str]:
    """What keeps a name from being one segment of a path."""
    if name == ".":
        return ["may not be '.'"]
    if name == "..":
        return ["may not be '..'"]
    return [f"may not contain '{char}'" for char in "/%" if char in name]


def metadata_errors(meta: ObjectMeta, *, stream_name: bool, namespaced: bool = True) -> list[FieldError]:
    """All errors of an object's metadata, in the server's order."""
    errors = []
    check = stream_name_errors if stream_name else path_segment_errors
    if meta.generateName:
        errors += [invalid("metadata.generateName", meta.generateName, text) for text in check(meta.generateName)]
    if not meta.name:
        errors.append(required("metadata.name", "name or generateName is required"))
    else:
        errors += [invalid("metadata.name", meta.name, text) for text in check(meta.name)]
    if namespaced and not meta.namespace:
        errors.append(required("metadata.namespace"))
    errors += _label_errors(meta.labels or {})
    errors += _annotation_errors(meta.annotations or {})
    errors += _finalizer_errors(meta.finalizers or [])
    return errors


def _label_errors(labels: dict[str, str]) -> Iterator[FieldError]:
    for key, value in sorted(labels.items()):
        for text in _qualified_name_errors(key):
            yield invalid("metadata.labels", key, text)
        if len(value.encode()) > 63:
            yield invalid("metadata.labels", value, "must be no more than 63 bytes")
        if not _LABEL_VALUE_PATTERN.fullmatch(value):
            text = f"a valid label must be an empty string or consist of {_CHARACTERS.removeprefix('must consist of ')}"
            example = "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is"
            yield invalid("metadata.labels", value, f"{text} {example} '{_LABEL_VALUE}')")


def _annotation_errors(annotations: dict[str, str]) -> Iterator[FieldError]:
    size = 0
    for key, value in sorted(annotations.items()):
        for text in _qualified_name_errors(key.lower()):
            yield invalid("metadata.annotations", key, text)
        size += len(key.encode()) + len(value.encode())
    if size > _ANNOTATIONS_SIZE:
        yield FieldError("TooLong", "metadata.annotations", detail=f"may not be more than {_ANNOTATIONS_SIZE} bytes")


def _finalizer_errors(finalizers: list[str]) -> Iterator[FieldError]:
    for index, name in enumerate(finalizers):
        field = f"metadata.finalizers[{index}]"
        for text in _qualified_name_errors(name):
            yield invalid(field, name, text)
        if "/" not in name and name not in _STANDARD_FINALIZERS:
            yield invalid(field, name, "name is neither a standard finalizer name nor is it fully qualified")


def _qualified_name_errors(text: str) -> Iterator[str]:
    example = f"(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '{_QUALIFIED}')"
    parts = text.split("/")
    if len(parts) > 2:
        prefixed = "with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        yield f"a qualified name {_CHARACTERS} {example} {prefixed}"
        return
    if len(parts) == 2:
        prefix = parts[0]
        if not prefix:
            yield "prefix part must be non-empty"
        elif len(prefix) > 253:
            yield "prefix part must be no more than 253 bytes"
        elif not _SUBDOMAIN_PATTERN.fullmatch(prefix):
            yield (
                "prefix part a lowercase RFC 1123 subdomain must consist of lower case alphanumeric "
                "characters, '-' or '.', "
                "and must start and end with an alphanumeric character "
                f"(e.g. 'example.com', regex used for validation is '{_SUBDOMAIN}')"
            )
    name = parts[-1]
    if not name:
        yield "name part must be non-empty"
    elif len(name.encode()) > 63:
        yield "name part must be no more than 63 bytes"
    if not _QUALIFIED_PATTERN.fullmatch(name):
        yield f"name part {_CHARACTERS} {example}"

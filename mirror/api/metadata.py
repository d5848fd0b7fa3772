"""Rules for ``metadata`` (apimachinery ``api/validation``, openshift-apiserver image validation)."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import Final

import msgspec

from mirror.api.fields import FieldError, forbidden, invalid, required
from mirror.gotext import quote
from mirror.gotext.printable import is_printable
from mirror.v1.meta import ManagedFieldsEntry, ObjectMeta, OwnerReference

_STREAM_NAME: Final = r"[a-z0-9]+(?:[._-][a-z0-9]+)*"
_STREAM_NAME_PATTERN: Final = re.compile(_STREAM_NAME)
_QUALIFIED: Final = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_QUALIFIED_PATTERN: Final = re.compile(_QUALIFIED)
_LABEL_VALUE: Final = f"({_QUALIFIED})?"
_LABEL_VALUE_PATTERN: Final = re.compile(_LABEL_VALUE)
_SUBDOMAIN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_SUBDOMAIN_PATTERN: Final = re.compile(_SUBDOMAIN)
_LABEL: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_LABEL_PATTERN: Final = re.compile(_LABEL)
_ANNOTATIONS_SIZE: Final = 256 * 1024
_MAX_SUBRESOURCE: Final = 256
_LONGEST_KEPT: Final = 1024
"""Characters of the longest names whose errors are kept: longer ones are none, and may be there to fill the memory."""

MAX_MANAGER: Final = 128
_IMMUTABLE: Final = (
    "name",
    "namespace",
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
)
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


def metadata_errors(
    meta: ObjectMeta, *, stream_name: bool, namespaced: bool = True, field: str = "metadata"
) -> list[FieldError]:
    """All errors of an object's metadata, in the order of the kind's own validation (core ``ValidateObjectMeta``)."""
    errors = common_errors(meta, stream_name=stream_name, namespaced=namespaced, field=field)
    if meta.finalizers:
        errors += _finalizer_errors(meta.finalizers, f"{field}.finalizers")
    return errors


def common_errors(
    meta: ObjectMeta, *, stream_name: bool = False, namespaced: bool = True, field: str = "metadata"
) -> list[FieldError]:
    """What all kinds have in common (apimachinery ``ValidateObjectMetaAccessor``)."""
    errors = []
    check = stream_name_errors if stream_name else path_segment_errors
    if meta.generateName:
        errors += [invalid(f"{field}.generateName", meta.generateName, text) for text in check(meta.generateName)]
    if not meta.name:
        errors.append(required(f"{field}.name", "name or generateName is required"))
    else:
        errors += [invalid(f"{field}.name", meta.name, text) for text in check(meta.name)]
    if namespaced and not meta.namespace:
        errors.append(required(f"{field}.namespace"))
    elif namespaced:
        errors += [invalid(f"{field}.namespace", meta.namespace, text) for text in dns_label_errors(meta.namespace)]
    elif meta.namespace:
        errors.append(forbidden(f"{field}.namespace", "not allowed on this type"))
    if meta.generation < 0:
        errors.append(invalid(f"{field}.generation", meta.generation, "must be greater than or equal to 0"))
    errors += _map_errors(meta, field)
    if meta.finalizers:
        errors += _names_of_finalizers(meta.finalizers, f"{field}.finalizers")
    if meta.managedFields:
        errors += _managed_errors(meta.managedFields, f"{field}.managedFields")
    return errors


def _names_of_finalizers(finalizers: list[str], field: str) -> Iterator[FieldError]:
    for name in finalizers:
        for text in qualified_name_errors(name):
            yield invalid(field, name, text)
    if {"orphan", "foregroundDeletion"} <= set(finalizers):
        yield invalid(field, finalizers, "finalizer orphan and foregroundDeletion cannot be both set")


def update_errors(new: ObjectMeta, old: ObjectMeta) -> list[FieldError]:
    """What an update may not do to metadata (apimachinery ``ValidateObjectMetaAccessorUpdate``)."""
    errors = []
    if old.deletionTimestamp is not None:
        added = sorted(set(new.finalizers or ()) - set(old.finalizers or ()))
        if added:
            shown = f"[]string{{{', '.join(quote(name) for name in added)}}}"
            text = f"no new finalizers can be added if the object is being deleted, found new finalizers {shown}"
            errors.append(forbidden("metadata.finalizers", text))
    if not new.resourceVersion:
        errors.append(invalid("metadata.resourceVersion", "", "must be specified for an update"))
    if new.generation < old.generation:
        errors.append(invalid("metadata.generation", new.generation, "must not be decremented"))
    for name in _IMMUTABLE:
        value = getattr(new, name)
        if value != getattr(old, name):
            errors.append(invalid(f"metadata.{name}", value, "field is immutable"))
    errors += _map_errors(new, "metadata")
    errors += _managed_errors(new.managedFields or [], "metadata.managedFields")
    return errors


def own_update_errors(new: ObjectMeta, old: ObjectMeta) -> list[FieldError]:
    """The same as a kind's own validation sees it (core ``ValidateObjectMetaUpdate``)."""
    return [*update_errors(new, old), *_finalizer_errors(new.finalizers or [], "metadata.finalizers")]


def dns_label_errors(name: str) -> Sequence[str]:
    """What keeps a name from being a DNS label, as names of namespaces have to be."""
    return _kept_label_errors(name) if len(name) <= _LONGEST_KEPT else _label_name_errors(name)


def _label_name_errors(name: str) -> Sequence[str]:
    errors = ["must be no more than 63 characters"] if len(name.encode()) > 63 else []
    if _SUBDOMAIN_PATTERN.fullmatch(name) and "." in name:
        errors.append("must not contain dots")
    elif not _LABEL_PATTERN.fullmatch(name):
        errors.append(
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
            "end with an alphanumeric character "
            f"(e.g. 'my-name',  or '123-abc', regex used for validation is '{_LABEL}')"
        )
    return tuple(errors)


_kept_label_errors = lru_cache(maxsize=1024)(_label_name_errors)


def _map_errors(meta: ObjectMeta, field: str) -> list[FieldError]:
    errors: list[FieldError] = []
    if meta.labels:
        errors += _label_errors(meta.labels, f"{field}.labels")
    if meta.annotations:
        errors += _annotation_errors(meta.annotations, f"{field}.annotations")
    if meta.ownerReferences:
        errors += _owner_errors(meta.ownerReferences, f"{field}.ownerReferences")
    return errors


def _owner_errors(owners: list[OwnerReference], field: str) -> Iterator[FieldError]:
    controller = ""
    for owner in owners:
        if not owner.apiVersion.rpartition("/")[2]:
            yield invalid(f"{field}.apiVersion", owner.apiVersion, "version must not be empty")
        for name in ("kind", "name", "uid"):
            if not getattr(owner, name):
                yield invalid(f"{field}.{name}", "", "must not be empty")
        if (owner.apiVersion, owner.kind) == ("v1", "Event"):
            yield invalid(field, msgspec.to_builtins(owner), "/v1, Kind=Event is disallowed from being an owner")
        if owner.controller:
            current = f"{owner.kind}/{owner.name}"
            if controller:
                text = 'Only one reference can have Controller set to true. Found "true" in references for'
                yield invalid(field, msgspec.to_builtins(owners), f"{text} {controller} and {current}")
            else:
                controller = current


def _managed_errors(entries: list[ManagedFieldsEntry], field: str) -> Iterator[FieldError]:
    for index, entry in enumerate(entries):
        if entry.operation not in ("Apply", "Update"):
            yield invalid(f"{field}[{index}].operation", entry.operation, "must be `Apply` or `Update`")
        if entry.fieldsType not in ("", "FieldsV1"):
            yield invalid(f"{field}[{index}].fieldsType", entry.fieldsType, "must be `FieldsV1`")
        yield from manager_errors(entry.manager, f"{field}[{index}].manager")
        if len(entry.subresource.encode()) > _MAX_SUBRESOURCE:
            text = f"may not be more than {_MAX_SUBRESOURCE} bytes"
            yield FieldError("TooLong", f"{field}[{index}].subresource", detail=text)


def manager_errors(manager: str, field: str) -> Iterator[FieldError]:
    """What is wrong with the name of a field manager: at most 128 bytes, all of them printable."""
    if len(manager.encode()) > MAX_MANAGER:
        yield FieldError("TooLong", field, detail=f"may not be more than {MAX_MANAGER} bytes")
    if manager.isascii() and manager.isprintable():
        return
    at = 0
    for character in manager:
        if not is_printable(character):
            shown = f"U+{ord(character):04X}"
            yield invalid(field, manager, f"invalid character {shown} (at position {at})")
        at += len(character.encode())


def _label_errors(labels: dict[str, str], field: str) -> Iterator[FieldError]:
    for key, value in sorted(labels.items()):
        for text in qualified_name_errors(key):
            yield invalid(field, key, text)
        for text in label_value_errors(value):
            yield invalid(field, value, text)


def label_value_errors(value: str) -> Iterator[str]:
    """What keeps a text from being the value of a label."""
    if len(value.encode()) > 63:
        yield "must be no more than 63 characters"
    if not _LABEL_VALUE_PATTERN.fullmatch(value):
        text = f"a valid label must be an empty string or consist of {_CHARACTERS.removeprefix('must consist of ')}"
        example = "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is"
        yield f"{text} {example} '{_LABEL_VALUE}')"


def _annotation_errors(annotations: dict[str, str], field: str) -> Iterator[FieldError]:
    size = 0
    for key, value in sorted(annotations.items()):
        for text in qualified_name_errors(key.lower()):
            yield invalid(field, key, text)
        size += len(key.encode()) + len(value.encode())
    if size > _ANNOTATIONS_SIZE:
        yield FieldError("TooLong", field, detail=f"may not be more than {_ANNOTATIONS_SIZE} bytes")


def _finalizer_errors(finalizers: list[str], field: str) -> Iterator[FieldError]:
    for index, name in enumerate(finalizers):
        if "/" not in name and name not in _STANDARD_FINALIZERS:
            text = "name is neither a standard finalizer name nor is it fully qualified"
            yield invalid(f"{field}[{index}]", name, text)


def qualified_name_errors(text: str) -> tuple[str, ...]:
    """What keeps a text from being the key of a label (apimachinery ``IsQualifiedName``)."""
    return _kept_name_errors(text) if len(text) <= _LONGEST_KEPT else tuple(_qualified_name_errors(text))


@lru_cache(maxsize=1024)
def _kept_name_errors(text: str) -> tuple[str, ...]:
    return tuple(_qualified_name_errors(text))


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
        elif len(prefix.encode()) > 253:
            yield "prefix part must be no more than 253 characters"
        if prefix and not _SUBDOMAIN_PATTERN.fullmatch(prefix):
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
        yield "name part must be no more than 63 characters"
    if not _QUALIFIED_PATTERN.fullmatch(name):
        yield f"name part {_CHARACTERS} {example}"

"""Objects in another form: tables for people, metadata alone (apiserver ``endpoints/handlers/response.go``)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import msgspec

from mirror.api import failures
from mirror.api.fields import invalid
from mirror.api.messages import ApiRequest
from mirror.api.negotiation import Conversion
from mirror.v1.meta import ListMeta, Status
from mirror.v1.table import (
    PartialObjectMetadata,
    PartialObjectMetadataList,
    Table,
    TableColumnDefinition,
    TableRow,
)

NAME_DESCRIPTION: Final = (
    "Name must be unique within a namespace. Is required when creating resources, although some resources may allow a "
    "client to request the generation of an appropriate name automatically. Name is primarily intended for creation "
    "idempotence and configuration definition. Cannot be updated. More info: "
    "https://kubernetes.io/docs/concepts/overview/working-with-objects/names#names"
)
CREATED_DESCRIPTION: Final = (
    "CreationTimestamp is a timestamp representing the server time when this object was created. It is not guaranteed "
    "to be set in happens-before order across separate operations. Clients may not set this value. It is represented "
    "in RFC3339 form and is in UTC.\n\nPopulated by the system. Read-only. Null for lists. More info: "
    "https://git.k8s.io/community/contributors/devel/sig-architecture/api-conventions.md#metadata"
)


def column(
    name: str, description: str, *, type_: str = "string", form: str = "", priority: int = 0
) -> TableColumnDefinition:
    """A column of text, unless its type says otherwise."""
    return TableColumnDefinition(name, type_, form, description, priority)


NAME: Final = column("Name", NAME_DESCRIPTION, form="name")
AGE: Final = column("Age", CREATED_DESCRIPTION)


@dataclass(frozen=True, slots=True)
class Printer:
    """The columns of a kind, and what an object has in them at a time."""

    columns: Sequence[TableColumnDefinition]
    cells: Callable[[Any, datetime], list[Any]]


@dataclass(frozen=True, slots=True)
class Shown:
    """What is known of the objects that are turned into something: their kind, version, Go package and table."""

    kind: str
    api_version: str
    package: str
    printer: Printer | None


def check_include(request: ApiRequest) -> str:
    """What a table's rows show of their objects: ``Metadata``, ``Object`` or ``None``.

    Raises:
        ApiFailure: 400.
    """
    include = request.parameter("includeObject")
    if include not in ("", "Metadata", "Object", "None"):
        error = invalid("includeObject", include, "must be 'Metadata', 'Object', 'None', or empty")
        raise failures.bad_request(f"Unable to convert to Table as requested: {error}")
    return include or "Metadata"


def convert(
    value: Any, wanted: Conversion, shown: Shown, include: str, now: datetime, *, headers: bool = True
) -> msgspec.Struct:
    """Turns an object or a list into what is wanted; a Status stays what it is.

    Raises:
        ApiFailure: 406, a list where an object is wanted or the other way round.
    """
    if isinstance(value, Status):
        return value
    items = getattr(value, "items", None)
    go_type = f"*{shown.package}.{shown.kind}" + ("" if items is None else "List")
    if wanted.kind == "Table":
        assert shown.printer is not None
        rows = [value] if items is None else items
        return _table(value.metadata, rows, wanted, shown, include, now, headers=headers)
    if wanted.kind == "PartialObjectMetadata":
        if items is not None:
            raise failures.not_convertible(
                f"you requested PartialObjectMetadata, but the requested object is a list ({go_type})"
            )
        return _partial(value, wanted)
    if items is None:
        raise failures.not_convertible(
            f"you requested PartialObjectMetadataList, but the requested object is not a list ({go_type})"
        )
    partials = [_partial(item, wanted) for item in items] or None
    return PartialObjectMetadataList("PartialObjectMetadataList", wanted.api_version, value.metadata, partials)


def _table(
    meta: Any, items: Sequence[Any], wanted: Conversion, shown: Shown, include: str, now: datetime, *, headers: bool
) -> Table:
    printer = shown.printer
    assert printer is not None
    rows = [TableRow(printer.cells(item, now), _included(item, wanted, shown, include)) for item in items]
    if not isinstance(meta, ListMeta):
        meta = ListMeta(resourceVersion=meta.resourceVersion)
    return Table("Table", wanted.api_version, meta, list(printer.columns) if headers else None, rows)


def _included(item: Any, wanted: Conversion, shown: Shown, include: str) -> Any:
    if include == "None":
        return None
    if include == "Object":
        return msgspec.structs.replace(item, kind=shown.kind, apiVersion=shown.api_version)
    return _partial(item, wanted)


def _partial(item: Any, wanted: Conversion) -> PartialObjectMetadata:
    return PartialObjectMetadata("PartialObjectMetadata", wanted.api_version, item.metadata)

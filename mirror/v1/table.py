"""``meta.k8s.io/v1`` Table and PartialObjectMetadata (apimachinery ``meta/v1/types.go``)."""

from __future__ import annotations

from typing import Any

from mirror.v1.meta import V1, ListMeta, ObjectMeta, always, nullable


class TableColumnDefinition(V1):
    """A column. Clients hide those of a priority above 0 unless they are asked for more."""

    name: str = always(str)
    type: str = always(str)
    format: str = always(str)
    description: str = always(str)
    priority: int = always(int)


class TableRow(V1):
    """A row: a cell for every column, and the object that it shows, its metadata, or ``null``."""

    cells: list[Any] = always(list[Any])
    object: Any = nullable()


class Table(V1):
    """Objects as a server would have them printed."""

    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    columnDefinitions: list[TableColumnDefinition] | None = nullable()
    rows: list[TableRow] = always(list[TableRow])


class PartialObjectMetadata(V1):
    """The metadata of an object of any kind."""

    kind: str = ""
    apiVersion: str = ""
    metadata: ObjectMeta = always(ObjectMeta)


class PartialObjectMetadataList(V1):
    """The metadata of many objects."""

    kind: str = ""
    apiVersion: str = ""
    metadata: ListMeta = always(ListMeta)
    items: list[PartialObjectMetadata] | None = nullable()

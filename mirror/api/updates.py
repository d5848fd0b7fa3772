"""The first half of writes: new objects as POST brings them, and what PUT makes of those that are there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Generic, Protocol

from mirror.api import failures
from mirror.api.decoding import decode_body
from mirror.api.failures import ApiFailure
from mirror.api.managed_fields import FieldManager
from mirror.api.options import WriteOptions, write_options
from mirror.api.resource_kinds import ResourceKind, T
from mirror.api.routing import Call, WarnedFailure
from mirror.v1.meta import ObjectMeta


@dataclass(frozen=True, slots=True)
class NewObject(Generic[T]):
    """What a client wants to be created, and how."""

    item: T
    options: WriteOptions
    warnings: list[str]


def new_object(call: Call, kind: ResourceKind[T], fields: FieldManager[T] | None = None) -> NewObject[T]:
    """Reads the request of a POST; without `fields` nobody is said to own anything.

    Raises:
        ApiFailure, WarnedFailure: 400, 413, 415, 422.
    """
    options = write_options(call.request, "CreateOptions")
    body = decode_body(call.request, kind, options.validation)
    meta = body.value.metadata
    meta.uid = meta.selfLink = ""
    meta.creationTimestamp = meta.deletionTimestamp = meta.deletionGracePeriodSeconds = None
    with warned(body.warnings):
        own_namespace(meta, call.namespace)
    if fields is not None:
        fields.update(None, body.value, options.manager)
    return NewObject(body.value, options, body.warnings)


class Update(Protocol[T]):
    """Makes a new object of the one that is there, as often as it is asked to.

    `options` says how it is to be written; `uid` is what the object's uid has to be, empty where that does not matter;
    `creates` says whether there may be no object yet. `warnings` are those of the latest try.
    """

    options: WriteOptions
    uid: str
    creates: bool
    warnings: list[str]

    def apply(self, current: T) -> T:
        """The new object. The current one may be changed and become part of it.

        Raises:
            ApiFailure: it cannot be made.
        """
        ...

    def create(self) -> T:
        """The new object where there is none.

        Raises:
            ApiFailure: it cannot be made.
        """
        ...


class Replacement(Generic[T]):
    """A PUT: the new object is what the client sent."""

    creates = False

    def __init__(self, call: Call, kind: ResourceKind[T], fields: FieldManager[T]) -> None:
        """Reads the request.

        Raises:
            ApiFailure, WarnedFailure: 400, 413, 415, 422.
        """
        self.options = write_options(call.request, "UpdateOptions")
        body = decode_body(call.request, kind, self.options.validation)
        self.warnings = body.warnings
        self._item = body.value
        self._kind = kind
        self._fields = fields
        with warned(self.warnings):
            own_namespace(self._item.metadata, call.namespace)
            check_names(self._item.metadata, call.name)
        self.uid = self._item.metadata.uid

    def apply(self, current: T) -> T:
        """What was sent, in which the managed fields say what it changes."""
        item = self._kind.copy(self._item)
        self._fields.update(current, item, self.options.manager)
        return item

    def create(self) -> T:
        """Nothing is created by a PUT."""
        raise NotImplementedError


class Written(Generic[T]):
    """An object that the server itself has changed, to be stored if nobody else has changed it since."""

    creates = False

    def __init__(self, item: T, *, dry_run: bool) -> None:
        self.options = WriteOptions(dry_run=dry_run)
        self.uid = item.metadata.uid
        self.warnings: list[str] = []
        self._item = item

    def apply(self, current: T) -> T:
        """The object, whatever is there."""
        del current
        return self._item

    def create(self) -> T:
        """Nothing is created."""
        raise NotImplementedError


@contextmanager
def warned(warnings: list[str]) -> Iterator[None]:
    """Sends warnings along with every refusal."""
    try:
        yield
    except ApiFailure as failure:
        raise WarnedFailure(failure, warnings) from None


def own_namespace(meta: ObjectMeta, namespace: str) -> None:
    """Takes the namespace of the path where the object has none; objects that have none never get one.

    Raises:
        ApiFailure: 400, the object has another one.
    """
    if namespace and meta.namespace not in ("", namespace):
        raise failures.bad_request(
            "the namespace of the provided object does not match the namespace sent on the request"
        )
    meta.namespace = namespace


def check_names(meta: ObjectMeta, name: str) -> None:
    """Compares the name of an object with that in the path.

    Raises:
        ApiFailure: 400.
    """
    if not meta.name:
        problem = f"the name of the object ({name} based on URL) was undeterminable: name must be provided"
        raise failures.bad_request(problem)
    if meta.name != name:
        raise failures.bad_request(f"the name of the object ({meta.name}) does not match the name on the URL ({name})")

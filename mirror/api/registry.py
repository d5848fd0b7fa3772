"""Writing objects: what all stored kinds have in common (apiserver ``registry/generic``, ``registry/rest``)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Generic, Protocol, TypeVar

import msgspec

from mirror.api import failures
from mirror.api.failures import ApiFailure
from mirror.api.field_owners import same_but_for_times
from mirror.api.fields import FieldError, invalid
from mirror.api.metadata import common_errors, update_errors
from mirror.api.objects import Objects, Stored
from mirror.api.parameters import NumberError, version_number
from mirror.api.resource_kinds import ResourceKind, T
from mirror.api.updates import Update
from mirror.clock import Uids
from mirror.store import Conflict, Missing
from mirror.v1.meta import ApiObject, ObjectMeta, Status, StatusDetails
from mirror.v1.options import DeleteOptions

_COLLECTED: Final = frozenset({"orphan", "foregroundDeletion"})
"""Finalizers of a garbage collector, which is not there: nothing waits for it."""

_ALPHABET: Final = "bcdfghjklmnpqrstvwxz2456789"
_SUFFIX: Final = 5
_LONGEST_BASE: Final = 63 - _SUFFIX
_NAME_ATTEMPTS: Final = 8


T_contra = TypeVar("T_contra", bound=ApiObject, contravariant=True)


class Strategy(Protocol[T_contra]):
    """What is special about writing a kind. Both complete the object and give what is wrong with it."""

    async def create(self, item: T_contra) -> list[FieldError]:
        """Prepares a new object."""
        ...

    async def update(self, item: T_contra, old: T_contra) -> list[FieldError]:
        """Prepares an object that is to replace another one."""
        ...


class Registry(Generic[T]):
    """The objects of a resource with the rules for writing them.

    `called` is always what messages call the resource, where that is not its own name.
    """

    def __init__(self, objects: Objects[T], kind: ResourceKind[T], uids: Uids, now: Callable[[], str]) -> None:
        self._objects = objects
        self._kind = kind
        self._uids = uids
        self._now = now

    # Creating

    async def create(self, item: T, strategy: Strategy[T], *, dry_run: bool = False, called: str = "") -> T:
        """Stores a new object, under a generated name if it has none.

        Raises:
            ApiFailure: 409, 422 or 500.
        """
        if item.metadata.name or not item.metadata.generateName:
            return await self._create(item, strategy, dry_run=dry_run, called=called)
        for attempt in range(1, _NAME_ATTEMPTS + 1):
            named = self._kind.copy(item)
            named.metadata.name = self._generated(item.metadata)
            try:
                return await self._create(named, strategy, dry_run=dry_run, called=called)
            except ApiFailure as failure:
                if failure.status.reason != "AlreadyExists" or attempt == _NAME_ATTEMPTS:
                    raise
        raise AssertionError

    def _generated(self, meta: ObjectMeta) -> str:
        number = int(self._uids.uid(self._kind.resource, meta.namespace, meta.generateName).replace("-", ""), 16)
        suffix = ""
        for _ in range(_SUFFIX):
            number, digit = divmod(number, len(_ALPHABET))
            suffix += _ALPHABET[digit]
        return meta.generateName[:_LONGEST_BASE] + suffix

    async def _create(self, item: T, strategy: Strategy[T], *, dry_run: bool, called: str) -> T:
        await self._prepare(item, strategy)
        if not dry_run and _is_version(item.metadata.resourceVersion):
            raise failures.plain_error("resourceVersion should not be set on objects to be created")
        try:
            return await self._objects.create(item, called=called or None, dry_run=dry_run)
        except ApiFailure as failure:
            stored = await self._objects.find(item.metadata.namespace, item.metadata.name)
            if stored is not None and stored.metadata.deletionTimestamp is not None:
                failure.status.message = f"object is being deleted: {failure.status.message}"
            raise

    async def _prepare(self, item: T, strategy: Strategy[T]) -> None:
        meta = item.metadata
        meta.uid = self._uids.uid(self._kind.resource, meta.namespace, meta.name)
        meta.creationTimestamp = self._now()
        errors = await strategy.create(item)
        errors = errors or common_errors(meta, namespaced=self._kind.namespaced)
        if errors:
            raise failures.invalid(self._kind.kind, meta.name, errors, self._kind.group)

    # Updating

    async def update(
        self, namespace: str, name: str, update: Update[T], strategy: Strategy[T], *, called: str = ""
    ) -> tuple[T, bool]:
        """Stores what an update makes of an object; whether that is a new one is the second thing that is returned.

        Whenever somebody else was faster it is tried again, with what is there by then.

        Raises:
            ApiFailure: 400, 404, 409, 422 or 500.
        """
        called = called or self._kind.resource
        while True:
            stored = await self._objects.look_up(namespace, name)
            if stored is None:
                created = await self._create_by(update, strategy, called, name)
                if created is None:
                    continue
                return created, True
            self._check_uid(stored.item.metadata, update.uid, called)
            item = update.apply(self._kind.copy(stored.item))
            try:
                await self._replace(item, stored, strategy, called, dry_run=update.options.dry_run)
            except (Conflict, Missing):
                continue
            return item, False

    async def _create_by(self, update: Update[T], strategy: Strategy[T], called: str, name: str) -> T | None:
        """Creates what an update makes of nothing; None if there is something by now."""
        if not update.creates:
            raise failures.not_found(called, name, self._kind.group)
        item = update.create()
        await self._prepare(item, strategy)
        try:
            return await self._objects.create(item, called=called, dry_run=update.options.dry_run)
        except ApiFailure:
            return None

    def _check_uid(self, meta: ObjectMeta, wanted: str, called: str) -> None:
        if wanted in ("", meta.uid):
            return
        key = "/".join(("/openshift.io", self._kind.resource, *([meta.namespace] if meta.namespace else []), meta.name))
        problem = (
            f"StorageError: invalid object, Code: 4, Key: {key}, ResourceVersion: 0, AdditionalErrorMsg: "
            f"Precondition failed: UID in precondition: {wanted}, UID in object meta: {meta.uid}"
        )
        raise failures.conflict(called, meta.name, problem, self._kind.group)

    async def _replace(self, item: T, stored: Stored[T], strategy: Strategy[T], called: str, *, dry_run: bool) -> None:
        old = stored.item
        seen = old.metadata.resourceVersion
        _check_version(item.metadata, old.metadata, called, self._kind.group)
        carry_over(item.metadata, old.metadata)
        own = await strategy.update(item, old)
        errors = [
            *common_errors(item.metadata, namespaced=self._kind.namespaced),
            *update_errors(item.metadata, old.metadata),
            *own,
        ]
        if errors:
            raise failures.invalid(self._kind.kind, item.metadata.name, errors, self._kind.group)
        _keep_times(item, old, stored.value)
        if _is_released(item.metadata, old.metadata):
            if not dry_run:
                await self._objects.delete(old.metadata.namespace, old.metadata.name, seen=seen)
        elif not dry_run:
            await self._objects.replace(item, seen, before=stored.value)

    # Deleting

    async def delete(self, namespace: str, name: str, options: DeleteOptions, *, called: str = "") -> T | Status:
        """Removes an object. One that has finalizers is only marked, and is what is returned then.

        Raises:
            ApiFailure: 400, 404 or 409.
        """
        called = called or self._kind.resource
        while True:
            item = await self._objects.find(namespace, name)
            if item is None:
                raise failures.not_found(called, name, self._kind.group)
            self._check_preconditions(item.metadata, options)
            seen = item.metadata.resourceVersion
            try:
                if set(item.metadata.finalizers or ()) - _COLLECTED:
                    return await self._mark(item, seen, dry_run=bool(options.dryRun))
                if not options.dryRun:
                    await self._objects.delete(namespace, name, seen=seen)
            except (Conflict, Missing):
                continue
            details = StatusDetails(name=name, group=self._kind.group, kind=called, uid=item.metadata.uid)
            return failures.success(details=details)

    def _check_preconditions(self, meta: ObjectMeta, options: DeleteOptions) -> None:
        wanted = options.preconditions
        if wanted is None:
            return
        for what, given, is_, because in (
            ("UID", wanted.uid, meta.uid, "deleted and then recreated"),
            ("ResourceVersion", wanted.resourceVersion, meta.resourceVersion, "modified"),
        ):
            if given is not None and given != is_:
                problem = f"the {what} in the precondition ({given}) does not match the {what} in record ({is_}). "
                why = f"The object might have been {because}"
                raise failures.conflict(self._kind.kind, meta.name, problem + why, self._kind.group)

    async def _mark(self, item: T, seen: str, *, dry_run: bool) -> T:
        meta = item.metadata
        if meta.deletionTimestamp is None:
            meta.deletionTimestamp = self._now()
            if meta.generation > 0:
                meta.generation += 1
            meta.deletionGracePeriodSeconds = 0
            if not dry_run:
                await self._objects.replace(item, seen)
        return item


def _is_version(text: str) -> bool:
    """Whether a text is a resource version other than 0; what is no number does not count."""
    try:
        return version_number(text) != 0
    except NumberError:
        return False


def _check_version(new: ObjectMeta, old: ObjectMeta, called: str, group: str) -> None:
    """Compares resource versions.

    Raises:
        ApiFailure: 409, 422 (with the resource in place of the kind, as in the real server) or 500.
    """
    try:
        number = version_number(new.resourceVersion)
    except NumberError as error:
        raise failures.plain_error(str(error)) from None
    if number == 0:
        missing = invalid("metadata.resourceVersion", 0, "must be specified for an update")
        raise failures.invalid(called, old.name, [missing], group)
    if number != int(old.resourceVersion):
        raise failures.conflict(called, old.name, failures.MODIFIED, group)


def carry_over(new: ObjectMeta, old: ObjectMeta) -> None:
    """What of metadata an update cannot change, or does not have to repeat."""
    new.generation = old.generation
    new.uid = new.uid or old.uid
    new.selfLink = ""
    new.creationTimestamp = old.creationTimestamp
    if old.deletionTimestamp is not None:
        new.deletionTimestamp = old.deletionTimestamp
    if new.deletionGracePeriodSeconds is None:
        new.deletionGracePeriodSeconds = old.deletionGracePeriodSeconds


def _keep_times(item: T, old: T, value: bytes) -> None:
    """Times of managed fields stay if they would be the only change."""
    new = item.metadata.managedFields
    before = old.metadata.managedFields
    if new == before or not same_but_for_times(new, before):
        return
    meta = msgspec.structs.replace(item.metadata, managedFields=before, resourceVersion="")
    if msgspec.json.encode(msgspec.structs.replace(item, metadata=meta), order="deterministic") == value:
        item.metadata.managedFields = before


def _is_released(new: ObjectMeta, old: ObjectMeta) -> bool:
    """Whether the last finalizer of an object that is being deleted has gone."""
    if new.finalizers or old.deletionTimestamp is None:
        return False
    return not old.deletionGracePeriodSeconds

"""Keeping account of who sets which field, and server-side apply (apimachinery ``managedfields``)."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable
from typing import Any, Final, Generic

import msgspec

from mirror.api import failures
from mirror.api.failures import ApiFailure
from mirror.api.field_owners import APPLY, UPDATE, Manager, Owned, Owners, capped, decoded, encoded, left_of
from mirror.api.resource_kinds import ResourceKind, T
from mirror.api.structured import paths
from mirror.api.structured.compare import compare, fields_of
from mirror.api.structured.merging import merge, pruned
from mirror.api.structured.paths import Fields, UnkeyedError
from mirror.api.structured.schema import MapAtom, atom_of
from mirror.api.structured.validating import UnfitError, check
from mirror.gojson import GoJSONError
from mirror.kubejson import decode_object
from mirror.v1.meta import ApiObject, ManagedFieldsEntry

LAST_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_BEFORE_FIRST_APPLY: Final = "before-first-apply"
_KUBECTL: Final = "kubectl"

# Fields that everybody sets and nobody owns.
_UNOWNED: Final[Fields] = frozenset(
    {("f:apiVersion",), ("f:kind",), ("f:metadata",)}
    | {
        ("f:metadata", f"f:{name}")
        for name in (
            "name",
            "namespace",
            "creationTimestamp",
            "selfLink",
            "uid",
            "clusterName",
            "generation",
            "managedFields",
            "resourceVersion",
        )
    }
)


class ApplyConflictError(Exception):
    """An apply would take fields from others."""

    def __init__(self, conflicts: dict[Manager, Fields]) -> None:
        super().__init__()
        self.conflicts = conflicts


class FieldManager(Generic[T]):
    """Keeps the managed fields of one kind; `now` gives the time of changes."""

    def __init__(self, kind: ResourceKind[T], now: Callable[[], str], subresource: str = "") -> None:
        self._kind = kind
        self._now = now
        self._version = kind.api_version
        self._subresource = subresource
        self._atom = atom_of(kind.type)
        self._nothing = _empty_tree(kind.type)

    def update(self, live: T | None, new: T, manager: str) -> None:
        """Says in a new object who set what in it; `live` is what was there before, if anything.

        Objects that nobody owned anything of stay so. What the client sends of managed fields is taken over, as long
        as it is no subresource that is written.
        """
        owners = self._given(live, new)
        new.metadata.managedFields = None
        if not owners and live is not None and live.metadata.uid:
            return
        before = self._nothing if live is None else _tree(live)
        try:
            owners = self._updated(before, _tree(new), owners, manager)
        except UnkeyedError:
            return
        new.metadata.managedFields = encoded(capped(owners, self._version), self._version)

    def _given(self, live: T | None, new: T) -> Owners:
        entries = new.metadata.managedFields or []
        if not self._subresource:
            if len(entries) == 1 and entries[0] == ManagedFieldsEntry():
                return {}
            given = decoded(entries, self._version)
            if given:
                return given
        return decoded((live.metadata.managedFields if live is not None else None) or [], self._version)

    def _updated(self, before: Any, after: Any, owners: Owners, manager: str) -> Owners:
        found = compare(self._atom, before, after)
        changed = frozenset(found.added | found.modified)
        owners = left_of(owners, changed | found.removed)
        mine = changed - _UNOWNED
        if mine:
            key = Manager(manager, UPDATE, self._version, self._subresource)
            previous = owners[key].fields if key in owners else frozenset()
            owners[key] = Owned(mine | previous, self._now())
        return owners

    def apply(self, live: T | None, patch: dict[str, Any], manager: str, *, force: bool) -> T:
        """Merges what somebody wants of an object into it.

        Raises:
            ApiFailure: 400, 409 or 500.
        """
        self._check_kind(patch)
        owners = decoded((live.metadata.managedFields if live is not None else None) or [], self._version)
        before = self._nothing if live is None else _tree(live)
        if not owners:
            try:
                owners = self._updated(self._nothing, before, owners, _BEFORE_FIRST_APPLY)
            except UnkeyedError as error:
                problem = f"failed to create manager for existing fields: {error}"
                raise failures.plain_error(problem) from None
        self._check_patch(patch)
        try:
            after, owners = self._apply(before, patch, owners, manager, force=force)
        except ApplyConflictError as refused:
            left = self._not_allowed(refused.conflicts, before, manager)
            if left:
                raise _conflict(left) from None
            after, owners = self._apply(before, patch, owners, manager, force=True)
        return self._finished(after, patch, owners, manager)

    def _check_kind(self, patch: dict[str, Any]) -> None:
        version, kind = patch.get("apiVersion"), patch.get("kind")
        if (version, kind) != (self._version, self._kind.kind):
            group, _, number = str(version or "").rpartition("/")
            raise failures.bad_request(f"invalid object type: {group}/{number}, Kind={kind or ''}")
        meta = patch.get("metadata")
        if isinstance(meta, dict) and isinstance(meta.get("managedFields"), list):
            raise failures.bad_request("metadata.managedFields must be nil")

    def _check_patch(self, patch: dict[str, Any]) -> None:
        try:
            check(self._atom, patch)
        except UnfitError as error:
            meta = patch.get("metadata")
            names = meta if isinstance(meta, dict) else {}
            where = f"{names.get('namespace') or ''}/{names.get('name') or ''}; {self._version}, Kind={self._kind.kind}"
            raise failures.plain_error(f"failed to create typed patch object ({where}): {error}") from None

    def _apply(
        self, before: Any, patch: dict[str, Any], owners: Owners, manager: str, *, force: bool
    ) -> tuple[Any, Owners]:
        key = Manager(manager, APPLY, "", self._subresource)
        last = owners[key] if key in owners else Owned(frozenset())
        wanted = fields_of(self._atom, patch)
        owners = {**owners, key: Owned(wanted, last.time)}
        everything = frozenset(path for one in owners.values() for path in one.fields)
        after = pruned(self._atom, merge(self._atom, before, patch), last.fields, everything)
        found = compare(self._atom, before, after)
        changed = frozenset(found.added | found.modified)
        others = {one: owned for one, owned in owners.items() if one != key}
        conflicts = {one: owned.fields & changed for one, owned in others.items() if owned.fields & changed}
        if conflicts and not force:
            raise ApplyConflictError(conflicts)
        owners = left_of(others, changed | found.removed)
        if wanted - _UNOWNED:
            owners[key] = Owned(wanted - _UNOWNED, last.time if after == before else self._now())
        return after, owners

    def _not_allowed(self, conflicts: dict[Manager, Fields], live: Any, manager: str) -> dict[Manager, Fields]:
        """What is left of conflicts: kubectl may take what it has set by client-side apply before."""
        allowed: Fields = frozenset()
        if manager == _KUBECTL:
            with contextlib.suppress(ValueError, RecursionError):  # an annotation that cannot be read allows nothing
                allowed = _last_applied(self._atom, live, self._version)
        left = {one: fields - allowed for one, fields in conflicts.items()}
        return {one: fields for one, fields in left.items() if fields}

    def _finished(self, tree: Any, patch: dict[str, Any], owners: Owners, manager: str) -> T:
        try:
            made = decode_object(json.dumps(tree).encode(), self._kind.type, go_name=self._kind.kind).value
        except GoJSONError as error:
            raise failures.plain_error(f"failed to convert new typed object to object: {error}") from None
        made.kind = made.apiVersion = ""
        self._kind.default(made)
        made.metadata.managedFields = encoded(owners, self._version)
        annotations = made.metadata.annotations or {}
        if manager == _KUBECTL and annotations.get(LAST_APPLIED):
            annotations[LAST_APPLIED] = _applied_text(patch)
        return made


def _last_applied(atom: MapAtom, live: Any, api_version: str) -> Fields:
    """The fields of the last client-side apply that are still as they were applied.

    Raises:
        ValueError: there was none, or what it left behind cannot be used.
    """
    text = ((live.get("metadata") or {}).get("annotations") or {}).get(LAST_APPLIED) or ""
    applied = json.loads(text)
    if not isinstance(applied, dict) or applied.get("apiVersion") != api_version:
        raise ValueError("another version")
    check(atom, applied)
    found = compare(atom, applied, live)
    return fields_of(atom, applied) - found.modified - found.added - found.removed


def _applied_text(patch: dict[str, Any]) -> str:
    """What is remembered of an apply: the object, without that memory itself."""
    meta = dict(patch.get("metadata") or {})
    if isinstance(meta.get("annotations"), dict):
        meta["annotations"] = {key: value for key, value in meta["annotations"].items() if key != LAST_APPLIED}
    document = {**patch, "metadata": meta}
    return json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"


def _tree(item: ApiObject) -> Any:
    """An object as JSON, without its managed fields."""
    meta = msgspec.structs.replace(item.metadata, managedFields=None)
    return msgspec.json.decode(msgspec.json.encode(msgspec.structs.replace(item, metadata=meta)))


def _empty_tree(type_: type[msgspec.Struct]) -> Any:
    """An object of which nothing is set; unlike ours, Go's has no image metadata either."""
    return _without_metadata(msgspec.json.decode(msgspec.json.encode(type_())))


def _without_metadata(tree: Any) -> Any:
    if not isinstance(tree, dict):
        return tree
    return {key: None if key == "dockerImageMetadata" else _without_metadata(value) for key, value in tree.items()}


def _conflict(conflicts: dict[Manager, Fields]) -> ApiFailure:
    found = [
        (str(manager), paths.shown(path))
        for manager in sorted(conflicts)
        for path in paths.in_order(conflicts[manager])
    ]
    return failures.apply_conflict(found)

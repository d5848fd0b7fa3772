"""What a PATCH makes of an object (apiserver ``handlers/patch.go``)."""

from __future__ import annotations

import json
from typing import Any, Final, Generic

import msgspec

from mirror import gojson
from mirror.api import failures, strategic_patch
from mirror.api.decoding import API_VERSION, MAX_BODY
from mirror.api.failures import ApiFailure
from mirror.api.fields import invalid
from mirror.api.goformat import go_value
from mirror.api.image_metadata import ConversionError
from mirror.api.json_patch import MAX_OPERATIONS, Document, PatchError, apply_patch, merge_patch
from mirror.api.json_tree import read_tree
from mirror.api.kinds import SCHEME, is_registered
from mirror.api.managed_fields import FieldManager
from mirror.api.options import write_options
from mirror.api.resource_kinds import ResourceKind, T
from mirror.api.routing import Call
from mirror.api.strategic_patch import StrategicPatchError
from mirror.api.structured.schema import atom_of
from mirror.api.unstructured import RestoreError, restore
from mirror.api.updates import check_names, own_namespace
from mirror.gojson import GoJSONError, StrictLog
from mirror.gotext import quote
from mirror.kubejson import YamlError, convert_yaml, decode_object
from mirror.kubejson.kinds import kind_of

JSON_PATCH: Final = "application/json-patch+json"
MERGE_PATCH: Final = "application/merge-patch+json"
STRATEGIC_PATCH: Final = "application/strategic-merge-patch+json"
APPLY_PATCH: Final = "application/apply-patch+yaml"
PATCH_TYPES: Final = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH)

_TREE: Final = gojson.Map(gojson.Any, go="map[string]interface {}")
_OPERATIONS: Final = gojson.List(
    gojson.Struct(
        "handlers.jsonPatchOp",
        [("op", gojson.String), ("path", gojson.String), ("from", gojson.String), ("value", gojson.Any)],
        fold=False,
    ),
    go="[]handlers.jsonPatchOp",
)
_OPERATION_FIELDS: Final = frozenset({"op", "path", "from", "value"})
_UNCHECKED: Final = gojson.List(gojson.Map(gojson.Raw), go="jsonpatch.Patch")


class Patch(Generic[T]):
    """A PATCH of any of the four types. What is wrong with the patch itself shows when it is applied."""

    uid = ""

    def __init__(self, call: Call, kind: ResourceKind[T], fields: FieldManager[T]) -> None:
        """Reads the request.

        Raises:
            ApiFailure: 413, 415, 422.
        """
        self._type = call.request.headers.get("content-type", "").partition(";")[0]
        if self._type not in PATCH_TYPES:
            raise failures.unsupported_patch_type(PATCH_TYPES)
        if len(call.request.body) > MAX_BODY:
            raise failures.too_large(MAX_BODY)
        self.creates = self._type == APPLY_PATCH
        self.options = write_options(call.request, "PatchOptions", apply=self.creates)
        self.warnings: list[str] = []
        self._call = call
        self._kind = kind
        self._fields = fields

    def apply(self, current: T) -> T:
        """The patched object."""
        self.warnings.clear()
        if self._type == APPLY_PATCH:
            item = self._apply(current)
        else:
            strategic = self._type == STRATEGIC_PATCH
            item = self._patched_strategically(current) if strategic else self._patched(current)
            self._fields.update(current, item, self.options.manager)
        return self._checked(item)

    def create(self) -> T:
        """What an apply makes of nothing."""
        self.warnings.clear()
        item = self._checked(self._apply(None))
        if item.metadata.uid:
            problem = (
                f"uid mismatch: the provided object specified uid {item.metadata.uid}, and no existing object was found"
            )
            raise failures.conflict(self._kind.resource, self._call.name, problem)
        return item

    def _checked(self, item: T) -> T:
        own_namespace(item.metadata, self._call.namespace)
        check_names(item.metadata, self._call.name)
        return item

    def _judge(self, shown: str, problems: list[str]) -> None:
        """Makes warnings or a refusal of unknown and repeated fields.

        Raises:
            ApiFailure: 422.
        """
        if not problems or self.options.validation == "Ignore":
            return
        if self.options.validation == "Strict":
            raise _invalid(shown, f"strict decoding error: {', '.join(problems)}")
        self.warnings += problems

    # JSON patches and merge patches

    def _patched(self, current: T) -> T:
        document = Document(_tree(current, self._kind))
        problems = self._patch_json(document) if self._type == JSON_PATCH else self._merge_json(document)
        text = document.text
        shown = text.decode("utf-8", "surrogatepass")
        _check_kind(document.value, shown, self._kind)
        try:
            decoded = decode_object(text, self._kind.type, go_name=self._kind.kind)
            decoded.value.kind = decoded.value.apiVersion = ""
            self._kind.default(decoded.value)
        except (GoJSONError, ConversionError) as error:
            raise _invalid(shown, str(error)) from None
        self._judge(shown, [*problems, *decoded.problems])
        return decoded.value

    def _patch_json(self, document: Document) -> list[str]:
        log = StrictLog()
        body = self._call.request.body
        try:
            checked = self.options.validation != "Ignore"
            operations = read_tree(body, _OPERATIONS if checked else _UNCHECKED, log, _OPERATION_FIELDS) or []
        except GoJSONError as error:
            prefix = "error decoding patch: " if checked else ""
            raise failures.bad_request(f"{prefix}{error}") from None
        if len(operations) > MAX_OPERATIONS:
            raise failures.too_large_entity(
                f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
            )
        try:
            apply_patch(document, [operation or {} for operation in operations])
        except PatchError:
            raise failures.unprocessable() from None
        return [f"json patch {problem}" for problem in log.problems]

    def _merge_json(self, document: Document) -> list[str]:
        log = StrictLog()
        body = self._call.request.body
        try:
            patch = read_tree(body, _TREE, log)
        except GoJSONError as error:
            strict = self.options.validation != "Ignore"
            raise failures.bad_request(f"error decoding patch: {error}" if strict else _BAD_MERGE_PATCH) from None
        if patch is None:
            raise failures.bad_request(_BAD_MERGE_PATCH)
        merge_patch(document, patch)
        return log.problems

    # Strategic merge patches

    def _patched_strategically(self, current: T) -> T:
        log = StrictLog()
        try:
            patch: dict[str, Any] = read_tree(self._call.request.body, _TREE, log) or {}
        except GoJSONError as error:
            raise failures.bad_request(str(error)) from None
        try:
            merged = strategic_patch.apply(_tree(current, self._kind), patch, atom_of(self._kind.type))
        except StrategicPatchError as error:
            if error.malformed:
                raise failures.bad_request(str(error)) from None
            raise (failures.unprocessable() if error.unfit else failures.plain_error(str(error))) from None
        shown = go_value(patch)
        try:
            restored, unknown = restore(kind_of(self._kind.type, self._kind.kind, "v1").shape, merged)
            data = json.dumps(restored).encode()
            item = decode_object(data, self._kind.type, go_name=self._kind.kind).value
            item.kind = item.apiVersion = ""
            self._kind.default(item)
        except (RestoreError, GoJSONError) as error:
            raise _invalid(shown, str(error)) from None
        except ConversionError as error:
            raise failures.plain_error(str(error)) from None
        self._judge(shown, [*log.problems, *unknown])
        return item

    # Server-side apply

    def _apply(self, current: T | None) -> T:
        body = self._call.request.body
        try:
            converted = convert_yaml(body)
        except YamlError as error:
            raise failures.bad_request(f"error decoding YAML: {error}") from None
        try:
            patch: dict[str, Any] = read_tree(converted.json, _TREE, StrictLog()) or {}
        except GoJSONError as error:
            problem = f"error unmarshaling JSON: while decoding JSON: {error}"
            raise failures.bad_request(f"error decoding YAML: {problem}") from None
        item = self._fields.apply(current, patch, self.options.manager, force=self.options.force)
        for problem in converted.problems if self.options.validation != "Ignore" else ():
            text = f"error converting YAML to JSON: {problem}"
            if self.options.validation == "Strict":
                raise failures.bad_request(f"error strict decoding YAML: {text}")
            self.warnings.append(text)
        return item


_BAD_MERGE_PATCH: Final = "Invalid JSON Patch"


def _tree(item: T, kind: ResourceKind[T]) -> dict[str, Any]:
    """An object as JSON, with its kind."""
    tree: dict[str, Any] = msgspec.json.decode(msgspec.json.encode(item, order="deterministic"))
    return {"kind": kind.kind, "apiVersion": API_VERSION, **tree}


def _invalid(shown: str, problem: str) -> ApiFailure:
    return failures.invalid("", "", [invalid("patch", shown, problem)], "")


def _check_kind(tree: Any, shown: str, kind: ResourceKind[T]) -> None:
    """A patch may not make another kind of an object.

    Raises:
        ApiFailure: 422.
    """
    if not isinstance(tree, dict):
        return
    given = tree.get("kind") or kind.kind
    version = tree.get("apiVersion") or API_VERSION
    if not isinstance(given, str) or not isinstance(version, str) or (given, version) == (kind.kind, API_VERSION):
        return
    if not is_registered(version, given):
        where = f"registered for version {quote(version)} in scheme {quote(SCHEME)}"
        raise _invalid(shown, f"no kind {quote(given)} is {where}")
    raise _invalid(shown, f"unable to decode {version}, Kind={given} into *image.{kind.kind}")

"""Field errors of the API and how they are written (apimachinery ``util/validation/field``)."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from mirror.gotext import aggregate, html_escape, quote
from mirror.v1.meta import StatusCause

Kind = Literal["Invalid", "Required", "Forbidden", "NotSupported", "NotFound", "Duplicate", "TooLong", "Internal"]
Value = Any
"""What a message shows of a field: anything that JSON can say."""

_WORDS: Final[dict[Kind, tuple[str, str]]] = {
    "Invalid": ("FieldValueInvalid", "Invalid value"),
    "Required": ("FieldValueRequired", "Required value"),
    "Forbidden": ("FieldValueForbidden", "Forbidden"),
    "NotSupported": ("FieldValueNotSupported", "Unsupported value"),
    "NotFound": ("FieldValueNotFound", "Not found"),
    "Duplicate": ("FieldValueDuplicate", "Duplicate value"),
    "TooLong": ("FieldValueTooLong", "Too long"),
    "Internal": ("InternalError", "Internal error"),
}
_WITHOUT_VALUE: Final = frozenset({"Required", "Forbidden", "TooLong", "Internal"})


@dataclass(frozen=True, slots=True)
class FieldError:
    """One thing that is wrong with one field."""

    kind: Kind
    field: str
    value: Value = None
    detail: str = ""

    @property
    def body(self) -> str:
        """The text without the field: ``Invalid value: "x": detail``."""
        words = _WORDS[self.kind][1]
        if self.kind not in _WITHOUT_VALUE:
            words = f"{words}: {_shown(self.value)}"
        return f"{words}: {self.detail}" if self.detail else words

    def __str__(self) -> str:
        return f"{self.field}: {self.body}"

    @property
    def cause(self) -> StatusCause:
        """The error as an element of a status."""
        return StatusCause(reason=_WORDS[self.kind][0], message=self.body, field=self.field)


def _shown(value: Value) -> str:
    if isinstance(value, str):
        return quote(value)
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    return html_escape(text.encode("utf-8", "surrogatepass")).decode("utf-8", "surrogatepass")


def invalid(field: str, value: Value, detail: str) -> FieldError:
    return FieldError("Invalid", field, value, detail)


def required(field: str, detail: str = "") -> FieldError:
    return FieldError("Required", field, detail=detail)


def forbidden(field: str, detail: str) -> FieldError:
    return FieldError("Forbidden", field, detail=detail)


def joined(errors: Sequence[FieldError]) -> str:
    """The texts of several errors as one: equal ones once, in brackets where there is more than one."""
    return aggregate([str(error) for error in errors])

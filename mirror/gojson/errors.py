"""The errors of Go's JSON decoder.

GoJSONError             anything that makes ``json.Unmarshal`` fail; its text is Go's
 ├── GoSyntaxError      the text is no JSON
 └── GoTypeError        a JSON value that does not fit the Go type
"""

from __future__ import annotations

from collections.abc import Sequence


class GoJSONError(ValueError):
    """Why a JSON text was refused. ``str()`` is the text that Go's ``encoding/json`` gives."""


class GoSyntaxError(GoJSONError):
    """The text is no JSON.

    Attributes:
        at_end: the text ended too early, so that more of it might have been JSON.
    """

    def __init__(self, text: str, *, at_end: bool = False) -> None:
        super().__init__(text)
        self.at_end = at_end


class GoTypeError(GoJSONError):
    """``json.UnmarshalTypeError``: a value of kind `value` does not fit the Go type `go`.

    `struct` is the name of the Go struct that holds the field (empty for an anonymous one), `path` the keys from the
    root to it. Without a path the error is about the decoded value itself.
    """

    def __init__(self, value: str, go: str, struct: str = "", path: Sequence[str] = ()) -> None:
        where = f"struct field {struct}.{'.'.join(path)}" if struct or path else "value"
        super().__init__(f"json: cannot unmarshal {value} into Go {where} of type {go}")
        self.value = value
        self.go = go
        self.struct = struct
        self.path = tuple(path)

    def within(self, struct: str, path: Sequence[str]) -> GoTypeError:
        """The same error of a custom decoder, seen from the value that contains what it decoded."""
        return GoTypeError(self.value, self.go, struct, (*path, *self.path)) if struct or path else self

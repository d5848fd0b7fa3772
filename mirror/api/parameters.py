"""Numbers in queries and resource versions, refused in Go's words (strconv, apiserver ``api_object_versioner.go``)."""

from __future__ import annotations

import re
from typing import Final

from mirror.api import failures
from mirror.api.fields import invalid
from mirror.api.messages import ApiRequest
from mirror.gotext import quote

_INTEGER: Final = re.compile(r"[+-]?[0-9]+")
_UNSIGNED: Final = re.compile(r"[0-9]+")
_LONG: Final = 1000
"""More digits than any number has that fits; Python does not read texts that are much longer."""


class NumberError(ValueError):
    """A text that is no number of the wanted kind; the error's text is strconv's."""


def integer(request: ApiRequest, name: str) -> int | None:
    """A parameter that is an int64; None where it is absent.

    Raises:
        ApiFailure: 400.
    """
    if not request.parameters(name):
        return None
    text = request.parameter(name)
    if not _INTEGER.fullmatch(text):
        raise failures.bad_request(f"strconv.ParseInt: parsing {quote(text)}: invalid syntax")
    number = int(text) if len(text) < _LONG else 2**63
    if not -(2**63) <= number < 2**63:
        raise failures.bad_request(f"strconv.ParseInt: parsing {quote(text)}: value out of range")
    return number


def version_number(text: str) -> int:
    """A resource version as a number; the empty one is 0.

    Raises:
        NumberError: it is none.
    """
    if not text:
        return 0
    if not _UNSIGNED.fullmatch(text):
        raise NumberError(f"strconv.ParseUint: parsing {quote(text)}: invalid syntax")
    number = int(text) if len(text) < _LONG else 2**64
    if number >= 2**64:
        raise NumberError(f"strconv.ParseUint: parsing {quote(text)}: value out of range")
    return number


def wanted_version(text: str) -> int:
    """The resource version that a read asks for.

    Raises:
        NumberError: it is none; the text names the field.
    """
    try:
        return version_number(text)
    except NumberError as error:
        raise NumberError(str(invalid("resourceVersion", text, str(error)))) from None

"""The messages of LDAP that finding and checking a user takes, as bytes.

Source: RFC 4511, section 4 and appendix B. Only this module knows of ASN.1.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, NamedTuple

from pyasn1.codec.ber import decoder, encoder
from pyasn1.error import PyAsn1Error
from pyasn1.type import base, namedtype, tag, univ

from fake_registry.ldap_text import Both, Compared, Filter, Like, Matching, Not, Present

START_TLS: Final = b"1.3.6.1.4.1.1466.20037"

_VERSION: Final = 3
_KINDS: Final = {"=": 3, ">=": 5, "<=": 6, "~=": 8}


class Result(NamedTuple):
    """How an operation ended: its code (RFC 4511, appendix A), and what the server says of it."""

    code: int
    message: str


class Entry(NamedTuple):
    """An entry that was found: its name, and values by the attributes' names in lower case, without options."""

    name: str
    attributes: Mapping[str, Sequence[bytes]]


class Reference(NamedTuple):
    """Another server may have more."""


Answer = Result | Entry | Reference


class MalformedAnswer(Exception):
    """What came is no answer of a directory."""


def bind_request(number: int, name: str, password: bytes) -> bytes:
    """Says who is asking, and proves it by a password."""
    credentials = _tagged(univ.OctetString(password), tag.tagClassContext, 0)
    return _message(number, _sequence([univ.Integer(_VERSION), univ.OctetString(name.encode()), credentials], 0))


def unbind_request(number: int) -> bytes:
    """Ends the connection."""
    return _message(number, _tagged(univ.Null(""), tag.tagClassApplication, 2))


def start_tls_request(number: int) -> bytes:
    """Asks for TLS on this connection."""
    return _message(number, _sequence([_tagged(univ.OctetString(START_TLS), tag.tagClassContext, 0)], 23))


def search_request(
    number: int,
    base: str,
    found: Filter,
    places: Mapping[str, bytes],
    attributes: Sequence[str],
    *,
    below: bool,
    entries: int,
    seconds: int,
) -> bytes:
    """Asks for so many `entries` at most: those below `base`, or that one alone, whose values a filter is true of."""
    fields = [
        univ.OctetString(base.encode()),
        univ.Enumerated(2 if below else 0),
        univ.Enumerated(0),  # aliases are not followed
        univ.Integer(entries),
        univ.Integer(seconds),
        univ.Boolean(False),
        _filter(found, places),
        _sequence([univ.OctetString(name.encode()) for name in attributes]),
    ]
    return _message(number, _sequence(fields, 3))


def read_answer(data: bytes) -> tuple[int, Answer]:
    """The number of the request that a message answers, and the answer.

    Raises:
        MalformedAnswer: it is none that the requests of this module have.
    """
    try:
        message, rest = decoder.decode(data, asn1Spec=_MESSAGE)
        number, answered = int(message["id"]), message["operation"]
        kind = answered.getName()
        operation = answered.getComponent()
        answer: Answer
        if kind == "entry":
            attributes: dict[str, list[bytes]] = {}
            for one in operation["attributes"]:
                name = bytes(one["type"]).decode().partition(";")[0].lower()
                attributes.setdefault(name, []).extend(bytes(value) for value in one["values"])
            answer = Entry(bytes(operation["name"]).decode(), attributes)
        elif kind == "reference":
            answer = Reference()
        else:
            answer = Result(int(operation["code"]), bytes(operation["message"]).decode("utf-8", "replace"))
    except (PyAsn1Error, UnicodeDecodeError, RecursionError) as error:
        raise MalformedAnswer("no answer of a directory") from error
    if rest:
        raise MalformedAnswer("more than an answer of a directory")
    return number, answer


def _tagged(value: Any, kind: int, number: int) -> Any:
    """A value, or the shape of one, with another tag than its own."""
    is_simple = isinstance(value, base.SimpleAsn1Type)
    shape = tag.Tag(kind, tag.tagFormatSimple if is_simple else tag.tagFormatConstructed, number)
    return value.subtype(implicitTag=shape, **({} if is_simple else {"cloneValueFlag": value.isValue}))


def _sequence(values: Sequence[Any], application: int | None = None) -> Any:
    """Values one after the other, as an operation if `application` says which."""
    found: Any = univ.SequenceOf(componentType=univ.Any())
    found.clear()
    found.extend([univ.Any(encoder.encode(value)) for value in values])
    return found if application is None else _tagged(found, tag.tagClassApplication, application)


def _message(number: int, operation: Any) -> bytes:
    return bytes(encoder.encode(_sequence([univ.Integer(number), operation])))


def _filter(found: Filter, places: Mapping[str, bytes]) -> Any:
    """A filter, with what belongs into its places."""

    def context(values: Sequence[Any], number: int) -> Any:
        return _tagged(_sequence(values), tag.tagClassContext, number)

    def text(value: bytes, number: int) -> Any:
        return _tagged(univ.OctetString(value), tag.tagClassContext, number)

    match found:
        case Both(operator, filters):
            return context([_filter(one, places) for one in filters], 0 if operator == "&" else 1)
        case Not(one):
            return context([_filter(one, places)], 2)
        case Compared(attribute, operator, value):
            filled = univ.OctetString(value.filled(places))
            return context([univ.OctetString(attribute.encode()), filled], _KINDS[operator])
        case Like(attribute, pieces):
            last = len(pieces) - 1
            values = [
                text(piece.filled(places), 0 if at == 0 else 2 if at == last else 1)
                for at, piece in enumerate(pieces)
                if piece.parts != (b"",)
            ]
            return context([univ.OctetString(attribute.encode()), _sequence(values)], 4)
        case Present(attribute):
            return text(attribute.encode(), 7)
        case Matching(attribute, rule, value, dn):
            values = [text(name.encode(), number) for name, number in ((rule, 1), (attribute, 2)) if name]
            values.append(text(value.filled(places), 3))
            if dn:
                values.append(_tagged(univ.Boolean(True), tag.tagClassContext, 4))
            return context(values, 9)


def _result(application: int, *more: namedtype.NamedType) -> Any:
    """LDAPResult as the answer to one kind of request."""
    referral = _tagged(univ.SequenceOf(componentType=univ.OctetString()), tag.tagClassContext, 3)
    fields = namedtype.NamedTypes(
        namedtype.NamedType("code", univ.Enumerated()),
        namedtype.NamedType("name", univ.OctetString()),
        namedtype.NamedType("message", univ.OctetString()),
        namedtype.OptionalNamedType("referral", referral),
        *more,
    )
    return _tagged(univ.Sequence(componentType=fields), tag.tagClassApplication, application)


def _optional(name: str, number: int) -> namedtype.OptionalNamedType:
    return namedtype.OptionalNamedType(name, _tagged(univ.OctetString(), tag.tagClassContext, number))


_ATTRIBUTE: Final = univ.Sequence(
    componentType=namedtype.NamedTypes(
        namedtype.NamedType("type", univ.OctetString()),
        namedtype.NamedType("values", univ.SetOf(componentType=univ.OctetString())),
    )
)
_ENTRY: Final = _tagged(
    univ.Sequence(
        componentType=namedtype.NamedTypes(
            namedtype.NamedType("name", univ.OctetString()),
            namedtype.NamedType("attributes", univ.SequenceOf(componentType=_ATTRIBUTE)),
        )
    ),
    tag.tagClassApplication,
    4,
)
_REFERENCE: Final = _tagged(univ.SequenceOf(componentType=univ.OctetString()), tag.tagClassApplication, 19)
_OPERATION: Final = univ.Choice(
    componentType=namedtype.NamedTypes(
        namedtype.NamedType("bound", _result(1, _optional("credentials", 7))),
        namedtype.NamedType("entry", _ENTRY),
        namedtype.NamedType("done", _result(5)),
        namedtype.NamedType("reference", _REFERENCE),
        namedtype.NamedType("extended", _result(24, _optional("responseName", 10), _optional("response", 11))),
    )
)
_CONTROL: Final = univ.Sequence(
    componentType=namedtype.NamedTypes(
        namedtype.NamedType("type", univ.OctetString()),
        namedtype.DefaultedNamedType("criticality", univ.Boolean(False)),
        namedtype.OptionalNamedType("value", univ.OctetString()),
    )
)
_CONTROLS: Final = _tagged(univ.SequenceOf(componentType=_CONTROL), tag.tagClassContext, 0)
_MESSAGE: Final = univ.Sequence(
    componentType=namedtype.NamedTypes(
        namedtype.NamedType("id", univ.Integer()),
        namedtype.NamedType("operation", _OPERATION),
        namedtype.OptionalNamedType("controls", _CONTROLS),
    )
)

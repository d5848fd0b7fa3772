"""A small directory that speaks LDAP on a socket of the loopback interface, and says what it was asked.

Its messages are those of pyasn1-modules (RFC 2251), and not those of the code that asks it.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from pyasn1.codec.ber import decoder, encoder
from pyasn1_modules import rfc2251

START_TLS = b"1.3.6.1.4.1.1466.20037"
READER = "cn=reader,dc=example,dc=com"


@dataclass
class Person:
    """An entry: its values by attributes in lower case, and its password."""

    attributes: Mapping[str, Sequence[str]]
    password: str = ""


PEOPLE = "ou=people,dc=example,dc=com"
GROUPS = "ou=groups,dc=example,dc=com"
ENTRIES = {
    READER: Person({"cn": ["reader"]}, "reader-secret"),
    f"uid=alice,{PEOPLE}": Person(
        {"uid": ["alice"], "mail": ["alice@example.com"], "memberof": [f"CN=Devs, {GROUPS}", "cn=far,dc=other"]},
        "a-secret",
    ),
    f"uid=bob,{PEOPLE}": Person({"uid": ["bob"], "memberof": [f"cn=ops,{GROUPS}"]}, "b-secret"),
    f"uid=bob,ou=more,{PEOPLE}": Person({"uid": ["robert", "twin"]}, "r-secret"),
    f"uid=twin,{PEOPLE}": Person({"uid": ["twin"]}, "t-secret"),
    f"uid=nobody,{PEOPLE}": Person({"uid": ["nobody"]}),
    f"cn=devs,{GROUPS}": Person({"cn": ["devs"], "member": [f"uid=alice,{PEOPLE}"]}),
    f"cn=ops,{GROUPS}": Person({"cn": ["ops"], "member": [f"uid=bob,{PEOPLE}"]}),
}


@dataclass
class SmallDirectory:
    """Serves from entering to leaving: one connection after the other, all of them by one thread.

    ``codes`` are result codes of binds as some names, in place of what they would get; ``answer`` are bytes that every
    request is answered by. ``asked`` is what was asked: ``("bind", NAME, PASSWORD)``, ``("search", BASE)``,
    ``("startTLS",)``.
    """

    entries: Mapping[str, Person] = field(default_factory=lambda: ENTRIES)
    tls: ssl.SSLContext | None = None
    from_the_beginning: bool = True
    codes: Mapping[str, int] = field(default_factory=dict)
    answer: bytes | None = None
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def __enter__(self) -> Self:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._thread.join()
        self._listener.close()

    @property
    def address(self) -> str:
        """Host and port."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    @property
    def url(self) -> str:
        """Where it is."""
        return f"{'ldaps' if self.tls and self.from_the_beginning else 'ldap'}://{self.address}"

    def binds(self, name: str) -> int:
        """How often somebody has said to be a name."""
        return sum(asked[:2] == ("bind", name) for asked in self.asked)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with contextlib.ExitStack() as stack, contextlib.suppress(OSError):  # some do not trust it, or go at once
                connection.settimeout(30)
                self._talk(stack, stack.enter_context(connection))

    def _talk(self, stack: contextlib.ExitStack, connection: socket.socket) -> None:
        if self.tls is not None and self.from_the_beginning:
            connection = stack.enter_context(self.tls.wrap_socket(connection, server_side=True))
        while (message := _message(connection)) is not None:
            number, kind, operation = message
            if self.answer is not None:
                connection.sendall(self.answer)
                continue
            for answer in self._answers(kind, operation):
                connection.sendall(_encoded(number, *answer))
            if kind == "unbindRequest":
                return
            if kind == "extendedReq" and self.tls is not None:
                connection = stack.enter_context(self.tls.wrap_socket(connection, server_side=True))

    def _answers(self, kind: str, operation: Any) -> list[tuple[str, Any]]:
        match kind:
            case "bindRequest":
                name, password = str(operation["name"]), bytes(operation["authentication"]["simple"])
                self.asked.append(("bind", name, password))
                return [("bindResponse", _result(rfc2251.BindResponse(), self._bind(name, password)))]
            case "searchRequest":
                self.asked.append(("search", str(operation["baseObject"])))
                return self._found(operation)
            case "extendedReq":
                assert bytes(operation["requestName"]) == START_TLS
                self.asked.append(("startTLS",))
                code = 2 if self.tls is None else 0
                return [("extendedResp", _result(rfc2251.ExtendedResponse(), code))]
        return []

    def _bind(self, name: str, password: bytes) -> int:
        if name in self.codes:
            return self.codes[name]
        person = self.entries.get(name)
        if not password or not name:
            return 0  # nobody in particular, as RFC 4513 has it, which many take for success
        return 0 if person is not None and person.password.encode() == password else 49

    def _found(self, operation: Any) -> list[tuple[str, Any]]:
        base, below = str(operation["baseObject"]), int(operation["scope"]) == 2
        if not any(name == base or name.endswith(f",{base}") for name in self.entries):
            return [("searchResDone", _result(rfc2251.SearchResultDone(), 32))]
        found = [
            (name, person)
            for name, person in self.entries.items()
            if name == base or (below and name.endswith(f",{base}"))
            if _fits(operation["filter"], person)
        ]
        answers: list[tuple[str, Any]] = []
        limit = int(operation["sizeLimit"])
        wanted = {str(name).lower() for name in operation["attributes"]}
        for name, person in found[: limit or None]:
            entry = rfc2251.SearchResultEntry()
            entry["objectName"] = name
            entry["attributes"].clear()
            for attribute, values in person.attributes.items():
                if attribute in wanted:
                    place = len(entry["attributes"])
                    entry["attributes"][place]["type"] = attribute
                    entry["attributes"][place]["vals"].extend([value.encode() for value in values])
            answers.append(("searchResEntry", entry))
        reference = rfc2251.SearchResultReference()
        reference.extend([b"ldap://elsewhere.example.com/dc=example,dc=com"])
        return [*answers, ("searchResRef", reference), ("searchResDone", _result(rfc2251.SearchResultDone(), 0))]


def _fits(found: Any, person: Person) -> bool:
    kind, operand = found.getName(), found.getComponent()
    match kind:
        case "and":
            return all(_fits(one, person) for one in operand)
        case "or":
            return any(_fits(one, person) for one in operand)
        case "equalityMatch":
            values = person.attributes.get(str(operand["attributeDesc"]).lower(), ())
            return bytes(operand["assertionValue"]).decode().lower() in [value.lower() for value in values]
        case "present":
            attribute = str(operand).lower()
            return attribute == "objectclass" or attribute in person.attributes
    raise NotImplementedError(kind)


def _result(result: Any, code: int) -> Any:
    result["resultCode"] = code
    result["matchedDN"] = ""
    result["errorMessage"] = ""
    return result


def _encoded(number: int, kind: str, operation: Any) -> bytes:
    message = rfc2251.LDAPMessage()
    message["messageID"] = number
    message["protocolOp"][kind] = operation
    return bytes(encoder.encode(message))


def _message(connection: socket.socket) -> tuple[int, str, Any] | None:
    """The next request; None: there is no other."""
    head = _all(connection, 2)
    if len(head) < 2 or head[0] != 0x30:
        return None
    size = head[1]
    if size >= 0x80:
        more = _all(connection, size - 0x80)
        head, size = head + more, int.from_bytes(more, "big")
    message, rest = decoder.decode(head + _all(connection, size), asn1Spec=rfc2251.LDAPMessage())
    assert not rest
    operation = message["protocolOp"]
    return int(message["messageID"]), operation.getName(), operation.getComponent()


def _all(connection: socket.socket, count: int) -> bytes:
    found = b""
    while len(found) < count and (piece := connection.recv(count - len(found))):
        found += piece
    return found

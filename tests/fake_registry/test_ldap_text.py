"""Names and filters of directories: what can be one, and that nothing a client gives means anything in one."""

from __future__ import annotations

import contextlib

import pytest
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st
from pyasn1.codec.ber import decoder
from pyasn1_modules import rfc2251

from fake_registry.directory.messages import search_request
from fake_registry.ldap_text import Part, canonical, escaped, is_below, read_filter, read_name, written

USER = frozenset({"user"})


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("cn=a", [("cn", "a")]),
        ("CN = a , dc=b", [("CN", "a"), ("dc", "b")]),
        (r"cn=a\, b,dc=c", [("cn", "a, b"), ("dc", "c")]),
        (r"cn=\ a\ ,dc=c", [("cn", " a "), ("dc", "c")]),
        (r"cn=a \20 ,dc=c", [("cn", "a  "), ("dc", "c")]),
        (r"cn=\23x\C3\a4\\", [("cn", "#xä\\")]),
        ("2.5.4.3=ä*?", [("2.5.4.3", "ä*?")]),
        ("cn=a=b", [("cn", "a=b")]),
        ("cn=", [("cn", "")]),
    ],
)
def test_names(text: str, parts: list[tuple[str, str]]) -> None:
    assert read_name(text) == tuple((part,) for part in parts)


def test_names_of_several_parts() -> None:
    assert read_name("uid=a+CN=b,dc=c") == ((("uid", "a"), ("CN", "b")), (("dc", "c"),))
    assert canonical(read_name("uid=a+CN=B,dc=c")) == canonical(read_name("cn=b+UID=A,DC=C"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "'' is no part of a distinguished name such as 'ou=people'"),
        ("alice", "'alice' is no part of a distinguished name such as 'ou=people'"),
        ("cn=a,,dc=b", "'' is no part of a distinguished name such as 'ou=people'"),
        ("=a", "'=a' is no part of a distinguished name such as 'ou=people'"),
        ("c n=a", "'c n=a' is no part of a distinguished name such as 'ou=people'"),
        ("cn=a;dc=b", "';' in 'a;dc=b' has to be escaped by a backslash"),
        ('cn="a"', "'\"' in '\"a\"' has to be escaped by a backslash"),
        ("cn=a\\", "'\\\\' in 'a\\\\' has to be escaped by a backslash"),
        ("cn=a\\x", "'\\\\' in 'a\\\\x' has to be escaped by a backslash"),
        ("cn=\\ff", "'\\\\ff' is not UTF-8"),
        ("cn=#0401", "'#0401': values that begin with # are not understood; a # itself is written \\#"),
    ],
)
def test_what_is_no_name(text: str, problem: str) -> None:
    with pytest.raises(ValueError) as raised:
        read_name(text)
    assert str(raised.value) == problem


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("cn=Devs,ou=Groups,dc=X", "CN=devs, OU=groups , DC=x", True),
        ("cn=a  b", "cn= a b ", True),
        ("cn=straße", "cn=STRASSE", True),
        (r"cn=a\,ou=b", "cn=a,ou=b", False),
        ("cn=a", "ou=a", False),
    ],
)
def test_names_that_directories_take_for_one(one: str, other: str, same: bool) -> None:
    assert (written(canonical(read_name(one))) == written(canonical(read_name(other)))) is same


@pytest.mark.parametrize(
    ("name", "base", "below"),
    [
        ("cn=a,ou=b,dc=c", "ou=b,dc=c", True),
        ("ou=b,dc=c", "ou=b,dc=c", True),
        ("dc=c", "ou=b,dc=c", False),
        (r"cn=a\,ou=b,dc=c", "ou=b,dc=c", False),
        ("cn=a,ou=xb,dc=c", "ou=b,dc=c", False),
    ],
)
def test_what_is_below(name: str, base: str, below: bool) -> None:
    assert is_below(canonical(read_name(name)), canonical(read_name(base))) is below


values = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(st.lists(values.filter(bool), min_size=1, max_size=3))
def test_names_are_written_as_they_are_read(found: list[str]) -> None:
    name = tuple((Part("CN", value),) for value in found)
    assert read_name(written(name)) == name
    parsed = x509.Name.from_rfc4514_string(written(name))
    assert [attribute.value for attribute in reversed(list(parsed))] == found


@given(values.filter(bool))
def test_what_a_client_gives_is_one_value_of_a_name(given: str) -> None:
    text = f"CN={escaped(given.encode())},DC=example"
    assert read_name(text) == ((("CN", given),), (("DC", "example"),))
    parsed = x509.Name.from_rfc4514_string(text)
    assert [attribute.value for attribute in reversed(list(parsed))] == [given, "example"]


def sent(text: str, given: bytes) -> object:
    """The filter that a server is asked with."""
    asked = search_request(
        1, "dc=c", read_filter(text, USER), {"user": given}, ["uid"], below=True, entries=2, seconds=1
    )
    message, rest = decoder.decode(asked, asn1Spec=rfc2251.LDAPMessage())
    assert not rest
    return message["protocolOp"]["searchRequest"]["filter"]


@given(st.binary(max_size=40) | st.text("*()\\&|!={}\0", max_size=20).map(str.encode))
def test_what_a_client_gives_is_one_value_of_a_filter(given: bytes) -> None:
    both = sent("(&(objectClass=person)(|(uid={user})(mail=m-{user}@x)))", given)
    assert both.getName() == "and"
    kind, either = list(both.getComponent())
    assert bytes(kind.getComponent()["assertionValue"]) == b"person"
    found = [bytes(one["equalityMatch"]["assertionValue"]) for one in either["or"]]
    assert found == [given, b"m-" + given + b"@x"]


@pytest.mark.parametrize(
    ("text", "kind", "printed"),
    [
        ("(uid={user})", "equalityMatch", {"attributeDesc": b"uid", "assertionValue": b"a*b"}),
        (
            r"(cn;lang-de=\2a\28{user}\29 )",
            "equalityMatch",
            {"attributeDesc": b"cn;lang-de", "assertionValue": b"*(a*b) "},
        ),
        ("(a>=1)", "greaterOrEqual", {"attributeDesc": b"a", "assertionValue": b"1"}),
        ("(a<=)", "lessOrEqual", {"attributeDesc": b"a", "assertionValue": b""}),
        ("(a~=1=2)", "approxMatch", {"attributeDesc": b"a", "assertionValue": b"1=2"}),
    ],
)
def test_comparisons(text: str, kind: str, printed: dict[str, bytes]) -> None:
    found = sent(text, b"a*b")
    assert found.getName() == kind
    assert {name: bytes(found[kind][name]) for name in printed} == printed


@pytest.mark.parametrize(
    ("text", "rule", "attribute", "value", "dn"),
    [
        ("(member:1.2.840.113556.1.4.1941:={user})", b"1.2.840.113556.1.4.1941", b"member", b"x", False),
        ("(cn:dn:=a)", b"", b"cn", b"a", True),
        ("(cn:DN:2.4.6:=a)", b"2.4.6", b"cn", b"a", True),
        ("(:caseExactMatch:=a)", b"caseExactMatch", b"", b"a", False),
    ],
)
def test_matching_rules(text: str, rule: bytes, attribute: bytes, value: bytes, dn: bool) -> None:
    found = sent(text, b"x")["extensibleMatch"]
    fields = ("matchingRule", rule), ("type", attribute), ("matchValue", value)
    assert {name: bytes(found[name]) if found[name].isValue else b"" for name, _ in fields} == dict(fields)
    assert bool(found["dnAttributes"]) is dn


@pytest.mark.parametrize(
    ("text", "pieces"),
    [
        ("(a=x*)", [("initial", b"x")]),
        ("(a=*x)", [("final", b"x")]),
        ("(a=*x*)", [("any", b"x")]),
        (r"(a=u*{user}*\2a*z)", [("initial", b"u"), ("any", b"x"), ("any", b"*"), ("final", b"z")]),
    ],
)
def test_parts_of_values(text: str, pieces: list[tuple[str, bytes]]) -> None:
    found = sent(text, b"x")["substrings"]["substrings"]
    assert [(one.getName(), bytes(one.getComponent())) for one in found] == pieces


def test_presence() -> None:
    assert bytes(sent("(a=*)", b"")["present"]) == b"a"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("uid={user}", "expected '(' at 'uid={user}', as in '(uid={user})'"),
        ("", "expected '(' at '', as in '(uid={user})'"),
        ("(uid={user}", "'(uid={user}' has no ')'"),
        ("(uid={user}))", "')' is left over behind the filter"),
        ("(&)", "'(&)' has no end, or not what belongs behind '&'"),
        ("(&(a=b)", "'(&(a=b)' has no end, or not what belongs behind '&'"),
        ("(!(a=b)(c=d))", "'(!(a=b)(c=d))' has no end, or not what belongs behind '!'"),
        ("((a=b))", "'(a=b' is no comparison such as 'uid={user}'"),
        ("(a)", "'a' is no comparison such as 'uid={user}'"),
        ("(=b)", "'=b' names no attribute"),
        ("(a b=c)", "'a b=c' is no comparison such as 'uid={user}'"),
        ("(a:=)", None),
        ("(a:b=c)", "'a:b=c' is no comparison such as 'uid={user}'"),
        ("(:=c)", "':=c': expected an attribute, :dn and one matching rule at most before ':='"),
        ("(a:b:c:=d)", "'a:b:c:=d': expected an attribute, :dn and one matching rule at most before ':='"),
        ("(a=b**c)", "'a=b**c': nothing stands between two '*'"),
        ("(a>=b*)", r"'b*': '*', '(', ')', backslash and zero are written as \2a, \28, \29, \5c, \00"),
        ("(a=b(c)", r"'b(c': '*', '(', ')', backslash and zero are written as \2a, \28, \29, \5c, \00"),
        (r"(a=\x)", r"'\\x': '*', '(', ')', backslash and zero are written as \2a, \28, \29, \5c, \00"),
        ("(a={dn})", "{dn} is unknown; there is {user}"),
        ("(!" * 17 + "(a=b)" + ")" * 17, "more than 16 filters in each other"),
    ],
)
def test_what_is_no_filter(text: str, problem: str | None) -> None:
    if problem is None:
        read_filter(text, USER)
        return
    with pytest.raises(ValueError) as raised:
        read_filter(text, USER)
    assert str(raised.value) == problem


@given(st.text("()&|!=*\\{}:<>~ab02", max_size=30))
def test_any_text_is_a_filter_or_none(text: str) -> None:
    with contextlib.suppress(ValueError):
        read_filter(text, USER)
    with contextlib.suppress(ValueError):
        assert read_name(written(read_name(text))) == read_name(text)

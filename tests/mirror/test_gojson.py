"""mirror.gojson: syntax and decoding of Go's encoding/json, with every decoder text of the recordings."""

from __future__ import annotations

import contextlib
import json
import re
import time
from pathlib import Path
from typing import Any as AnyValue

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror.gojson import (
    Any,
    Bool,
    Bytes,
    Custom,
    Field,
    Float64,
    GoJSONError,
    GoSyntaxError,
    GoTypeError,
    Int,
    Int32,
    Int64,
    List,
    Map,
    MetaTime,
    Pointer,
    Raw,
    Shape,
    StrictLog,
    String,
    Struct,
    Text,
    Time,
    Uint64,
    check_valid,
    decode,
    decode_stream,
    unquote,
)
from mirror.gotext import decode_base64

VECTORS = Path(__file__).parent.parent / "vectors"


def rows(name: str) -> list[dict[str, AnyValue]]:
    loaded: list[dict[str, AnyValue]] = json.loads((VECTORS / f"{name}.json").read_text("utf-8"))
    return loaded


# --- syntax

SYNTAX = [
    ("", "unexpected end of JSON input"),
    (" \n\t\r", "unexpected end of JSON input"),
    ("{", "unexpected end of JSON input"),
    ('{"a', "unexpected end of JSON input"),
    ('{"a"', "unexpected end of JSON input"),
    ('{"a":', "unexpected end of JSON input"),
    ('{"a":1', "unexpected end of JSON input"),
    ('{"a":1,', "unexpected end of JSON input"),
    ("[1,", "unexpected end of JSON input"),
    # Where no white space may come, Go takes the end for a blank that is wrong there (as Go 1.24 prints them).
    ('"a\\', "invalid character ' ' in string escape code"),
    ('"\\u12', r"invalid character ' ' in \u hexadecimal character escape"),
    ("n", "invalid character ' ' in literal null (expecting 'u')"),
    ("tru", "invalid character ' ' in literal true (expecting 'e')"),
    ('{"a":[fals', "invalid character ' ' in literal false (expecting 'e')"),
    ("-", "invalid character ' ' in numeric literal"),
    ("1.", "invalid character ' ' after decimal point in numeric literal"),
    ("1e", "invalid character ' ' in exponent of numeric literal"),
    ("1e+", "invalid character ' ' in exponent of numeric literal"),
    ("[1", "unexpected end of JSON input"),
    ("nope", "invalid character 'o' in literal null (expecting 'u')"),
    ("nul!", "invalid character '!' in literal null (expecting 'l')"),
    ("teapot", "invalid character 'e' in literal true (expecting 'r')"),
    ("trie", "invalid character 'i' in literal true (expecting 'u')"),
    ("falSe", "invalid character 'S' in literal false (expecting 's')"),
    ("<html>", "invalid character '<' looking for beginning of value"),
    ("Forbidden", "invalid character 'F' looking for beginning of value"),
    ("404 page not found\n", "invalid character 'p' after top-level value"),
    ("{} {}", "invalid character '{' after top-level value"),
    ("nullx", "invalid character 'x' after top-level value"),
    ('"a".', "invalid character '.' after top-level value"),
    ("[truee]", "invalid character 'e' after array element"),
    ("{not json", "invalid character 'n' looking for beginning of object key string"),
    ("{'a'}", r"invalid character '\'' looking for beginning of object key string"),
    ('{"a":1,}', "invalid character '}' looking for beginning of object key string"),
    ("{,}", "invalid character ',' looking for beginning of object key string"),
    ('{"a" 1}', "invalid character '1' after object key"),
    ('{"a"}', "invalid character '}' after object key"),
    ('{"a":1 "b":2}', "invalid character '\"' after object key:value pair"),
    ('{"a":1]', "invalid character ']' after object key:value pair"),
    ('{"a":01}', "invalid character '1' after object key:value pair"),
    ("[1 2]", "invalid character '2' after array element"),
    ("[1}", "invalid character '}' after array element"),
    ("[1,]", "invalid character ']' looking for beginning of value"),
    ("[,1]", "invalid character ',' looking for beginning of value"),
    ("+1", "invalid character '+' looking for beginning of value"),
    (".5", "invalid character '.' looking for beginning of value"),
    ("NaN", "invalid character 'N' looking for beginning of value"),
    ("-Infinity", "invalid character 'I' in numeric literal"),
    ("--1", "invalid character '-' in numeric literal"),
    ("1.x", "invalid character 'x' after decimal point in numeric literal"),
    ("[1.]", "invalid character ']' after decimal point in numeric literal"),
    ("1.e5", "invalid character 'e' after decimal point in numeric literal"),
    ("1ex", "invalid character 'x' in exponent of numeric literal"),
    ("1.5E-x", "invalid character 'x' in exponent of numeric literal"),
    ("[1e]", "invalid character ']' in exponent of numeric literal"),
    ("1e++1", "invalid character '+' in exponent of numeric literal"),
    ("[1.5.5]", "invalid character '.' after array element"),
    ("[1e5.5]", "invalid character '.' after array element"),
    ("[1e5e5]", "invalid character 'e' after array element"),
    ("00", "invalid character '0' after top-level value"),
    ("-01", "invalid character '1' after top-level value"),
    ('"a\nb"', r"invalid character '\n' in string literal"),
    ('"\x00"', r"invalid character '\x00' in string literal"),
    ('"\x1f"', r"invalid character '\x1f' in string literal"),
    (r'"\x"', "invalid character 'x' in string escape code"),
    (r'"\U0041"', "invalid character 'U' in string escape code"),
    ('"\\\\\\\n"', r"invalid character '\n' in string escape code"),
    (r'"\u00G0"', r"invalid character 'G' in \u hexadecimal character escape"),
    (r'{"\u":1}', r"invalid character '\"' in \u hexadecimal character escape".replace(r"\"", '"')),
    ("\\", r"invalid character '\\' looking for beginning of value"),
    ("\x7f", r"invalid character '\x7f' looking for beginning of value"),
    ("\v", r"invalid character '\v' looking for beginning of value"),
    ("\ufeff{}", "invalid character 'ï' looking for beginning of value"),
    ("é", "invalid character 'Ã' looking for beginning of value"),
    ("\u00a0", "invalid character 'Â' looking for beginning of value"),
]


@pytest.mark.parametrize(("text", "error"), SYNTAX)
def test_syntax_errors(text: str, error: str) -> None:
    with pytest.raises(GoSyntaxError) as caught:
        check_valid(text.encode())
    assert str(caught.value) == error


def test_bytes_that_are_no_text_are_named_like_latin_1() -> None:
    for byte, name in [(0x80, r"\u0080"), (0xA0, r"\u00a0"), (0xAD, r"\u00ad"), (0xE9, "é"), (0xFF, "ÿ")]:
        with pytest.raises(
            GoSyntaxError, match=re.escape(f"invalid character '{name}' looking for beginning of value")
        ):
            check_valid(bytes([byte]))


@pytest.mark.parametrize("opening", ["[", '{"a":', '[{"a":'])
def test_depth(opening: str) -> None:
    brackets = len(re.findall(r"[\[{]", opening))
    closing = "".join("]" if bracket == "[" else "}" for bracket in reversed(re.findall(r"[\[{]", opening)))
    deepest = 10_000 // brackets
    check_valid((opening * deepest + "1" + closing * deepest).encode())
    with pytest.raises(GoSyntaxError, match=r"invalid character '[\[{]' exceeded max depth"):
        check_valid((opening * (deepest + 1)).encode())


def test_depth_of_what_is_taken_in_one_step() -> None:
    check_valid(b"[" * 9_998 + b'[[1],{"a":2}],[[3]]' + b"]" * 9_998)
    for last in (b"[[[1]]],1", b'{"a":{"b":{}}}', b'[{"a":[]}],'):
        with pytest.raises(GoSyntaxError, match="exceeded max depth"):
            check_valid(b"[" * 9_998 + b"[[1]]," + last + b"]" * 9_998)


@pytest.mark.parametrize(
    "text",
    [
        b"[" * 9_999 + b"]" * 9_999,
        b'"' + b"\\n" * 2_000_000 + b'"',
        b"[" + b"1," * 1_000_000 + b"1]",
        b"{" + b'"a":"b",' * 300_000 + b'"a":1}',
        b'"' + b"a" * 5_000_000,
        b"1" * 5_000_000,
        b" " * 5_000_000,
        b"[" + b'"\\u00e9",' * 200_000,
    ],
    ids=["nested", "escapes", "array", "object", "open string", "number", "blank", "open array"],
)
def test_time_is_linear(text: bytes) -> None:
    start = time.process_time()
    with contextlib.suppress(GoJSONError):
        decode(text, Struct("main.T", [("a", Raw)]))
    assert time.process_time() - start < 10


class Reference:
    """Go's scanner byte by byte, as simple as it can be: a state is what may come next."""

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def peek(self) -> int:
        return self.data[self.at] if self.at < len(self.data) else -1

    def fail(self, context: str) -> GoSyntaxError:
        if self.at >= len(self.data):  # the end is a blank first of all
            blank = re.match("in (?!string literal)|after decimal", context)
            return GoSyntaxError(f"invalid character ' ' {context}" if blank else "unexpected end of JSON input")
        character = chr(self.data[self.at])
        named = {"'": r"\'", '"': '"', "\\": r"\\", "\n": r"\n", "\x01": r"\x01", "\x80": r"\u0080"}
        return GoSyntaxError(f"invalid character '{named.get(character, character)}' {context}")

    def space(self) -> None:
        while self.peek() in {0x20, 0x09, 0x0A, 0x0D}:
            self.at += 1

    def check(self) -> None:
        self.value()
        self.space()
        if self.at < len(self.data):
            raise self.fail("after top-level value")

    def value(self) -> None:
        self.space()
        first = chr(self.peek()) if self.peek() != -1 else ""
        if first == '"':
            self.string()
        elif first == "{":
            self.container("}", self.member, "after object key:value pair")
        elif first == "[":
            self.container("]", self.value, "after array element")
        elif first and first in "-0123456789":
            self.number()
        elif first and first in "tfn":
            self.literal({"t": "true", "f": "false", "n": "null"}[first])
        else:
            raise self.fail("looking for beginning of value")

    def container(self, close: str, entry: AnyValue, after: str) -> None:
        self.at += 1
        self.space()
        if self.peek() == ord(close):
            self.at += 1
            return
        while True:
            entry()
            self.space()
            if self.peek() == ord(close):
                self.at += 1
                return
            if self.peek() != ord(","):
                raise self.fail(after)
            self.at += 1

    def member(self) -> None:
        self.space()
        if self.peek() != ord('"'):
            raise self.fail("looking for beginning of object key string")
        self.string()
        self.space()
        if self.peek() != ord(":"):
            raise self.fail("after object key")
        self.at += 1
        self.value()

    def string(self) -> None:
        self.at += 1
        while self.peek() != ord('"'):
            if self.peek() < 0x20:
                raise self.fail("in string literal")
            if self.peek() == ord("\\"):
                self.at += 1
                if self.peek() == ord("u"):
                    for _ in range(4):
                        self.at += 1
                        if self.peek() == -1 or chr(self.peek()) not in "0123456789abcdefABCDEF":
                            raise self.fail(r"in \u hexadecimal character escape")
                elif self.peek() == -1 or chr(self.peek()) not in 'bfnrt\\/"':
                    raise self.fail("in string escape code")
            self.at += 1
        self.at += 1

    def digits(self, context: str) -> None:
        if not 0x30 <= self.peek() <= 0x39:
            raise self.fail(context)
        while 0x30 <= self.peek() <= 0x39:
            self.at += 1

    def number(self) -> None:
        if self.peek() == ord("-"):
            self.at += 1
        if self.peek() == ord("0"):
            self.at += 1
        else:
            self.digits("in numeric literal")
        if self.peek() == ord("."):
            self.at += 1
            self.digits("after decimal point in numeric literal")
        if self.peek() in {ord("e"), ord("E")}:
            self.at += 1
            if self.peek() in {ord("+"), ord("-")}:
                self.at += 1
            self.digits("in exponent of numeric literal")

    def literal(self, word: str) -> None:
        for letter in word:
            if self.peek() != ord(letter):
                raise self.fail(f"in literal {word} (expecting '{letter}')")
            self.at += 1


def outcome(check: AnyValue, *arguments: AnyValue) -> str:
    try:
        check(*arguments)
    except GoSyntaxError as error:
        return str(error)
    return "valid"


PIECES = [
    "{",
    "}",
    "[",
    "]",
    ",",
    ":",
    '"',
    '"a"',
    '"\\u0041"',
    "\\",
    "\\u00",
    "1",
    "-",
    "0",
    ".",
    "e",
    "+",
    "12.5E-3",
    "true",
]
PIECES += ["fal", "se", "null", "n", " ", "\n", "\x01", "\x80", "'", "é"]


@settings(max_examples=1000)
@given(st.lists(st.sampled_from(PIECES), max_size=25).map("".join))
def test_scanner_agrees_with_the_byte_by_byte_one(text: str) -> None:
    data = text.encode("latin-1")
    assert outcome(check_valid, data) == outcome(Reference(data).check)


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**60), 2**60)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=30,
)


@given(JSON_VALUES, st.data())
def test_scanner_agrees_on_mutilated_documents(value: AnyValue, data: st.DataObject) -> None:
    text = json.dumps(value, indent=data.draw(st.sampled_from([None, 1]))).encode()
    assert outcome(check_valid, text) == "valid"
    at = data.draw(st.integers(0, len(text)))
    cut = text[:at] + data.draw(st.sampled_from([b"", b"x", b",", b'"', b"}", b"0"])) + text[at + 1 :]
    assert outcome(check_valid, cut) == outcome(Reference(cut).check)


# --- decoding: every text of the recordings, with the shapes that they come from

_CONTAINER = Struct(
    "docker10.DockerConfig",
    [
        ("Hostname", String),
        ("Memory", Int64),
        ("Tty", Bool),
        ("Env", List(String)),
        ("ExposedPorts", Map(Struct("struct {}", []))),
        ("Labels", Map(String)),
        ("User", String),
        ("Cpuset", String),
        ("Dns", List(String)),
    ],
)


def image_fields(created: Shape) -> list[Field | tuple[str, Shape]]:
    return [
        ("id", String),
        ("created", created),
        ("container_config", _CONTAINER),
        ("config", Pointer(_CONTAINER)),
        ("architecture", String),
        ("Size", Int64),
    ]


FIRST_PASS = Struct("dockerpre012.DockerImage", [Field("kind", String, via=("TypeMeta",)), *image_fields(MetaTime)])
HISTORY = Struct("docker10.DockerConfigHistory", [("created", Time), ("empty_layer", Bool)])
SECOND_PASS = Struct("docker10.DockerImageConfig", [*image_fields(Time), ("os", String), ("history", List(HISTORY))])
MANIFEST = Struct(
    "schema2.Manifest",
    [
        Field("schemaVersion", Int, via=("Versioned",)),
        ("config", Struct("distribution.Descriptor", [("digest", String.named("digest.Digest")), ("size", Int64)])),
    ],
)
ERROR = Struct("errcode.Error", [("code", Text("errcode.ErrorCode")), ("message", String), ("detail", Any)])
ERRORS = Struct("struct { Errors []errcode.Error }", [("Errors", List(ERROR))])
TAGS = Struct('struct { Tags []string "json:\\"tags\\"" }', [("tags", List(String))])
TOKEN = Struct("auth.tokenResponse", [("token", String), ("expires_in", Int), ("issued_at", Time)])
ENTRY = Struct(
    "credentialprovider.dockerConfigEntryWithAuth",
    [("username", String), ("password", String), ("email", String), ("auth", String)],
)


def credentials(data: bytes) -> tuple[str, str]:
    fields = decode(data, ENTRY)
    auth = fields.get("auth", "")
    if not auth:
        return fields.get("username", ""), fields.get("password", "")
    try:
        user, colon, password = decode_base64(auth, padded=auth.strip().endswith("=")).decode().partition(":")
    except ValueError as error:
        raise GoJSONError(str(error)) from None
    if not colon:
        raise GoJSONError("unable to parse auth field, must be formatted as base64(username:password)")
    return user, password


AUTHS = Map(Custom("credentialprovider.DockerConfigEntry", credentials), go="credentialprovider.DockerConfig")
DOCKER_CONFIG = Struct("credentialprovider.DockerConfigJSON", [("auths", AUTHS), ("HttpHeaders", Map(String))])


def error_of(data: bytes, shape: Shape) -> str | None:
    try:
        decode(data, shape)
    except GoJSONError as error:
        return str(error)
    return None


def config_rows() -> list[AnyValue]:
    return [pytest.param(row, id=row["name"]) for row in rows("image_metadata") if row.get("config")]


@pytest.mark.parametrize("row", config_rows())
def test_recorded_configs(row: dict[str, AnyValue]) -> None:
    config = row["config"].encode()
    message = row["imageImportStatus"]["status"].get("message", "")
    first, second = error_of(config, FIRST_PASS), error_of(config, SECOND_PASS)
    expected = (
        f"Internal error occurred: {first}"
        if first
        else f"Internal error occurred: failed to parse dockerImageConfig: {second}"
    )
    if first or second:
        assert message == expected
    else:
        assert "unmarshal" not in message
        assert "parsing time" not in message


def secret_rows() -> list[AnyValue]:
    return [
        pytest.param(secret, row.get("error"), len(row["secrets"]), id=f"{row['name']}-{number}")
        for row in rows("credentials_lookup")
        for number, secret in enumerate(row["secrets"])
    ]


@pytest.mark.parametrize(("secret", "error", "count"), secret_rows())
def test_recorded_pull_secrets(secret: dict[str, str], error: str | None, count: int) -> None:
    json_type = secret["type"] == "kubernetes.io/dockerconfigjson"
    if (secret["key"] == ".dockerconfigjson") != json_type or not secret["data"]:
        return
    found = error_of(secret["data"].encode(), DOCKER_CONFIG if json_type else AUTHS)
    assert found == error or (found is None and (error is None or count > 1))


def quoted_bodies() -> set[tuple[str, str]]:
    """Error texts that quote the body which they are about: the text of the decoder, and the body."""
    found = set()
    for path in [*VECTORS.glob("*.json"), *VECTORS.glob("scenarios/*.json")]:
        for text in re.findall(r'"(?:[^"\\]|\\.)*"', path.read_text("utf-8")):
            match = re.search(r'error parsing HTTP \d+ response body: (.*?): ("(?:[^"\\]|\\.)*")\n?$', json.loads(text))
            if match and not match[1].startswith("no error details"):
                found.add((match[1], match[2][1:-1].encode().decode("unicode_escape").encode("latin-1").decode()))
    return found


def test_recorded_error_bodies() -> None:
    bodies = quoted_bodies()
    assert len(bodies) > 5
    for text, body in sorted(bodies):
        assert error_of(body.encode(), ERRORS) == text, body


TIME = ' as "2006-01-02T15:04:05Z07:00": cannot parse '


def misfit(value: str, where: str, go: str) -> str:
    """A type error: ``where`` is the struct and path of a field, or empty for the value itself."""
    place = f"struct field {where}" if where else "value"
    return f"json: cannot unmarshal {value} into Go {place} of type {go}"


@pytest.mark.parametrize(
    ("text", "shape", "error"),
    [
        ("[]", ERRORS, misfit("array", "", "struct { Errors []errcode.Error }")),
        ('{"errors":"x"}', ERRORS, misfit("string", ".Errors", "[]errcode.Error")),
        ('{"errors":[5]}', ERRORS, misfit("number", ".Errors", "errcode.Error")),
        ('{"errors":[{"code":5}]}', ERRORS, misfit("number", "Error.Errors.code", "errcode.ErrorCode")),
        ('{"errors":[{"code":[]}]}', ERRORS, misfit("array", "Error.Errors.code", "errcode.ErrorCode")),
        ('{"errors":[{"code":null,"message":null,"detail":null},null]}', ERRORS, None),
        ('{"errors":[{"message":{}}]}', ERRORS, misfit("object", "Error.Errors.message", "string")),
        ('{"tags":"x"}', TAGS, misfit("string", ".tags", "[]string")),
        ('{"tags":["a",1]}', TAGS, misfit("number", ".tags", "string")),
        ('"x"', TAGS, misfit("string", "", r'struct { Tags []string "json:\"tags\"" }')),
        ("null", TAGS, None),
        ('{"config":{"Memory":"x"}}', FIRST_PASS, misfit("string", "DockerConfig.config.Memory", "int64")),
        (
            '{"container_config":{"ExposedPorts":{"80":1}}}',
            FIRST_PASS,
            misfit("number", "DockerConfig.container_config.ExposedPorts", "struct {}"),
        ),
        ('{"config":{"Labels":{"a":true}}}', FIRST_PASS, misfit("bool", "DockerConfig.config.Labels", "string")),
        ('{"config":{"Labels":[]}}', FIRST_PASS, misfit("array", "DockerConfig.config.Labels", "map[string]string")),
        ('{"config":{"Env":{}}}', FIRST_PASS, misfit("object", "DockerConfig.config.Env", "[]string")),
        ('{"config":[]}', FIRST_PASS, misfit("array", "DockerImage.config", "docker10.DockerConfig")),
        (
            '{"Memory":{},"config":{"Tty":"no","Memory":1.0}}',
            FIRST_PASS,
            misfit("string", "DockerConfig.config.Tty", "bool"),
        ),
        ('{"config":{"Memory":1.0}}', FIRST_PASS, misfit("number 1.0", "DockerConfig.config.Memory", "int64")),
        ('{"config":{"Memory":1e3}}', FIRST_PASS, misfit("number 1e3", "DockerConfig.config.Memory", "int64")),
        (
            '{"SIZE":9223372036854775808}',
            FIRST_PASS,
            misfit("number 9223372036854775808", "DockerImage.Size", "int64"),
        ),
        ('{"kind":1}', FIRST_PASS, misfit("number", "DockerImage.TypeMeta.kind", "string")),
        ('{"created":5}', FIRST_PASS, misfit("number", "DockerImage.created", "string")),
        ('{"created":{}}', FIRST_PASS, misfit("object", "DockerImage.created", "string")),
        ('{"created":5}', SECOND_PASS, "Time.UnmarshalJSON: input is not a JSON string"),
        (r'{"created":"\u0032020-01-01T00:00:00Z"}', FIRST_PASS, None),
        (
            r'{"created":"\u00320-01-01T00:00:00Z"}',
            SECOND_PASS,
            rf'parsing time "\\u00320-01-01T00:00:00Z"{TIME}"\\u00320-01-01T00:00:00Z" as "2006"',
        ),
        ('{"architecture":1,"created":"x","id":{}}', SECOND_PASS, f'parsing time "x"{TIME}"x" as "2006"'),
        (
            '{"history":[{"created":null,"empty_layer":"true"}]}',
            SECOND_PASS,
            misfit("string", "DockerConfigHistory.history.empty_layer", "bool"),
        ),
        ('{"schemaVersion":"2"}', MANIFEST, misfit("string", "Manifest.Versioned.schemaVersion", "int")),
        ('{"config":{"digest":1}}', MANIFEST, misfit("number", "Descriptor.config.digest", "digest.Digest")),
        ("true", MANIFEST, misfit("bool", "", "schema2.Manifest")),
        ("-1.50", MANIFEST, misfit("number", "", "schema2.Manifest")),
        (
            '{"auths":{"q":{"username":5}}}',
            DOCKER_CONFIG,
            misfit("number", "DockerConfigJSON.auths.username", "string"),
        ),
        ('{"auths":{"q":null,"r":{}}}', DOCKER_CONFIG, None),
        ('{"auths":[]}', DOCKER_CONFIG, misfit("array", "DockerConfigJSON.auths", "credentialprovider.DockerConfig")),
        ('{"HttpHeaders":{"a":1},"auths":{"q":{"auth":"a"}}}', DOCKER_CONFIG, "illegal base64 data at input byte 0"),
        ('{"q":{"email":[]}}', AUTHS, misfit("array", "dockerConfigEntryWithAuth.email", "string")),
        ('{"q":[]}', AUTHS, misfit("array", "", "credentialprovider.dockerConfigEntryWithAuth")),
        ('{"tags":["a",1], "tags":', TAGS, "unexpected end of JSON input"),
    ],
)
def test_errors(text: str, shape: Shape, error: str | None) -> None:
    assert error_of(text.encode(), shape) == error


ALL = Struct(
    "main.All",
    [
        ("text", String),
        ("kind", String),
        ("flag", Bool),
        ("count", Int64),
        ("small", Int32),
        ("big", Uint64),
        ("ratio", Float64),
        ("blob", Bytes),
        ("time", Time),
        ("stamp", MetaTime),
        ("raw", Raw),
        ("any", Any),
        ("list", List(String)),
        ("map", Map(String)),
        ("inner", Struct("main.Inner", [("x", Int), ("y", Int)])),
        ("pointer", Pointer(Struct("main.Inner", [("x", Int), ("y", Int)]))),
        ("number", Pointer(Int)),
        ("items", List(Struct("main.Inner", [("x", Int), ("y", Int)]))),
        ("rest", Map(Struct("main.Inner", [("x", Int), ("y", Int)]))),
        ("code", Text("main.Code", str.upper)),
        ("times", List(Time)),
    ],
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        (b"null", {}),
        (b" { } ", {}),
        (b'{"text":"a","other":{"text":[1,"]"]},"flag":true}', {"text": "a", "flag": True}),
        (b'{"TEXT":"a","Text":"b"}', {"text": "b"}),
        (b'{"text":"exact","TEXT":"later"}', {"text": "later"}),
        ('{"\u212aind":"k","te\u017ft":"not a field"}'.encode(), {"kind": "k"}),
        ('{"l\u0131st":["no"],"flaG":true}'.encode(), {"flag": True}),
        (b'{"text":"a","text":null}', {"text": "a"}),
        (b'{"list":["a"],"list":null,"map":{"a":"b"},"map":null,"any":1,"any":null}', {}),
        (b'{"pointer":{"x":1},"pointer":null,"inner":{"x":1},"inner":null}', {"inner": {"x": 1}}),
        (b'{"pointer":{"x":1},"pointer":{"y":2}}', {"pointer": {"x": 1, "y": 2}}),
        (b'{"inner":{"x":1},"INNER":{"y":2}}', {"inner": {"x": 1, "y": 2}}),
        (b'{"map":{"a":"1","b":"2"},"map":{"b":"3"}}', {"map": {"a": "1", "b": "3"}}),
        (b'{"rest":{"k":{"x":1}},"rest":{"k":{"y":2},"l":null}}', {"rest": {"k": {"y": 2}, "l": {}}}),
        (b'{"list":["a",null,"c"]}', {"list": ["a", "", "c"]}),
        (b'{"list":["a","b"],"list":[null]}', {"list": ["a"]}),
        (b'{"list":[]}', {"list": []}),
        (b'{"items":[{"x":1,"y":2},{"x":3}],"items":[{"x":4}]}', {"items": [{"x": 4, "y": 2}]}),
        (
            b'{"items":[{"x":1,"y":2},{"x":3}],"items":[{}],"items":[{},{"y":4},{"x":5}]}',
            {"items": [{"x": 1, "y": 2}, {"x": 3, "y": 4}, {"x": 5}]},
        ),
        (b'{"items":[{"x":1}],"items":[],"items":[{"y":1}]}', {"items": [{"y": 1}]}),
        (b'{"items":[{"x":1}],"items":null,"items":[null]}', {"items": [{}]}),
        (b'{"count":-0,"small":-2147483648,"big":18446744073709551615}',
         {"count": 0, "small": -(2**31), "big": 2**64 - 1}),
        (b'{"number":null,"number":7}', {"number": 7}),
        (b'{"ratio":1e-400,"any":[1,-2.5,1e3,-0,1E2,9007199254740993]}',
         {"ratio": 0.0, "any": [1, -2.5, 1000.0, -0.0, 100.0, 9007199254740992.0]}),
        (b'{"blob":"aGk="}', {"blob": b"hi"}),
        (b'{"blob":null,"blob":""}', {"blob": b""}),
        (b'{"time":"2021-01-01T00:00:00.5+02:00","stamp":"2020-01-01T00:00:00Z"}',
         {"time": "2020-12-31T22:00:00Z", "stamp": "2020-01-01T00:00:00Z"}),
        (b'{"time":"2021-01-01T00:00:00Z","time":null,"stamp":"2020-01-01T00:00:00Z","stamp":null}',
         {"time": "2021-01-01T00:00:00Z"}),
        (b'{"times":[null,"2021-01-01T00:00:00Z"]}', {"times": ["0001-01-01T00:00:00Z", "2021-01-01T00:00:00Z"]}),
        (b'{"raw": {"a" : [1 , 2]} ,"text":"x"}', {"raw": b'{"a" : [1 , 2]}', "text": "x"}),
        (b'{"raw": null}', {"raw": b"null"}),
        (b'{"any":{"a":[true,{"b":null}],"a":"again","":{}}}', {"any": {"a": "again", "": {}}}),
        (b'{"any":"x","any":{"a":1},"any":{"b":2}}', {"any": {"b": 2}}),
        (b'{"code":"abc"}', {"code": "ABC"}),
        (b'{"code":"abc","code":null}', {"code": "ABC"}),
        (rb'{"\u0074ext":"\u00e9\ud83d\ude00\ud800x\udc00\ud800\ud83d\ude00\/\b\f\n\r\t\"\\"}',
         {"text": 'é😀\ufffdx\ufffd\ufffd😀/\b\f\n\r\t"\\'}),
        (b'{"text":"a\xffb\xe2\x82c\xed\xa0\x80"}', {"text": "a\ufffdb\ufffd\ufffdc\ufffd\ufffd\ufffd"}),
        (b'{"map":{"\xff":"1"}}', {"map": {"\ufffd": "1"}}),
    ],
)  # fmt: skip
def test_values(text: bytes, value: dict[str, AnyValue]) -> None:
    decoded = decode(text, ALL)
    assert decoded == value
    assert json.dumps(decoded, default=repr) == json.dumps(value, default=repr)  # tells 1 from 1.0 and True


@pytest.mark.parametrize(
    ("text", "error"),
    [
        (
            b'{"small":2147483648}',
            "json: cannot unmarshal number 2147483648 into Go struct field All.small of type int32",
        ),
        (b'{"big":-1}', "json: cannot unmarshal number -1 into Go struct field All.big of type uint64"),
        (b'{"ratio":1e999}', "json: cannot unmarshal number 1e999 into Go struct field All.ratio of type float64"),
        (b'{"any":[-1e999]}', "json: cannot unmarshal number -1e999 into Go struct field All.any of type float64"),
        (b'{"blob":[1]}', "json: cannot unmarshal array into Go struct field All.blob of type []uint8"),
        (b'{"blob":"a"}', "illegal base64 data at input byte 0"),
        (b'{"number":"1"}', "json: cannot unmarshal string into Go struct field All.number of type int"),
        (b'{"items":{"x":1}}', "json: cannot unmarshal object into Go struct field All.items of type []main.Inner"),
        (b'{"items":[{},{"y":"1"}]}', "json: cannot unmarshal string into Go struct field Inner.items.y of type int"),
        (b'{"rest":{"k":{"y":true}}}', "json: cannot unmarshal bool into Go struct field Inner.rest.y of type int"),
        (
            b'{"rest":{"k":{"y":1}},"flag":0}',
            "json: cannot unmarshal number into Go struct field All.flag of type bool",
        ),
        (b'{"code":true}', "json: cannot unmarshal bool into Go struct field All.code of type main.Code"),
    ],
)
def test_more_errors(text: bytes, error: str) -> None:
    with pytest.raises(GoJSONError) as caught:
        decode(text, ALL)
    assert str(caught.value) == error


def test_depth_of_any() -> None:
    deep = decode(b'{"any":' + b"[" * 9_999 + b"]" * 9_999 + b"}", ALL)["any"]
    depth = 1
    while deep:
        deep = deep[0]
        depth += 1
    assert depth == 9_999


def test_hostile_numbers() -> None:
    digits = b"9" * 1_000_000
    with pytest.raises(GoTypeError, match="cannot unmarshal number 999"):
        decode(b'{"count":' + digits + b"}", ALL)
    with pytest.raises(GoTypeError, match="cannot unmarshal number 999"):
        decode(b'{"any":' + digits + b"}", ALL)


@given(JSON_VALUES)
def test_any_agrees_with_json(value: AnyValue) -> None:
    text = json.dumps(value).encode()
    assert decode(text, Any) == json.loads(text, parse_int=float)
    assert decode(b" [" + text + b" ] ", List(Raw)) == [text]


@given(JSON_VALUES)
def test_no_document_breaks_the_decoder(value: AnyValue) -> None:
    text = json.dumps(value).encode()
    for shape in (ALL, List(ALL), Map(ALL)):
        for document in (text, *(b'{"%s":%s}' % (name.encode(), text) for name, _ in ALL.fields)):
            try:
                decode(document, shape)
            except GoJSONError:
                continue


@given(st.binary())
def test_unquote_takes_any_bytes(data: bytes) -> None:
    literal = re.sub(rb'[\x00-\x1f"\\]', b"", data)
    assert "".join(unquote(literal)).encode().decode() == unquote(literal)


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (b"", "EOF"),
        (b" \n", "EOF"),
        (b'{"token"', "unexpected EOF"),
        (b"tru", "unexpected EOF"),
        (b"hello", "invalid character 'h' looking for beginning of value"),
        (b'{"token":"a"} trailing', {"token": "a"}),
        (b'{"token":"a"}{"token":"b"}', {"token": "a"}),
        (b'{"Token":"a","expires_in":60}', {"token": "a", "expires_in": 60}),
        (
            b'{"expires_in":"60"}',
            "json: cannot unmarshal string into Go struct field tokenResponse.expires_in of type int",
        ),
        (b"nullx", {}),
        (b"12 ", "json: cannot unmarshal number into Go value of type auth.tokenResponse"),
        (b'{"issued_at":""}', 'parsing time "" as "2006-01-02T15:04:05Z07:00": cannot parse "" as "2006"'),
    ],
)
def test_streams(body: bytes, outcome: AnyValue) -> None:
    try:
        result = decode_stream(body, TOKEN)
    except GoJSONError as error:
        result = str(error)
    assert result == outcome


def test_strict_log_keeps_document_order() -> None:
    shape = Struct(
        "v1.A", [("a", List(Struct("v1.B", [("x", Int)], fold=False))), ("m", Map(String)), ("r", Raw)], fold=False
    )
    log = StrictLog()
    text = b'{"z":{"y":1},"A":1,"a":[{"x":1,"q":2},{"x":1,"x":2}],"m":{"k":"1","k":"2"},"r":{"u":1,"u":1},"m":{},"z":0}'
    decode(text, shape, strict=log)
    assert log.problems == [
        'unknown field "z"',
        'unknown field "A"',
        'unknown field "a[0].q"',
        'duplicate field "a[1].x"',
        'duplicate field "m.k"',
        'duplicate field "m"',
    ]


def test_strict_log_has_an_end() -> None:
    log = StrictLog()
    decode(b"{" + b",".join(b'"f%d":1' % number for number in range(500)) + b"}", Struct("v1.A", []), strict=log)
    assert len(log.problems) == 100


def test_shapes_show_their_type() -> None:
    assert repr(List(Map(String))) == "List('[]map[string]string')"
    assert String.named("digest.Digest").go == "digest.Digest"
    assert String.go == "string"

"""mirror.kubejson: API bodies, field validation and YAML, as the real server reads them."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Annotated, Any

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from mirror import gojson
from mirror.gojson import GoJSONError
from mirror.kubejson import (
    UnrecognizedError,
    YamlError,
    convert_yaml,
    decode_object,
    decoding,
    peek_type_meta,
    summary,
    yaml_to_json,
    yamljson,
)
from mirror.kubejson.kinds import kind_of
from mirror.v1.image import Image, ImageSignature
from mirror.v1.imagestream import ImageStream, ImageStreamTag
from mirror.v1.imagestreamimport import ImageStreamImport

VECTORS = Path(__file__).parent.parent / "vectors"


def slow(data: bytes, type_: type[msgspec.Struct]) -> tuple[msgspec.Struct, list[str]]:
    """The same without the fast path."""
    log = gojson.StrictLog()
    kind = kind_of(type_, type_.__name__, "v1")
    return kind.build(gojson.decode(data, kind.shape, strict=log)), log.problems


def is_fast(data: bytes, type_: type[msgspec.Struct]) -> bool:
    return decoding._decode_fast(data, kind_of(type_, type_.__name__, "v1")) is not None


# --- objects


def test_a_whole_object() -> None:
    body = b"""{"kind":"ImageStreamImport","apiVersion":"image.openshift.io/v1",
        "metadata":{"name":"app","labels":{"a":"b"},"creationTimestamp":null,"uid":"u"},
        "spec":{"import":true,"images":[{"from":{"kind":"DockerImage","name":"quay.io/a/b:c"},"to":{"name":"c"},
        "importPolicy":{"insecure":true}}]},"status":{}}"""
    decoded = decode_object(body, ImageStreamImport)
    spec = decoded.value.spec
    assert decoded.problems == []
    assert decoded.value.metadata.labels == {"a": "b"}
    assert decoded.value.metadata.creationTimestamp is None
    assert spec.import_ is True
    assert spec.repository is None
    assert spec.images is not None
    assert spec.images[0].from_.name == "quay.io/a/b:c"
    assert spec.images[0].importPolicy.insecure is True
    assert is_fast(body, ImageStreamImport)
    assert slow(body, ImageStreamImport) == (decoded.value, [])


def misfit(value: str, where: str, go: str) -> str:
    return f"json: cannot unmarshal {value} into Go struct field {where} of type {go}"


@pytest.mark.parametrize(
    ("spec", "error"),
    [
        ('{"images":"x"}', misfit("string", "ImageStreamImportSpec.spec.images", "[]v1.ImageImportSpec")),
        ('{"import":"yes"}', misfit("string", "ImageStreamImportSpec.spec.import", "bool")),
        ('{"images":[5]}', misfit("number", "ImageStreamImportSpec.spec.images", "v1.ImageImportSpec")),
        ('{"images":[{"to":"x"}]}', misfit("string", "ImageImportSpec.spec.images.to", "v1.LocalObjectReference")),
        ('{"images":[{"from":[]}]}', misfit("array", "ImageImportSpec.spec.images.from", "v1.ObjectReference")),
        ('{"images":[{"from":{"name":1}}]}', misfit("number", "ObjectReference.spec.images.from.name", "string")),
        ('{"images":[{"from":{"uid":1}}]}', misfit("number", "ObjectReference.spec.images.from.uid", "types.UID")),
        (
            '{"images":[{"importPolicy":{"importMode":true}}]}',
            misfit("bool", "TagImportPolicy.spec.images.importPolicy.importMode", "v1.ImportModeType"),
        ),
        (
            '{"repository":{"referencePolicy":{"type":{}}}}',
            misfit("object", "TagReferencePolicy.spec.repository.referencePolicy.type", "v1.TagReferencePolicyType"),
        ),
        ('{"repository":1.5}', misfit("number", "ImageStreamImportSpec.spec.repository", "v1.RepositoryImportSpec")),
        ('[]', misfit("array", "ImageStreamImport.spec", "v1.ImageStreamImportSpec")),
        ('{"import":1,"images":1}', misfit("number", "ImageStreamImportSpec.spec.import", "bool")),
    ],
)  # fmt: skip
def test_type_errors_of_specs(spec: str, error: str) -> None:
    with pytest.raises(GoJSONError) as caught:
        decode_object(b'{"spec":%s,"zz":1}' % spec.encode(), ImageStreamImport)
    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("type_", "body", "error"),
    [
        (ImageStreamImport, "[]", "json: cannot unmarshal array into Go value of type v1.ImageStreamImport"),
        (ImageStreamImport, '{"metadata":[]}', misfit("array", "ImageStreamImport.metadata", "v1.ObjectMeta")),
        (ImageStreamImport, '{"metadata":{"name":1}}', misfit("number", "ObjectMeta.metadata.name", "string")),
        (
            ImageStreamImport,
            '{"metadata":{"labels":{"a":1}}}',
            misfit("number", "ObjectMeta.metadata.labels", "string"),
        ),
        (
            ImageStreamImport,
            '{"metadata":{"annotations":[]}}',
            misfit("array", "ObjectMeta.metadata.annotations", "map[string]string"),
        ),
        (
            ImageStreamImport,
            '{"metadata":{"generation":1.0}}',
            misfit("number 1.0", "ObjectMeta.metadata.generation", "int64"),
        ),
        (
            ImageStreamImport,
            '{"metadata":{"generation":9223372036854775808}}',
            misfit("number 9223372036854775808", "ObjectMeta.metadata.generation", "int64"),
        ),
        (
            ImageStreamImport,
            '{"metadata":{"deletionGracePeriodSeconds":"1"}}',
            misfit("string", "ObjectMeta.metadata.deletionGracePeriodSeconds", "int64"),
        ),
        (
            ImageStreamImport,
            '{"metadata":{"ownerReferences":[{"controller":1}]}}',
            misfit("number", "OwnerReference.metadata.ownerReferences.controller", "bool"),
        ),
        (
            ImageStreamImport,
            '{"metadata":{"creationTimestamp":5},"spec":5}',
            misfit("number", "ObjectMeta.metadata.creationTimestamp", "string"),
        ),
        (
            ImageStreamImport,
            '{"spec":5,"metadata":{"creationTimestamp":"x"}}',
            'parsing time "x" as "2006-01-02T15:04:05Z07:00": cannot parse "x" as "2006"',
        ),
        (
            ImageStreamImport,
            '{"metadata":{"creationTimestamp":"2020-02-30T00:00:00Z"}}',
            'parsing time "2020-02-30T00:00:00Z": day out of range',
        ),
        (
            ImageStreamImport,
            '{"status":{"images":[{"status":{"code":2147483648}}]}}',
            misfit("number 2147483648", "Status.status.images.status.code", "int32"),
        ),
        (ImageStream, '{"spec":{"tags":{}}}', misfit("object", "ImageStreamSpec.spec.tags", "[]v1.TagReference")),
        (
            ImageStream,
            '{"spec":{"tags":[{"generation":true}]}}',
            misfit("bool", "TagReference.spec.tags.generation", "int64"),
        ),
        (
            ImageStream,
            '{"spec":{"lookupPolicy":"x"}}',
            misfit("string", "ImageStreamSpec.spec.lookupPolicy", "v1.ImageLookupPolicy"),
        ),
        (
            ImageStream,
            '{"status":{"tags":[{"conditions":[{"status":1}]}]}}',
            misfit("number", "TagEventCondition.status.tags.conditions.status", "v1.ConditionStatus"),
        ),
        (ImageStreamTag, '{"tag":[]}', misfit("array", "ImageStreamTag.tag", "v1.TagReference")),
        (ImageStreamTag, '{"image":1}', misfit("number", "ImageStreamTag.image", "v1.Image")),
        (Image, '{"dockerImageSignatures":[[1]]}', misfit("array", "Image.dockerImageSignatures", "[]uint8")),
        (Image, '{"dockerImageSignatures":"x"}', misfit("string", "Image.dockerImageSignatures", "[][]uint8")),
        (ImageSignature, '{"content":"a"}', "illegal base64 data at input byte 0"),
    ],
)
def test_type_errors(type_: type[msgspec.Struct], body: str, error: str) -> None:
    with pytest.raises(GoJSONError) as caught:
        decode_object(body.encode(), type_)
    assert str(caught.value) == error


def test_the_name_of_the_go_type() -> None:
    with pytest.raises(GoJSONError, match=r"into Go struct field Stream\.spec of type v2\.ImageStreamSpec"):
        decode_object(b'{"spec":1}', ImageStream, go_name="Stream", package="v2")


@pytest.mark.parametrize(
    ("body", "problems"),
    [
        ('{"bogus":{"spec":{"bogus":1}}}', ['unknown field "bogus"']),
        ('{"spec":{"bogus":1}}', ['unknown field "spec.bogus"']),
        ('{"Kind":"x","METADATA":{}}', ['unknown field "Kind"', 'unknown field "METADATA"']),
        (
            '{"spec":{"bogus":1,"import":true,"import":false,"images":[{"zz":1},{"to":{"x":1}}]}}',
            [
                'unknown field "spec.bogus"',
                'duplicate field "spec.import"',
                'unknown field "spec.images[0].zz"',
                'unknown field "spec.images[1].to.x"',
            ],
        ),
        ('{"metadata":{"labels":{"a":"1","a":"2"}}}', ['duplicate field "metadata.labels.a"']),
        ('{"metadata":{"labels":{"a":"1"},"labels":{}}}', ['duplicate field "metadata.labels"']),
        ('{"a\\"b\\u00e9\\n":1}', [r'unknown field "a\"bé\n"']),
        ('{"x":1,"x":2,"spec":{"y":1},"spec":{"y":2}}', ['unknown field "x"', 'unknown field "spec.y"',
                                                         'duplicate field "spec"']),
    ],
)  # fmt: skip
def test_problems(body: str, problems: list[str]) -> None:
    data = body.encode()
    assert decode_object(data, ImageStreamImport).problems == problems
    assert slow(data, ImageStreamImport)[1] == problems


def test_at_most_100_problems() -> None:
    data = b"{" + b",".join(b'"f%d":1' % number for number in range(150)) + b"}"
    assert len(decode_object(data, ImageStreamImport).problems) == 100
    assert is_fast(data, ImageStreamImport)


@pytest.mark.parametrize(
    ("body", "field", "value"),
    [
        ("null", "metadata.name", ""),
        ('{"metadata":{"name":null,"labels":null,"generation":null}}', "metadata.generation", 0),
        ('{"metadata":{"name":"a"},"metadata":{"namespace":"b"}}', "metadata.name", "a"),
        ('{"metadata":{"labels":{"a":"1"}},"metadata":{"labels":{"b":"2"}}}', "metadata.labels", {"a": "1", "b": "2"}),
        ('{"metadata":{"labels":{"a":null}}}', "metadata.labels", {"a": ""}),
        ('{"metadata":{"finalizers":["a",null]}}', "metadata.finalizers", ["a", ""]),
        ('{"metadata":{"finalizers":[]}}', "metadata.finalizers", []),
        ('{"metadata":{"NAME":"x"}}', "metadata.name", ""),
        ('{"metadata":{"name":"a\\ud800b"}}', "metadata.name", "a\ufffdb"),
        ('{"metadata":{"creationTimestamp":"2020-01-01T01:00:00.5+02:00"}}', "metadata.creationTimestamp",
         "2019-12-31T23:00:00Z"),
        ('{"metadata":{"creationTimestamp":"2020-01-01T01:00:00Z"}}', "metadata.creationTimestamp",
         "2020-01-01T01:00:00Z"),
        ('{"metadata":{"creationTimestamp":"0001-01-01T00:00:00Z"}}', "metadata.creationTimestamp", None),
        ('{"metadata":{"deletionGracePeriodSeconds":0}}', "metadata.deletionGracePeriodSeconds", 0),
        ('{"metadata":{"ownerReferences":[{"controller":false},null]}}', "metadata.ownerReferences.1.name", ""),
        ('{"dockerImageMetadata":{"Id" : "x"}}', "dockerImageMetadata", b'{"Id" : "x"}'),
        ('{"dockerImageMetadata":null}', "dockerImageMetadata",
         b'{"kind":"DockerImage","apiVersion":"image.openshift.io/1.0","Id":"","Created":null,"ContainerConfig":{}}'),
        ('{"dockerImageMetadata":{"a":1,"a":1.5,"b":{"c":1}}}', "dockerImageMetadata", b'{"a":1,"a":1.5,"b":{"c":1}}'),
        ('{"metadata":{"managedFields":[{"fieldsV1":null,"time":null}]}}', "metadata.managedFields.0.fieldsV1", b""),
        ('{"metadata":{"managedFields":[{"fieldsV1":{"f:spec":{}}}]}}', "metadata.managedFields.0.fieldsV1",
         b'{"f:spec":{}}'),
        ('{"signatures":[{"content":"aGk=","issuedBy":{}}]}', "signatures.0.content", b"hi"),
        ('{"signatures":[{"content":"aG\\nk="}]}', "signatures.0.content", b"hi"),
        ('{"dockerImageLayers":[{"size":5000000000}]}', "dockerImageLayers.0.size", 5_000_000_000),
    ],
)  # fmt: skip
def test_values(body: str, field: str, value: object) -> None:
    data = body.encode()
    for image in (decode_object(data, Image).value, slow(data, Image)[0]):
        found: Any = image
        for step in field.split("."):
            found = found[int(step)] if step.isdigit() else getattr(found, step)
        assert (bytes(found) if isinstance(found, msgspec.Raw) else found) == value


class Odd(msgspec.Struct):
    """Annotations that the API's own types do not use."""

    named: Annotated[str, msgspec.Meta(extra={"go": "odd.Name"})] = ""
    when: Annotated[str, msgspec.Meta(extra={"go": "Time"})] = ""
    ratio: float = 0.0
    anything: Any = None
    text: str | None = None
    sets: dict[str, list[int]] | None = None
    by_name: dict[str, ImageStreamTag] | None = None


def test_other_annotations() -> None:
    body = (
        b'{"named":"a","when":"2020-01-01T00:00:00+01:00","ratio":0.5,"text":null,"sets":{"a":[1]},"by_name":{"t":{}}}'
    )
    odd = decode_object(body, Odd).value
    assert (odd.named, odd.when, odd.ratio, odd.text, odd.sets) == ("a", "2019-12-31T23:00:00Z", 0.5, None, {"a": [1]})
    assert odd.by_name == {"t": ImageStreamTag()}
    for bad, error in [
        (b'{"named":1}', misfit("number", "Odd.named", "odd.Name")),
        (b'{"text":1}', misfit("number", "Odd.text", "string")),
        (b'{"sets":{"a":["1"]}}', misfit("string", "Odd.sets", "int64")),
    ]:
        with pytest.raises(GoJSONError) as caught:
            decode_object(bad, Odd)
        assert str(caught.value) == error


# --- fast and slow agree

KEYS = ["kind", "metadata", "name", "labels", "spec", "tags", "from", "generation", "annotations", "creationTimestamp"]
KEYS += [
    "importPolicy",
    "insecure",
    "status",
    "items",
    "created",
    "conditions",
    "Name",
    "bogus",
    "lookupPolicy",
    "local",
]
SCALARS = [
    "null",
    "true",
    "1",
    "-1",
    "1.0",
    "1e3",
    "99999999999",
    "9223372036854775808",
    '"a"',
    '"\\u00e9"',
    '"\\ud800"',
]
SCALARS += [f'"{time}"' for time in ("2020-01-01T00:00:00Z", "2020-01-01T00:00:00.5Z", "0001-01-01T00:00:00Z", "x")]
LEAVES = st.sampled_from([*SCALARS, "{}", "[]"])


def documents(depth: int) -> st.SearchStrategy[str]:
    if depth == 0:
        return LEAVES
    inner = documents(depth - 1)
    members = st.lists(st.tuples(st.sampled_from(KEYS), inner), max_size=4)
    objects = members.map(lambda pairs: "{" + ",".join(f'"{key}":{value}' for key, value in pairs) + "}")
    return objects | st.lists(inner, max_size=3).map(lambda items: f"[{','.join(items)}]") | LEAVES


@settings(max_examples=400)
@given(documents(4))
def test_fast_and_slow_agree(text: str) -> None:
    data = text.encode()
    try:
        expected = slow(data, ImageStream)
    except GoJSONError:
        assert not is_fast(data, ImageStream)
        return
    decoded = decode_object(data, ImageStream)
    assert (decoded.value, decoded.problems) == expected


def recorded_objects() -> list[tuple[str, dict[str, Any]]]:
    found: list[tuple[str, dict[str, Any]]] = []
    for path in sorted(VECTORS.glob("scenarios/*.json")):
        for step in json.loads(path.read_text("utf-8"))["steps"]:
            for holder in (step, step["expect"]):
                body = holder.get("body")
                if isinstance(body, dict) and body.get("kind") in {
                    "ImageStream",
                    "ImageStreamImport",
                    "ImageStreamTag",
                }:
                    found.append((path.name, body))
    return found


def test_recorded_objects_decode_without_problems() -> None:
    types = {"ImageStream": ImageStream, "ImageStreamImport": ImageStreamImport, "ImageStreamTag": ImageStreamTag}
    bodies = recorded_objects()
    assert len(bodies) > 100
    for name, body in bodies:
        text = json.dumps(body).replace('"<time>"', '"2020-01-01T00:00:00Z"').encode()
        if name == "invalid-bodies.json":
            continue
        expected = slow(text, types[body["kind"]])
        assert (
            decode_object(text, types[body["kind"]]).value,
            decode_object(text, types[body["kind"]]).problems,
        ) == expected


# --- kind and version

ANONYMOUS = r'struct { APIVersion string "json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'


@pytest.mark.parametrize(
    ("body", "found"),
    [
        (b"{}", ("", "")),
        (b"null", ("", "")),
        (b'{"kind":"K","apiVersion":"g/v1","spec":{"kind":"other"}}', ("g/v1", "K")),
        (b'{"Kind":"K","APIVERSION":"v1"}', ("v1", "K")),
        ('{"\u212aind":"K"}'.encode(), ("", "K")),
        (b'{"kind":"a","kind":"b"}', ("", "b")),
        (b'{"kind":"a","Kind":"b"}', ("", "b")),
        (b'{"kind":"a","kind":null}', ("", "a")),
        (b'{"kind":"a\\ud800"}', ("", "a\ufffd")),
        (b'{"x":"\xff","kind":"a"}', ("", "a")),
    ],
)
def test_kinds(body: bytes, found: tuple[str, str]) -> None:
    assert peek_type_meta(body) == found


PARSE = "couldn't get version/kind; json parse error: "


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", f"{PARSE}unexpected end of JSON input (<empty>)"),
        (b" ", f"{PARSE}unexpected end of JSON input (20)"),
        (b"n", f"{PARSE}invalid character ' ' in literal null (expecting 'u') (6e)"),
        (b"nope", f"{PARSE}invalid character 'o' in literal null (expecting 'u') (6e6f7065)"),
        (b"{not json", f"{PARSE}invalid character 'n' looking for beginning of object key string ({{not json)"),
        (b"[]", f"{PARSE}json: cannot unmarshal array into Go value of type {ANONYMOUS} (5b5d)"),
        (b'"x"', f"{PARSE}json: cannot unmarshal string into Go value of type {ANONYMOUS} (227822)"),
        (b'{"kind":5}', f'{PARSE}{misfit("number", ".kind", "string")} ({{"kind":5}})'),
        (b'{"apiVersion":[],"kind":5}',
         f'{PARSE}{misfit("array", ".apiVersion", "string")} ({{"apiVersion":[],"kind":5}})'),
        (b"-" * 40, f"{PARSE}invalid character '-' in numeric literal ({'2d' * 30} ...)"),
        (b'{"kind":"' + b"x" * 40, PARSE + 'unexpected end of JSON input ({"kind":"' + "x" * 21 + " ...)"),
        (b'{"apiVersion":"a/b/c"}', 'unexpected GroupVersion string: a/b/c ({"apiVersion":"a/b/c"})'),
    ],
)  # fmt: skip
def test_bodies_without_a_kind(body: bytes, error: str) -> None:
    with pytest.raises(UnrecognizedError) as caught:
        peek_type_meta(body)
    assert str(caught.value) == error


def test_recorded_refusals() -> None:
    prefix = "the object provided is unrecognized (must be of type ImageStreamImport): "
    steps = json.loads((VECTORS / "scenarios" / "invalid-bodies.json").read_text("utf-8"))["steps"]
    refused = [step for step in steps if step["expect"]["body"].get("message", "").startswith(prefix)]
    assert refused
    for step in refused:
        with pytest.raises(UnrecognizedError) as caught:
            peek_type_meta(step["raw"].encode())
        assert prefix + str(caught.value) == step["expect"]["body"]["message"]


def test_summaries_show_what_was_sent() -> None:
    assert summary(b"{" + "é".encode() * 20) == "{" + "é" * 14 + "\ufffd ..."
    with pytest.raises(UnrecognizedError, match=r"\(2d2061\)$"):
        peek_type_meta(yaml_to_json(b"- a"), b"- a")


# --- YAML


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("---\n...\n", None),
        ("a: 1\nb:\n- x\n- {c: [d]}\n", {"a": 1, "b": ["x", {"c": ["d"]}]}),
        ("[yes, Yes, on, y, true, TRUE]", [True] * 6),
        ("[no, Off, n, N, False]", [False] * 5),
        ("[yEs, 'yes', \"on\", !!str off, tru]", ["yEs", "yes", "on", "off", "tru"]),
        ("[~, null, NULL, nUll, '']", [None, None, None, "nUll", ""]),
        ("[0, -0, +7, 1_000, 0x1F, 0b101, 0o17, 017, -0x10]", [0, 0, 7, 1000, 31, 5, 15, 15, -16]),
        ("[08, 0x, 1__, 1:30, 0xg, '1']", [8, "0x", 1, "1:30", "0xg", "1"]),
        ("[9223372036854775807, 9223372036854775808, 18446744073709551615, -9223372036854775808]",
         [2**63 - 1, 2**63, 2**64 - 1, -(2**63)]),
        ("[18446744073709551616, -9223372036854775809, +9223372036854775808]",
         [18446744073709552000, -9223372036854776000, 9223372036854776000]),
        ("[1.5, .5, 5., -1e3, 1E2, 1e999, 1.2.3, .e5, -.5, 1_0.5]",
         [1.5, 0.5, 5, -1000, 100, "1e999", "1.2.3", ".e5", -0.5, 10.5]),
        ("[2001-01-01, 2001-1-1T1:2:3Z, !!timestamp 2001-01-01]", ["2001-01-01", "2001-1-1T1:2:3Z", "2001-01-01"]),
        ("[!!float 1, !!int '1', !!binary aGk=, !thing 5, ! yes]", [1, 1, "hi", "5", "yes"]),
        ("1: a\n1.5: b\nyes: c\n0.1: d\n1e3: e\n1e-5: f\n16777217.0: g\n.inf: h\n",
         {"1": "a", "1.5": "b", "true": "c", "0.1": "d", "1000": "e", "1e-05": "f", "1.6777216e+07": "g", ".inf": "h"}),
        ("a: |\n  x\n  y\nb: >-\n  x\n  y\n", {"a": "x\ny\n", "b": "x y"}),
        ("a: &x [1]\nb: *x\nc: {k: *x}\n", {"a": [1], "b": [1], "c": {"k": [1]}}),
        ("base: &b {a: 1, b: 2}\nc:\n  <<: *b\n  b: 3\n", {"base": {"a": 1, "b": 2}, "c": {"a": 1, "b": 3}}),
        ("c: {x: 1, <<: {x: 2}}", {"c": {"x": 2}}),
        ("- &a {x: 1, v: 1}\n- &b {x: 2, w: 2}\n- <<: [*a, *b]\n",
         [{"x": 1, "v": 1}, {"x": 2, "w": 2}, {"x": 1, "v": 1, "w": 2}]),
        ("'<<': 1", {"<<": 1}),
        ("a: 1\n--- b: [", {"a": 1}),
        ("\ufeffa: é\n", {"a": "é"}),
        ("{a: 1, a: 2}", {"a": 2}),
        ("- <<\n- {<<: {}}", ["<<", {}]),
    ],
)  # fmt: skip
def test_yaml(text: str, value: object) -> None:
    assert json.loads(yaml_to_json(text.encode())) == value


def test_yaml_writes_json_like_go() -> None:
    converted = yaml_to_json(b"z: 1e21\na: 1e-7\nB: 1.0\n\xc3\xa9: '<&>\\'\nint: 18446744073709551615\n")
    assert converted == '{"B":1,"a":1e-7,"int":18446744073709551615,"z":1e+21,"é":"<&>\\\\"}'.encode()


def test_problems_of_yaml() -> None:
    text = b"a: 1\nb:\n  1: x\n  1: y\na: 2\n1.5: 0\n1.5: 0\nyes: 0\ntrue: 0\n"
    lines = ["line 4: key 1", 'line 5: key "a"', "line 7: key 1.5", "line 9: key true"]
    assert convert_yaml(text).problems == [
        "yaml: unmarshal errors:\n  " + "\n  ".join(f"{line} already set in map" for line in lines)
    ]
    assert convert_yaml(b"a: 1").problems == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (b"a: b: c", "yaml: mapping values are not allowed in this context"),
        (b"\na: b: c", "yaml: line 2: mapping values are not allowed in this context"),
        (b"map: {", "yaml: line 1: did not find expected node content"),
        (b"a:\n  - b\n c: d", "yaml: line 2: did not find expected key"),
        (b"key: [a, b", "yaml: line 1: did not find expected ',' or ']'"),
        (b"a:\n\t- b", "yaml: line 2: found character that cannot start any token"),
        (b"a: @x", "yaml: found character that cannot start any token"),
        (b'\n\n"abc', "yaml: line 3: found unexpected end of stream"),
        (b'a: "\\y"', "yaml: found unknown escape character"),
        (b"a: \x01", "yaml: control characters are not allowed"),
        (b"a: \xff", "yaml: invalid leading UTF-8 octet"),
        (b"a: *b", "yaml: unknown anchor 'b' referenced"),
        (b"&a [*a]", "yaml: anchor 'a' value contains itself"),
        (b"? [a]\n: b", 'yaml: invalid map key: []interface {}{"a"}'),
        (b"? {1: [~, yes, 1.0, 1e7]}\n: b",
         "yaml: invalid map key: map[interface {}]interface {}{1:[]interface {}{interface {}(nil), true, 1, 1e+07}}"),
        (b"~: x", 'unsupported map key of type: %!s(<nil>), key: <nil>, value: "x"'),
        (b"9223372036854775808: 1", "unsupported map key of type: uint64, key: 0x8000000000000000, value: 1"),
        (b"a: .nan", "json: unsupported value: NaN"),
        (b"a: -.inf", "json: unsupported value: -Inf"),
        (b"!!int x", "yaml: cannot decode !!str `x` as a !!int"),
        (b"!!bool 1", "yaml: cannot decode !!int `1` as a !!bool"),
        (b"!!float 18446744073709551615", "yaml: cannot decode !!int `18446744073709551615` as a !!float"),
        (b"!!timestamp now", "yaml: cannot decode !!str `now` as a !!timestamp"),
        (b"!!binary '%'", "yaml: !!binary value contains invalid base64 data"),
        (b"<<: 1", "yaml: map merge requires map or sequence of maps as the value"),
        (b"a: &s [1]\nb:\n  <<: *s", "yaml: map merge requires map or sequence of maps as the value"),
        (b"<<: [{}, 1]", "yaml: map merge requires map or sequence of maps as the value"),
    ],
)  # fmt: skip
def test_yaml_errors(text: bytes, problem: str) -> None:
    with pytest.raises(YamlError) as caught:
        yaml_to_json(text)
    assert caught.value.problem == problem
    assert str(caught.value) == f"error converting YAML to JSON: {problem}"


LAUGHS = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%s]\n" % (letter, letter, b",".join([b"*%c" % (letter - 1)] * 9)) for letter in b"bcdefghi"
)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (LAUGHS, "yaml: document contains excessive aliasing"),
        (b"a: &a " + b"x" * 1_000_000 + b"\nb: [" + b"*a," * 500 + b"]", "yaml: document contains excessive aliasing"),
        (b"[" * 100_000, "yaml: exceeded max depth of 10000"),
        (b"- " * 100_000, "yaml: exceeded max depth of 10000"),
        (b"{a: " * 50_000, "yaml: exceeded max depth of 10000"),
    ],
    ids=["laughs", "long alias", "flow", "block", "mappings"],
)
def test_hostile_yaml(text: bytes, problem: str) -> None:
    with pytest.raises(YamlError) as caught:
        yaml_to_json(text)
    assert caught.value.problem == problem


@pytest.mark.parametrize(
    ("text", "begins", "longest"),
    [
        (b"? " + b"[" * 5_000 + b"]" * 5_000 + b"\n: x", "yaml: invalid map key: []interface {}{[]interface {}{", 500),
        (b"~: " + b"[" * 5_000 + b"]" * 5_000, "unsupported map key of type: %!s(<nil>), key: <nil>, value: []in", 500),
        (LAUGHS + b"? *i\n: x", "yaml: document contains excessive aliasing", 50),
        (b"a: &a [%s]\n? [%s]\n: x" % (b",".join([b"x"] * 900), b",".join([b"*a"] * 90)),
         'yaml: invalid map key: []interface {}{[]interface {}{"x", "x"', 70_000),
    ],
    ids=["deep key", "deep value", "laughs as a key", "aliases in a key"],
)  # fmt: skip
def test_what_is_shown_of_hostile_yaml_is_bounded(text: bytes, begins: str, longest: int) -> None:
    with pytest.raises(YamlError) as caught:
        yaml_to_json(text)
    assert caught.value.problem.startswith(begins)
    assert len(caught.value.problem) < longest


def test_deep_yaml_is_no_problem() -> None:
    assert yaml_to_json(b"[" * 9_999 + b"]" * 9_999) == b"[" * 9_999 + b"]" * 9_999


def test_aliases_of_ordinary_size_are_allowed() -> None:
    text = b"a: &a {k: [1, 2, 3]}\n" + b"".join(b"k%d: *a\n" % number for number in range(300))
    assert len(json.loads(yaml_to_json(text))) == 301


PLAIN = st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
TEXTS = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S", "Zs"]), max_size=12)
TREES = st.recursive(
    PLAIN | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=20,
)


@given(TREES)
def test_json_is_yaml(value: object) -> None:
    text = json.dumps(value, ensure_ascii=False).encode()  # YAML has no surrogate pairs
    assert json.loads(yaml_to_json(text), parse_int=float) == json.loads(text, parse_int=float)


@given(TREES)
def test_the_parser_without_libyaml_does_the_same(value: object) -> None:
    text = yaml.safe_dump(value, allow_unicode=True).encode()
    expected = yaml_to_json(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(yamljson, "_LOADER", yaml.SafeLoader)
        assert yaml_to_json(text) == expected


@given(st.text(alphabet="ab:-[]{},&*!?|>'\"%@`#~ \n\t0.1<", max_size=40))
def test_any_text_converts_or_is_refused(text: str) -> None:
    try:
        json.loads(yaml_to_json(text.encode()), parse_constant=lambda name: math.nan)
    except YamlError as error:
        assert error.problem  # noqa: PT017 - either outcome is fine

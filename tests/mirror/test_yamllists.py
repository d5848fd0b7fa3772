"""Long lists in YAML: read line by line they are what the parser makes of them, or are left to the parser."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from mirror.kubejson import YamlError, to_yaml, yaml_to_json
from mirror.kubejson.yamllists import list_to_json

STREAM: dict[str, Any] = {
    "apiVersion": "image.openshift.io/v1",
    "kind": "ImageStream",
    "metadata": {
        "annotations": {
            "description": 'It\'s a stream with "quotes" and a very long description, which clients fold when they '
            "write it, because it is longer than eighty characters are.",
            "kubectl.kubernetes.io/last-applied-configuration": '{"kind":"ImageStream"}\n',
            "empty": "",
        },
        "creationTimestamp": "2024-01-01T00:00:00Z",
        "name": "app",
        "namespace": "demo",
        "resourceVersion": "12345",
    },
    "spec": {
        "lookupPolicy": {"local": False},
        "tags": [
            {"name": "1", "from": {"kind": "DockerImage", "name": "quay.io/team/app:1"}, "generation": 2},
            {"name": "1.0", "annotations": None, "from": {"kind": "ImageStreamTag", "name": "latest"}},
        ],
    },
    "status": {"dockerImageRepository": "", "tags": [{"tag": "1", "items": [{"image": "sha256:" + "a" * 64}]}, {}]},
}


def slowly(text: str) -> bytes:
    """What the parser makes of a text: short ones are always for it."""
    return yaml_to_json(text.encode())


def listed(*items: Any) -> str:
    return to_yaml({"apiVersion": "v1", "items": list(items), "kind": "List", "metadata": {"resourceVersion": ""}})


def test_a_list_as_clients_print_it() -> None:
    asked: list[str] = []

    def convert(text: str) -> bytes:
        asked.append(text)
        return slowly(text)

    text = listed(STREAM, STREAM)
    assert list_to_json(text, convert) == slowly(text)
    # Only what is around the items was for the parser.
    assert asked == ["apiVersion: v1\n", 'kind: List\nmetadata:\n  resourceVersion: ""\n']


def test_an_item_that_is_written_in_another_way_is_left_to_the_parser() -> None:
    text = listed(STREAM) + "items:\n- {kind: ImageStream}\n"
    assert list_to_json(text, slowly) is None
    mixed = listed(STREAM).replace("items:\n", "items:\n- {kind: Other, list: [1, 2.5, ~]}\n- ? a\n  : b\n- text\n", 1)
    assert list_to_json(mixed, slowly) == slowly(mixed)


ODD = [
    "",
    "items:\n",
    "items:\nkind: List\n",
    "items: []\n",
    "items:\n- a: 1\n",
    "items:\n  - a: 1\n  - b: 2\n",
    "items:\n- a: 1\n b: 2\n",
    "items:\n- a: &x 1\n- b: *x\n",
    "items:\n- &x {a: 1}\n- *x\n",
    "items:\n- a: b\n  a: c\n",
    "items:\n- a: b: c\n",
    "items:\n- a: b #c\n  d: e# f\n",
    "items:\n- a: - b\n",
    "items:\n- a: 'b\n- c': d\n",
    'items:\n- a: "b\n- c: d"\n',
    "items:\n- a: [b\n- c]\n",
    "items:\n- a: |\n    b\n\n    c\n\n  d: e\n",
    "items:\n- a: |\n\n    b\n",
    "items:\n- a: |-\n      b\n    c\n",
    "items:\n- a: |\n  b: c\n",
    "items:\n- a: |+\n    b\n\n",
    "items:\n- a: >\n    b\n    c\n",
    "items:\n- a: b\n    c\n   d\n",
    "items:\n- a: b\n\n    c\n",
    "items:\n- a:\n    - b\n    - c\n",
    "items:\n- a:\n  - b: c\n   d: e\n",
    "items:\n- a:\n  - - b\n",
    "items:\n- a:\n  b:\n- c:\n",
    "items:\n- a: ~\n  null: b\n",
    "items:\n- yes: no\n",
    "items:\n- a: 0x1F\n  b: 017\n  c: 1_000\n  d: 1e3\n  e: .inf\n  f: 2001-01-01\n",
    "items:\n- a: 99999999999999999999\n",
    "items:\n- <<: {a: 1}\n",
    "items:\n- a: !!str 1\n",
    "items:\n- a: b\n...\nkind: c\n",
    "items:\n- a: b\n%TAG ! x\n",
    "items:\n- a: b\n# comment\n- c: d\n",
    "items:\n- a:\tb\n",
    "items:\n- a: b\r\n- c: d\r\n",
    "items:\n- a: b\u2028c\n",
    "items:\n- a: \ufeffb\n",
    "items:\n- a: b",
    'a: "x\nitems:\n- b: c\nd: y"\n',
    "a: {\nitems:\n- b: c\n}\n",
    "items:\n- b: c\nitems:\n- d: e\n",
    "b: c\nitems:\n- b: c\nb: d\n",
    "items:\n-\n  a: b\n",
    "items:\n- a: \"\\u0041\\x41\"\n  b: 'it''s'\n",
    "items:\n-a: b\n",
    "items:\n- a: b:\n",
    "items:\n- a: -1\n  b: - 1\n",
    "items:\n- http://a: b\n",
]


PIECES = ["", " ", "\n", ":", ": ", "-", "- ", "#", "'", '"', "|", "&a ", "*a", "{", "]", "~", "\t"]


def agrees(text: str) -> None:
    """What is found line by line is what the parser finds; nothing is found where the parser finds a mistake."""
    found = list_to_json(text, slowly)
    if found is not None:
        assert found == slowly(text)


@pytest.mark.parametrize("text", ODD)
def test_odd_lists(text: str) -> None:
    agrees(text)
    agrees(f"apiVersion: v1\n{text}")
    agrees(f"{text}kind: List\n")


@given(seed=st.integers(0, 2**32))
def test_lists_with_mistakes(seed: int) -> None:
    """Characters and lines of a good list are changed, doubled and taken away."""
    chance = random.Random(seed)
    text = listed(STREAM, {"kind": "Other", "data": {"a": "b\nc"}})
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text))
        if chance.random() < 0.3:
            lines = text.split("\n")
            place = chance.randrange(len(lines))
            lines[place : place + 1] = chance.choice([[], [lines[place]] * 2, [" " + lines[place]], [lines[place][1:]]])
            text = "\n".join(lines)
        else:
            put = chance.choice(
                ["", " ", "\n", ":", ": ", "-", "- ", "#", "'", '"', "|", "&a ", "*a", "{", "]", "~", "\t"]
            )
            text = text[:at] + put + text[at + chance.randint(0, 1) :]
    agrees(text)


_TEXTS = st.text(st.characters(codec="utf-8"), max_size=20) | st.sampled_from(
    ["", "yes", "1.0", "null", "a: b", "- a", "|"]
)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**20), 10**20) | _TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXTS, inner, max_size=3),
    max_leaves=12,
)


@given(items=st.lists(st.dictionaries(_TEXTS, _VALUES, max_size=4), max_size=3))
def test_whatever_is_written(items: list[Any]) -> None:
    document = {"apiVersion": "v1", "items": items, "kind": "List"}
    agrees(to_yaml(document))
    agrees(yaml.safe_dump(document, allow_unicode=True))


def test_a_long_list_takes_the_short_way() -> None:
    items = [{**STREAM, "metadata": {**STREAM["metadata"], "name": f"app-{number}"}} for number in range(120)]
    text = listed(*items).encode()
    assert len(text) > 100_000
    assert json.loads(yaml_to_json(text))["items"] == items
    broken = text.replace(b"name: app-50\n", b"name: 'app-50\n")
    with pytest.raises(YamlError, match=r"yaml: line \d+: did not find expected key"):
        yaml_to_json(broken)

"""Recorded conversations with a real server, asked again: the same requests, and what differs in the answers."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_AGE = re.compile(r"(Less than a second|About an? (minute|hour)|\d+ (second|minute|hour|day|week|month|year)s?) ago")
_TIMES = frozenset(
    {
        *("creationTimestamp", "created", "lastTransitionTime", "Created", "time"),
        "openshift.io/image.dockerRepositoryCheck",
    }
)
_UPDATED = re.compile(r'(the image stream was updated from )"(\d+)" to "(\d+)"')


@dataclass
class Replay:
    """What stands here for what stood in the recording: uids and resource versions, each always for the same."""

    uids: dict[str, str] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)

    def body(self, recorded: Any) -> bytes:
        """The body of a request, with the versions and uids of here; a text is sent as it is."""
        if recorded is None:
            return b""
        return recorded.encode() if isinstance(recorded, str) else json.dumps(self._translated(recorded)).encode()

    def _translated(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._translated(item) for item in value]
        if not isinstance(value, dict):
            return value
        found = {key: self._translated(item) for key, item in value.items()}
        for key, known in (("resourceVersion", self.versions), ("uid", self.uids)):
            if isinstance(found.get(key), str):
                found[key] = known.get(found[key], found[key])
        return found

    def differences(self, expected: Any, actual: Any, where: str = "", key: str = "") -> Iterator[str]:
        """Where an answer is not the recorded one, the order of fields included.

        Instants and ages may be others; versions and uids may, as long as equal ones stay equal.
        """
        if isinstance(expected, dict) and isinstance(actual, dict):
            if list(expected) != list(actual):
                yield f"{where}: fields {list(actual)}, recorded {list(expected)}"
            for name in [name for name in expected if name in actual]:
                yield from self.differences(expected[name], actual[name], f"{where}.{name}", name)
        elif isinstance(expected, list) and isinstance(actual, list):
            if len(expected) != len(actual):
                yield f"{where}: {len(actual)} elements, recorded {len(expected)}"
            for index, (one, other) in enumerate(zip(expected, actual, strict=False)):
                yield from self.differences(one, other, f"{where}[{index}]", key)
        elif not self._same(expected, actual, key):
            yield f"{where}: {json.dumps(actual)[:300]}, recorded {json.dumps(expected)[:300]}"

    def _same(self, expected: Any, actual: Any, key: str) -> bool:
        if not isinstance(expected, str) or not isinstance(actual, str) or not expected or not actual:
            return type(expected) is type(actual) and bool(expected == actual)
        if key == "uid":
            return self.uids.setdefault(expected, actual) == actual
        if key == "resourceVersion":
            return self.versions.setdefault(expected, actual) == actual
        if key in _TIMES and _TIME.fullmatch(expected):
            return _TIME.fullmatch(actual) is not None
        if key == "cells" and _AGE.fullmatch(expected):
            return _AGE.fullmatch(actual) is not None
        if key == "message":
            expected = _UPDATED.sub(self._updated, expected)
        return expected == actual

    def _updated(self, found: re.Match[str]) -> str:
        before, after = (self.versions.get(version, version) for version in found.group(2, 3))
        return f'{found[1]}"{before}" to "{after}"'

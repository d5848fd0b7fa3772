"""What the real server's OpenAPI document says of types and fields, word for word: ``oc explain`` shows it.

The words are those of the authors of Kubernetes and OpenShift, under the Apache License, version 2.0. They are kept in
``descriptions.json`` by schema and field, the type itself under the empty name.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from importlib.resources import files

import msgspec

Words = Mapping[str, str]


@functools.cache
def recorded_descriptions() -> Mapping[str, Words]:
    """The words of every schema that the real document has."""
    data = files("mirror.api.openapi").joinpath("descriptions.json").read_bytes()
    return msgspec.json.decode(data, type=dict[str, dict[str, str]])

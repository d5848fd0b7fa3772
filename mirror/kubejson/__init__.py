"""Kubernetes' way with request bodies: typed objects, field validation, YAML."""

from __future__ import annotations

from mirror.kubejson.decoding import Decoded, decode_object
from mirror.kubejson.typemeta import TypeMeta, UnrecognizedError, peek_type_meta, summary
from mirror.kubejson.yamljson import Conversion, YamlError, convert_yaml, yaml_to_json
from mirror.kubejson.yamlwriter import to_yaml

__all__ = [
    "Conversion",
    "Decoded",
    "TypeMeta",
    "UnrecognizedError",
    "YamlError",
    "convert_yaml",
    "decode_object",
    "peek_type_meta",
    "summary",
    "to_yaml",
    "yaml_to_json",
]

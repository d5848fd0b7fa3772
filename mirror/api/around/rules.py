"""Rules for writing the objects around images.

Sources: kubernetes ``core/validation``; the CRDs of openshift/api ``config`` and ``operator``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import Final, Generic

import msgspec

from mirror.api.fields import FieldError, forbidden, invalid, required
from mirror.api.metadata import dns_label_errors
from mirror.api.options import not_supported
from mirror.api.resource_kinds import T
from mirror.importer.credentials import DOCKER_CONFIG, DOCKER_CONFIG_JSON
from mirror.v1.clusterconfig import (
    ImageConfig,
    ImageContentSourcePolicy,
    ImageDigestMirrorSet,
    ImageTagMirrorSet,
    Mirrors,
    RepositoryDigestMirrors,
)
from mirror.v1.meta import ObjectMeta
from mirror.v1.namespace import Namespace, NamespaceSpec, NamespaceStatus
from mirror.v1.secret import Secret

ACTIVE: Final = "Active"
_OPAQUE: Final = "Opaque"
_MAX_SECRET: Final = 1024 * 1024
_SUBDOMAIN: Final = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"
_KEY: Final = r"[-._a-zA-Z0-9]+"
_POLICIES: Final = ("NeverContactSource", "AllowContactingSource")
_MODES: Final = ("", "Legacy", "PreserveOriginal")

# What the CRDs say of a source and of a mirror. The second is the same without the possibility of a wildcard.
_LABEL: Final = "(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])"
_REPOSITORY_PATTERN: Final = (
    rf"^({_LABEL}(?:(?:\.{_LABEL})+)?(?::[0-9]+)?)(?:(?:/[a-z0-9]+(?:(?:(?:[._]|__|[-]*)[a-z0-9]+)+)?)+)?$"
)
_SOURCE_PATTERN: Final = rf"^\*(?:\.{_LABEL})+$|{_REPOSITORY_PATTERN}"
# The same languages, in words that cannot take long to look at.
_SAFE_LABEL: Final = "[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?"
_COMPONENT: Final = "[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_REPOSITORY: Final = re.compile(rf"{_SAFE_LABEL}(?:\.{_SAFE_LABEL})*(?::[0-9]+)?(?:/{_COMPONENT})*")
_WILDCARD: Final = re.compile(rf"\*(?:\.{_SAFE_LABEL})+")


class CustomStrategy(Generic[T]):
    """Writes a custom resource: its generation counts the changes of its spec; `check` finds what is wrong with it."""

    def __init__(self, check: Callable[[T], Iterable[FieldError]]) -> None:
        self._check = check

    async def create(self, item: T) -> list[FieldError]:
        """The first generation."""
        item.metadata.generation = 1
        return [*subdomain_errors(item.metadata), *self._check(item)]

    async def update(self, item: T, old: T) -> list[FieldError]:
        """One more generation, if the spec is another one."""
        changed = getattr(item, "spec", None) != getattr(old, "spec", None)
        item.metadata.generation = old.metadata.generation + changed
        return list(self._check(item))


class SecretStrategy:
    """Writes secrets, whose type stays what it is."""

    async def create(self, item: Secret) -> list[FieldError]:
        """Checks a new secret."""
        item.type = item.type or _OPAQUE
        return [*subdomain_errors(item.metadata), *_secret_errors(item)]

    async def update(self, item: Secret, old: Secret) -> list[FieldError]:
        """Checks a changed secret."""
        item.type = item.type or old.type
        errors = []
        if item.type != old.type:
            errors.append(invalid("type", item.type, "field is immutable"))
        if old.immutable:
            if not item.immutable:
                errors.append(forbidden("immutable", "field is immutable when `immutable` is set"))
            if item.data != old.data:
                errors.append(forbidden("data", "field is immutable when `immutable` is set"))
        return [*errors, *_secret_errors(item)]


def complete_secret(secret: Secret) -> None:
    """Makes data of what was written as text, as decoding does."""
    if secret.stringData:
        secret.data = {**(secret.data or {}), **{key: text.encode() for key, text in secret.stringData.items()}}
        secret.stringData = None
    if secret.data is not None:
        secret.data = dict(sorted(secret.data.items())) or None


def _secret_errors(secret: Secret) -> list[FieldError]:
    errors = []
    data = secret.data or {}
    for key in data:
        if not re.fullmatch(_KEY, key) or key in (".", "..") or len(key) > 253:
            text = (
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
                f"'KEY_NAME',  or 'key-name', regex used for validation is '{_KEY}')"
            )
            errors.append(invalid(f"data[{key}]", key, text))
    if sum(len(value or b"") for value in data.values()) > _MAX_SECRET:
        errors.append(FieldError("TooLong", "data", detail=f"may not be more than {_MAX_SECRET} bytes"))
    wanted = {DOCKER_CONFIG: ".dockercfg", DOCKER_CONFIG_JSON: ".dockerconfigjson"}.get(secret.type)
    if wanted is not None and wanted not in data:
        errors.append(required(f"data[{wanted}]"))
    elif wanted is not None and not _is_json_object(data[wanted] or b""):
        errors.append(invalid(f"data[{wanted}]", "<secret contents redacted>", _json_problem(data[wanted] or b"")))
    return errors


def _is_json_object(data: bytes) -> bool:
    try:
        return isinstance(msgspec.json.decode(data), dict)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False


def _json_problem(data: bytes) -> str:
    """What Go's decoder says of a text that is no object."""
    if not data.strip():
        return "unexpected end of JSON input"
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return "invalid character in JSON input"
    kind = {list: "array", str: "string", bool: "bool"}.get(type(value), "number")
    return f"json: cannot unmarshal {kind} into Go value of type map[string]interface {{}}"


class NamespaceStrategy:
    """Writes namespaces, which carry their name as a label and are active as long as they are there."""

    async def create(self, item: Namespace) -> list[FieldError]:
        """Completes and checks a new namespace."""
        item.spec = NamespaceSpec(["kubernetes"])
        item.status = NamespaceStatus(ACTIVE)
        item.metadata.labels = dict(
            sorted({**(item.metadata.labels or {}), "kubernetes.io/metadata.name": item.metadata.name}.items())
        )
        return [invalid("metadata.name", item.metadata.name, text) for text in dns_label_errors(item.metadata.name)]

    async def update(self, item: Namespace, old: Namespace) -> list[FieldError]:
        """Keeps spec, status and the label of the name."""
        item.spec, item.status = old.spec, old.status
        labels = {**(item.metadata.labels or {}), "kubernetes.io/metadata.name": item.metadata.name}
        item.metadata.labels = dict(sorted(labels.items()))
        return []


def subdomain_errors(meta: ObjectMeta) -> list[FieldError]:
    """What keeps a name from being a DNS subdomain."""
    if not meta.name:
        return [required("metadata.name", "name or generateName is required")]
    errors = []
    if len(meta.name) > 253:
        errors.append(invalid("metadata.name", meta.name, "must be no more than 253 bytes"))
    if not re.fullmatch(_SUBDOMAIN, meta.name):
        text = (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            f"start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            f"'{_SUBDOMAIN}')"
        )
        errors.append(invalid("metadata.name", meta.name, text))
    return errors


# Custom resources


def image_config_errors(item: ImageConfig) -> Iterable[FieldError]:
    """What is wrong with an image configuration."""
    sources = item.spec.registrySources
    if sources is not None and sources.blockedRegistries and sources.allowedRegistries:
        text = "Only one of blockedRegistries or allowedRegistries may be set"
        yield invalid("spec.registrySources", "object", text)
    if item.spec.imageStreamImportMode not in _MODES:
        yield not_supported("spec.imageStreamImportMode", item.spec.imageStreamImportMode, *_MODES)
    for index, registry in enumerate(item.spec.allowedRegistriesForImport or ()):
        field = f"spec.allowedRegistriesForImport[{index}].domainName"
        if not registry.domainName:
            yield required(field)
        elif registry.domainName.count(":") > 1:
            yield invalid(field, registry.domainName, "too many colons")


def digest_mirror_errors(item: ImageDigestMirrorSet) -> Iterable[FieldError]:
    """What is wrong with an ImageDigestMirrorSet."""
    return _mirror_errors("spec.imageDigestMirrors", item.spec.imageDigestMirrors or ())


def tag_mirror_errors(item: ImageTagMirrorSet) -> Iterable[FieldError]:
    """What is wrong with an ImageTagMirrorSet."""
    return _mirror_errors("spec.imageTagMirrors", item.spec.imageTagMirrors or ())


def content_source_errors(item: ImageContentSourcePolicy) -> Iterable[FieldError]:
    """What is wrong with an ImageContentSourcePolicy: its CRD asks for a source, and for nothing else."""
    for index, rule in enumerate(item.spec.repositoryDigestMirrors or ()):
        if not rule.source:
            yield required(f"spec.repositoryDigestMirrors[{index}].source")


def _mirror_errors(field: str, rules: Iterable[Mirrors | RepositoryDigestMirrors]) -> Iterable[FieldError]:
    for index, rule in enumerate(rules):
        place = f"{field}[{index}]"
        if not rule.source:
            yield required(f"{place}.source")
        elif not (_REPOSITORY.fullmatch(rule.source) or _WILDCARD.fullmatch(rule.source)):
            yield _mismatch(f"{place}.source", rule.source, _SOURCE_PATTERN)
        for number, mirror in enumerate(rule.mirrors or ()):
            if not _REPOSITORY.fullmatch(mirror):
                yield _mismatch(f"{place}.mirrors[{number}]", mirror, _REPOSITORY_PATTERN)
        policy = getattr(rule, "mirrorSourcePolicy", "")
        if policy and policy not in _POLICIES:
            yield not_supported(f"{place}.mirrorSourcePolicy", policy, *_POLICIES)


def _mismatch(field: str, value: str, pattern: str) -> FieldError:
    return invalid(field, value, f"{field} in body should match '{pattern}'")

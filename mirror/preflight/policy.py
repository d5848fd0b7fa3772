"""The policy of a cluster, as files in the policy format or as the plain objects that an administrator has.

Several files make one policy. What they say twice has to be the same; what has no effect on imports is noted.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import msgspec

from fake_registry.fixtures import canonical_host
from mirror.config import Config, check_hosts, decode_document, read_file
from mirror.errors import InputError
from mirror.importer.credentials import Secret
from mirror.importer.registries import RULES, WILDCARD, mirror_sets_of
from mirror.preflight.causes import Cause
from mirror.preflight.report import Note
from mirror.specs import documents
from mirror.streams import SUFFIXES
from mirror.v1.clusterconfig import ImageConfig

EXPECTED: Final = (
    "expected a policy file (cluster, hosts), a mirror set, image.config.openshift.io/cluster, a pull secret, a "
    "ConfigMap of authorities, or a .dockerconfigjson"
)
_PARTS: Final = frozenset({"cluster", "hosts", "server"})
_FIELDS: Final = {"ImageContentSourcePolicy": "icsp", "ImageDigestMirrorSet": "idms", "ImageTagMirrorSet": "itms"}
_GLOBAL_SECRET: Final = ("openshift-config", "pull-secret")
_PEM: Final = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Policy:
    """A cluster's policy. ``ca`` are the authorities that it trusts besides those of the system (PEM)."""

    config: Config
    ca: bytes | None = None
    notes: list[Note] = field(default_factory=list)


def read_policy(paths: Iterable[str]) -> Policy:
    """The policy that files and directories make together.

    Raises:
        InputError: a file cannot be read, is of the wrong kind, or contradicts another one; names the files.
    """
    reader = _Reader()
    for path in paths:
        for file in _files(Path(path)):
            reader.read(file)
    return reader.policy()


def _files(path: Path) -> Iterator[Path]:
    if not path.is_dir():
        yield path
        return
    found = False
    for directory, names, files in os.walk(path):
        names.sort()
        for name in sorted(files):
            if Path(name).suffix in SUFFIXES or name == ".dockerconfigjson":
                found = True
                yield Path(directory, name)
    if not found:
        raise InputError(f"{path}: no file of a policy in it; {EXPECTED}")


class _Reader:
    """Collects the parts of a policy, and where each comes from."""

    def __init__(self) -> None:
        self._cluster: dict[str, Any] = {}
        self._hosts: dict[str, Any] | None = None
        self._from: dict[tuple[str, ...], tuple[str, Any]] = {}
        self._authorities: list[bytes] = []
        self._maps: dict[str, str] = {}
        self._trusted: tuple[str, str] | None = None
        self._notes: list[Note] = []

    # Files

    def read(self, path: Path) -> None:
        content = read_file(path)
        name = str(path)
        if content.lstrip().startswith(_PEM):
            self._authorities.append(content)
            return
        read = False
        for index, data in enumerate(documents(content, name)):
            where = name if index == 0 else f"{name}, document {index + 1}"
            read = True
            self._document(msgspec.json.decode(data), where, content if index == 0 else data, 8)
        if not read:
            raise InputError(f"{name}: empty; {EXPECTED}")

    def _document(self, document: Any, where: str, content: bytes, depth: int) -> None:
        if not isinstance(document, dict) or not depth:
            raise InputError(f"{where}: no object; {EXPECTED}")
        kind = document.get("kind")
        if isinstance(kind, str) and kind:
            self._object(document, kind, where, content, depth)
        elif "auths" in document:
            self._global_secret(document, where)
        elif document.keys() <= _PARTS:
            self._policy_file(document, where, content)
        else:
            found = ", ".join(sorted(map(str, document))[:5])
            raise InputError(f"{where}: found {found}; {EXPECTED}")

    def _object(self, document: dict[str, Any], kind: str, where: str, content: bytes, depth: int) -> None:
        if kind.endswith("List"):
            items = document.get("items")
            if not isinstance(items, list):
                raise InputError(f"{where}: items: expected a list of objects")
            for index, item in enumerate(items):
                inner = item if not isinstance(item, dict) or item.get("kind") else {**item, "kind": kind[:-4]}
                self._document(inner, f"{where}, items[{index}]", content, depth - 1)
            return
        if not isinstance(document.get("metadata", {}), dict):
            raise InputError(f"{where}: metadata: expected an object")
        if kind in RULES:
            self._mirrors(document, kind, where)
        elif kind == "Secret":
            self._secret(document, where)
        elif kind == "Image" and str(document.get("apiVersion", "")).startswith("config.openshift.io/"):
            self._image_config(document, where)
        elif kind == "ConfigMap":
            self._config_map(document, where)
        else:
            raise InputError(f"{where}: kind: {kind} is not part of a policy; {EXPECTED}")

    # Policy files

    def _policy_file(self, document: dict[str, Any], where: str, content: bytes) -> None:
        config = decode_document(content, Config, where)
        check_hosts(config.hosts or {}, where, content)
        for key, value in (document.get("cluster") or {}).items():
            if key in ("icsp", "idms", "itms", "secrets"):
                kinds = {field: kind for kind, field in _FIELDS.items()}
                for index, one in enumerate(value or []):
                    self._listed(one, kinds.get(key, "Secret"), f"{where}: cluster.{key}[{index}]")
            elif isinstance(value, list):
                self._extend(key, value)
            else:
                self._set(key, value, where)
        if document.get("hosts") is not None:
            self._hosts = self._hosts or {}
            for host, settings in document["hosts"].items():
                self._once(("hosts", canonical_host(host)), settings, where, f"hosts[{host}]")
                self._hosts[host] = settings

    def _listed(self, document: dict[str, Any], kind: str, where: str) -> None:
        if document.get("kind") != kind:
            raise InputError(f"{where}: kind: found {document.get('kind')!r}, must be {kind}")
        if kind == "Secret":
            self._secret(document, where)
        else:
            self._mirrors(document, kind, where)

    def _extend(self, key: str, values: list[Any]) -> None:
        known = self._cluster.setdefault(key, [])
        known += [value for value in values if value not in known]

    def _set(self, key: str, value: Any, where: str) -> None:
        self._once(("cluster", key), value, where, f"cluster.{key}")
        self._cluster[key] = value

    def _once(self, key: tuple[str, ...], value: Any, where: str, field: str) -> bool:
        """Whether something is said for the first time.

        Raises:
            InputError: it has been said before, and differently.
        """
        known = self._from.setdefault(key, (where, value))
        if known[1] != value:
            shown = "" if isinstance(value, dict | list) else f" {_short(value)} is not {_short(known[1])}:"
            raise InputError(f"{where}: {field}:{shown} this contradicts {known[0]}; take one of the two away")
        return known[0] == where and known[1] is value

    # Objects

    def _mirrors(self, document: dict[str, Any], kind: str, where: str) -> None:
        try:
            sets = mirror_sets_of(document, kind)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        name = _name(document)
        if name and not self._once((kind, name), _without_meta(document), where, f"{kind} {name}"):
            return
        for one in sets:
            if one.source.startswith(WILDCARD):
                self._note(
                    Cause.POLICY_UNUSED,
                    f"{where}: the source {one.source} is a wildcard, which imports never match.",
                    "Name the registries one by one.",
                )
            if one.never_contact_source:
                self._note(
                    Cause.POLICY_UNUSED,
                    f"{where}: mirrorSourcePolicy NeverContactSource of {one.source} has no effect on imports: "
                    "the source is still asked last.",
                    "",
                )
        self._cluster.setdefault(_FIELDS[kind], []).append(document)

    def _secret(self, document: dict[str, Any], where: str) -> None:
        try:
            secret = Secret.from_object(document)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        if (secret.namespace, secret.name) == _GLOBAL_SECRET:
            try:
                content = msgspec.json.decode(secret.data.get(".dockerconfigjson", b""))
            except msgspec.DecodeError:
                raise InputError(f"{where}: data[.dockerconfigjson]: no JSON") from None
            self._global_secret(content, where)
            return
        key = ("Secret", secret.namespace, secret.name)
        if self._once(key, _without_meta(document), where, f"Secret {secret.name}") or not secret.name:
            self._cluster.setdefault("secrets", []).append(document)

    def _global_secret(self, document: Any, where: str) -> None:
        if not isinstance(document, dict) or not isinstance(document.get("auths"), dict):
            raise InputError(f"{where}: auths: expected an object with the logins of registries")
        self._once(("global pull secret",), document, where, "the cluster's own pull secret")
        self._cluster["globalPullSecret"] = document

    def _image_config(self, document: dict[str, Any], where: str) -> None:
        if _name(document) not in ("", "cluster"):
            raise InputError(f"{where}: metadata.name: {_name(document)}: only the one called cluster counts")
        try:
            read = msgspec.convert(document, ImageConfig)
        except msgspec.ValidationError as error:
            raise InputError(f"{where}: {error}") from None
        if not self._once(("Image", "cluster"), _without_meta(document), where, "Image cluster"):
            return
        spec, status = read.spec, read.status
        allowed = [msgspec.to_builtins(one) for one in spec.allowedRegistriesForImport or ()]
        self._extend("allowedRegistriesForImport", allowed)
        sources = spec.registrySources
        if sources is not None:
            self._extend("insecureRegistries", sources.insecureRegistries or [])
            self._extend("blockedRegistries", sources.blockedRegistries or [])
            if sources.allowedRegistries:
                self._note(
                    Cause.POLICY_UNUSED,
                    f"{where}: registrySources.allowedRegistries has no effect on imports, only on what nodes pull.",
                    "allowedRegistriesForImport is the list for imports.",
                )
        self._extend("externalRegistryHostnames", spec.externalRegistryHostnames or [])
        mode = spec.imageStreamImportMode or status.imageStreamImportMode
        if mode:
            self._set("imageStreamImportMode", mode, where)
        if status.internalRegistryHostname:
            self._set("internalRegistryHostname", status.internalRegistryHostname, where)
        if spec.additionalTrustedCA is not None and spec.additionalTrustedCA.name:
            self._trusted = (spec.additionalTrustedCA.name, where)

    def _config_map(self, document: dict[str, Any], where: str) -> None:
        data = document.get("data")
        texts = [str(one) for one in data.values()] if isinstance(data, dict) else []
        if not texts or not all(_PEM.decode() in one for one in texts):
            raise InputError(f"{where}: data: expected certificates (PEM) under the names of registries")
        name = _name(document)
        if self._once(("ConfigMap", name), data, where, f"ConfigMap {name}"):
            self._maps[name] = where
            self._authorities += [one.encode() for one in texts]

    # All of it

    def policy(self) -> Policy:
        raw = {"cluster": self._cluster, **({} if self._hosts is None else {"hosts": self._hosts})}
        config = msgspec.convert(raw, Config)
        self._look_at_authorities()
        self._look_at_registries(config)
        ca = b"\n".join(self._authorities) or None
        return Policy(config, ca, self._notes)

    def _look_at_authorities(self) -> None:
        if self._trusted is None:
            return
        name, where = self._trusted
        if self._maps and name not in self._maps:
            other, there = next(iter(self._maps.items()))
            raise InputError(
                f"{where}: spec.additionalTrustedCA.name: {name} is not the ConfigMap {other} of {there}; "
                "give the one that is named, or name the one that is given"
            )
        if not self._maps and not self._authorities:
            self._note(
                Cause.POLICY_UNUSED,
                f"{where}: the ConfigMap {name} of additionalTrustedCA is not among the files, so that its "
                "authorities are not trusted here.",
                f"oc get configmap {name} -n openshift-config -o yaml, and give the file as a policy, too.",
            )

    def _look_at_registries(self, config: Config) -> None:
        cluster = config.cluster
        allowed = {one.domain_name for one in cluster.allowedRegistriesForImport}
        mirrored = {
            one.source
            for key in ("icsp", "idms", "itms")
            for each in getattr(cluster, key)
            for one in mirror_sets_of(each)
        }
        for scope in cluster.blockedRegistries:
            if scope in allowed:
                self._note(
                    Cause.POLICY_CONTRADICTION,
                    f"{scope} is in allowedRegistriesForImport and in blockedRegistries, so that it is blocked.",
                    "Take it out of one of the two.",
                )
            if scope in mirrored:
                self._note(
                    Cause.POLICY_CONTRADICTION,
                    f"{scope} is blocked and has mirrors; for imports a registry that has mirrors is not blocked.",
                    "Take the mirrors away if nothing is to come from there.",
                )
            elif "/" in scope or scope.startswith(WILDCARD):
                self._note(
                    Cause.POLICY_UNUSED,
                    f"blockedRegistries: {scope} has no effect on imports: only whole registries are blocked for them.",
                    "",
                )
        for scope in cluster.insecureRegistries:
            if "/" in scope or scope.startswith(WILDCARD):
                self._note(
                    Cause.POLICY_UNUSED,
                    f"insecureRegistries: {scope} has no effect on imports: only whole registries are.",
                    "",
                )

    def _note(self, cause: Cause, explanation: str, remedy: str) -> None:
        note = Note(cause=cause, explanation=explanation, remedy=remedy)
        if note not in self._notes:
            self._notes.append(note)


def _name(document: dict[str, Any]) -> str:
    return str((document.get("metadata") or {}).get("name") or "")


def _without_meta(document: dict[str, Any]) -> dict[str, Any]:
    """What two copies of an object have to agree in."""
    return {key: value for key, value in document.items() if key not in ("metadata", "status", "apiVersion")}


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 60 else f"{text[:57]}..."

"""The policy of a cluster, as files in the policy format or as the plain objects that an administrator has.

Several files make one policy. What they say twice has to be the same; what has no effect on imports is noted.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec

from fake_registry.fixtures import canonical_host
from mirror.config import Config, checked_hosts, decode_document, describe, read_file
from mirror.documents import documents, files_of
from mirror.errors import InputError
from mirror.importer.credentials import Secret
from mirror.importer.registries import RULES, WILDCARD, mirror_sets_of
from mirror.preflight.causes import Cause
from mirror.preflight.report import Note
from mirror.v1.clusterconfig import ImageConfig, RegistrySources

EXPECTED: Final = (
    "expected a policy file (cluster, hosts), a mirror set, image.config.openshift.io/cluster, a pull secret, a "
    "ConfigMap of authorities, or a .dockerconfigjson"
)
_PARTS: Final = frozenset({"cluster", "hosts", "server"})
_FIELDS: Final = {"ImageContentSourcePolicy": "icsp", "ImageDigestMirrorSet": "idms", "ImageTagMirrorSet": "itms"}
_GLOBAL_SECRET: Final = ("openshift-config", "pull-secret")
_IMAGE_CONFIG: Final = "Image"
_DEEPEST: Final = 8
_PEM: Final = b"-----BEGIN CERTIFICATE-----"


@dataclass(frozen=True, slots=True)
class Policy:
    """A cluster's policy. ``ca`` are the authorities that it trusts besides those of the system (PEM)."""

    config: Config
    ca: bytes | None = None
    notes: list[Note] = field(default_factory=list)


def read_policy(paths: Iterable[str], added: Iterable[str] = ()) -> Policy:
    """The policy that files and directories make together.

    What is `added` takes the place of objects and settings of the same name, as if it were applied to the cluster.

    Raises:
        InputError: a file cannot be read, is of the wrong kind, or contradicts another one; names the files.
    """
    reader = _Reader()
    for path in paths:
        for file in _files(path):
            reader.read(file)
    reader.replacing = True
    for path in added:
        for file in _files(path):
            reader.read(file)
    return reader.policy()


def _files(path: str) -> list[Path]:
    found = list(files_of(Path(path), also=".dockerconfigjson"))
    if not found:
        raise InputError(f"{path}: no file of a policy in it; {EXPECTED}")
    return found


class _Part(NamedTuple):
    """One part of a policy, and where it was found."""

    where: str
    value: Any


class _Reader:
    """Collects the parts of a policy by their names. With `replacing` what comes later wins, else it has to agree."""

    def __init__(self) -> None:
        self.replacing = False
        self._objects: dict[tuple[str, ...], _Part] = {}
        self._settings: dict[str, _Part] = {}
        self._lists: dict[str, list[Any]] = {}
        self._path = Path()
        self._hosts: dict[str, _Part] | None = None
        self._host_names: dict[str, str] = {}
        self._authorities: list[bytes] = []
        self._notes: list[Note] = []

    def _put(self, parts: dict[Any, _Part], key: Any, part: _Part, what: str) -> None:
        """Adds a part.

        Raises:
            InputError: there is another one of that name already.
        """
        known = parts.get(key)
        if known is not None and known.value != part.value and not self.replacing:
            plain = not isinstance(part.value, dict | list)
            shown = f" {_short(part.value)} is not {_short(known.value)};" if plain else ""
            raise InputError(f"{part.where}: {what}:{shown} this contradicts {known.where}; take one of the two away")
        if known is None or known.value != part.value:
            parts[key] = part

    # Files

    def read(self, path: Path) -> None:
        content = read_file(path)
        name = str(path)
        self._path = path
        if content.lstrip().startswith(_PEM):
            self._authorities.append(content)
            return
        read = False
        for where, data in documents(content, name):
            self._document(msgspec.json.decode(data), where, data if read else content, _DEEPEST)
            read = True
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
        elif kind == _IMAGE_CONFIG and str(document.get("apiVersion", "")).startswith("config.openshift.io/"):
            self._image_config(document, where)
        elif kind == "ConfigMap":
            self._config_map(document, where)
        else:
            raise InputError(f"{where}: kind: {kind} is not part of a policy; {EXPECTED}")

    # Policy files

    def _policy_file(self, document: dict[str, Any], where: str, content: bytes) -> None:
        config = decode_document(content, Config, where)
        hosts = checked_hosts(config.hosts or {}, self._path, content, where)
        kinds = {field: kind for kind, field in _FIELDS.items()} | {"secrets": "Secret"}
        for key, value in (document.get("cluster") or {}).items():
            if key in kinds:
                for index, one in enumerate(value or []):
                    here = f"{where}: cluster.{key}[{index}]"
                    if one.get("kind") != kinds[key]:
                        raise InputError(f"{here}: kind: found {one.get('kind')!r}, must be {kinds[key]}")
                    self._object(one, kinds[key], here, content, 1)
            elif key == "globalPullSecret":
                self._global_secret(value, f"{where}: cluster.{key}")
            elif isinstance(value, list):
                known = self._lists.setdefault(key, [])
                known += [one for one in value if one not in known]
            else:
                self._put(self._settings, key, _Part(where, value), f"cluster.{key}")
        if document.get("hosts") is not None:
            self._hosts = {} if self._hosts is None else self._hosts
            for host, settings in document["hosts"].items():
                name = canonical_host(host)
                names_files = config.hosts is not None and hosts[host] != config.hosts[host]
                value = msgspec.to_builtins(hosts[host]) if names_files else settings
                self._put(self._hosts, name, _Part(where, value), f"hosts[{host}]")
                self._host_names[name] = host

    # Objects

    def _put_object(self, kind: str, document: dict[str, Any], where: str) -> None:
        meta = document.get("metadata") or {}
        name = str(meta.get("name") or "")
        # What has no name is like nothing else.
        key = (kind, str(meta.get("namespace") or ""), name or f"#{len(self._objects)}")
        known = self._objects.get(key)
        if known is not None and _without_meta(known.value) == _without_meta(document):
            return
        self._put(self._objects, key, _Part(where, document), f"{kind} {name}")

    def _mirrors(self, document: dict[str, Any], kind: str, where: str) -> None:
        try:
            mirror_sets_of(document, kind)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        self._put_object(kind, document, where)

    def _secret(self, document: dict[str, Any], where: str) -> None:
        try:
            secret = Secret.from_object(document)
        except InputError as error:
            raise InputError(f"{where}: {error}") from None
        if (secret.namespace, secret.name) != _GLOBAL_SECRET:
            self._put_object("Secret", document, where)
            return
        try:
            content = msgspec.json.decode(secret.data.get(".dockerconfigjson", b""))
        except msgspec.DecodeError:
            raise InputError(f"{where}: data[.dockerconfigjson]: no JSON") from None
        self._global_secret(content, where)

    def _global_secret(self, document: Any, where: str) -> None:
        if not isinstance(document, dict) or not isinstance(document.get("auths"), dict):
            raise InputError(f"{where}: auths: expected an object with the logins of registries")
        self._put(self._settings, "globalPullSecret", _Part(where, document), "the cluster's own pull secret")

    def _image_config(self, document: dict[str, Any], where: str) -> None:
        name = (document.get("metadata") or {}).get("name") or "cluster"
        if name != "cluster":
            raise InputError(f"{where}: metadata.name: {name}: only the one called cluster counts")
        try:
            msgspec.convert(document, ImageConfig)
        except msgspec.ValidationError as error:
            raise InputError(f"{where}: {describe(error)}") from None
        self._put_object(_IMAGE_CONFIG, {**document, "metadata": {"name": name}}, where)

    def _config_map(self, document: dict[str, Any], where: str) -> None:
        data = document.get("data")
        texts = [str(one) for one in data.values()] if isinstance(data, dict) else []
        if not texts or not all(_PEM.decode() in one for one in texts):
            raise InputError(f"{where}: data: expected certificates (PEM) under the names of registries")
        self._put_object("ConfigMap", document, where)

    # All of it

    def policy(self) -> Policy:
        cluster: dict[str, Any] = {key: list(values) for key, values in self._lists.items()}
        settings = dict(self._settings)
        maps: dict[str, _Part] = {}
        trusted: _Part | None = None
        for (kind, _, name), part in self._objects.items():
            if kind == "ConfigMap":
                maps[name] = part
            elif kind == _IMAGE_CONFIG:
                config = msgspec.convert(part.value, ImageConfig)
                self._add_image_config(config, part.where, cluster, settings)
                if config.spec.additionalTrustedCA is not None and config.spec.additionalTrustedCA.name:
                    trusted = _Part(part.where, config.spec.additionalTrustedCA.name)
            else:
                cluster.setdefault(_FIELDS.get(kind, "secrets"), []).append(part.value)
                if kind in RULES:
                    self._look_at_mirrors(part)
        cluster |= {key: part.value for key, part in settings.items()}
        raw: dict[str, Any] = {"cluster": cluster}
        if self._hosts is not None:
            raw["hosts"] = {self._host_names[name]: part.value for name, part in self._hosts.items()}
        policy = msgspec.convert(raw, Config)
        self._look_at_authorities(trusted, maps)
        self._look_at_registries(policy)
        bundles = [str(one).encode() for part in maps.values() for one in part.value["data"].values()]
        return Policy(policy, b"\n".join([*self._authorities, *bundles]) or None, self._notes)

    def _add_image_config(
        self, config: ImageConfig, where: str, cluster: dict[str, Any], settings: dict[str, _Part]
    ) -> None:
        spec, status = config.spec, config.status
        sources = spec.registrySources or RegistrySources()
        lists = {
            "allowedRegistriesForImport": [msgspec.to_builtins(one) for one in spec.allowedRegistriesForImport or ()],
            "insecureRegistries": sources.insecureRegistries or [],
            "blockedRegistries": sources.blockedRegistries or [],
            "externalRegistryHostnames": spec.externalRegistryHostnames or [],
        }
        for key, values in lists.items():
            known = cluster.setdefault(key, [])
            known += [one for one in values if one not in known]
        if sources.allowedRegistries:
            self._note(
                Cause.POLICY_UNUSED,
                f"{where}: registrySources.allowedRegistries has no effect on imports, only on what nodes pull.",
                "allowedRegistriesForImport is the list for imports.",
            )
        for key, value in (
            ("imageStreamImportMode", spec.imageStreamImportMode or status.imageStreamImportMode),
            ("internalRegistryHostname", status.internalRegistryHostname),
        ):
            if value:
                self._put(settings, key, _Part(where, value), f"cluster.{key}")

    def _look_at_mirrors(self, part: _Part) -> None:
        for one in mirror_sets_of(part.value):
            if one.source.startswith(WILDCARD):
                self._note(
                    Cause.POLICY_UNUSED,
                    f"{part.where}: the source {one.source} is a wildcard, which imports never match.",
                    "Name the registries one by one.",
                )
            if one.never_contact_source:
                self._note(
                    Cause.POLICY_UNUSED,
                    f"{part.where}: mirrorSourcePolicy NeverContactSource of {one.source} has no effect on imports: "
                    "the source is still asked last.",
                    "",
                )

    def _look_at_authorities(self, trusted: _Part | None, maps: dict[str, _Part]) -> None:
        if trusted is None:
            return
        if maps and trusted.value not in maps:
            other, part = next(iter(maps.items()))
            raise InputError(
                f"{trusted.where}: spec.additionalTrustedCA.name: {trusted.value} is not the ConfigMap {other} of "
                f"{part.where}; give the one that is named, or name the one that is given"
            )
        if not maps and not self._authorities:
            self._note(
                Cause.POLICY_UNUSED,
                f"{trusted.where}: the ConfigMap {trusted.value} of additionalTrustedCA is not among the files, so "
                "that its authorities are not trusted here.",
                f"oc get configmap {trusted.value} -n openshift-config -o yaml, and give the file as a policy, too.",
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


def _without_meta(document: dict[str, Any]) -> dict[str, Any]:
    """What two copies of an object have to agree in."""
    return {key: value for key, value in document.items() if key not in ("metadata", "status", "apiVersion")}


def _short(value: Any) -> str:
    text = str(value)
    return text if len(text) < 60 else f"{text[:57]}..."

"""Pull secrets, and which of their credentials are for an image (kubernetes ``credentialprovider``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

import msgspec

from mirror import gojson
from mirror.errors import InputError, IsmirrorError
from mirror.gotext import GoBase64Error, decode_base64
from mirror.importer.locations import Location, index_key, parse_location

__all__ = ["Credential", "InvalidPullSecret", "Keyring", "Secret", "node_secret", "usable_secrets"]

DOCKER_CONFIG_JSON: Final = "kubernetes.io/dockerconfigjson"
DOCKER_CONFIG: Final = "kubernetes.io/dockercfg"

EXCLUDE_ANNOTATION: Final = "openshift.io/image.excludeSecret"

NODE_SECRET: Final = "global pull secret"
"""What the cluster's own pull secret is called where its credentials are named."""

HUB_KEY: Final = "index.docker.io"


class InvalidPullSecret(IsmirrorError):  # named for what was found, like InvalidReference
    """A pull secret that cannot be read, which makes every import of the namespace fail. The text is the real one's."""

    def __init__(self, text: str, secret_name: str) -> None:
        super().__init__(text)
        self.secret_name = secret_name


# Secrets


@dataclass(frozen=True, slots=True)
class Secret:
    """A Secret with its data decoded. An empty namespace stands for every namespace."""

    name: str
    namespace: str
    type: str
    data: dict[str, bytes] = field(repr=False)
    annotations: dict[str, str] = field(default_factory=dict)

    @classmethod
    def from_object(cls, document: Mapping[str, Any]) -> Secret:
        """Read a whole Secret object: ``data`` in base64, and ``stringData``, which wins over it.

        Raises InputError, which names the secret and the field.
        """
        try:
            read = msgspec.convert(document, _SecretObject)
        except msgspec.ValidationError as error:
            problem, _, place = str(error).partition(" - at `$")
            raise InputError(": ".join(text for text in ("Secret", place.strip(".`"), problem) if text)) from None
        metadata = read.metadata or _Metadata()
        subject = f"Secret {metadata.name!r}"
        if read.kind != "Secret":
            raise InputError(f"{subject}: kind: found {read.kind!r}, must be Secret")
        data: dict[str, bytes] = {}
        for key, text in (read.data or {}).items():
            try:
                data[key] = decode_base64(text or "")
            except GoBase64Error as error:
                raise InputError(
                    f"{subject}: data[{key}]: {error}; text that is not base64 belongs in stringData"
                ) from None
        data |= {key: (text or "").encode("utf-8", "replace") for key, text in (read.string_data or {}).items()}
        return cls(metadata.name, metadata.namespace, read.type or "Opaque", data, dict(metadata.annotations or {}))


class _Metadata(msgspec.Struct):
    name: str = ""
    namespace: str = ""
    annotations: dict[str, str] | None = None


class _SecretObject(msgspec.Struct, rename="camel"):
    kind: str
    metadata: _Metadata | None = None
    type: str | None = None
    data: dict[str, str | None] | None = None
    string_data: dict[str, str | None] | None = None


def node_secret(document: Mapping[str, Any]) -> Secret:
    """The cluster's own pull secret of its document, ``{"auths": …}``, as the nodes have it."""
    data = {".dockerconfigjson": msgspec.json.encode(document)}
    return Secret(NODE_SECRET, "", DOCKER_CONFIG_JSON, data)


def usable_secrets(secrets: Iterable[Secret], namespace: str) -> list[Secret]:
    """The pull secrets that imports into a namespace use, in name order: all of both types, unless excluded."""
    usable = (
        secret
        for secret in secrets
        if secret.namespace in ("", namespace)
        and secret.type in (DOCKER_CONFIG, DOCKER_CONFIG_JSON)
        and secret.annotations.get(EXCLUDE_ANNOTATION) != "true"
    )
    return sorted(usable, key=lambda secret: secret.name)


# Contents

_Login: TypeAlias = tuple[str, str]

# What Go's strings.TrimSpace takes away; Python's strip would also take separators.
_GO_SPACE: Final = "\t\n\v\f\r \x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def _decode_auth(text: str) -> _Login:
    """User name and password from the base64 of ``user:password``, padded or not."""
    padded = text.rstrip(_GO_SPACE).endswith("=")
    try:
        decoded = decode_base64(text, padded=padded)
    except GoBase64Error as error:
        raise gojson.GoJSONError(str(error)) from None
    # Bytes that are no UTF-8 stay what they are when encoded with the same error handler.
    username, colon, password = decoded.decode("utf-8", "surrogateescape").partition(":")
    if not colon:
        raise gojson.GoJSONError("unable to parse auth field, must be formatted as base64(username:password)")
    return username, password


_ENTRY_FIELDS: Final = gojson.Struct(
    "credentialprovider.dockerConfigEntryWithAuth",
    [(name, gojson.String) for name in ("username", "password", "email", "auth")],
)


def _decode_entry(data: bytes) -> _Login:
    """One entry; ``auth`` wins over the two fields. ``null`` is an entry with neither name nor password."""
    entry = gojson.decode(data, _ENTRY_FIELDS)
    if entry.get("auth"):
        return _decode_auth(entry["auth"])
    return entry.get("username", ""), entry.get("password", "")


_DOCKER_CONFIG: Final = gojson.Map(
    gojson.Custom("credentialprovider.DockerConfigEntry", _decode_entry), "credentialprovider.DockerConfig"
)
_DOCKER_CONFIG_JSON: Final = gojson.Struct(
    "credentialprovider.DockerConfigJSON",
    [("auths", _DOCKER_CONFIG), ("HttpHeaders", gojson.Map(gojson.String))],
)


def _entries_of(secret: Secret) -> dict[str, _Login]:
    """Location to login; none where type and key do not go together or there is nothing under the key.

    Raises InvalidPullSecret.
    """
    try:
        if secret.type == DOCKER_CONFIG_JSON and (data := secret.data.get(".dockerconfigjson")):
            return gojson.decode(data, _DOCKER_CONFIG_JSON).get("auths") or {}
        if secret.type == DOCKER_CONFIG and (data := secret.data.get(".dockercfg")):
            return gojson.decode(data, _DOCKER_CONFIG) or {}
    except gojson.GoJSONError as error:
        raise InvalidPullSecret(str(error), secret.name) from None
    return {}


# Lookup


@dataclass(frozen=True, slots=True)
class Credential:
    """A user name and password, either of which may be empty, and where they were found.

    What was no UTF-8 in them is kept as lone surrogates: encode with ``surrogateescape``.
    """

    username: str
    password: str = field(repr=False)
    location: str
    secret_name: str


class Keyring:
    """Credentials by location."""

    def __init__(self, credentials: Iterable[Credential] = ()) -> None:
        self._by_key: dict[str, list[Credential]] = {}
        for credential in credentials:
            key = index_key(credential.location)
            if key is not None:
                self._by_key.setdefault(key, []).append(credential)
        # Longer paths come before shorter ones that way. A key may itself be no URL any more once it is decoded.
        ordered = sorted(self._by_key, reverse=True)
        self._locations: list[tuple[str, Location | None]] = [(key, parse_location(key)) for key in ordered]

    @property
    def locations(self) -> list[str]:
        """The keys of all locations, in the order in which they are tried."""
        return [key for key, _ in self._locations]

    @property
    def credentials(self) -> list[Credential]:
        """All credentials, in the order in which their locations are tried."""
        return [credential for key, _ in self._locations for credential in self._by_key[key]]

    @classmethod
    def from_secrets(cls, secrets: Iterable[Secret]) -> Keyring:
        """Read the secrets, in the order given.

        Within one secret the real order is random; here it is that of the locations, ascending.

        Raises InvalidPullSecret: nothing is used when one of them cannot be read.
        """
        return cls(
            Credential(username, password, location, secret.name)
            for secret in secrets
            for location, (username, password) in sorted(_entries_of(secret).items())
        )

    def lookup(self, image_text: str) -> list[Credential]:
        """The credentials for an image, best first; only the first is used, even if it is empty.

        ``image_text`` is ``Reference.string()`` of a reference with its defaults.
        """
        image = parse_location(image_text)
        if image is not None:
            found = [
                credential
                for key, location in self._locations
                if location is not None and location.covers(image)
                for credential in self._by_key[key]
            ]
            if found:
                return found
        return list(self._by_key.get(HUB_KEY, ())) if _is_on_docker_hub(image_text) else []


def _is_on_docker_hub(image_text: str) -> bool:
    """Whether Docker would look for an image on Docker Hub, by its first segment."""
    first, slash, _ = image_text.partition("/")
    if not slash:
        return bool(first)
    return first in ("docker.io", HUB_KEY) or bool(first and "." not in first and ":" not in first)

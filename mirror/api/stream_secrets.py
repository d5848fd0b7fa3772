"""The subresource ``imagestreams/secrets``: the pull secrets of a namespace (``registry/imagesecret``)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from mirror.api.decoding import API_VERSION
from mirror.api.field_selectors import SelectableFields, unsupported
from mirror.api.list_options import ListOptions, list_options
from mirror.api.objects import Objects
from mirror.api.routing import Call, Reply
from mirror.importer import credentials
from mirror.importer.credentials import DOCKER_CONFIG, DOCKER_CONFIG_JSON, EXCLUDE_ANNOTATION
from mirror.v1.meta import ListMeta, ObjectMeta
from mirror.v1.secret import Secret, SecretList

SECRET_FIELDS: Final = SelectableFields[Secret]({"type": lambda secret: secret.type}, unsupported)
_TYPES: Final = frozenset({DOCKER_CONFIG, DOCKER_CONFIG_JSON})


class Secrets(Protocol):
    """Where secrets are kept."""

    async def list(self, namespace: str) -> tuple[Sequence[Secret], str]:
        """The secrets of a namespace by name, and the resource version of the list; empty where there are none."""
        ...


class ConfiguredSecrets:
    """The secrets of a configuration, those of no namespace in every namespace."""

    def __init__(self, secrets: Sequence[credentials.Secret]) -> None:
        self._secrets = sorted(secrets, key=lambda secret: secret.name)

    async def list(self, namespace: str) -> tuple[Sequence[Secret], str]:
        """The secrets of a namespace; nobody has ever written them, so that there is no version."""
        found = []
        for secret in self._secrets:
            if secret.namespace in ("", namespace):
                meta = ObjectMeta(name=secret.name, namespace=namespace, annotations=secret.annotations or None)
                found.append(Secret(metadata=meta, data=dict(sorted(secret.data.items())) or None, type=secret.type))
        return found, ""


class KnownSecrets:
    """Configured secrets, and those that were written through the API."""

    def __init__(self, configured: Secrets, stored: Objects[Secret]) -> None:
        self._configured = configured
        self._stored = stored

    async def list(self, namespace: str) -> tuple[Sequence[Secret], str]:
        """All secrets of a namespace by name; there is a version only where one has been written."""
        configured, version = await self._configured.list(namespace)
        stored = await self._stored.list(namespace)
        if stored:
            version = str(await self._stored.store.version())
        return sorted([*configured, *stored], key=lambda secret: secret.metadata.name), version


class StreamSecretResource:
    """Reads the pull secrets that an import into a namespace may use."""

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets

    async def get(self, call: Call) -> Reply:
        """The pull secrets of a namespace. Whether there is a stream of that name does not matter."""
        options = list_options(call.request, SECRET_FIELDS)
        secrets, version = await self._secrets.list(call.namespace)
        usable = [secret for secret in secrets if _is_usable(secret) and _is_selected(secret, options)]
        return Reply(SecretList("SecretList", API_VERSION, ListMeta(resourceVersion=version), usable))


def _is_selected(secret: Secret, options: ListOptions) -> bool:
    labels = secret.metadata.labels or {}
    return all(one.matches(labels) for one in options.labels) and SECRET_FIELDS.matches(options.fields, secret)


def _is_usable(secret: Secret) -> bool:
    excluded = (secret.metadata.annotations or {}).get(EXCLUDE_ANNOTATION) == "true"
    return secret.type in _TYPES and not excluded

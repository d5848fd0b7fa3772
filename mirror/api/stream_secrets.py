"""The subresource ``imagestreams/secrets``: the pull secrets of a namespace (``registry/imagesecret``)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from typing import Final

from mirror.api.cluster import Cluster
from mirror.api.collections import Collection
from mirror.api.decoding import API_VERSION
from mirror.api.field_selectors import SelectableFields, unsupported
from mirror.api.list_options import ListOptions, continue_token, list_options, read_token
from mirror.api.objects import Objects
from mirror.api.resource_kinds import ResourceKind
from mirror.api.routing import Call, Reply
from mirror.importer.credentials import DOCKER_CONFIG, DOCKER_CONFIG_JSON, EXCLUDE_ANNOTATION
from mirror.v1.meta import ListMeta, ObjectMeta
from mirror.v1.secret import Secret, SecretList

SECRET_FIELDS: Final = SelectableFields[Secret]({"type": lambda secret: secret.type}, unsupported)
_KIND: Final = ResourceKind("Secret", "secrets", Secret, lambda _: None, api_version="v1", package="core")
_TYPES: Final = frozenset({DOCKER_CONFIG, DOCKER_CONFIG_JSON})


class StreamSecretResource:
    """Reads the pull secrets that an import into a namespace may use: those that were written through the API, and
    those of a configuration."""

    def __init__(self, cluster: Cluster) -> None:
        stored = Objects(cluster.store, _KIND.resource, Secret, _KIND.group)
        self._stored = Collection(stored, _KIND, SecretList, cluster.timing, selectable=SECRET_FIELDS)
        self._settings = cluster.settings

    async def get(self, call: Call) -> Reply:
        """The pull secrets of a namespace. Whether there is a stream of that name does not matter.

        As in the real server it is a list of all secrets, with all options of lists, of which those that are no pull
        secrets are left out afterwards: a page may have fewer than were asked for, or none, and go on.
        """
        options = list_options(call.request, SECRET_FIELDS)
        stored, meta = await self._stored.select(call.namespace, options)
        configured = [one async for one in self._configured(call.namespace) if _is_selected(one, options)]
        found = self._page([*configured, *stored], options, meta) if configured else stored
        if not stored and not meta.continue_:
            meta.resourceVersion = ""  # nobody has ever written any
        usable = [secret for secret in found if _is_usable(secret)]
        return Reply(SecretList("SecretList", API_VERSION, meta, usable))

    def _page(self, secrets: Sequence[Secret], options: ListOptions, meta: ListMeta) -> Sequence[Secret]:
        """The part of secrets that is wanted, by name; what is said of the stored ones is made to hold for it."""
        after = read_token(options.continue_)[1] if options.continue_ else ""
        found = sorted((one for one in secrets if one.metadata.name > after), key=lambda one: one.metadata.name)
        limit = 0 if options.version == "0" else options.limit
        if not limit or (len(found) <= limit and not meta.continue_):
            return found
        remaining = len(found) - limit + (meta.remainingItemCount or 0)
        meta.continue_ = continue_token(int(meta.resourceVersion), found[limit - 1].metadata.name)
        meta.remainingItemCount = None if options.selects else remaining
        return found[:limit]

    async def _configured(self, namespace: str) -> AsyncIterator[Secret]:
        for secret in await self._settings.configured_secrets(namespace):
            meta = ObjectMeta(name=secret.name, namespace=namespace, annotations=secret.annotations or None)
            yield Secret(metadata=meta, data=dict(sorted(secret.data.items())) or None, type=secret.type)


def _is_selected(secret: Secret, options: ListOptions) -> bool:
    labels = secret.metadata.labels or {}
    return all(one.matches(labels) for one in options.labels) and SECRET_FIELDS.matches(options.fields, secret)


def _is_usable(secret: Secret) -> bool:
    excluded = (secret.metadata.annotations or {}).get(EXCLUDE_ANNOTATION) == "true"
    return secret.type in _TYPES and not excluded

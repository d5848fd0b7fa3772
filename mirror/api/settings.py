"""What imports have to keep to: the cluster's configuration, and the objects that change it while it runs.

Source: openshift-apiserver ``imagestreamimport/rest.go``, which reads these objects anew for every import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from mirror.api.limits import StreamLimits
from mirror.config import ClusterConfig
from mirror.errors import InputError
from mirror.importer.allowed import AllowedRegistries
from mirror.importer.credentials import Secret, node_secret, usable_secrets
from mirror.importer.registries import MirrorSet, RegistriesConfig, mirror_sets_of
from mirror.store import Missing, Record, Store

IMAGE_CONFIGS: Final = "images.config.openshift.io"
DIGEST_MIRRORS: Final = "imagedigestmirrorsets.config.openshift.io"
TAG_MIRRORS: Final = "imagetagmirrorsets.config.openshift.io"
CONTENT_SOURCES: Final = "imagecontentsourcepolicies.operator.openshift.io"
SECRETS: Final = "secrets.core"
CLUSTER: Final = "cluster"
"""The name of the one image configuration that counts."""

_KINDS: Final = {
    CONTENT_SOURCES: "ImageContentSourcePolicy",
    DIGEST_MIRRORS: "ImageDigestMirrorSet",
    TAG_MIRRORS: "ImageTagMirrorSet",
}


class ClusterSettings:
    """The settings as they are now. `refresh` reads the stored ones; what they leave open the configuration says.

    `allowed` stays the same object, so that whoever holds it sees changes.

    Raises:
        InputError: an object in the configuration is not what it should be.
    """

    def __init__(self, config: ClusterConfig, store: Store) -> None:
        self._config = config
        self._store = store
        self._mirrors = {
            CONTENT_SOURCES: _mirror_sets(config.icsp, "icsp", CONTENT_SOURCES),
            DIGEST_MIRRORS: _mirror_sets(config.idms, "idms", DIGEST_MIRRORS),
            TAG_MIRRORS: _mirror_sets(config.itms, "itms", TAG_MIRRORS),
        }
        self.secrets = [_secret(index, document) for index, document in enumerate(config.secrets)]
        self.node_secrets = [node_secret(config.globalPullSecret)] if config.globalPullSecret else []
        try:
            self.limits = StreamLimits(config.limitRanges)
            self.allowed = AllowedRegistries(config.allowedRegistriesForImport, config.internalRegistryHostname)
        except InputError as error:
            raise InputError(f"cluster.{error}") from None
        self.registries = self._merged(config.insecureRegistries, config.blockedRegistries, self._mirrors)

    async def refresh(self) -> None:
        """Takes over what is stored. An object that cannot be used is passed over: no API has written it."""
        spec = await self._image_config()
        if spec is None:
            insecure, blocked = self._config.insecureRegistries, self._config.blockedRegistries
            allowed: Sequence[Any] = self._config.allowedRegistriesForImport
        else:
            sources = spec.get("registrySources") or {}
            insecure, blocked = sources.get("insecureRegistries") or [], sources.get("blockedRegistries") or []
            allowed = spec.get("allowedRegistriesForImport") or []
        mirrors = {}
        for resource, configured in self._mirrors.items():
            records = await self._store.list(resource)
            mirrors[resource] = [*configured, *(found for one in records if (found := _stored_mirrors(one, resource)))]
        self.registries = self._merged(insecure, blocked, mirrors)
        self.allowed.take_over(AllowedRegistries(allowed, self._config.internalRegistryHostname))

    async def pull_secrets(self, namespace: str) -> list[Secret]:
        """The pull secrets that imports into a namespace use: configured ones and stored ones, by name."""
        stored = [_stored_secret(record) for record in await self._store.list(SECRETS, namespace)]
        return usable_secrets([*await self.configured_secrets(namespace), *stored], namespace)

    async def configured_secrets(self, namespace: str) -> list[Secret]:
        """The secrets of the configuration that a namespace has: its own, and those of no namespace.

        One that was written under the same name takes the place of a configured one, as in any store there is but one.
        """
        if not self.secrets:
            return []
        stored = {record.name for record in await self._store.list(SECRETS, namespace)}
        return [one for one in self.secrets if one.namespace in ("", namespace) and one.name not in stored]

    async def _image_config(self) -> Mapping[str, Any] | None:
        try:
            record = await self._store.get(IMAGE_CONFIGS, "", CLUSTER)
        except Missing:
            return None
        return msgspec.json.decode(record.value).get("spec") or {}

    def _merged(
        self, insecure: Sequence[str], blocked: Sequence[str], mirrors: Mapping[str, list[list[MirrorSet]]]
    ) -> RegistriesConfig:
        return RegistriesConfig.merge(
            insecure_registries=insecure,
            blocked_registries=blocked,
            icsp=mirrors[CONTENT_SOURCES],
            idms=mirrors[DIGEST_MIRRORS],
            itms=mirrors[TAG_MIRRORS],
        )


def _mirror_sets(documents: Sequence[dict[str, Any]], field: str, resource: str) -> list[list[MirrorSet]]:
    sets = []
    for index, document in enumerate(documents):
        try:
            sets.append(mirror_sets_of(document, _KINDS[resource]))
        except InputError as error:
            raise InputError(f"cluster.{field}[{index}]: {error}") from None
    return sets


def _stored_mirrors(record: Record, resource: str) -> list[MirrorSet]:
    document = msgspec.json.decode(record.value)
    try:
        return mirror_sets_of({**document, "kind": _KINDS[resource]}, _KINDS[resource])
    except InputError:
        return []


def _secret(index: int, document: dict[str, Any]) -> Secret:
    try:
        return Secret.from_object(document)
    except InputError as error:
        raise InputError(f"cluster.secrets[{index}]: {error}") from None


def _stored_secret(record: Record) -> Secret:
    return Secret.from_object({**msgspec.json.decode(record.value), "kind": "Secret"})

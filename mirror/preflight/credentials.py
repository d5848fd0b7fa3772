"""Which login an image is pulled with, and which others nearly were for it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from mirror.importer.credentials import (
    DOCKER_CONFIG,
    DOCKER_CONFIG_JSON,
    EXCLUDE_ANNOTATION,
    NODE_SECRET,
    Credential,
    InvalidPullSecret,
    Keyring,
    Secret,
    usable_secrets,
)
from mirror.importer.locations import Location, parse_location
from mirror.reference import InvalidReference, Reference


class NearMiss(NamedTuple):
    """A login that is not used, where it stands, and why it is not."""

    secret: str
    location: str
    reason: str

    def __str__(self) -> str:
        where = f" has a login for {self.location}, but" if self.location else ""
        return f"{self.secret}{where} {self.reason}"


class Logins:
    """The pull secrets of a cluster: those of the namespaces, and its own, which the nodes have."""

    def __init__(self, secrets: Sequence[Secret], node_secrets: Sequence[Secret]) -> None:
        self._secrets = secrets
        self._of_nodes = _keyring(node_secrets)
        self._damage = _damage(node_secrets)
        self._read: dict[str, Keyring] = {}

    def chosen(self, namespace: str, pull_spec: str) -> Credential | None:
        """The login that an import into a namespace uses for a pull spec; None if there is none."""
        image = image_text(pull_spec)
        if image is None:
            return None
        for keyring in self._keyrings(namespace):
            found = keyring.lookup(image)
            if found:
                return found[0]
        return None

    def unreadable(self, namespace: str) -> str:
        """The name of a pull secret of a namespace that cannot be read, or nothing."""
        try:
            Keyring.from_secrets(usable_secrets(self._secrets, namespace))
        except InvalidPullSecret as error:
            return error.secret_name
        return ""

    def near_misses(self, namespace: str, pull_spec: str) -> list[NearMiss]:
        """Logins for the same registry that are not used for a pull spec, the nearest first.

        A cluster's own pull secret that cannot be read is none: imports go on without it.
        """
        text = image_text(pull_spec)
        image = None if text is None else parse_location(text)
        if text is None or image is None:
            return []
        found = [] if self._damage is None else [self._damage]
        for keyring in self._keyrings(namespace):
            for one in keyring.credentials:
                reason = _difference(one.location, image)
                if reason:
                    found.append(NearMiss(called(one.secret_name), one.location, reason))
        return [*found, *self._out_of_reach(namespace, text)]

    def _keyrings(self, namespace: str) -> tuple[Keyring, Keyring]:
        """Those of the namespace, and those of the nodes, which are asked only where the others have nothing."""
        if namespace not in self._read:
            self._read[namespace] = _keyring(usable_secrets(self._secrets, namespace))
        return self._read[namespace], self._of_nodes

    def _out_of_reach(self, namespace: str, image: str) -> Iterator[NearMiss]:
        """Secrets that have a login for the image, and do not count in the namespace."""
        for secret in sorted(self._secrets, key=lambda one: (one.namespace, one.name)):
            reason = ""
            if secret.namespace not in ("", namespace):
                reason = f"is in the namespace {secret.namespace}; only pull secrets of {namespace} count"
            elif secret.annotations.get(EXCLUDE_ANNOTATION) == "true":
                reason = f"is excluded from imports by its annotation {EXCLUDE_ANNOTATION}"
            elif secret.type not in (DOCKER_CONFIG, DOCKER_CONFIG_JSON):
                reason = f"is of type {secret.type}; only {DOCKER_CONFIG_JSON} and {DOCKER_CONFIG} count"
            if not reason:
                continue
            kind = secret.type if secret.type in (DOCKER_CONFIG, DOCKER_CONFIG_JSON) else DOCKER_CONFIG_JSON
            try:
                found = Keyring.from_secrets([Secret(secret.name, "", kind, secret.data)]).lookup(image)
            except InvalidPullSecret:
                continue
            if found:
                yield NearMiss(called(secret.name), "", f"has a login for {found[0].location}, but {reason}")


def _keyring(secrets: Sequence[Secret]) -> Keyring:
    """The keyring of some secrets; empty where one of them cannot be read."""
    try:
        return Keyring.from_secrets(secrets)
    except InvalidPullSecret:
        return Keyring()


def _damage(node_secrets: Sequence[Secret]) -> NearMiss | None:
    """What is wrong with the cluster's own pull secret."""
    try:
        Keyring.from_secrets(node_secrets)
    except InvalidPullSecret as error:
        return NearMiss(called(NODE_SECRET), "", f"cannot be read: {error}")
    return None


def image_text(pull_spec: str) -> str | None:
    """The text by which logins for a pull spec are looked up; None for what is no pull spec."""
    try:
        return Reference.parse(pull_spec).docker_client_defaults().string()
    except InvalidReference:
        return None


def called(name: str) -> str:
    """A pull secret in a sentence."""
    return f"the {name}" if name == NODE_SECRET else f"secret {name}"


def _difference(location: str, image: Location) -> str:
    """Why a location that looks like an image's is not for it; empty where it looks different."""
    bare = location.removeprefix("https://").removeprefix("http://")
    read = parse_location(bare)
    if read is None:
        return "is no location that can be read" if image.host in location else ""
    host, _, port = read.host.partition(":")
    wanted, _, wanted_port = image.host.partition(":")
    if read.covers(image):
        return ""
    if host == wanted and port != wanted_port:
        return f"the ports differ: the image is at {image.host}"
    if host.lower() == wanted.lower() and host != wanted:
        return "host names are compared letter by letter"
    if read.host == image.host:
        path = read.path
        if path.startswith(("/v1/", "/v2/")):
            path = path[3:]
        return "" if image.path.startswith(path) else f"that is not where {image.host}{image.path} is"
    hub = {"docker.io", "index.docker.io", "registry-1.docker.io"}
    if host in hub and wanted in hub:
        return f"images of Docker Hub are looked up as {wanted}"
    if "*" in host and wanted.endswith(host.lstrip("*")):
        return "each * stands for one part of the name, between two dots"
    return ""

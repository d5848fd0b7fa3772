"""From references to clients, with the pull secrets that go with them (library-go ``registryclient/client.go``)."""

from __future__ import annotations

from collections.abc import Sequence

from mirror.clock import Stopwatch
from mirror.importer.authorization import Login
from mirror.importer.client import RepositoryClient, RepositoryContext
from mirror.importer.credentials import InvalidPullSecret, Keyring, Secret
from mirror.importer.failures import ClientFailure, InvalidRepositoryName
from mirror.importer.wire import Wire
from mirror.reference import INVALID_FORMAT, InvalidReference, Reference, check_repository_name


class Connector:
    """Makes the clients of one pass. Repositories share nothing, not even those of one host.

    Credentials are looked up once for a repository, by the first reference that comes.
    """

    def __init__(
        self, wire: Wire, secrets: Sequence[Secret], stopwatch: Stopwatch, node_secrets: Sequence[Secret] = ()
    ) -> None:
        self._wire = wire
        self._secrets = secrets
        self._node_secrets = node_secrets
        self._stopwatch = stopwatch
        self._keyring: Keyring | None = None
        self._node_keyring: Keyring | None = None
        self._contexts: dict[str, RepositoryContext] = {}
        self._clients: dict[tuple[str, str, str, bool], RepositoryClient] = {}

    def client(self, reference: Reference, *, insecure: bool) -> RepositoryClient:
        """The client for the repository of a reference. Nothing is asked of the network yet.

        Raises:
            InvalidRepositoryName: the reference has no usable repository.
            ClientFailure: a pull secret cannot be read, or the name is not one.
        """
        key = (reference.registry, reference.namespace, reference.name, insecure)
        client = self._clients.get(key)
        if client is None:
            client = RepositoryClient(self._context(reference.docker_client_defaults()), insecure=insecure)
            self._clients[key] = client
        return client

    def _context(self, defaulted: Reference) -> RepositoryContext:
        key = defaulted.as_repository().exact()
        context = self._contexts.get(key)
        if context is None:
            login = self._login(defaulted)
            name = defaulted.repository_name()
            try:
                check_repository_name(name)
            except InvalidReference as error:
                raise (InvalidRepositoryName if str(error) == INVALID_FORMAT else ClientFailure)(str(error)) from None
            host = defaulted.as_v2().registry
            try:
                Reference.parse(f"{'docker.io' if host == 'registry-1.docker.io' else host}/{name}")
            except InvalidReference as error:
                raise ClientFailure(str(error)) from None
            context = RepositoryContext(self._wire, host, name, login, self._stopwatch)
            self._contexts[key] = context
        return context

    def _login(self, defaulted: Reference) -> Login | None:
        if not self._secrets and not self._node_secrets:
            return None
        if self._keyring is None:
            try:
                self._keyring = Keyring.from_secrets(self._secrets)
            except InvalidPullSecret as error:
                raise ClientFailure(str(error)).about("pull-secret") from None
        text = defaulted.string()
        matches = self._keyring.lookup(text) or self._of_the_node().lookup(text)
        return Login(matches[0].username, matches[0].password) if matches else None

    def _of_the_node(self) -> Keyring:
        """The cluster's own pull secret, which lies on every node; one that cannot be read counts as none."""
        if self._node_keyring is None:
            try:
                self._node_keyring = Keyring.from_secrets(self._node_secrets)
            except InvalidPullSecret:
                self._node_keyring = Keyring()
        return self._node_keyring

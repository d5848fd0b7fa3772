"""`FakeRegistry`: a registry in one line, for tests."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from aiohttp import TCPConnector

from fake_registry.core.journal import Entry, Journal, Wanted
from fake_registry.core.origin import OriginSession
from fake_registry.core.registry import RegistryCore
from fake_registry.errors import UsageError
from fake_registry.fixtures import Tree, canonical_host
from fake_registry.images import (
    DEFAULT_PLATFORM,
    ArtifactSpec,
    ImageSpec,
    Kind,
    RunConfig,
    Template,
    build,
    build_artifact,
)
from fake_registry.listening import Address
from fake_registry.oci import OCTET_STREAM
from fake_registry.testing.authority import PROCESS_TRUST
from fake_registry.testing.clients import ListenerResolver, client_context, proxy_environment
from fake_registry.testing.content import Content, Layers, file_contents, given_layers, wanted_tags
from fake_registry.testing.listing import listing
from fake_registry.testing.names import image_name
from fake_registry.testing.options import (
    CertificateOptions,
    FaultOption,
    HostOptions,
    certificates_of,
    fault_of,
    hosts_of,
)
from fake_registry.testing.rules import FaultRules
from fake_registry.testing.site import ClientFiles, CoreOptions, Site
from fake_registry.testing.threads import LoopThread
from fake_registry.tls import CertificateAuthority

T = TypeVar("T")


class FakeRegistry:
    """Container registries for a test: ``quay.io``, ``docker.io`` and any other, over real sockets, on free ports.

    ``async with FakeRegistry() as registry:`` serves in the loop that runs; ``with FakeRegistry() as registry:`` in a
    thread of its own, for code that is not asynchronous. Everything else is the same for both, and may be called from
    any thread.

    `tree` is the fixture tree to serve; pushes go into it, unless it is to be a `copy`. Without one there is a new,
    temporary one. `hosts` configures hosts as a configuration file does; those that are not named speak HTTPS and let
    everybody in. `faults` are rules as for `FaultRules.add`. With `read_only` clients can push and delete nothing; with
    `require_references` they can push a manifest only after everything that it names. `clock` gives seconds since 1970.
    Registries with the same `token_key` take each other's tokens. With a `seed` nothing is drawn at random: the same
    requests get the same upload ids and, by the same clock, tokens. `certificates` are those that hosts show in place
    of made ones, by their names or patterns of them. Requests that name no host that is known are for `default_host`.
    `origin` makes, each time that the registry is entered, what answers for some hosts in place of the tree;
    `mirror.record_from` has one that asks the real registries.

    Raises `UsageError` for hosts and faults that cannot be, and `TreeError`, when it is entered, for a directory that
    is no tree.
    """

    def __init__(
        self,
        tree: str | Path | Tree | None = None,
        *,
        hosts: HostOptions | None = None,
        faults: Iterable[FaultOption] = (),
        copy: bool = False,
        read_only: bool = False,
        require_references: bool = False,
        clock: Callable[[], float] = time.time,
        token_key: bytes | None = None,
        certificates: CertificateOptions | None = None,
        default_host: str = "",
        seed: int | None = None,
        origin: Callable[[], OriginSession] | None = None,
    ) -> None:
        self._source = Path(tree) if isinstance(tree, str) else tree
        self._initial = [fault_of(fault) for fault in faults]
        self._copy = copy
        self._core_options = CoreOptions(
            hosts_of(hosts),
            clock,
            token_key,
            read_only,
            require_references,
            certificates_of(certificates),
            origin,
            canonical_host(default_host),
            seed,
        )
        self._running: Site | None = None
        self._thread: LoopThread | None = None
        self._journal = Journal()
        self._faults: FaultRules | None = None

    async def __aenter__(self) -> Self:
        self._require_end()
        await self._start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stop()

    def __enter__(self) -> Self:
        self._require_end()
        thread = LoopThread()
        try:
            thread.run(self._start())
        except BaseException:
            thread.close()
            raise
        self._thread = thread
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        thread, self._thread = self._thread, None
        assert thread is not None
        try:
            thread.run(self._stop())
        finally:
            thread.close()

    @property
    def address(self) -> Address:
        """Where the registry listens, for all hosts: what is asked for is said by TLS, ``Host`` or ``?ns=``.

        Its text is ``127.0.0.1:PORT``. Under that name itself it is one more registry, empty at first.
        """
        return self._site.address

    def url(self, host: str | None = None) -> str:
        """A URL, without a slash at the end, under which a client reaches one host, and only that, without any setup.

        It has a port of its own for each host: ``https://127.0.0.1:PORT``. Nobody listens there if the host is down.
        Without a host it is the URL of `address`.
        """
        if host is None:
            return f"https://{self.address}"
        config = self._site.core.host(host)
        scheme = "http" if config is not None and config.scheme == "http" else "https"
        return f"{scheme}://{self._port(host)}"

    def pull_spec(self, image: str) -> str:
        """The pull spec by which any client finds an image here: ``quay.io/app:1.0`` is ``127.0.0.1:PORT/app:1.0``."""
        name = image_name(image)
        return f"{self._port(name.host)}/{name.repository}{name.suffix}"

    @property
    def ca_file(self) -> Path:
        """A file with the certificate that clients have to trust (PEM). It is there until the registry ends."""
        site = self._site
        return site.turns.take(site.ca_file)

    @property
    def ca_pem(self) -> bytes:
        """The certificate that clients have to trust."""
        return self._site.authority.ca_pem

    def ssl_context(self, user: str | None = None) -> ssl.SSLContext:
        """A new TLS context for clients, which trusts the registry's authority only, and with the certificate of
        `user` where one is given (raises as `client_certificate`)."""
        context = client_context(self.ca_pem)
        if user is not None:
            context.load_cert_chain(*self.client_certificate(user))
        return context

    def client_certificate(self, user: str) -> ClientFiles:
        """A certificate and its key, in files, for hosts with ``mtls``: to those its holder is `user`.

        The files are there until the registry ends.

        Raises:
            UsageError: no certificate can have that name.
        """
        site = self._site
        return site.turns.take(lambda: site.client_files(user))

    def resolver(self) -> ListenerResolver:
        """A resolver for aiohttp by which every host name leads here, whatever its port."""
        return ListenerResolver(self._listener)

    def connector(self, **options: Any) -> TCPConnector:
        """A connector for an ``aiohttp.ClientSession``: all hosts lead here, and the authority is trusted.

        To be made where the session's loop runs. `options` are those of `aiohttp.TCPConnector`.
        """
        return TCPConnector(**{"resolver": self.resolver(), "ssl": PROCESS_TRUST, **options})

    def environment(self) -> dict[str, str]:
        """Environment variables under which a program reaches the hosts by their own names: it takes the registry for
        its proxy, and trusts the authority. To be merged into ``os.environ``. Nothing of it leaves this machine."""
        return proxy_environment(self.address, self.ca_file)

    @property
    def tree(self) -> Tree:
        """The fixture tree that is served."""
        return self._site.tree

    @property
    def core(self) -> RegistryCore:
        """The registries without sockets, for what runs in the same `loop`."""
        return self._site.core

    @property
    def authority(self) -> CertificateAuthority:
        """The authority that signs the certificates, for what else a test serves."""
        return self._site.authority

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """The event loop that it serves in: the one that ran when it was entered, or that of its own thread."""
        return self._site.loop

    @property
    def running(self) -> bool:
        """Whether it has been entered, and not been left."""
        return self._running is not None

    @property
    def journal(self) -> Journal:
        """What was asked, and what was answered; also when the registry has ended."""
        return self._journal

    @property
    def faults(self) -> FaultRules:
        """The fault rules; their accounts also when the registry has ended."""
        if self._faults is None:
            raise UsageError("a FakeRegistry has no faults before it is entered: with FakeRegistry() as registry")
        return self._faults

    def wait_for(self, *, count: int = 1, within: float = 10.0, **wanted: Unpack[Wanted]) -> list[Entry]:
        """Waits until so many requests were made that have what is said, as ``journal.entries`` takes it; those that
        were made already count. For code that is not async: in a loop it is ``await registry.journal.wait_for(…)``.

        Raises:
            TimeoutError: there were fewer `within` so many seconds.
            UsageError: the loop of the registry would wait for itself.
        """
        if self._thread is None:
            raise UsageError("wait_for blocks the loop that the registry runs in: await registry.journal.wait_for(…)")
        return self._thread.run(self._journal.wait_for(count=count, within=within, **wanted))

    def reset(self) -> None:
        """As it was at the start: nothing asked, and the faults, the scripted answers and the content of the start.

        Only a tree that was given, and not copied, keeps what was pushed to it.
        """
        site = self._site

        def work() -> None:
            site.refill()
            site.core.reset()
            self.faults.reset()
            self.journal.clear()

        site.turns.take(work)

    def listing(self, *, since: int = 0) -> str:
        """The journal as text, a line a request, and the accounts of the faults; without the first `since` requests.
        Without `since` also the TLS handshakes that came to nothing."""
        entries = list(self._journal)
        wanted = max(self._journal.total - since, 0)
        handshakes = [] if since else self._journal.handshakes
        return listing(entries[max(len(entries) - wanted, 0) :], self._faults or (), handshakes)

    def push_image(
        self,
        image: str,
        *,
        tags: str | Iterable[str] | None = None,
        platforms: Sequence[str] = (DEFAULT_PLATFORM,),
        layers: Layers = 3,
        metadata_only: bool = False,
        labels: Mapping[str, str] | None = None,
        env: Sequence[str] = (),
        entrypoint: Sequence[str] = (),
        cmd: Sequence[str] = (),
        annotations: Mapping[str, str] | None = None,
        kind: Kind = "oci",
        index: bool = False,
        created: datetime | None = None,
    ) -> str:
        """Makes a synthetic image and puts it into a repository; returns its digest.

        The same arguments give the same image, everywhere; other names or tags give another one.

        Parameters:
            image: ``HOST/REPOSITORY`` or ``HOST/REPOSITORY:TAG``.
            tags: its tags, beside that of `image`; ``latest`` if there is none at all, and none if this is empty.
            platforms: ``os/architecture[/variant]``; for several the image is an index.
            layers: how many, a few hundred bytes each; or the content of each.
            metadata_only: layers are made up as sizes and digests (tens of megabytes), and are not there.
            labels, env, entrypoint, cmd: what its configuration says; `labels` beside those that builders set.
            annotations: those of the manifest (OCI only).
            kind: ``oci``, or ``docker`` for schema 2.
            index: an index also for a single platform.
            created: a time with a time zone; the first of January 2024 by default.

        Raises:
            UsageError: `image` is not what it has to be.
            ImageError: platforms, annotations or layers that cannot be.
            TreeError: tags that cannot be, or a tree that cannot be written.
        """
        name = image_name(image)
        wanted = wanted_tags(name, tags)
        spec = ImageSpec(
            name=f"{name.host}/{name.repository}",
            version=wanted[-1] if wanted else "untagged",
            platforms=tuple(platforms),
            kind=kind,
            index=index,
            layers=layers if isinstance(layers, int) else 0,
            contents=given_layers(layers),
            real_layers=not metadata_only,
            created=created or Template().created,
            config=RunConfig(env=list(env), entrypoint=list(entrypoint), cmd=list(cmd), labels=dict(labels or {})),
            annotations=dict(annotations or {}),
        )
        return self._content(lambda content: content.put(name, build(spec), wanted))

    def push_artifact(
        self,
        image: str,
        artifact_type: str,
        *,
        files: Mapping[str, bytes | str] | None = None,
        media_type: str = OCTET_STREAM,
        subject: str | None = None,
        annotations: Mapping[str, str] | None = None,
    ) -> str:
        """Makes an artifact and puts it into a repository; returns its digest.

        Parameters:
            image: ``HOST/REPOSITORY``, or with ``:TAG``. Without a tag only the digest, or what it refers to, leads to
                the artifact.
            artifact_type: its media type.
            files: its files, by their names.
            media_type: that of the files.
            subject: what it refers to: the digest or a tag of a manifest of the same repository.
            annotations: those of the manifest.

        Raises:
            UsageError: `image` is not what it has to be, or the repository has no such subject.
            TreeError: a tree that cannot be written.
        """
        name = image_name(image)

        def put(content: Content) -> str:
            spec = ArtifactSpec(
                artifact_type=artifact_type,
                files=file_contents(files or {}),
                media_type=media_type,
                subject=None if subject is None else content.subject(name, subject),
                annotations=dict(annotations or {}),
            )
            return content.put(name, build_artifact(spec), [] if name.tag is None else [name.tag])

        return self._content(put)

    def tags(self, image: str) -> list[str]:
        """The tags of a repository (``HOST/REPOSITORY``), in byte order; none if there is no such repository."""
        name = image_name(image)
        return self._content(lambda content: content.tags(name))

    def digest(self, image: str) -> str | None:
        """The digest of the manifest that a pull spec leads to, or None."""
        name = image_name(image)
        found = self._content(lambda content: content.find(name, name.reference))
        return None if found is None else found.digest

    def manifest(self, image: str) -> bytes | None:
        """The manifest that a pull spec leads to, as it stands, or None."""
        name = image_name(image)
        return self._content(lambda content: content.manifest(name))

    @property
    def _site(self) -> Site:
        if self._running is None:
            raise UsageError("a FakeRegistry has to be entered first: with FakeRegistry() as registry, or async with")
        return self._running

    def _require_end(self) -> None:
        if self._running is not None:
            raise UsageError("this FakeRegistry runs already")

    def _content(self, work: Callable[[Content], T]) -> T:
        site = self._site
        return site.turns.take(lambda: work(Content(site.tree)))

    async def _start(self) -> None:
        site = Site(self._source, copy=self._copy, options=self._core_options)
        await site.start()
        self._running, self._journal = site, site.core.journal
        self._faults = FaultRules(site.core.faults, self._initial)

    async def _stop(self) -> None:
        site, self._running = self._running, None
        if site is not None:
            await site.close()

    def _port(self, host: str) -> Address:
        site = self._site
        return site.turns.take(lambda: site.port_of(canonical_host(host)))

    def _listener(self, host: str, port: int) -> Address:
        """Where a client that means ``host:port`` is to be sent."""
        site = self._site
        same = [known for known in site.core.known_hosts() if known == host or known.startswith(f"{host}:")]
        full = host if port in {0, 80, 443} else f"{host}:{port}"
        config = site.core.host(full)
        if len(same) > 1 or (config is not None and config.scheme == "down"):
            return self._port(full)
        return site.address

"""`ImageApi`: the image API of a cluster in one line, for tests."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine, Mapping, Sequence
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar
from urllib.parse import quote

import msgspec

from fake_registry.errors import UsageError
from fake_registry.testing.clients import client_context
from fake_registry.testing.registry import FakeRegistry
from mirror.api.access import Access, AccessConfig
from mirror.api.app import GROUP_PATH
from mirror.api.controllers import ControllerSettings
from mirror.api.kubeconfig import Login, write_kubeconfig
from mirror.api.messages import JSON, ApiRequest
from mirror.config import ClusterConfig, describe
from mirror.errors import InputError
from mirror.gotext import parse_rfc3339
from mirror.loading import Loaded
from mirror.serving import ApiSettings
from mirror.testing.requests import ApiRequests
from mirror.testing.site import Site, SiteOptions, Source

T = TypeVar("T")


class ImageApi:
    """The image API of a cluster for a test, over real sockets, on a free port: ``oc``, ``kubectl`` and client
    libraries import, watch, tag and delete image streams against it.

    ``async with ImageApi(registry) as api:`` serves in the loop that runs; ``with ImageApi(registry) as api:`` in the
    thread of the registry. The two are always in one loop, so that imports need no sockets.

    `registry` is where imports come from; one that was not entered is entered and left with the API, and without one
    there is a new one, which is empty at first: ``api.registry``. A host exists for imports if the registry was told of
    it, or if there is something in it.

    `cluster` is the part of that name of a configuration file. `load` are objects to start with: files, or plain data.
    `access` says who may do what, as an access file does, or names such a file; without it there is one user, who may
    do everything. `anonymous`: requests without credentials are answered, too. Without `controllers` nothing is
    imported that nobody asked for; scheduled tags are imported every `scheduled_interval` seconds. With
    `require_namespaces` objects are created only in namespaces that are there. `state` is a file or a database URL that
    keeps the objects. With `http` the API speaks clear text, and everybody is the administrator. `now` is the time,
    which stands still then: answers are the same whenever they are asked for, and `advance` lets time pass.

    Raises `InputError` for a cluster, users or a time that cannot be, and, when it is entered, for objects that are
    refused.
    """

    def __init__(
        self,
        registry: FakeRegistry | None = None,
        *,
        cluster: ClusterConfig | Mapping[str, Any] | None = None,
        load: Sequence[Source] = (),
        access: Mapping[str, Any] | str | Path | None = None,
        anonymous: bool = False,
        controllers: bool = True,
        scheduled_interval: float = 900.0,
        require_namespaces: bool = False,
        state: str | Path | None = None,
        http: bool = False,
        now: datetime | str | None = None,
    ) -> None:
        self.registry = FakeRegistry() if registry is None else registry
        self._access = _access_of(access, anonymous=anonymous, http=http)
        settings = ApiSettings(
            cluster=_converted(cluster or ClusterConfig(), ClusterConfig, "cluster"),
            state=str(state or ""),
            access=self._access,
            controllers=ControllerSettings(interval=scheduled_interval) if controllers else None,
            require_namespaces=require_namespaces,
        )
        self._options = SiteOptions(settings, tuple(load), _instant(now), http)
        self._site: Site | None = None
        self._requests = ApiRequests()
        self._leaves_registry = False

    async def __aenter__(self) -> Self:
        self._require_end()
        entered = not self.registry.running
        async with AsyncExitStack() as stack:
            if entered:
                await stack.enter_async_context(self.registry)
            await self._elsewhere(self._start())
            stack.pop_all()
        self._leaves_registry = entered
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self._elsewhere(self._stop())
        finally:
            if self._leaves_registry:
                self._leaves_registry = False
                await self.registry.__aexit__(kind, error, trace)

    def __enter__(self) -> Self:
        self._require_end()
        entered = not self.registry.running
        if entered:
            self.registry.__enter__()
        try:
            self._run(self._start())
        except BaseException as error:
            if entered:
                self.registry.__exit__(type(error), error, error.__traceback__)
            raise
        self._leaves_registry = entered
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self._run(self._stop())
        finally:
            if self._leaves_registry:
                self._leaves_registry = False
                self.registry.__exit__(kind, error, trace)

    # How clients reach it

    @property
    def url(self) -> str:
        """Where the API is, without a slash at the end: ``https://127.0.0.1:PORT``."""
        return f"{'http' if self._options.http else 'https'}://{self._running.address}"

    @property
    def kubeconfig(self) -> Path:
        """A kubeconfig of the administrator, or of the first user of `access` with a token: for ``KUBECONFIG``,
        ``--kubeconfig``, or ``load_kube_config``. It is there until the API ends."""
        return self._kubeconfig("kubeconfig", self.token)

    def kubeconfig_of(self, user: str) -> Path:
        """A kubeconfig of one user of `access`.

        Raises:
            UsageError: there is no such user, or it has no token.
        """
        return self._kubeconfig(f"kubeconfig-{user.encode().hex()}", self.token_of(user))

    def environment(self) -> dict[str, str]:
        """Environment variables under which ``oc`` and ``kubectl`` use this API. To be merged into ``os.environ``."""
        return {"KUBECONFIG": str(self.kubeconfig)}

    @property
    def token(self) -> str:
        """The bearer token of the user whose `kubeconfig` is; none in clear text."""
        return self._access.token

    def token_of(self, user: str) -> str:
        """The bearer token of one user of `access`.

        Raises:
            UsageError: there is no such user, or it has no token.
        """
        token = self._access.tokens.get(user)
        if token is None:
            raise UsageError(f"no user {user!r} with a token: {', '.join(self._access.tokens) or 'there are none'}")
        return token

    @property
    def headers(self) -> dict[str, str]:
        """The header lines by which a request comes from the user whose `token` is."""
        return {"Authorization": f"Bearer {self.token}"} if self.token else {}

    @property
    def ca_file(self) -> Path:
        """A file with the certificate that clients have to trust: that of the registry."""
        return self.registry.ca_file

    def ssl_context(self) -> ssl.SSLContext:
        """A new TLS context for clients, which trusts this API, and the registry, only."""
        return client_context(self.registry.ca_pem)

    # What is in it, and what happens there

    def load(self, *sources: Source) -> list[Loaded]:
        """Creates objects: those of YAML or JSON files, or plain data. What is there already stays as it is.

        Objects may come from a cluster: what only a server fills in is passed over, and a status is written, too.

        Raises:
            InputError: a file cannot be read, or an object is refused.
        """
        return self._run(self._running.load(sources))

    def import_image(
        self, image: str, stream: str, *, scheduled: bool = False, insecure: bool = False
    ) -> dict[str, Any]:
        """Imports an image into a tag, as ``oc import-image --confirm`` does.

        Parameters:
            image: a pull spec.
            stream: ``NAMESPACE/NAME:TAG``; the namespace is ``default``, and the tag that of `image` or ``latest``,
                where they are left out.
            scheduled: import it again and again.
            insecure: without TLS, or with any certificate, if need be.

        Returns:
            The image stream as it is then. What became of the import is in its status: an image, or a condition.

        Raises:
            InputError: the request was refused.
        """
        namespace, name, tag = _stream_tag(stream, image)
        policy = {"scheduled": scheduled, "insecure": insecure}
        wanted = {"from": {"kind": "DockerImage", "name": image}, "to": {"name": tag}, "importPolicy": policy}
        body = {"metadata": {"name": name}, "spec": {"import": True, "images": [wanted]}}
        answer = self._run(self._ask("POST", f"{_namespace_path(namespace)}/imagestreamimports", body))
        found: dict[str, Any] = answer["status"]["import"]
        return found

    def image_stream(self, stream: str) -> dict[str, Any] | None:
        """An image stream (``NAMESPACE/NAME``; the namespace is ``default`` where it is left out), or None."""
        namespace, name, _ = _stream_tag(stream, "")
        return self._run(self._found(f"{_namespace_path(namespace)}/imagestreams/{quote(name, safe='')}"))

    def settle(self) -> None:
        """Waits until the controllers have imported what is due at this time.

        Raises:
            TimeoutError: they are still busy after a minute.
        """
        self._run(self._running.settle())

    def advance(self, seconds: float) -> None:
        """Lets time pass, and what is due in it happen: scheduled imports, other tries after failures.

        Raises:
            InputError: the time is not ours, as `now` was not said.
        """
        self._run(self._running.advance(seconds))

    @property
    def requests(self) -> ApiRequests:
        """What was asked by clients; also when the API has ended."""
        return self._requests

    def reset(self) -> None:
        """As it was at the start: the objects of the start, and nothing asked. Watches end. What is kept in a `state`
        stays; the registry is left alone, it has a reset of its own."""
        self._run(self._running.reset())

    # Where it runs

    @property
    def _running(self) -> Site:
        if self._site is None:
            raise UsageError("an ImageApi has to be entered first: with ImageApi() as api, or async with")
        return self._site

    def _require_end(self) -> None:
        if self._site is not None:
            raise UsageError("this ImageApi runs already")

    async def _start(self) -> None:
        site = Site(self.registry.core, self.registry.authority, self._options)
        await site.start()
        self._site, self._requests = site, site.requests

    async def _stop(self) -> None:
        site, self._site = self._site, None
        if site is not None:
            await site.close()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something in the loop of the registry, and waits for what comes of it.

        Raises:
            UsageError: this is that loop, which cannot wait for itself.
        """
        loop = self.registry.loop
        if _runs_here(loop):
            work.close()
            raise UsageError(
                "in the event loop that serves this cannot be waited for: await asyncio.to_thread(api.reset), "
                "or enter it with 'async with' in place of 'with'"
            )
        return asyncio.run_coroutine_threadsafe(work, loop).result()

    async def _elsewhere(self, work: Coroutine[Any, Any, T]) -> T:
        """Runs something in the loop of the registry, which may be this one."""
        loop = self.registry.loop
        if _runs_here(loop):
            return await work
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, loop))

    def _kubeconfig(self, name: str, token: str) -> Path:
        site = self._running
        login = Login(self.url, site.ca_pem, token)
        return site.file(name, lambda path: write_kubeconfig(path, login))

    async def _ask(self, method: str, path: str, body: Mapping[str, Any] | None = None) -> Any:
        headers = {"content-type": JSON, "accept": JSON, "user-agent": "ismirror"}
        content = b"" if body is None else msgspec.json.encode(body)
        response = await self._running.core.answer(ApiRequest(method, path, "", headers, content))
        answer = msgspec.json.decode(response.body)
        if response.status >= 400:
            raise InputError(answer["message"])
        return answer

    async def _found(self, path: str) -> dict[str, Any] | None:
        response = await self._running.core.answer(ApiRequest("GET", path, "", {"accept": JSON}))
        return msgspec.json.decode(response.body) if response.status == 200 else None


def _runs_here(loop: asyncio.AbstractEventLoop) -> bool:
    try:
        return asyncio.get_running_loop() is loop
    except RuntimeError:
        return False


def _converted(value: object, kind: type[T], where: str) -> T:
    try:
        return value if isinstance(value, kind) else msgspec.convert(value, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"{where}.{describe(error)}") from None


def _access_of(given: Mapping[str, Any] | str | Path | None, *, anonymous: bool, http: bool) -> Access:
    if isinstance(given, str | Path):
        return Access.load(Path(given), anonymous=anonymous)
    if given is not None:
        return Access.of(_converted(given, AccessConfig, "access"), "access", Path(), anonymous=anonymous)
    return Access() if http else Access.of_administrator(anonymous=anonymous)


def _instant(now: datetime | str | None) -> datetime | None:
    if isinstance(now, str):
        try:
            return parse_rfc3339(now)
        except ValueError:
            raise InputError(f"now: {now!r} is not a time such as 2026-01-31T12:00:00Z") from None
    if now is not None and now.tzinfo is None:
        raise InputError(f"now: {now!r} has no time zone")
    return None if now is None else now.astimezone(UTC)


def _namespace_path(namespace: str) -> str:
    return f"{GROUP_PATH}/namespaces/{quote(namespace, safe='')}"


def _stream_tag(stream: str, image: str) -> tuple[str, str, str]:
    """Namespace, name and tag of ``NAMESPACE/NAME:TAG``."""
    namespace, slash, rest = stream.rpartition("/")
    name, _, tag = rest.partition(":")
    if not name or (slash and not namespace):
        raise UsageError(f"{stream!r} is not an image stream such as demo/web:latest")
    if not tag:
        last = image.partition("@")[0].rpartition("/")[2]
        tag = last.partition(":")[2] or "latest"
    return namespace or "default", name, tag

"""The registry: a request goes in, a response comes out. No sockets."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Final, NamedTuple

from fake_registry.config import Certificates, Host, Hosts, ServerCertificate, TlsFailure
from fake_registry.core import blobs, errors, manifests, paths, redirecting, referrers, signatures, tags, uploads
from fake_registry.core.admission import Permission, admit, count
from fake_registry.core.answers import without_body
from fake_registry.core.asked import KINDS, asked_of
from fake_registry.core.auth import Directories, claimed_user
from fake_registry.core.call import ANSWER_BYTES, Call, Content
from fake_registry.core.certificates import GivenCertificates
from fake_registry.core.errors import API_VERSION, RegistryError
from fake_registry.core.faults import Faults, Met
from fake_registry.core.hosts import HostTable, VirtualHost, holder_for, is_printable, namespace_of
from fake_registry.core.journal import Entry, Journal
from fake_registry.core.links import SIGNED, unsigned
from fake_registry.core.messages import JSON, Request, Response
from fake_registry.core.misbehaving import altered, delivered, instead
from fake_registry.core.origin import Origin
from fake_registry.core.paths import Target, parse_link, parse_path
from fake_registry.core.realms import Realm, moved
from fake_registry.core.replaying import recorded, scripted
from fake_registry.core.tally import LocalTally, Tally
from fake_registry.core.tokens import Tokens
from fake_registry.errors import ContentError, TreeError
from fake_registry.fixtures import Tree, canonical_host
from fake_registry.simple_signing import OFFERED

Handler = Callable[[Call], Awaitable[Response]]


class Seen(NamedTuple):
    """A request and its answer, the journal's entry for them, and how many seconds making the answer took."""

    entry: Entry
    request: Request
    response: Response
    seconds: float


Watcher = Callable[[Seen], None]


class Operation(NamedTuple):
    """What one method does with one pattern of paths, and what it takes to be allowed to."""

    method: str
    pattern: str
    permission: Permission
    handler: Handler


async def ping(call: Call) -> Response:
    """``/v2/``: this is a registry, and you are let in."""
    return Response(200, [("Content-Type", JSON), API_VERSION], b"{}")


async def token(call: Call) -> Response:
    """A token endpoint: ``/token``, or wherever the realm of a host with bearer authentication says."""
    endpoint = call.host.endpoints.get(paths.decoded(call.request.path))
    if endpoint is None:
        return errors.page_not_found()
    response, call.user = await endpoint.answer(call.request, call.flaw)
    return response


OPERATIONS: Final = (
    Operation("GET", paths.TOKEN, "open", token),
    Operation("POST", paths.TOKEN, "open", token),
    Operation("GET", paths.BASE, "enter", ping),
    Operation("GET", paths.CATALOG, "catalog", tags.catalog),
    Operation("GET", paths.TAGS, "pull", tags.listing),
    Operation("GET", paths.MANIFEST, "pull", manifests.get),
    Operation("GET", paths.BLOB, "pull", blobs.get),
    Operation("GET", paths.REFERRERS, "pull", referrers.listing),
    Operation("GET", paths.SIGNATURES, "pull", signatures.listing),
    Operation("PUT", paths.SIGNATURES, "push", signatures.put),
    Operation("PUT", paths.MANIFEST, "push", manifests.put),
    Operation("DELETE", paths.MANIFEST, "delete", manifests.delete),
    Operation("DELETE", paths.BLOB, "delete", blobs.delete),
    Operation("POST", paths.UPLOADS, "push", uploads.start),
    Operation("GET", paths.UPLOAD, "push", uploads.status),
    Operation("PATCH", paths.UPLOAD, "push", uploads.append),
    Operation("PUT", paths.UPLOAD, "push", uploads.complete),
    Operation("DELETE", paths.UPLOAD, "push", uploads.cancel),
)
"""All that the registry does. HEAD is done as GET, and its body left out."""

_READ_ONLY: Final = frozenset(operation.pattern for operation in OPERATIONS) - {paths.TOKEN}
"""Paths of a registry that is recorded under which nothing can be written."""

_WRITING: Final = frozenset({"push", "delete"})
_READS: Final = ("GET", "HEAD")
_NOWHERE: Final = frozenset({paths.BELOW, paths.ELSEWHERE})
_RARE: Final = frozenset({paths.SIGNATURES, paths.ELSEWHERE})
"""Paths that only some hosts have."""

_CLEAR_TEXT: Final = b"Client sent an HTTP request to an HTTPS server.\n"
_OTHER_HOST: Final = b"This host asks for a client certificate: connect to it by its own name.\n"


class RegistryCore:
    """All the registries of a tree.

    `hosts` configures some of them; every other directory of ``registries/`` is an https host without
    authentication. `clock` gives seconds since 1970; `token_key` signs the tokens of the token endpoints
    (random by default, so that tokens end with the core). With `read_only` nothing can be pushed or deleted; with
    `require_references` a manifest can only be pushed after everything that it names. `tally` counts what is counted.
    `answer_bytes` is how many bytes of answers are kept for the next who asks.
    For hosts that `origin` covers it answers, and nothing can be pushed. `default_host` is asked by requests that name
    no host that is known. `certificates` are those that hosts show in place of made ones. `directories` makes what asks
    the directories of users (`auth.ldap`); without, nobody does, and those users are not let in. With a `seed` nothing
    is drawn at random, neither the key of tokens nor the ids of uploads: for tests, since whoever knows it knows them.
    """

    def __init__(
        self,
        tree: Tree,
        hosts: Hosts | None = None,
        *,
        clock: Callable[[], float] = time.time,
        journal: Journal | None = None,
        token_key: bytes | None = None,
        read_only: bool = False,
        require_references: bool = False,
        tally: Tally | None = None,
        origin: Origin | None = None,
        default_host: str = "",
        answer_bytes: int = ANSWER_BYTES,
        certificates: Certificates | None = None,
        directories: Directories | None = None,
        seed: int | None = None,
    ) -> None:
        self.tree = tree
        self._origin = origin
        self._default_host = default_host
        self._certificates = GivenCertificates(certificates or {})
        self.journal = Journal() if journal is None else journal
        self._tally = LocalTally() if tally is None else tally
        self.faults = Faults(hosts, self._tally)
        self._clock = clock
        self._watchers: tuple[Watcher, ...] = ()
        self._content = Content(tree, complete=require_references, answer_bytes=answer_bytes, seed=seed)
        self._tokens = Tokens(token_key or _key(seed), clock)
        self._directories = directories
        self._hosts = self._table(hosts, None)
        self._operations: dict[str, dict[str, Operation]] = {}
        for operation in OPERATIONS:
            methods = self._operations.setdefault(operation.pattern, {})
            if read_only and operation.permission in _WRITING:
                continue
            methods[operation.method] = operation
            if operation.method == "GET":
                methods["HEAD"] = operation

    def _table(self, hosts: Hosts | None, before: HostTable | None) -> HostTable:
        return HostTable(
            self.tree, hosts or {}, self._tokens, self._tally, self._default_host, before, self._directories
        )

    def known_hosts(self) -> list[str]:
        """All hosts that are configured or have a directory, in byte order."""
        return self._hosts.names()

    def host(self, name: str) -> Host | None:
        """The configuration of a host; None if it is not configured and has no directory."""
        known = self._hosts.look_up(name)
        return None if known is None else known.config

    def host_of(self, request: Request) -> str:
        """The canonical name of the host that a request is for: ``?ns=``, else the Host header where it names a known
        host, else the name of the TLS handshake, else the default host, else the Host header as it is."""
        return self._hosts.of(request).name

    def realm_here(self, name: str) -> Realm | None:
        """The realm of a host, if its token endpoint is here: on itself or on another host."""
        return self._hosts.realm_here(name)

    def handshake(self, name: str) -> TlsFailure | None:
        """How the next TLS handshake with a host is to fail, if it is; asking counts it."""
        return self.faults.handshake(name) if self.faults else None

    def handshake_failed(self, name: str, remote: str, problem: str) -> None:
        """Has the journal say that a client has not come through the TLS handshake with a host (empty: it named
        none)."""
        self.journal.add_handshake(self._clock(), canonical_host(name), remote, f"TLS handshake: {problem}")

    def certificate(self, name: str) -> ServerCertificate | None:
        """The certificate that was given for a host, by the name that a TLS handshake says (empty: none)."""
        return self._certificates.of(name)

    def configure(
        self,
        hosts: Hosts | None,
        *,
        require_references: bool | None = None,
        certificates: Certificates | None = None,
    ) -> None:
        """Takes another configuration of the hosts; requests that are under way end with the one before.

        Routes count from the start again, fault rules that are in both go on. `require_references` and `certificates`
        stay as they are unless they are given.
        """
        if require_references is not None:
            self._content.complete = require_references
        table = self._table(hosts, self._hosts)
        self.faults.configure(hosts or {})
        if certificates is not None:
            self._certificates = GivenCertificates(certificates)
        self._hosts = table

    def watch(self, watcher: Watcher) -> None:
        """Has everything that is asked and answered told to somebody, from now on."""
        self._watchers = (*self._watchers, watcher)

    def reset(self) -> None:
        """Counts the answers of scripted routes, and what meets faults, from the start again."""
        for host in self._hosts.configured():
            host.routes.reset()
            if host.rates is not None:
                host.rates.reset()
        self.faults.reset()
        self._content.upload_ids.reset()

    async def handle(self, request: Request) -> Response:
        """Answers one request. Errors are answers, too; nothing is raised but by bugs."""
        started = time.perf_counter() if self._watchers else 0.0
        host = self._hosts.of(request)
        target = parse_path(request.path)
        if target.pattern in _RARE:
            target = _rare(target, request, host)
        if host.endpoints and target.pattern in _NOWHERE and paths.decoded(request.path) in host.endpoints:
            target = Target(paths.TOKEN)
        call = Call(request, host, target, self._content)
        response = None if host.is_plain and request.secure else self._refused(request, host)
        if response is None:
            response = await self._own(call)
        if request.method == "HEAD":
            response = without_body(response)
        if call.fault is not None:
            response = delivered(call.fault, response, request.method)
        entry = self.journal.add(
            self._clock(),
            host.name,
            request,
            response.status,
            kind=KINDS.get(call.target.pattern, "other"),
            user=call.user.name,
            repository=call.target.name,
            note=call.note,
            fault="" if call.fault is None else call.fault.id,
            target=unsigned(request.target) if SIGNED in request.query else None,
        )
        for watcher in self._watchers:
            watcher(Seen(entry, request, response, time.perf_counter() - started))
        return response

    async def _own(self, call: Call) -> Response:
        """What a route or the registry itself answers, or a fault makes of the latter."""
        route = None if call.host.is_plain else call.host.routes.take(call.request)
        if route is None and self.faults:
            call.fault = self._met(call)
        try:
            if route is not None:
                return await scripted(route, self._content)
            response = await self._answer(call)
        except RegistryError as error:
            response, call.note = errors.error_response(error), error.note
        except ContentError as error:
            response = errors.error_response(errors.content_damaged(error.digest, str(error)))
            call.note = str(error)
        except TreeError as error:
            response, call.note = errors.error_response(errors.tree_broken(str(error))), str(error)
        if call.request.query and call.host.name and namespace_of(call.request):
            response.headers.append(("OCI-Namespace", call.host.name))
            if response.status == 401:
                self._keep_here(call, response)
        if call.host.adds_headers:
            _add_headers(call, response)
        return response if call.fault is None else altered(call.fault.action, response)

    def _keep_here(self, call: Call, response: Response) -> None:
        """Has a challenge name the address that a client of a mirror knows, and not the host that it says by ``ns``."""
        request = call.request
        realm, named = self._hosts.realm_here(call.host.name), self._hosts.known(request.host)
        if realm is None or named is call.host or not is_printable(request.host):
            return
        for position, (name, value) in enumerate(response.headers):
            if name == "WWW-Authenticate":
                challenge = moved(value, realm, request.host, secure=request.secure, namespace=realm.host)
                response.headers[position] = (name, challenge)

    def _refused(self, request: Request, host: VirtualHost) -> Response | None:
        """What is no answer of the registry: nobody listens, only TLS is spoken there (as Go's server says it),
        or the connection was made to another host, which asked for no certificate (RFC 9110, section 15.5.20)."""
        if host.config.scheme == "down":
            return Response(0, drop=True)
        if not request.secure and self._hosts.refuses_clear_text(request):
            return Response(400, [], _CLEAR_TEXT)
        mtls = host.config.mtls
        if mtls is not None and mtls.required and not holder_for(request, host):
            return Response(421, [], _OTHER_HOST)
        return None

    def _met(self, call: Call) -> Met | None:
        """The fault that a request meets, if any."""
        guard, request = call.host.authenticator, call.request

        def user() -> str:
            if call.certified:
                return call.certified
            return claimed_user(request) if guard is None else guard.claimed(request)

        agent = request.headers.get("user-agent", "")
        return self.faults.due(call.host.name, asked_of(request.method, call.target, request.query, user, agent))

    async def _answer(self, call: Call) -> Response:
        """Faults, then authentication, then content."""
        guard = call.host.authenticator
        pattern = call.target.pattern
        if call.fault is not None:
            response = instead(call.fault.action, KINDS.get(pattern, "other"))
            if response is not None:
                return response
        methods = self._operations.get(pattern, {})
        operation = methods.get(call.request.method)
        if operation is not None and call.host.is_plain and call.fault is None and self._origin is None:
            return await operation.handler(call)
        if self._origin is not None and self._origin.covers(call.host.name):
            if pattern in _READ_ONLY and (operation is None or operation.permission in _WRITING):
                raise errors.unsupported(_READS)
            return await self._origin.answer(call.request, call.host.name, call.target)
        of_links = pattern == paths.LINK or not (call.host.is_registry or _is_endpoint(call))
        if call.host.links is not None and of_links:
            if call.host.rates is not None:
                count(call, call.host.rates)
            return await redirecting.linked(call, call.host.links)
        if pattern.startswith(paths.BASE) or pattern == paths.SIGNATURES:
            proved = await guard.user_of(call.request) if call.host.looks and guard is not None else None
            admit(call, None if operation is None else operation.permission, proved)
        handler = _handler(operation, call.host)
        if call.host.config.recorded:
            return await recorded(call, handler)
        if pattern in _NOWHERE or (pattern == paths.TOKEN and not _is_endpoint(call)):
            return errors.page_not_found()
        if handler is None:
            raise errors.unsupported(tuple(sorted(methods)))
        return await handler(call)


def _handler(operation: Operation | None, host: VirtualHost) -> Handler | None:
    """What does an operation on a host, if there is one."""
    if operation is None:
        return None
    redirects, destination = host.config.blob_redirects, host.destination
    if operation.handler is blobs.get and redirects is not None and destination is not None:
        return partial(redirecting.blob, redirects=redirects, destination=destination)
    return operation.handler


def _rare(target: Target, request: Request, host: VirtualHost) -> Target:
    """What a path names that most hosts do not have."""
    if target.pattern == paths.SIGNATURES and host.config.signatures:
        return target
    link = None if host.links is None else parse_link(request.path)
    return Target(paths.ELSEWHERE) if link is None else link[1]


def _is_endpoint(call: Call) -> bool:
    return paths.decoded(call.request.path) in call.host.endpoints


def _key(seed: int | None) -> bytes:
    """A key for tokens."""
    return secrets.token_bytes(32) if seed is None else hashlib.sha256(b"key of tokens %d" % seed).digest()


def _add_headers(call: Call, response: Response) -> None:
    """Adds what all answers of a host have."""
    if call.host.config.signatures:
        response.headers.append(OFFERED)
    if call.allowance is not None:
        response.headers.extend(call.allowance.headers())

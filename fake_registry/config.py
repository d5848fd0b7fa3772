"""Configuration of the faked hosts: the ``hosts`` part of scenario, policy and configuration files."""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from fake_registry.ldap_text import read_name

Scheme = Literal["https", "http", "selfsigned", "down"]

Action = Literal["pull", "push", "delete"]
"""What can be done with a repository."""

RequestKind = Literal["ping", "token", "manifest", "blob", "tags", "upload", "referrers", "catalog", "other"]
"""What a request is about, by its path."""

TokenFlaw = Literal["refused", "expired", "wrongScope"]
TlsFailure = Literal["alert", "close", "reset", "stall"]

Place = Annotated[int, Meta(ge=0)] | Literal["before"]
"""Where an answer ends: after so many bytes of its body, or before its first byte."""

Duration = Annotated[float, Meta(ge=0)] | str
"""Seconds, or a text such as ``250ms``, ``20s``, ``1m30s``."""

Pattern = Annotated[
    str, Meta(description="* is any text (slashes too), ? any character, [abc] one of those, [!abc] none of those.")
]

_DURATION: Final = re.compile(r"(?:(\d+(?:\.\d+)?)h)?(?:(\d+(?:\.\d+)?)m)?(?:(\d+(?:\.\d+)?)s)?(?:(\d+(?:\.\d+)?)ms)?")
_QUOTABLE: Final = re.compile(r"[ !#-\[\]-~]*")
_MAX_REALM: Final = 2000
_UNITS: Final = (3600.0, 60.0, 1.0, 0.001)
_LONGEST: Final = 7 * 24 * 3600.0


def seconds(duration: Duration) -> float:
    """The seconds of a duration.

    Raises:
        ValueError: it is none, or longer than a week.
    """
    value = duration
    if isinstance(value, str):
        found = _DURATION.fullmatch(value)
        if found is None or not any(found.groups()):
            raise ValueError(f"{duration!r} is no duration such as 250ms, 20s or 1m30s")
        value = sum(float(text) * unit for text, unit in zip(found.groups(), _UNITS, strict=True) if text)
    if not 0 <= value <= _LONGEST:
        raise ValueError(f"{duration!r} is not between 0 and a week")
    return float(value)


class _Part(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, omit_defaults=True, rename="camel"):
    """A part of a host's configuration; in files its fields are written in camel case."""


class Ldap(_Part, frozen=True, kw_only=True):
    """A directory that knows the users of a host, and in which groups they are.

    ``url`` is ``ldap://`` or ``ldaps://``; of several the next is asked where one does not answer. ``start_tls`` goes
    over to TLS first, ``insecure`` lets passwords go in clear text. ``ca`` is the certificate of the authority that
    vouches for the servers (PEM; in a file also the name of another one, which holds it); empty: those of the system.

    A user is looked for below ``base_dn``, as ``bind_dn`` with its password (which another file may hold), by
    ``user_attribute`` or, if that is not enough, ``user_filter``, and proves to know the password as the one entry that
    is found. ``user_dn`` is for directories where that is not needed: the name to prove it as. ``{user}`` in both is
    what the client gave.

    Groups are the values of ``group_attribute`` of the entry, and entries that ``group_filter`` finds, with ``{user}``
    and ``{dn}``; with ``group_base_dn`` only those below it.

    A server has ``timeout`` for all of it. For ``cache_for`` who has proved to know a password need not do so again.
    """

    url: Annotated[str, Meta(min_length=1)] | Annotated[list[Annotated[str, Meta(min_length=1)]], Meta(min_length=1)]
    start_tls: bool = msgspec.field(default=False, name="startTLS")
    insecure: bool = False
    ca: str = ""
    bind_dn: str = msgspec.field(default="", name="bindDN")
    bind_password: str = ""
    bind_password_file: str = ""
    base_dn: str = msgspec.field(default="", name="baseDN")
    user_attribute: str = "uid"
    user_filter: str = ""
    user_dn: str = msgspec.field(default="", name="userDN")
    group_attribute: str = ""
    group_filter: str = ""
    group_base_dn: str = msgspec.field(default="", name="groupBaseDN")
    timeout: Duration = "5s"
    cache_for: Duration = "60s"


class Auth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may use a host: ``bearer`` takes tokens, ``basic`` passwords only.

    ``username`` and ``password`` are one user, ``users`` are more, with their passwords. ``htpasswd`` are users with
    bcrypt hashes in place of passwords (the text; in a file also the name of another one, which holds it).
    ``ldap`` has more of them in a directory. ``anonymous``: everybody may read.

    ``realm`` is the URL that clients are sent to for tokens, ``service`` what tokens are for; without them ``/token``
    on the host itself, and its name. The endpoint is there where the realm's host is one that is configured.
    ``issuer`` is somebody else whose tokens count, signed with one of ``keys``: a set of JSON web keys, or PEM with
    public keys and certificates (the text; in a file also the name of another one, which holds it). Where such a token
    does not say what it allows, its claim ``userClaim`` is the user, and ``groupsClaim`` has the groups.
    """

    type: Literal["bearer", "basic"]
    username: str = ""
    password: str = ""
    users: dict[str, str] = {}
    htpasswd: str = ""
    ldap: Ldap | None = None
    anonymous: bool = False
    realm: str = ""
    service: Annotated[str, Meta(max_length=300)] = ""
    issuer: Annotated[str, Meta(max_length=2000)] = ""
    keys: str = ""
    user_claim: Annotated[str, Meta(min_length=1)] = msgspec.field(default="sub", name="userClaim")
    groups_claim: Annotated[str, Meta(min_length=1)] = msgspec.field(default="groups", name="groupsClaim")

    def __post_init__(self) -> None:
        tokens = {"realm": self.realm, "service": self.service, "issuer": self.issuer, "keys": self.keys}
        said = [name for name, value in tokens.items() if value]
        if said and self.type != "bearer":
            raise ValueError(f"Expected `type` to be bearer with `{said[0]}`")
        if self.realm and not is_realm(self.realm):
            raise ValueError("Expected `realm` to be a URL such as https://auth.example.com/token")
        if not _QUOTABLE.fullmatch(self.service):
            raise ValueError("Expected `service` to be printable ASCII without quotation marks and backslashes")
        if bool(self.issuer) != bool(self.keys):
            raise ValueError("Expected `issuer` and `keys` together: whose tokens count, and what they are signed with")
        if self.issuer and not self.realm:
            raise ValueError("Expected `realm` with `issuer`: where clients get its tokens")
        for name, value, usual in (("userClaim", self.user_claim, "sub"), ("groupsClaim", self.groups_claim, "groups")):
            if value != usual and not self.issuer:
                raise ValueError(f"Expected `{name}` only with `issuer`")


def is_realm(text: str) -> bool:
    """Whether challenges can send clients to this: an HTTP URL without credentials and fragment."""
    if not _QUOTABLE.fullmatch(text) or " " in text or "#" in text or len(text) > _MAX_REALM:
        return False
    try:
        url = urlsplit(text)
        return url.scheme in {"http", "https"} and bool(url.hostname) and "@" not in url.netloc and url.port != 0
    except ValueError:
        return False


class AccessRule(_Part, frozen=True, kw_only=True):
    """Lets some users do something with some repositories; what no rule allows is denied.

    ``user`` is a pattern; everybody who gave no name is the empty one, which ``*`` does not stand for. ``group`` is one
    for a group that the user has to belong to, by its name or, with ``=``, its distinguished name; empty: any or none.
    """

    user: Pattern = "*"
    group: Pattern = ""
    repository: Pattern = "*"
    actions: list[Action]

    def __post_init__(self) -> None:
        if "=" in self.group:
            read_name(self.group)


class Mtls(_Part, frozen=True, kw_only=True):
    """Client certificates that a host asks for.

    Without one nobody is let in, unless it is not ``required``. ``ca`` is the certificate of the authority that has to
    vouch for them (PEM; in a file also the name of another one, which holds it); empty: our own. Whose certificate it
    is, by its common name, is the user.
    """

    required: bool = True
    ca: str = ""


class ServerCertificate(_Part, frozen=True, kw_only=True):
    """A certificate that a server shows, with those that lead from it to an authority, and its key (PEM; in a file also
    the name of another one, which holds it). Without ``key`` that is where ``cert`` is.
    """

    cert: str
    key: str = ""


Certificates = dict[Pattern, ServerCertificate]
"""The certificates of hosts, by their names or patterns of them; ports count for nothing."""


class Limits(_Part, frozen=True, kw_only=True):
    """How much of something a host takes.

    Bytes of a manifest and of a blob (none: any number); uploads that are not complete, and for how long nobody needs
    to go on with one. ``chunk_min_bytes`` is what clients are told to be the least that a chunk should have.
    """

    manifest_bytes: Annotated[int, Meta(ge=0, le=8 * 1024 * 1024)] = 4 * 1024 * 1024
    blob_bytes: Annotated[int, Meta(ge=0)] | None = None
    uploads: Annotated[int, Meta(ge=0)] = 10_000
    upload_age: Duration = "24h"
    chunk_min_bytes: Annotated[int, Meta(ge=0)] = 0

    def __post_init__(self) -> None:
        seconds(self.upload_age)


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scripted answer, given before anything else is looked at.

    ``method`` is a verb or ``*``; ``path`` is path and query exactly; ``times`` is how often it answers
    (-1: always); ``close`` drops the connection without an answer. ``when`` are headers that the request has to have
    (patterns), or must not have (null). The values of a header that comes more than once are a list. ``content`` is
    the digest of a manifest or blob of the tree that is the body.
    """

    path: str
    method: str = "GET"
    when: dict[str, Pattern | None] = {}
    status: Annotated[int, Meta(ge=200, le=999)] = 200
    headers: dict[str, str | list[str]] = {}
    body: str = ""
    content: Annotated[str, Meta(pattern="^([a-z0-9]+:[0-9a-f]{64,128})?$")] = ""
    times: int = -1
    close: bool = False

    def __post_init__(self) -> None:
        if self.body and self.content:
            raise ValueError("Expected at most one of `body`, `content`")


class Spread(_Part, frozen=True, kw_only=True):
    """A latency that is drawn anew each time; with the same ``seed`` the same ones in the same order.

    Exactly one of ``uniform`` (least and most), ``normal`` (mean and standard deviation; never below 0) and
    ``exponential`` (mean).
    """

    uniform: tuple[Duration, Duration] | None = None
    normal: tuple[Duration, Duration] | None = None
    exponential: Duration | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.uniform, self.normal, self.exponential)) != 1:
            raise ValueError("Expected one of `uniform`, `normal`, `exponential`")
        for value in (*(self.uniform or ()), *(self.normal or ()), self.exponential or 0.0):
            seconds(value)
        if self.uniform is not None and seconds(self.uniform[0]) > seconds(self.uniform[1]):
            raise ValueError("Expected `uniform` to be the least and the most, in this order")


class TooManyRequests(_Part, frozen=True, kw_only=True):
    """A 429 as Docker Hub gives it: with ``Retry-After``, ``ratelimit-limit`` and ``ratelimit-remaining``.

    ``retry_after`` (None: no such header) and ``window`` are in seconds; ``source`` is whom the limit is counted for
    (``docker-ratelimit-source``).
    """

    retry_after: Annotated[int, Meta(ge=0)] | None = 60
    limit: Annotated[int, Meta(ge=0)] = 100
    remaining: Annotated[int, Meta(ge=0)] = 0
    window: Annotated[int, Meta(ge=1)] = 21600
    source: str = ""


class RequestMatch(_Part, frozen=True, kw_only=True):
    """Which requests something is for: those that have everything that is said here.

    ``reference`` is the tag or digest in the path, ``digest`` the digest in the path or in the query of an upload or
    mount, ``user`` who the client is (empty: nobody).
    """

    method: str | list[str] = []
    kind: RequestKind | list[RequestKind] = []
    repository: Pattern | None = None
    reference: Pattern | None = None
    digest: Pattern | None = None
    user: Pattern | None = None
    user_agent: Pattern | None = None


class FaultMatch(RequestMatch, frozen=True, kw_only=True):
    """Which requests a fault is for; ``user`` is who the client says it is, true or not.

    Of the requests that match, ``nth`` takes the first, second… (one number or several), ``every`` those whose number
    it divides, ``after`` those behind the first so many.
    """

    nth: Annotated[int, Meta(ge=1)] | list[Annotated[int, Meta(ge=1)]] = []
    every: Annotated[int, Meta(ge=1)] = 1
    after: Annotated[int, Meta(ge=0)] = 0

    @property
    def looks_at_requests(self) -> bool:
        """Whether this asks for what only a request has, and no TLS handshake."""
        patterns = (self.repository, self.reference, self.digest, self.user, self.user_agent)
        return bool(self.method or self.kind) or any(pattern is not None for pattern in patterns)


class FaultAction(_Part, frozen=True, kw_only=True):
    """What goes wrong; at least one field is there.

    In place of the answer comes an error with ``status`` (``code`` and ``message`` are the usual ones for it unless
    given), or ``too_many_requests``. ``token``: a token is refused, expired, or for something else. ``tls``: the
    handshake fails.

    The answer, or that error, comes late (``latency``), with other ``headers`` (an empty value removes one), another
    ``body``, ``content_type`` or ``content_length``, with one byte changed (``corrupt``: which, negative from the
    end), or it does not come whole: ``cut`` (the connection is closed), ``reset``, ``stall`` (nothing more comes).
    """

    status: Annotated[int, Meta(ge=200, le=599)] | None = None
    code: str = ""
    message: str = ""
    too_many_requests: TooManyRequests | None = None
    token: TokenFlaw | None = None
    tls: TlsFailure | None = None
    latency: Duration | Spread = 0.0
    headers: dict[str, str] = {}
    body: str | None = None
    content_type: str | None = None
    content_length: Annotated[int, Meta(ge=0)] | None = None
    corrupt: int | None = None
    cut: Place | None = None
    reset: Place | None = None
    stall: Place | None = None

    def __post_init__(self) -> None:
        said = set(msgspec.to_builtins(self))
        if not said:
            raise ValueError("Expected something that goes wrong, such as `status`, `latency` or `reset`")
        for names in (
            ("status", "tooManyRequests", "token", "tls"),
            ("cut", "reset", "stall"),
            ("body", "corrupt"),
        ):
            if len(said.intersection(names)) > 1:
                raise ValueError(f"Expected at most one of {', '.join(f'`{name}`' for name in names)}")
        if "tls" in said and said != {"tls"}:
            raise ValueError("Expected nothing beside `tls`: without a handshake there is no answer")
        if said & {"code", "message"} and not said & {"status", "tooManyRequests"}:
            raise ValueError("Expected `status` with `code` or `message`")
        if not isinstance(self.latency, Spread):
            seconds(self.latency)


class Fault(_Part, frozen=True, kw_only=True):
    """A fault rule: requests that match, what happens to them, and how often at most (``times``; -1: always).

    ``name`` is for people: it shows in the account of what was met.
    """

    name: str = ""
    match: FaultMatch = FaultMatch()
    action: FaultAction
    times: Annotated[int, Meta(ge=-1)] = -1

    def __post_init__(self) -> None:
        if self.action.tls is not None and self.match.looks_at_requests:
            raise ValueError("Expected `match` of a `tls` fault to have nothing but `nth`, `every` and `after`")


class RateLimit(_Part, frozen=True, kw_only=True):
    """How many ``requests`` a client may make within a ``window``, which begins with the first of them.

    ``by`` says what a client is: an ``address``, a ``user`` (who is nobody is an address), a ``userAgent``, or the
    ``host``: all of them together. ``match``: only these requests count.
    """

    requests: Annotated[int, Meta(ge=0)]
    window: Duration
    by: Literal["address", "user", "userAgent", "host"] = "address"
    match: RequestMatch = RequestMatch()

    def __post_init__(self) -> None:
        if seconds(self.window) < 1:
            raise ValueError("Expected `window` to be a second or more")


def _is_place(url: str) -> bool:
    """Whether a URL can have paths added: one of http or https, without credentials, query and fragment."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and url.isascii() and url.isprintable() and not set(url) & set(' ?#@"<>\\')


class AwsVariables(_Part, frozen=True, kw_only=True):
    """The environment variables that hold credentials for S3; the session token is left out unless it is named."""

    access_key_id: str = "AWS_ACCESS_KEY_ID"
    secret_access_key: str = "AWS_SECRET_ACCESS_KEY"
    session_token: str = ""


class AwsSignature(_Part, frozen=True, kw_only=True):
    """AWS Signature Version 4 in the query of a URL: S3, and what speaks as it does.

    ``credentials`` are those of a ``profile`` in a file as the AWS command line has it (the text; in a file also the
    name of another one, which holds it), or they come from variables of the ``environment``.
    """

    region: Annotated[str, Meta(pattern="^[A-Za-z0-9-]{1,64}$")] = "us-east-1"
    credentials: str = ""
    profile: str = "default"
    environment: AwsVariables | None = None

    def __post_init__(self) -> None:
        if bool(self.credentials) == (self.environment is not None):
            raise ValueError("Expected one of `credentials`, `environment`")

    def __repr__(self) -> str:
        return "AwsSignature(…)"


class StoreSignature(_Part, frozen=True, kw_only=True):
    """What lets clients read from a store: a ``query`` that is always the same, such as a shared access signature of
    Azure (the text; in a file also the name of another one, which holds it), or a signature for each URL, as AWS has
    it. Never shown.
    """

    query: str = ""
    aws: AwsSignature | None = None

    def __post_init__(self) -> None:
        if bool(self.query) == (self.aws is not None):
            raise ValueError("Expected one of `query`, `aws`")

    def __repr__(self) -> str:
        return "StoreSignature(…)"


class BlobRedirects(_Part, frozen=True, kw_only=True):
    """Where a host sends clients that ask for blobs, as registries do whose content lies elsewhere.

    ``host`` is another host of the configuration (or this one itself), which gives out each blob for a signed link that
    is good until it ``expires``. ``store`` is the URL of a place outside, where blobs lie as they do in a tree
    (``sha256/<hex>``): those that the tree does not have (``when: absent``), or all of them; ``sign`` makes its URLs
    good for who has them.

    Blobs of less than ``min_size`` bytes are sent directly if they are in the tree. HEAD is answered here unless
    ``head`` says otherwise.
    """

    host: str = ""
    store: str = ""
    when: Literal["absent", "always"] = "absent"
    sign: StoreSignature | None = None
    status: Literal[302, 303, 307, 308] = 307
    head: bool = False
    min_size: Annotated[int, Meta(ge=0)] = 0
    expires: Duration = "20m"

    def __post_init__(self) -> None:
        if bool(self.host) == bool(self.store):
            raise ValueError("Expected one of `host`, `store`")
        if self.store and not _is_place(self.store):
            raise ValueError("Expected `store` to be a URL without query, such as https://s3.example.com/bucket/blobs")
        if self.host and (self.sign is not None or self.when == "always"):
            raise ValueError("Expected `when` and `sign` only with `store`")
        if seconds(self.expires) < 1 and self.sign is not None and self.sign.aws is not None:
            raise ValueError("Expected `expires` to be a second or more with `sign.aws`")


class Host(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One faked registry host.

    ``https`` has a certificate of our CA, ``selfsigned`` one of a CA that nobody trusts, ``http`` speaks
    clear text only, ``down`` refuses connections. ``page`` is the default page size of tag lists. ``access`` says who
    may do what (without rules: everything, but with ``auth`` only for its users). ``recorded`` is set for hosts whose
    answers were recorded: what is not in the recording is not answered as if it did not exist, but as not recorded.
    ``mtls`` asks clients for certificates. ``signatures``: it keeps signatures of images (simple signing) for clients.
    ``rateLimits`` bound how much clients may ask. ``blobRedirects`` has them fetch blobs elsewhere.
    """

    scheme: Scheme = "https"
    auth: Auth | None = None
    access: list[AccessRule] | None = None
    limits: Limits = Limits()
    rate_limits: list[RateLimit] = msgspec.field(default_factory=list, name="rateLimits")
    page: Annotated[int, Meta(ge=1)] | None = None
    routes: list[Route] = []
    faults: list[Fault] = []
    recorded: bool = False
    mtls: Mtls | None = None
    signatures: bool = False
    blob_redirects: BlobRedirects | None = msgspec.field(default=None, name="blobRedirects")

    def __post_init__(self) -> None:
        if self.mtls is not None and self.scheme not in {"https", "selfsigned"}:
            raise ValueError("Expected `scheme` to be https or selfsigned with `mtls`")


Hosts = dict[str, Host]

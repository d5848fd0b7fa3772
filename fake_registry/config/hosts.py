"""The faked hosts, and the answers that they have by heart."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from fake_registry.config.authentication import AccessRule, Auth, Mtls
from fake_registry.config.faults import Fault
from fake_registry.config.limits import Limits, RateLimit
from fake_registry.config.parts import Pattern
from fake_registry.config.redirects import BlobRedirects

Scheme = Literal["https", "http", "selfsigned", "down"]


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

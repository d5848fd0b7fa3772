"""Where a host sends clients that ask for blobs, and what lets them read there."""

from __future__ import annotations

from typing import Annotated, Literal
from urllib.parse import urlsplit

from msgspec import Meta

from fake_registry.config.parts import Duration, Part, seconds


def _is_place(url: str) -> bool:
    """Whether a URL can have paths added: one of http or https, without credentials, query and fragment."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False
    return usable and url.isascii() and url.isprintable() and not set(url) & set(' ?#@"<>\\')


class AwsVariables(Part, frozen=True, kw_only=True):
    """The environment variables that hold credentials for S3; the session token is left out unless it is named."""

    access_key_id: str = "AWS_ACCESS_KEY_ID"
    secret_access_key: str = "AWS_SECRET_ACCESS_KEY"
    session_token: str = ""


class AwsSignature(Part, frozen=True, kw_only=True):
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


class StoreSignature(Part, frozen=True, kw_only=True):
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


class BlobRedirects(Part, frozen=True, kw_only=True):
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

"""URLs of objects in S3 and stores like it, signed for whoever has them: AWS Signature Version 4 in the query.

Source: Amazon S3 API reference, "Authenticating Requests: Using Query Parameters (AWS Signature Version 4)".
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple
from urllib.parse import quote, unquote, urlsplit

import msgspec

from fake_registry.config import AwsSignature, StoreSignature

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_UNRESERVED: Final = "-_.~"
_KEY, _SECRET, _TOKEN = "aws_access_key_id", "aws_secret_access_key", "aws_session_token"


class Credentials(NamedTuple):
    """Who signs. Never shown: neither in messages nor in the journal."""

    access_key: str
    secret_key: str
    session_token: str = ""

    def __repr__(self) -> str:
        return "Credentials(…)"


def presigned(
    method: str, url: str, credentials: Credentials, region: str, now: float, lifetime: int, *, service: str = "s3"
) -> str:
    """A URL by which anybody may ask for an object with this method, for `lifetime` seconds from `now` on (seconds
    since 1970). `url` has no query; its path is percent-encoded as AWS does it.
    """
    parts = urlsplit(url)
    path = quote(unquote(parts.path), safe=f"/{_UNRESERVED}") or "/"
    time = datetime.fromtimestamp(int(now), UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{time[:8]}/{region}/{service}/aws4_request"
    parameters = {
        "X-Amz-Algorithm": _ALGORITHM,
        "X-Amz-Credential": f"{credentials.access_key}/{scope}",
        "X-Amz-Date": time,
        "X-Amz-Expires": str(lifetime),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.session_token:
        parameters["X-Amz-Security-Token"] = credentials.session_token
    query = "&".join(f"{name}={quote(parameters[name], safe=_UNRESERVED)}" for name in sorted(parameters))
    request = "\n".join((method, path, query, f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD"))
    text = "\n".join((_ALGORITHM, time, scope, hashlib.sha256(request.encode()).hexdigest()))
    key = f"AWS4{credentials.secret_key}".encode()
    for word in scope.split("/"):
        key = hmac.digest(key, word.encode(), "sha256")
    signature = hmac.digest(key, text.encode(), "sha256").hex()
    return f"{parts.scheme}://{parts.netloc}{path}?{query}&X-Amz-Signature={signature}"


def with_secrets(
    signature: StoreSignature, read: Callable[[str], str] | None, environment: Mapping[str, str]
) -> StoreSignature:
    """A signature with all that it takes: what it names files and variables for, and nothing else of those files.

    `read` gives the text of a file; without it there are none.

    Raises:
        ValueError: something cannot be used; begins with the field, and does not say what is secret.
    """
    if signature.aws is None:
        return msgspec.structs.replace(signature, query=_query(signature.query, read))
    aws = signature.aws
    if aws.environment is not None:
        named = aws.environment
        names = {"accessKeyId": named.access_key_id, "secretAccessKey": named.secret_access_key}
        if named.session_token:
            names["sessionToken"] = named.session_token
        for field, name in names.items():
            if not environment.get(name):
                raise ValueError(f"aws.environment.{field}: the variable {name} is not set")
        found = Credentials(*(environment[name] for name in names.values()))
        _check(found, "aws.environment")
    else:
        text = aws.credentials
        if read is not None and _KEY not in text:
            text = _read(read, text, "aws.credentials")
        found = read_credentials(text, aws.profile)
        _check(found, "aws.credentials")
    text = f"[{aws.profile}]\n" + "".join(
        f"{name} = {value}\n" for name, value in zip((_KEY, _SECRET, _TOKEN), found, strict=True) if value
    )
    return msgspec.structs.replace(signature, aws=msgspec.structs.replace(aws, credentials=text, environment=None))


def read_credentials(text: str, profile: str) -> Credentials:
    """The credentials of a profile, from a file in the format of the AWS command line.

    Raises:
        ValueError: it is no such file, or has no such profile; begins with the field.
    """
    import configparser  # noqa: PLC0415 - few have any

    parser = configparser.RawConfigParser(strict=False, default_section="", delimiters=("=",))
    try:
        parser.read_string(text)
    except configparser.Error:  # whose texts show lines of the file
        raise ValueError("aws.credentials: not a credentials file as the AWS command line has it") from None
    if not parser.has_section(profile):
        known = ", ".join(parser.sections()[:5]) or "none"
        raise ValueError(f"aws.profile: {profile!r} is not in the credentials; those are: {known}")
    section = parser[profile]
    for name in (_KEY, _SECRET):
        if not section.get(name, "").strip():
            raise ValueError(f"aws.credentials: [{profile}] has no {name}")
    return Credentials(*(section.get(name, "").strip() for name in (_KEY, _SECRET, _TOKEN)))


def signing_credentials(aws: AwsSignature) -> Credentials:
    """The credentials of a signature that has passed `with_secrets`."""
    return read_credentials(aws.credentials, aws.profile)


def _query(text: str, read: Callable[[str], str] | None) -> str:
    """A query that opens a store: said, or the only line of a file."""
    if "=" not in text and read is not None:
        text = _read(read, text, "query")
    query = text.strip().removeprefix("?")
    if "=" not in query or not (query.isascii() and query.isprintable()) or set(query) & set(' #"<>?'):
        raise ValueError("query: expected the query of a URL, such as a shared access signature, on one line")
    return query


def _read(read: Callable[[str], str], file: str, field: str) -> str:
    try:
        return read(file)
    except (OSError, ValueError) as error:
        raise ValueError(f"{field}: {error}") from None


def _check(credentials: Credentials, field: str) -> None:
    if not all(value.isascii() and value.isprintable() and " " not in value for value in credentials):
        raise ValueError(f"{field}: an access key, secret or token has blanks or odd characters")

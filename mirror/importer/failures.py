"""How an import can fail, before it becomes a status.

ClientFailure
 ├── UrlFailure           net/http's url.Error: ``Get "URL": TEXT``
 ├── CodeFailure          one registry error code, with or without a message
 ├── CodesFailure         the ``errors`` list of a registry's answer
 ├── UnparsedFailure      a 4xx answer whose body is not the JSON of an error
 ├── InvalidRepositoryName  a name that distribution does not take for a repository's
 └── StatusFailure        a failure that is a ``metav1.Status`` already

The kind matters twice: for retries (only the outermost kind is looked at) and for the mapping to statuses.
Source: distribution ``registry/client/errors.go``, importer-go ``formatRepositoryError``.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, Self, TypeAlias

from mirror.errors import IsmirrorError
from mirror.gotext import quote
from mirror.v1.meta import Status

FailureKind: TypeAlias = Literal[
    "",
    "no-host",
    "refused",
    "unreachable",
    "timeout",
    "lost",
    "plain-http",
    "untrusted",
    "wrong-name",
    "expired",
    "tls",
    "no-login",
    "pull-secret",
    "mirror-rule",
    "no-registry",
    "server-error",
    "no-blob",
    "content",
]
"""What went wrong, where no code of a registry says it: for whoever explains failures, the importer never looks."""


class ClientFailure(IsmirrorError):
    """A failure that is only its text.

    ``kind`` says what it is, as far as that is known, and ``inner`` is the failure that this one only rephrases: both
    are for explaining it.
    """

    kind: FailureKind = ""
    inner: ClientFailure | None = None

    def about(self, kind: FailureKind = "", inner: ClientFailure | None = None) -> Self:
        """The same failure, with what is known of it."""
        self.kind = kind
        self.inner = inner
        return self

    @property
    def root(self) -> ClientFailure:
        """The failure at the bottom of this one."""
        failure = self
        while failure.inner is not None:
            failure = failure.inner
        return failure

    def has_code(self, code: str) -> bool:
        """Whether this is a registry error of that code; a wrapped one does not count."""
        del code
        return False


class UrlFailure(ClientFailure):
    """A request that got no usable answer: transport errors, failed tokens, missing credentials, too many redirects."""

    def __init__(self, method: str, url: str, text: str, *, timeout: bool = False) -> None:
        super().__init__(f"{method[:1]}{method[1:].lower()} {quote(url)}: {text}")
        self.timeout = timeout


def code_text(code: str, message: str | None) -> str:
    """The text of a registry error; a bare code (no message) is only the code in words."""
    words = code.lower().replace("_", " ")
    return words if message is None else f"{words}: {message}"


class CodeFailure(ClientFailure):
    """One registry error code; ``message`` is None for a bare code."""

    def __init__(self, code: str, message: str | None) -> None:
        super().__init__(code_text(code, message))
        self.code = code

    def has_code(self, code: str) -> bool:
        return self.code == code


class CodesFailure(ClientFailure):
    """A list of failures as a registry's answer had them."""

    def __init__(self, failures: Sequence[ClientFailure]) -> None:
        if len(failures) == 1:
            super().__init__(str(failures[0]))
        else:
            super().__init__("errors:\n" + "".join(f"{failure}\n" for failure in failures))
        self.failures = tuple(failures)

    def has_code(self, code: str) -> bool:
        return any(failure.has_code(code) for failure in self.failures)


class UnparsedFailure(ClientFailure):
    """A 4xx answer without the JSON of an error; ``status`` is its HTTP status."""

    def __init__(self, text: str, status: int) -> None:
        super().__init__(text)
        self.status = status


class InvalidRepositoryName(ClientFailure):
    """A name without a usable repository in it."""


class StatusFailure(ClientFailure):
    """A failure whose status is decided. Its text, as an element of an aggregate, is the status's message."""

    def __init__(self, status: Status) -> None:
        super().__init__(status.message)
        self.status = status

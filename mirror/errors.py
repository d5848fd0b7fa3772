"""All exceptions of ismirror's mirror package.

IsmirrorError
 ├── InputError            bad input from outside: a file, a field, an option (exit code 2)
 ├── LiveApiError         an API server that gives no answer, or a refusal (mirror.live_api)
 ├── RemoteError          a registry that does not give or take what it was asked for (mirror.seed.remote.failures)
 └── TransportError        an HTTP exchange that brought no answer (mirror.importer.transport)
"""

from __future__ import annotations


class IsmirrorError(Exception):
    """Base of every exception that ismirror raises on purpose."""


class InputError(IsmirrorError):
    """Input from outside that cannot be used.

    The text is one line that names the file, the field, what was found and what would be right.
    """

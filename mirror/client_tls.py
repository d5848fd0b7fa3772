"""TLS as the clients of this field speak it, most of which are programs in Go: the same under every version of Python.

Source: Go's crypto/x509: whatever is in the pool of roots is trusted, self-signed or not, and no extension is asked for
that certificates of private authorities often do not have. Python 3.13 makes ``ssl.create_default_context`` stricter.
"""

from __future__ import annotations

import os
import ssl
from functools import lru_cache
from typing import Final

_WHERE_THE_SYSTEM_HAS_THEM: Final = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def verifying_context(ca: bytes | None, *, system: bool = False) -> ssl.SSLContext:
    """A client's context that trusts the authorities in `ca` (PEM), and those of the system if `system` says so or
    there are no others. TLS 1.2 or newer, HTTP/1.1.

    Raises:
        ValueError: there are no certificates in `ca`.
    """
    context = _context()
    context.hostname_checks_common_name = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if ca is None or system:
        context.load_default_certs()
    if ca is not None:
        try:
            context.load_verify_locations(cadata=ca.decode("ascii", "ignore"))  # bundles have comments in all languages
        except (ssl.SSLError, ValueError):
            raise ValueError("no certificates in PEM format") from None
    return context


def shared_context(ca: bytes | None, *, system: bool = False) -> ssl.SSLContext:
    """As `verifying_context`, but made once in a process: to load the authorities of a system takes longer than most
    programs ask anybody anything. It is not to be changed.
    """
    return _shared_context(ca, system, *(os.environ.get(name) for name in _WHERE_THE_SYSTEM_HAS_THEM))


@lru_cache(16)
def _shared_context(ca: bytes | None, system: bool, *places: str | None) -> ssl.SSLContext:
    del places  # other authorities are those of the system where these say so
    return verifying_context(ca, system=system)


def trusting_context() -> ssl.SSLContext:
    """A client's context that takes any certificate. It loads no authorities, which takes its time."""
    context = _context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def _context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    return context

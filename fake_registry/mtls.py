"""Client certificates on the side of the sockets: asking for them, refusing, and whose one is.

Sources: RFC 8446 section 4.4.2.4 and 6.2 (alerts), RFC 5280 (subjects).
"""

from __future__ import annotations

import asyncio
import ssl
from typing import Any, Final

from fake_registry.config import Mtls
from fake_registry.handshakes import CURRENT, problem_of

_COMMON_NAME: Final = "commonName"


class ClientVerifier(ssl.SSLContext):
    """A server's context that asks clients for a certificate, and tells those that it refuses so.

    Event loops drop the alert of a handshake that fails: they close the connection before they have sent it. So the
    failure is not shown to them. They send the alert, and the connection ends when the client closes it, or when the
    time for the handshake is over.
    """

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        wrapped = super().wrap_bio(incoming, outgoing, server_side, server_hostname, session)
        assert isinstance(wrapped, _Handshake)
        wrapped.incoming = incoming
        return wrapped


class _Handshake(ssl.SSLObject):
    """A connection whose handshake, once it has failed, waits for the client to go away."""

    incoming: ssl.MemoryBIO | None = None
    _refused = False

    def do_handshake(self) -> None:
        if not self._refused:
            try:
                super().do_handshake()
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                raise
            except ssl.SSLError as error:
                self._refused = True
                handshake = CURRENT.get(None)
                if handshake is not None:
                    handshake.failed(problem_of(error))
            else:
                return
        if self.incoming is not None:
            self.incoming.read()  # whatever the client goes on to say
        raise ssl.SSLWantReadError


def demand(context: ClientVerifier, mtls: Mtls, authority: str) -> None:
    """Has a context ask for certificates that an authority (PEM) vouches for.

    Raises:
        ssl.SSLError: `authority` is no certificate.
    """
    context.sslobject_class = _Handshake
    context.load_verify_locations(cadata=mtls.ca or authority)
    context.verify_mode = ssl.CERT_REQUIRED if mtls.required else ssl.CERT_OPTIONAL


def check_authority(pem: str) -> None:
    """
    Raises:
        ValueError: this is not the certificate of an authority, or several (PEM).
    """
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_verify_locations(cadata=pem)
    except (ssl.SSLError, ValueError):
        raise ValueError("expected the certificate of an authority (PEM)") from None


def holder(transport: asyncio.BaseTransport) -> str:
    """Whose certificate the client at the other end showed, and proved to have: its common name, or for want of one its
    subject, or its serial number. Empty: it showed none."""
    certificate: dict[str, Any] = transport.get_extra_info("peercert") or {}
    if not certificate:
        return ""
    attributes = [attribute for name in certificate.get("subject", ()) for attribute in name]
    common = [value for key, value in attributes if key == _COMMON_NAME and value]
    subject = ",".join(f"{key}={value}" for key, value in attributes)
    return str((common or [subject])[0] or certificate.get("serialNumber", "") or "unknown")

"""A TLS handshake that accepts everything and keeps what it sees: for finding out why the real one failed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass, field
from typing import Final

_CHUNK: Final = 65536
_MAX_ANSWER: Final = 256 * 1024
_KEPT: Final = 4096


@dataclass
class Findings:
    """What a server sent: its first bytes, and its certificates (DER, its own first) if it got as far as that."""

    first_bytes: bytes = b""
    certificates: list[bytes] = field(default_factory=list)


async def probe(client: socket.socket, host: str) -> Findings:
    """Shakes hands with the server at the other end of a connected socket; closes the socket. Never raises OSError.

    Nothing of it is trusted, and nothing is sent but the handshake.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=host)
    findings = Findings()
    try:
        await _shake_hands(client, tls, incoming, outgoing, findings)
        findings.certificates = _sent(tls)
    except OSError:  # ssl.SSLError too: what has been seen so far is the finding
        pass
    finally:
        client.close()
    return findings


async def _shake_hands(
    client: socket.socket, tls: ssl.SSLObject, incoming: ssl.MemoryBIO, outgoing: ssl.MemoryBIO, findings: Findings
) -> None:
    loop = asyncio.get_running_loop()
    received = 0
    while received < _MAX_ANSWER:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            await loop.sock_sendall(client, outgoing.read())
            data = await loop.sock_recv(client, _CHUNK)
            if not data:
                incoming.write_eof()
            received += len(data)
            findings.first_bytes += data[: _KEPT - len(findings.first_bytes)]
            incoming.write(data)
        else:
            return


def _sent(tls: ssl.SSLObject) -> list[bytes]:
    """The certificates that the server sent. Before Python 3.13 all but the first are not public."""
    chain = getattr(tls, "get_unverified_chain", None)
    if chain is not None:
        return list(chain())
    inner = getattr(tls, "_sslobj", None)
    if inner is not None and hasattr(inner, "get_unverified_chain"):
        return [ssl.PEM_cert_to_DER_cert(certificate.public_bytes()) for certificate in inner.get_unverified_chain()]
    leaf = tls.getpeercert(binary_form=True)
    return [leaf] if leaf else []

"""``host:port`` texts, split and joined as Go's net package does it (net.SplitHostPort, net.JoinHostPort)."""

from __future__ import annotations


def split_host_port(text: str) -> tuple[str, str] | None:
    """Split ``host:port`` or ``[host]:port``; the brackets are removed, the port may be any text, also none.

    Returns None where Go reports an error: no port, too many colons, brackets that do not match.
    """
    colon = text.rfind(":")
    if colon < 0:
        return None
    # Where brackets may still stand without being an error: nowhere in what follows these two positions.
    open_from = close_from = 0
    if text.startswith("["):
        end = text.find("]")
        if end < 0 or end + 1 != colon:
            return None
        host, open_from, close_from = text[1:end], 1, end + 1
    else:
        host = text[:colon]
        if ":" in host:
            return None
    if "[" in text[open_from:] or "]" in text[close_from:]:
        return None
    return host, text[colon + 1 :]


def join_host_port(host: str, port: str) -> str:
    """``host:port``; a host with a colon of its own (IPv6) is put in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

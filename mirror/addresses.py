"""Addresses as people write them."""

from __future__ import annotations

from mirror.errors import InputError
from mirror.hostport import split_host_port


def parse_address(option: str, text: str) -> tuple[str, int]:
    """Host and port of ``host:port``; an IPv6 address stands in brackets.

    Raises:
        InputError: it is no such thing; names the option.
    """
    parts = split_host_port(text)
    if parts is None or not (parts[1].isascii() and parts[1].isdigit()) or int(parts[1]) > 65535:
        raise InputError(f"{option}: {text!r} is not an address such as 127.0.0.1:5000")
    return parts[0] or "127.0.0.1", int(parts[1])

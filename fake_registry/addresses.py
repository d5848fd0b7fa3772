"""IP addresses, told from names."""

from __future__ import annotations

import ipaddress


def is_address(text: str) -> bool:
    """Whether this is an IPv4 or IPv6 address, without port or brackets."""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

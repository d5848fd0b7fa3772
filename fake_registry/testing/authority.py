"""One certificate authority for all registries of a process: making one takes longer than starting a registry."""

from __future__ import annotations

import functools

# What the first signature of a process would import, which takes longer than everything else together.
import cryptography.hazmat.backends.openssl.backend  # noqa: F401

from fake_registry.tls import CertificateAuthority


@functools.cache
def process_authority() -> CertificateAuthority:
    """The authority of this process, made when it is first asked for, and never written down with its key."""
    return CertificateAuthority.create()

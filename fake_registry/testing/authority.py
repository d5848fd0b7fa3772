"""One certificate authority for all registries of a process: making one takes longer than starting a registry."""

from __future__ import annotations

from typing import Final

# What the first signature of a process would import, which takes longer than everything else together.
import cryptography.hazmat.backends.openssl.backend  # noqa: F401

from fake_registry.tls import CertificateAuthority

PROCESS_AUTHORITY: Final = CertificateAuthority.create()
"""The authority of this process, made while its modules load, and never written down with its key."""

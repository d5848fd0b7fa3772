"""One certificate authority for all registries of a process: making one takes longer than starting a registry.

What OpenSSL does for the first time takes it several times as long as later. It does that here, while modules load, and
no test waits for it.
"""

from __future__ import annotations

from typing import Final

# What the first signature of a process would import, which takes longer than everything else together.
import cryptography.hazmat.backends.openssl.backend  # noqa: F401

from fake_registry.testing.clients import client_context
from fake_registry.tls import LOCAL_NAMES, CertificateAuthority

PROCESS_AUTHORITY: Final = CertificateAuthority.create()
"""The authority of this process, never written down with its key."""

PROCESS_TRUST: Final = client_context(PROCESS_AUTHORITY.ca_pem)
"""A client's context that trusts this authority, for who does not change it."""

PROCESS_AUTHORITY.contexts.for_names(*LOCAL_NAMES)  # clients that connect by address share it

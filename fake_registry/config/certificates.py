"""The certificates that hosts show."""

from __future__ import annotations

from fake_registry.config.parts import Part, Pattern


class ServerCertificate(Part, frozen=True, kw_only=True):
    """A certificate that a server shows, with those that lead from it to an authority, and its key (PEM; in a file also
    the name of another one, which holds it). Without ``key`` that is where ``cert`` is.
    """

    cert: str
    key: str = ""


Certificates = dict[Pattern, ServerCertificate]
"""The certificates of hosts, by their names or patterns of them; ports count for nothing."""

"""What goes wrong with registries."""

from __future__ import annotations

from mirror.errors import IsmirrorError


class RemoteError(IsmirrorError):
    """A registry did not give or take what it was asked for.

    ``status`` is that of its answer (0: none came), ``passing`` whether it may be different the next time, ``wait`` how
    many seconds it asks to be left alone for. ``hung_up``: it took the request, and closed the connection.
    """

    def __init__(
        self,
        text: str,
        *,
        status: int = 0,
        passing: bool = False,
        wait: float | None = None,
        hung_up: bool = False,
    ) -> None:
        super().__init__(text)
        self.status = status
        self.passing = passing
        self.wait = wait
        self.hung_up = hung_up

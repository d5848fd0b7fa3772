"""Configuration of the faked hosts: the ``hosts`` part of scenario, policy and configuration files."""

from __future__ import annotations

from typing import Literal

import msgspec

Scheme = Literal["https", "http", "selfsigned", "down"]


class Auth(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Who may read a host: ``bearer`` has its own token endpoint at ``/token``, ``basic`` a password."""

    type: Literal["bearer", "basic"]
    username: str = ""
    password: str = ""
    anonymous: bool = False


class Route(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A scripted answer, given before anything else is looked at.

    ``method`` is a verb or ``*``; ``path`` is path and query exactly; ``times`` is how often it answers
    (-1: always); ``close`` drops the connection without an answer.
    """

    path: str
    method: str = "GET"
    status: int = 200
    headers: dict[str, str] = {}
    body: str = ""
    times: int = -1
    close: bool = False


class Host(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One faked registry host.

    ``https`` has a certificate of our CA, ``selfsigned`` one of a CA that nobody trusts, ``http`` speaks
    clear text only, ``down`` refuses connections. ``page`` is the default page size of tag lists.
    """

    scheme: Scheme = "https"
    auth: Auth | None = None
    page: int | None = None
    routes: list[Route] = []


Hosts = dict[str, Host]

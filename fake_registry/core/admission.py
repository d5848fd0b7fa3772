"""Who is let in to do something: what it takes, who asks, and whether they have asked too often."""

from __future__ import annotations

from typing import Final, Literal

from fake_registry.core import errors
from fake_registry.core.asked import asked_of
from fake_registry.core.call import Call
from fake_registry.core.proofs import User
from fake_registry.core.rates import Client, RateLimits
from fake_registry.core.tokens import Access
from fake_registry.fixtures import is_repository_name

Permission = Literal["open", "enter", "pull", "catalog", "push", "delete"]
"""Nothing; to be let in at all; to read the repository; to read the list of repositories; to write to the repository;
to delete from it."""

_ACTIONS: Final = {"push": ["pull", "push"]}
"""What a permission takes, where that is not itself alone: who pushes looks at what is there."""


def admit(call: Call, permission: Permission | None, proved: User | None) -> None:
    """Finds out who asks for something that takes a permission (None: for what there is not).

    Raises:
        RegistryError: that is nobody who may.
    """
    guard = call.host.authenticator
    if call.host.is_open and call.flaw is None:
        return
    needed = _needed(call, permission)
    if call.flaw is not None:
        raise errors.refused() if guard is None else guard.refusal(call.flaw, needed)
    call.user = User(call.certified)
    if guard is not None and not call.certified:
        call.user = guard.user(call.request, needed, proved)
    elif needed is not None and needed.name == call.target.name and not all(map(call.may, needed.actions)):
        raise errors.denied()
    if call.host.rates is not None:
        count(call, call.host.rates)


def count(call: Call, rates: RateLimits) -> None:
    """Counts a request of a client that is let in.

    Raises:
        RegistryError: it has made all that it may.
    """
    request, user = call.request, call.user.name
    client = Client(user, request.remote.rpartition(":")[0].strip("[]"), request.headers.get("user-agent", ""))
    asked = asked_of(request.method, call.target, request.query, lambda: user, client.user_agent)
    call.allowance = rates.take(asked, client)


def _needed(call: Call, permission: Permission | None) -> Access | None:
    """What a request needs to be allowed; nothing in particular where its path names no repository that can be."""
    if permission is None or permission in {"enter", "open"}:
        return None
    if permission == "catalog":
        return Access("registry", "catalog", ["*"])
    if not is_repository_name(call.target.name):
        return None
    return Access("repository", call.target.name, _ACTIONS.get(permission, [permission]))

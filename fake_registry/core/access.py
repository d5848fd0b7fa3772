"""Who may do what with which repository: the ``access`` rules of a host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fake_registry.config import AccessRule
from fake_registry.core.patterns import matcher

READING: Final = frozenset({"pull"})


class AccessRules:
    """The rules of one host. Whoever gave no name is the user ``""``, whom only a rule for ``""`` means."""

    def __init__(self, rules: Sequence[AccessRule]) -> None:
        self._rules = [(rule.user, matcher(rule.user), matcher(rule.repository), rule.actions) for rule in rules]

    def allowed(self, user: str, repository: str) -> frozenset[str]:
        """What a user may do with a repository: everything that any rule for both allows."""
        return frozenset(
            action
            for pattern, is_user, is_repository, actions in self._rules
            if (is_user(user) if user else not pattern) and is_repository(repository)
            for action in actions
        )

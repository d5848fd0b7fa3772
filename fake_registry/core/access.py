"""Who may do what with which repository: the ``access`` rules of a host."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from fake_registry.config import AccessRule
from fake_registry.core.patterns import matcher
from fake_registry.core.proofs import User
from fake_registry.ldap_text import canonical, folded, read_name, written

READING: Final = frozenset({"pull"})


class AccessRules:
    """The rules of one host. Whoever gave no name is the user ``""``, whom only a rule for ``""`` means."""

    def __init__(self, rules: Sequence[AccessRule]) -> None:
        self._rules = [(rule, matcher(rule.user), matcher(rule.repository)) for rule in rules]
        self._groups = {rule.group: _group_pattern(rule.group) for rule in rules if rule.group}

    def groups_of(self, user: User) -> frozenset[str]:
        """What the rules call the groups of a user, as a directory has them: names, and distinguished names."""
        return frozenset(
            said
            for said, pattern in self._groups.items()
            if any(("=" in group) == ("=" in pattern) and matcher(pattern)(group) for group in user.groups)
        )

    def allowed(self, user: User, repository: str) -> frozenset[str]:
        """What a user, with groups as the rules call them, may do with a repository: everything that any rule for both
        allows."""
        return frozenset(
            action
            for rule, is_user, is_repository in self._rules
            if (is_user(user.name) if user.name else not rule.user)
            and (not rule.group or rule.group in user.groups)
            and is_repository(repository)
            for action in rule.actions
        )


def _group_pattern(said: str) -> str:
    """A group as a rule has it, as a directory would compare it."""
    return written(canonical(read_name(said))) if "=" in said else folded(said)

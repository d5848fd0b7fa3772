"""What imports are tried with, and the commands that bring an image to where it is missing there, or to a mirror."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final

from fake_registry.fixtures import canonical_host
from mirror.preflight.registry_remedies import host_of_spec, repository_of

_NEW_TREE: Final = "TREE"


@dataclass(frozen=True, slots=True)
class TriedTree:
    """A tree that imports are tried with: its path as it was given, the hosts that there are, and why others are not.

    `listed`: the policy says which hosts there are; else the tree has something of each. `gone` are those that the
    question takes away. Names are canonical.
    """

    path: str
    hosts: frozenset[str]
    listed: bool = False
    gone: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class TriedRegistries:
    """Real registries that imports are tried with: the hosts that were given, and those that the question takes away.

    Names are canonical.
    """

    hosts: frozenset[str]
    gone: frozenset[str] = frozenset()


class Commands:
    """Commands for content that comes from a tree, or (without one) from real registries."""

    def __init__(self, tried: TriedTree | TriedRegistries | None = None) -> None:
        self._tree = tried if isinstance(tried, TriedTree) else None
        self._registries = tried if isinstance(tried, TriedRegistries) else None

    @property
    def tree(self) -> str:
        """The path of the tree; empty where there is none."""
        return "" if self._tree is None else self._tree.path

    def lacks_host(self, host: str) -> bool:
        """Whether a host is not there for the only reason that the tree has nothing of it."""
        return self._is_missing(host, listed=False)

    def lists_hosts_without(self, host: str) -> bool:
        """Whether a host is not there for the only reason that the policy does not list it."""
        return self._is_missing(host, listed=True)

    def asks_hosts_without(self, host: str) -> bool:
        """Whether a host is not there for the only reason that nobody said where the real one is."""
        name = canonical_host(host)
        asked = self._registries
        return asked is not None and name not in asked.hosts and name not in asked.gone

    def _is_missing(self, host: str, *, listed: bool) -> bool:
        name = canonical_host(host)
        tree = self._tree
        return tree is not None and tree.listed == listed and name not in tree.hosts and name not in tree.gone

    def copy(self, pull_spec: str, target: str) -> str:
        """The command after which a cluster that asks for `target` finds an image there, or the commands."""
        if self._tree is not None:
            return _copy(pull_spec, repository_of(target), self._tree.path)
        host, place = host_of_spec(target), repository_of(target)
        repository = repository_of(pull_spec).partition("/")[2]
        if place.endswith(f"/{repository}"):
            # Pushes keep the path of a repository: one tree does for all that goes to that mirror.
            registry = place[: -len(repository) - 1]
            return f"{_copy(pull_spec, '', _NEW_TREE)} && ismirror seed push {_NEW_TREE} {shlex.quote(registry)}"
        return f"{_copy(pull_spec, place, _NEW_TREE)} && ismirror seed push {_NEW_TREE} {shlex.quote(host)}"


def _copy(pull_spec: str, place: str, tree: str) -> str:
    renamed = f" --as {shlex.quote(place)}" if place and place != repository_of(pull_spec) else ""
    return f"ismirror seed copy {shlex.quote(pull_spec)}{renamed} --data {shlex.quote(tree)}"

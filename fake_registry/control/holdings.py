"""What a registry holds: its hosts and their repositories."""

from __future__ import annotations

from fake_registry.control.documents import HostContent, HostState, RepositoryState, TreeState
from fake_registry.core.registry import RegistryCore
from fake_registry.errors import TreeError
from fake_registry.fixtures import Tree


def tree_state(core: RegistryCore) -> TreeState:
    """The hosts of the tree and of the configuration, with how many repositories they have."""
    hosts = []
    for name in core.known_hosts():
        config = core.host(name)
        scheme = "https" if config is None else config.scheme
        hosts.append(HostState(name, scheme, len(core.tree.repositories(name))))
    return TreeState(hosts)


def host_content(tree: Tree, name: str) -> HostContent:
    """The repositories of a host, with how much is in them, or what is wrong with them."""
    return HostContent(name, [_repository_state(tree, name, repository) for repository in tree.repositories(name)])


def _repository_state(tree: Tree, host: str, name: str) -> RepositoryState:
    try:
        snapshot = tree.snapshot(host, name)
    except TreeError as error:
        return RepositoryState(name, 0, 0, str(error))
    if snapshot is None:
        return RepositoryState(name, 0, 0)
    return RepositoryState(name, len(snapshot.tag_names), len(snapshot.listed))

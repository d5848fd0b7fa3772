"""What a cluster's configuration decides about imports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from mirror.importer.credentials import Secret
from mirror.importer.registries import RegistriesConfig

DEFAULT_MAXIMUM_TAGS: Final = 50


@dataclass(frozen=True, slots=True)
class ImportPolicy:
    """The engine's settings.

    ``maximum_tags`` bounds the tags of one repository import (-1: no limit, 0: none at all). ``architecture`` and
    ``os`` are those of the control plane: what Legacy mode takes from an index first.
    ``node_secrets`` are asked after the namespace's: what the nodes have of the cluster's own pull secret.
    ``paced`` keeps the real importer's rates, on the request's clock.
    """

    registries: RegistriesConfig
    secrets: Sequence[Secret] = ()
    node_secrets: Sequence[Secret] = ()
    maximum_tags: int = DEFAULT_MAXIMUM_TAGS
    architecture: str = "amd64"
    os: str = "linux"
    paced: bool = False
    preferences: dict[str, tuple[str, str]] = field(default_factory=dict)
    """Stream tag name to preferred architecture and OS (empty: none), from the annotations of its spec tags."""

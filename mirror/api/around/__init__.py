"""What clients need around images: namespaces, projects, secrets, the cluster's configuration, who one is."""

from __future__ import annotations

from mirror.api.around.groups import Around, groups_around

__all__ = ["Around", "groups_around"]

"""Controllers: what a cluster does by itself with image streams (openshift-controller-manager ``image/controller``)."""

from __future__ import annotations

from mirror.api.controllers.running import Controllers, ControllerSettings

__all__ = ["ControllerSettings", "Controllers"]

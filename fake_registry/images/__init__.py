"""Synthetic images: manifests and configs that look real, made from a few words, always the same bytes.

Layers are a digest and a size only, unless real ones are asked for.
"""

from __future__ import annotations

from fake_registry.images.artifacts import ArtifactSpec, BuiltArtifact, build_artifact
from fake_registry.images.building import BuiltImage, BuiltIndex, build, build_image, build_index
from fake_registry.images.layers import Layer
from fake_registry.images.planting import plant
from fake_registry.images.specs import DEFAULT_PLATFORM, MEDIA_TYPES, MULTI_ARCH, ImageSpec, Kind, RunConfig, Template

__all__ = [
    "DEFAULT_PLATFORM",
    "MEDIA_TYPES",
    "MULTI_ARCH",
    "ArtifactSpec",
    "BuiltArtifact",
    "BuiltImage",
    "BuiltIndex",
    "ImageSpec",
    "Kind",
    "Layer",
    "RunConfig",
    "Template",
    "build",
    "build_artifact",
    "build_image",
    "build_index",
    "plant",
]

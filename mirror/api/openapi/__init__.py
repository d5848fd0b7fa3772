"""OpenAPI documents of what a server offers, made from the types and routes themselves."""

from __future__ import annotations

from mirror.api.openapi.serving import OpenApi

__all__ = ["OpenApi"]

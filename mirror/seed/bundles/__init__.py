"""Bundles: fixture trees, or what has changed in them, as files that are carried over a gap.

``docs/bundles.md`` describes the format.
"""

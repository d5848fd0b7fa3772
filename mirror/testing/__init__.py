"""Image APIs inside a test."""

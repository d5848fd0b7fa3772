"""Archives of images that other tools write and read, one module a format."""

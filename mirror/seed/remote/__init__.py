"""A client of registries: pulls and pushes, patient with servers that are busy or lose what they send."""

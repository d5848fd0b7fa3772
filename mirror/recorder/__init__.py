"""Recording: answers of real registries, kept so that the same requests get them again without any network."""

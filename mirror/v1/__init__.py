"""The types of ``image.openshift.io/v1``: one set for requests, answers, storage and the importer.

The key order of every type is that of its Go struct, and so is what is left out when empty.
"""

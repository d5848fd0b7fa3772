"""``image.openshift.io/v1``: decoding, validation, strategies and the import flow, with no sockets."""

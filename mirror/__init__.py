"""OpenShift image imports, without a cluster."""

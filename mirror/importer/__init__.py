"""The importer engine: a spec, a cluster's policy and a transport in, a status out."""

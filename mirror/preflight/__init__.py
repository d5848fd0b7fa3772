"""Which image streams a cluster will import, which it will not, and why."""

"""The registry protocol with no I/O: a request goes in, a response comes out."""

"""The command line. One module a command group; the work is done elsewhere."""

"""One module a command: ``add`` tells the parser about it, ``run`` does it and returns the exit code."""

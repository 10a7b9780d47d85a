"""The commands, one module each: ``add`` declares the arguments, ``run`` returns the exit code."""

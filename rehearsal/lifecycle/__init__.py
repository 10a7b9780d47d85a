"""A cloud as a whole: start, reset, removal, recovery after a crash, and the check for leaks."""

"""Runs the program: what people, the rehearsal and CI call."""

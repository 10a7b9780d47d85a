"""Stand-in for the Nomad plugin."""

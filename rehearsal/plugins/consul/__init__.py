"""Stand-in for the Consul plugin."""

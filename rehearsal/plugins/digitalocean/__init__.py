"""Stand-in for the DigitalOcean plugin."""

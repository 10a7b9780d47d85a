"""What stands behind a droplet: a real machine (nspawn) or none (memory)."""

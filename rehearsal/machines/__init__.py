"""The machine behind a droplet: a real one (nspawn) or none (memory)."""

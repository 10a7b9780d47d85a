"""Backups of Consul and Nomad in a Spaces bucket."""

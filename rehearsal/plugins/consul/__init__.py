"""Emulator of the Consul provider."""

"""Emulator of the Nomad provider."""

"""Emulator of the random provider."""

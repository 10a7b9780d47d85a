"""Emulator of the TLS provider."""

"""Emulator of the DigitalOcean provider."""

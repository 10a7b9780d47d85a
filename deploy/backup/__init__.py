"""Backups as an operator uses them: taken, listed and restored."""

"""Spaces: S3-compatible object storage with signatures, keys and permissions."""

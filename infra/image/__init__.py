"""The base image: found by its content hash, built by Packer where it is missing."""

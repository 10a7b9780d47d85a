"""Tests of the store with killed processes, concurrent clients and a full disk."""

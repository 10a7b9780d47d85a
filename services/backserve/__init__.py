"""backserve: says its greeting, and which instance says it."""

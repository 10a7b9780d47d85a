"""The API under requests made from its description, many and seeded."""

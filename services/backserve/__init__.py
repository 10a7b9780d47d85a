"""backserve: replies with its greeting and the instance that replied."""

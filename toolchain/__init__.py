"""Installation of the pinned tools. Standard library only: it runs before anything is installed."""

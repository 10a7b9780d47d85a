"""How this machine gets the pinned tools. Standard library only: it runs before anything is installed."""

"""Resources in the account that belong to a stack and are not in its state."""

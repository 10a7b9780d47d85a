"""The desired network and machines, derived from the state of all accounts."""

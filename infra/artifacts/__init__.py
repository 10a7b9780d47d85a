"""The packed services in Spaces, from which the workers download them."""

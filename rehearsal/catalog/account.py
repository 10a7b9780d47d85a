"""The one account of a cloud, and its limits."""

EMAIL = "rehearsal@example.com"
TEAM = "Rehearsal"

DROPLET_LIMIT = 2000
"""Droplets that may exist at once: half of what a cloud's public slice has addresses for."""

RESERVED_IP_LIMIT = 100

DROPLETS_A_REQUEST = 10
"""How many ``names`` one creation may hold."""

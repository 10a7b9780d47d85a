"""What an account may have, unless told otherwise, and how the first one is called."""

EMAIL = "rehearsal@example.com"
TEAM = "Rehearsal"

DROPLET_LIMIT = 2000
"""Droplets that may exist at once: half of what a cloud's public slice has addresses for."""

RESERVED_IP_LIMIT = 100

VOLUME_LIMIT = 100
"""Told to clients; the rehearsal has no volumes."""

MAX_DROPLETS_PER_REQUEST = 10
"""How many ``names`` one creation may hold."""

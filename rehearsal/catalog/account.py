"""The default limits of an account, and the names of the default account."""

EMAIL = "rehearsal@example.com"
TEAM = "Rehearsal"

DROPLET_LIMIT = 2000
"""Half of the addresses in a cloud's public network."""

RESERVED_IP_LIMIT = 100

VOLUME_LIMIT = 100
"""Only in responses: the emulator has no volumes."""

MAX_DROPLETS_PER_REQUEST = 10
"""The maximum number of ``names`` in one creation."""

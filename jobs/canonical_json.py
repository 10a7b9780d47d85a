"""JSON as Consul's provider stores it."""

import json
from typing import Any


def canonical_json(value: Any) -> str:
    """Return ``value`` as JSON with sorted keys and without spaces."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"))

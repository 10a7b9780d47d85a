"""Permits one more bootstrap of the ACLs on this server, which must be the leader.

A restored snapshot may hold no management token that the stack knows.
Source: https://developer.hashicorp.com/consul/docs/security/acl/acl-bootstrap
"""

from pathlib import Path
from typing import Any

import files
import node

CONSUL_RESET = Path("/var/lib/consul/acl-bootstrap-reset")
NOMAD_RESET = Path("/var/lib/nomad/server/acl-bootstrap-reset")


def permit_bootstrap(fields: dict[str, Any]) -> str:
    """Write the reset index of a program into its file, and return the outcome.

    Args:
        fields: ``program`` (consul or nomad) and ``index``, which the program's refusal of a
            bootstrap names.

    Raises:
        node.NodeError: a field is invalid, or this machine is no enrolled prime.
    """
    this_node, program, index = node.read(), fields.get("program"), fields.get("index")
    if not this_node.is_prime:
        raise node.NodeError(f"{this_node.name} is a {this_node.role}; only a prime has ACLs")
    if program not in ("consul", "nomad") or not isinstance(index, int):
        raise node.NodeError("program must be consul or nomad, and index a number")
    if program == "consul":
        files.write_atomically(CONSUL_RESET, str(index), 0o640, "consul")
    else:
        files.write_atomically(NOMAD_RESET, str(index), 0o600)
    return "permitted"

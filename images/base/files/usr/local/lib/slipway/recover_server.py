"""Makes this server the only one of its cluster, after the loss of a quorum.

Consul and Nomad read ``raft/peers.json`` when they start, and then use it as the Raft
configuration. The state that this server has stays.
Source: https://developer.hashicorp.com/consul/tutorials/operate-consul/recovery-outage
"""

import json
import subprocess
from pathlib import Path

import files
import node

CONSUL_STATE = Path("/var/lib/consul")
NOMAD_STATE = Path("/var/lib/nomad/server")
CONSUL_RPC_PORT = 8300
NOMAD_RPC_PORT = 4647


def recover_server() -> str:
    """Restart both servers with themselves as the only peer, and return the outcome.

    Raises:
        node.NodeError: this machine is not an enrolled prime.
        OSError: a server has no state yet.
        subprocess.CalledProcessError: a unit does not stop or start.
    """
    this_node = node.read()
    if not this_node.is_prime:
        raise node.NodeError(f"{this_node.name} is a {this_node.role}; only a prime can recover")
    _, address = node.find_private_address(this_node.vpc)
    for program, state, port in (
        ("consul", CONSUL_STATE, CONSUL_RPC_PORT),
        ("nomad", NOMAD_STATE, NOMAD_RPC_PORT),
    ):
        node_id = (state / "node-id").read_text().strip()
        peers = [{"id": node_id, "address": f"{address}:{port}", "non_voter": False}]
        subprocess.run(["systemctl", "stop", f"{program}.service"], check=True)
        group = "consul" if program == "consul" else "root"
        files.write_atomically(state / "raft/peers.json", json.dumps(peers), 0o640, group)
        subprocess.run(["systemctl", "start", f"{program}.service"], check=True)
    return "recovered"

"""The Consul ACL policies and tokens of the nodes. Each job has a workload identity of its own."""

import re
from collections.abc import Iterable, Mapping

from infra.cluster_api.consul import Consul, accessor_id

NOMAD_SERVER_POLICY = "slipway-nomad-server"
NOMAD_CLIENT_POLICY = "slipway-nomad-client"
DNS_POLICY = "slipway-dns"
NODE_TOKEN = re.compile(r"(Consul|Nomad) on .+|DNS|Backups by primes")
"""Descriptions of the tokens of nodes, of DNS and of backups."""
BACKUP_POLICY = "slipway-backup"
BACKUP_RULES = """acl = "write"
key "slipway/snapshot" {
  policy = "write"
}
"""
"""Consul has no narrower right than the one to write ACLs that allows to take a snapshot."""


def policy_rules(services: Iterable[str]) -> dict[str, str]:
    """Return the rules of each policy by its name.

    Nomad's client agent updates the checks of ``services`` and deregisters them. It uses its own
    token for both, not the token of the workload.
    """
    read_nodes = _prefix_rule("agent") + _prefix_rule("node")
    client_services = ("nomad-client", *sorted(services))
    return {
        NOMAD_SERVER_POLICY: read_nodes + _write_rule("nomad"),
        NOMAD_CLIENT_POLICY: read_nodes
        + _prefix_rule("service")
        + "".join(map(_write_rule, client_services)),
        DNS_POLICY: "".join(map(_prefix_rule, ("node", "service", "query"))),
    }


def _prefix_rule(resource: str) -> str:
    return f'{resource}_prefix "" {{\n  policy = "read"\n}}\n'


def _write_rule(service: str) -> str:
    return f'service "{service}" {{\n  policy = "write"\n}}\n'


def ensure_policies(consul: Consul, services: Iterable[str]) -> None:
    for name, rules in policy_rules(services).items():
        consul.ensure_policy(name, rules)


def ensure_node_tokens(
    consul: Consul, name: str, datacenter: str, tokens: Mapping[str, str], policy: str
) -> None:
    """Create the two tokens of a node: Consul's agent token, and Nomad's token with ``policy``."""
    consul.ensure_token(tokens["agent"], f"Consul on {name}", node=(name, datacenter))
    consul.ensure_token(tokens["nomad"], f"Nomad on {name}", policies=[policy])


def ensure_dns_token(consul: Consul, secret: str) -> None:
    """Create the token with which every Consul agent answers DNS queries."""
    consul.ensure_token(secret, "DNS", policies=[DNS_POLICY])


def node_accessor_ids(tokens: Mapping[str, str]) -> set[str]:
    """Return the accessor ids of the two tokens of a node."""
    return {accessor_id(tokens["agent"]), accessor_id(tokens["nomad"])}


def ensure_backup_token(consul: Consul, secret: str) -> None:
    """Create the token with which the primes take snapshots."""
    consul.ensure_policy(BACKUP_POLICY, BACKUP_RULES)
    consul.ensure_token(secret, "Backups by primes", policies=[BACKUP_POLICY])

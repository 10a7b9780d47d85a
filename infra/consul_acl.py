"""What the nodes themselves may do in Consul, and no more: what their jobs may do comes with each job's identity."""

from collections.abc import Mapping

from infra.consul_api import Consul, accessor

SERVER, CLIENT, DNS = "slipway-nomad-server", "slipway-nomad-client", "slipway-dns"

_READ = 'agent_prefix "" {\n  policy = "read"\n}\nnode_prefix "" {\n  policy = "read"\n}\n'
POLICIES = {
    SERVER: _READ + 'service "nomad" {\n  policy = "write"\n}\n',
    CLIENT: _READ + 'service "nomad-client" {\n  policy = "write"\n}\n',
    DNS: "".join(f'{kind}_prefix "" {{\n  policy = "read"\n}}\n' for kind in ("node", "service", "query")),
}
"""Rules of each policy by its name."""


def make_policies(consul: Consul) -> None:
    for name, rules in POLICIES.items():
        consul.ensure_policy(name, rules)


def make_tokens(consul: Consul, name: str, datacenter: str, tokens: Mapping[str, str], policy: str) -> None:
    """The two tokens that are a node's alone: Consul's agent's, and Nomad's with the rights of ``policy``."""
    consul.ensure_token(tokens["agent"], f"Consul on {name}", node=(name, datacenter))
    consul.ensure_token(tokens["nomad"], f"Nomad on {name}", policies=[policy])


def make_dns_token(consul: Consul, secret: str) -> None:
    """The token with which every agent answers DNS."""
    consul.ensure_token(secret, "DNS", policies=[DNS])


def accessors(tokens: Mapping[str, str]) -> set[str]:
    """Of the two tokens that are a node's alone."""
    return {accessor(tokens["agent"]), accessor(tokens["nomad"])}

"""What the nodes themselves may do in Consul, and no more: what their jobs may do comes with each job's identity."""

from collections.abc import Iterable, Mapping

from infra.cluster_api.consul import Consul, accessor

SERVER, CLIENT, DNS = "slipway-nomad-server", "slipway-nomad-client", "slipway-dns"

_READ = 'agent_prefix "" {\n  policy = "read"\n}\nnode_prefix "" {\n  policy = "read"\n}\n'
_SERVICES = 'service_prefix "" {\n  policy = "read"\n}\n'


def policies(services: Iterable[str]) -> dict[str, str]:
    """Rules of each policy by its name.

    Nomad's client judges the health of ``services`` and deregisters them with its own token, not with the workload's.
    """
    return {
        SERVER: _READ + _write("nomad"),
        CLIENT: _READ + _SERVICES + "".join(map(_write, ("nomad-client", *sorted(services)))),
        DNS: "".join(
            f'{kind}_prefix "" {{\n  policy = "read"\n}}\n' for kind in ("node", "service", "query")
        ),
    }


def _write(service: str) -> str:
    return f'service "{service}" {{\n  policy = "write"\n}}\n'


def make_policies(consul: Consul, services: Iterable[str]) -> None:
    for name, rules in policies(services).items():
        consul.ensure_policy(name, rules)


def make_tokens(
    consul: Consul, name: str, datacenter: str, tokens: Mapping[str, str], policy: str
) -> None:
    """The two tokens that are a node's alone: Consul's agent's, and Nomad's with the rights of ``policy``."""
    consul.ensure_token(tokens["agent"], f"Consul on {name}", node=(name, datacenter))
    consul.ensure_token(tokens["nomad"], f"Nomad on {name}", policies=[policy])


def make_dns_token(consul: Consul, secret: str) -> None:
    """The token with which every agent answers DNS."""
    consul.ensure_token(secret, "DNS", policies=[DNS])


def accessors(tokens: Mapping[str, str]) -> set[str]:
    """Of the two tokens that are a node's alone."""
    return {accessor(tokens["agent"]), accessor(tokens["nomad"])}

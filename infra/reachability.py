"""Whether the servers of the cluster can be reached, before an update changes anything.

An update of a complete cluster that no server answers for cannot end. It would wait for each
server in turn. A cluster that is not complete yet is no reason to refuse: its machines still boot.
"""

import time
from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from ipaddress import ip_network
from itertools import product
from typing import Any
from urllib.parse import urlsplit

import pulumi

from infra import ssh
from infra.account import Account
from infra.addresses import Network
from infra.digitalocean_api import DigitalOceanApi
from infra.mtls import CONSUL_HTTPS_PORT, NOMAD_HTTPS_PORT, is_listening

PROBE_TIMEOUT_S = 6.0
"""A machine that reboots may need longer: the next `up` finds it."""
CONNECT_TIMEOUT_S = 2.5
"""A lost packet is sent again after 1 s."""
POLL_INTERVAL_S = 0.2
MAX_READS = 5
INCOMPLETE_STATE = "failed to load checkpoint"
"""Part of the engine's error for a state file that it cannot parse."""


@dataclass(frozen=True, kw_only=True)
class Reachability:
    """What the servers answer to connections."""

    has_consul: bool
    """A Consul server accepts connections."""
    is_silent: bool
    """No server answers on any port, not even with a refusal: packets are dropped, or no machine
    runs."""


def probe(servers: Sequence[str]) -> Reachability:
    """Connect to Consul, Nomad and SSH on all servers, until one of them answers.

    Args:
        servers: public addresses.
    """
    deadline = time.monotonic() + PROBE_TIMEOUT_S
    while servers:
        if found := _probe_once(servers):
            return found
        if time.monotonic() + CONNECT_TIMEOUT_S > deadline:
            break
        time.sleep(POLL_INTERVAL_S)
    return Reachability(has_consul=False, is_silent=True)


def _probe_once(servers: Sequence[str]) -> Reachability | None:
    """Return what the servers answer, or None if they are silent."""
    targets = list(product((CONSUL_HTTPS_PORT, NOMAD_HTTPS_PORT, ssh.PORT), servers))
    executor = ThreadPoolExecutor(len(targets))
    ports = {
        executor.submit(is_listening, address, port, CONNECT_TIMEOUT_S): port
        for port, address in targets
    }
    answers = False
    try:
        for future in as_completed(ports):
            listens = future.result()
            if listens and ports[future] == CONSUL_HTTPS_PORT:
                return Reachability(has_consul=True, is_silent=False)
            answers = answers or listens is not None
    finally:
        executor.shutdown(wait=False)  # The result does not need the other connections.
    return Reachability(has_consul=False, is_silent=False) if answers else None


def find_obstacle(
    account: Account, prefix: str, admin_cidrs: Collection[Network], api: DigitalOceanApi
) -> str:
    """Return why an update cannot end, in one sentence; empty if it may end.

    Only servers in the stack's outputs count. They were once complete, so they do not boot for the
    first time. If the update changes ``admin_cidrs`` in the firewalls, the servers may answer then.

    Args:
        account: its servers are silent.
        prefix: start of the names of the stack's own resources.

    Raises:
        ApiError: the firewalls cannot be read.
    """
    complete = _complete_servers()
    if not account.servers and complete & {*account.stopped_servers}:
        return (
            "every prime of the stack is powered off, so nothing was changed: power one on, then "
            "run `up` again"
        )
    silent = sorted(complete & {*account.servers})
    if not silent or _admits_others(api, prefix, admin_cidrs):
        return ""
    return (
        f"no server of the cluster answers ({', '.join(silent)}; ports {CONSUL_HTTPS_PORT}, "
        f"{NOMAD_HTTPS_PORT} and {ssh.PORT}), so nothing was changed: check that "
        "slipway:admin_cidrs contains the address of this machine, and that the primes run; if "
        "they have just started, run `up` again"
    )


def _complete_servers() -> set[str]:
    """Return the addresses of the Consul servers in the stack's outputs."""
    name = f"{pulumi.get_organization()}/{pulumi.get_project()}/{pulumi.get_stack()}"
    urls = (_read_outputs(name).get("outputs") or {}).get("consul_addresses") or ()
    return {str(urlsplit(url).hostname) for url in urls}


def _read_outputs(stack: str) -> Mapping[str, Any]:
    """Return the outputs of a stack.

    The engine writes the state meanwhile. With a backend of files a read may find part of it.
    """
    for attempt in range(1, MAX_READS + 1):
        try:
            reply: Mapping[str, Any] = pulumi.runtime.invoke(
                "pulumi:pulumi:readStackOutputs", {"name": stack}
            ).value
            break
        except Exception as error:
            if attempt == MAX_READS or INCOMPLETE_STATE not in str(error):
                raise
            time.sleep(POLL_INTERVAL_S)
    return reply


def _admits_others(api: DigitalOceanApi, prefix: str, admin_cidrs: Collection[Network]) -> bool:
    """Whether the firewall admits other networks to SSH than the settings."""
    sources = {
        ip_network(source, strict=False)
        for firewall in api.list_all("/v2/firewalls", "firewalls")
        if firewall["name"] == f"{prefix}-nodes"
        for rule in firewall["inbound_rules"]
        if rule["ports"] == str(ssh.PORT)
        for source in rule["sources"].get("addresses") or ()
    }
    return sources != set(admin_cidrs)

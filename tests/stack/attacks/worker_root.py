"""Attacks by root on a worker, with its agents' tokens, certificate and client secret."""

from collections.abc import Callable
from typing import Any

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import ApiClient
from tests.stack.attacks.server_apis import (
    READ_JOB,
    READ_KV,
    READ_SNAPSHOT,
    READ_VARIABLE,
    RUN_JOB,
    WRITE_KV,
    Request,
    send,
)
from tests.stack.attacks.server_rpc import NOMAD, call, outcome_of
from tests.stack.attacks.target import SECRET_PATH, Target

LOCAL_REGISTRATION = {
    "Node": "{worker_name}",
    "SkipNodeUpdate": True,
    "Service": {"Service": "backserve", "ID": "false-backserve", "Port": 1},
}

REGISTER_BACKSERVE = Request(
    "register a false backserve with the local agent",
    "PUT",
    "/v1/agent/service/register",
    "",
    {"Name": "backserve", "ID": "false-backserve", "Address": "192.0.2.1", "Port": 1},
)
REGISTER_NODE = Request(
    "register a false node",
    "PUT",
    "/v1/catalog/register",
    "true",
    {"Node": "false-node", "Address": "192.0.2.1"},
)
READ_LEAF_CERTIFICATE = Request(
    "get a mesh certificate for an unknown service",
    "GET",
    "/v1/agent/connect/ca/leaf/made-up",
    "PrivateKeyPEM",
)
REQUESTS_BY_TOKEN = {
    ("consul agent", "the Consul agent's token"): [
        REGISTER_BACKSERVE,
        Request(
            "register a false backserve in the catalog",
            "PUT",
            "/v1/catalog/register",
            "true",
            LOCAL_REGISTRATION,
        ),
        Request(
            "register a false backserve on another node",
            "PUT",
            "/v1/catalog/register",
            "true",
            {**LOCAL_REGISTRATION, "Node": "{prime_name}"},
        ),
        REGISTER_NODE,
        Request(
            "deregister another node",
            "PUT",
            "/v1/catalog/deregister",
            "true",
            {"Node": "{other_worker_name}"},
        ),
        READ_KV,
        WRITE_KV,
        Request(
            "write an intention",
            "PUT",
            "/v1/connect/intentions/exact?source=me&destination=backserve",
            "true",
            {"Action": "allow"},
        ),
        READ_LEAF_CERTIFICATE,
        READ_SNAPSHOT,
        Request("reload the agent's configuration", "PUT", "/v1/agent/reload"),
    ],
    ("nomad agent", "the Nomad agent's Consul token"): [
        Request(
            "register an unknown service",
            "PUT",
            "/v1/agent/service/register",
            "",
            {"Name": "made-up", "Address": "192.0.2.1", "Port": 1},
        ),
        REGISTER_NODE,
        READ_KV,
        READ_LEAF_CERTIFICATE,
    ],
    ("dns", "the DNS token"): [REGISTER_BACKSERVE, REGISTER_NODE, READ_KV],
}
"""Key in ``Target.tokens`` and its description -> requests to the local Consul agent."""


def _with_token(holder: str, description: str, request: Request) -> Attack:
    return Attack(
        f"With {description}: {request.goal}",
        lambda target: send(target, target.worker_consul, request, target.tokens[holder]),
        request.refusal,
        "Consul ACL",
    )


def _with_certificate(request: Request) -> Attack:
    return Attack(
        f"With the worker's certificate, through its Nomad agent: {request.goal}",
        lambda target: send(target, target.worker_nomad, request),
        request.refusal,
        "Nomad ACL",
    )


def _call_prime(product: str, api: Callable[[Target], ApiClient]) -> Attack:
    def run(target: Target) -> Outcome:
        position = target.worker_position
        url = api(target).url.replace(target.prime.public, position.server_address)
        client = ApiClient(
            url, namespace=position.namespace, credentials=target.certificates["worker"]
        )
        request = Request("", "GET", "/v1/agent/members", "{prime_name}")
        return send(target, client, request)

    return Attack(
        f"With the worker's certificate: call {product}'s HTTPS API on a prime",
        run,
        "TimeoutError",
        "the primes' firewall",
    )


def _with_client_secret(goal: str, method: str, args: dict[str, Any], proof: bytes) -> Attack:
    def run(target: Target) -> Outcome:
        request = {
            "Region": "global",
            "Namespace": "default",
            "AuthToken": target.tokens["nomad client secret"],
            **args,
        }
        position, credentials = target.worker_position, target.certificates["worker"]
        return outcome_of(
            lambda: call(target, position, NOMAD, credentials, method, request),
            target.fill(proof.decode()).encode(),
        )

    return Attack(
        f"With the Nomad client's secret, over RPC: {goal}", run, "Permission denied", "Nomad ACL"
    )


ATTACKS = [
    *(
        _with_token(holder, description, request)
        for (holder, description), requests in REQUESTS_BY_TOKEN.items()
        for request in requests
    ),
    *(_with_certificate(request) for request in (READ_VARIABLE, READ_JOB, RUN_JOB)),
    _call_prime("Consul", lambda target: target.consul),
    _call_prime("Nomad", lambda target: target.nomad),
    _with_client_secret("read a variable", "Variables.Read", {"Path": SECRET_PATH}, b"{secret}"),
    _with_client_secret(
        "read a job's definition", "Job.GetJob", {"JobID": "backserve"}, b"BACKSERVE_GREETING"
    ),
    _with_client_secret("list all allocations", "Alloc.List", {}, b"backserve"),
]

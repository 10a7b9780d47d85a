"""Attacks on the servers' HTTP APIs, from an administrator's network, without full credentials."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import ApiClient
from tests.stack.attacks.target import SECRET_PATH, Target

DENIED = "^403 "
FILTERED = r"^200 \[\]|^403 "
"""Consul leaves out of a list what the token may not read."""


MAX_ATTEMPTS = 5
CUT_CONNECTION = "connection reset by peer"


@dataclass(frozen=True)
class Request:
    """A request, and the text in the response that proves its success.

    Path, proof and body may hold placeholders of the target, such as ``{prime_name}``.
    """

    goal: str
    method: str
    path: str
    proof: str = ""
    body: Any = None
    refusal: str = DENIED


def send(target: Target, api: ApiClient, request: Request, token: str = "") -> Outcome:
    """Send the request; it succeeds with a status 2xx and the proof in the body.

    A server may close the connection of a snapshot before the agent has read the refusal. Such a
    response says nothing, so the request is repeated.
    """
    for _ in range(MAX_ATTEMPTS):
        response = api.request(
            request.method, target.fill(request.path), token, target.fill(request.body)
        )
        if CUT_CONNECTION not in response.detail:
            break
    succeeded = 200 <= response.status < 300 and target.fill(request.proof) in response.text
    return Outcome(succeeded, response.detail)


JOB = {
    "ID": "intruder",
    "Type": "batch",
    "Datacenters": ["{datacenter}"],
    "TaskGroups": [
        {
            "Name": "intruder",
            "Tasks": [
                {"Name": "intruder", "Driver": "{driver}", "Config": {"command": "/usr/bin/true"}}
            ],
        }
    ],
}
"""A job of the attacker's."""
READ_KV = Request("read a KV value", "GET", f"/v1/kv/{SECRET_PATH}?raw", "{secret}")
WRITE_KV = Request("write a KV value", "PUT", "/v1/kv/attacks/written", "true", "changed")
READ_SNAPSHOT = Request("read a snapshot", "GET", "/v1/snapshot")
READ_VARIABLE = Request("read a variable", "GET", f"/v1/var/{SECRET_PATH}", "{secret}")
READ_JOB = Request("read a job's definition", "GET", "/v1/job/backserve", "BACKSERVE_GREETING")
RUN_JOB = Request("run a job", "POST", "/v1/jobs", "EvalID", {"Job": JOB})
READ_NOMAD_SNAPSHOT = Request("read a snapshot", "GET", "/v1/operator/snapshot")

CONSUL_REQUESTS = [
    Request("list the members", "GET", "/v1/agent/members", "{prime_name}", refusal=FILTERED),
    Request("list the nodes", "GET", "/v1/catalog/nodes", "{prime_name}", refusal=FILTERED),
    Request(
        "list the instances of backserve",
        "GET",
        "/v1/health/service/backserve",
        "backserve",
        refusal=FILTERED,
    ),
    READ_KV,
    WRITE_KV,
    Request(
        "register a false node",
        "PUT",
        "/v1/catalog/register",
        "true",
        {"Node": "false-node", "Address": "192.0.2.1"},
    ),
    Request(
        "write an intention",
        "PUT",
        "/v1/connect/intentions/exact?source=stranger&destination=backserve",
        "true",
        {"Action": "allow"},
    ),
    Request("fire an event", "PUT", "/v1/event/fire/attack", "attack"),
    Request("read the configuration", "GET", "/v1/agent/self", "{prime_name}"),
    Request("reload the configuration", "PUT", "/v1/agent/reload"),
    READ_SNAPSHOT,
]
NOMAD_REQUESTS = [
    Request("list the nodes", "GET", "/v1/nodes", "{worker_node_id}"),
    Request("list the jobs", "GET", "/v1/jobs", "backserve"),
    READ_JOB,
    RUN_JOB,
    Request("stop an allocation", "POST", "/v1/allocation/{spare_allocation}/stop", "EvalID"),
    READ_VARIABLE,
    Request(
        "read an allocation's log",
        "GET",
        "/v1/client/fs/logs/{backserve_allocation}?task=backserve&type=stdout&plain=true",
        "listening",
        refusal="^500 Permission denied",
    ),
    Request(
        "list an allocation's files",
        "GET",
        "/v1/client/fs/ls/{backserve_allocation}?path=/",
        "alloc",
    ),
    Request(
        "change a node's eligibility",
        "POST",
        "/v1/node/{worker_node_id}/eligibility",
        "NodeModifyIndex",
        {"NodeID": "{worker_node_id}", "Eligibility": "eligible"},
    ),
    READ_NOMAD_SNAPSHOT,
    Request("read the configuration", "GET", "/v1/agent/self", "config"),
    Request(
        "change the scheduler's configuration",
        "PUT",
        "/v1/operator/scheduler/configuration",
        "Updated",
        {"SchedulerAlgorithm": "binpack"},
    ),
]
REJECTED_CERTIFICATES = {
    "without a client certificate": ("none", "CERTIFICATE_REQUIRED"),
    "with a certificate of another authority of the same name": (
        "foreign",
        "UNKNOWN_CA|BAD_CERTIFICATE",
    ),
    "with an expired certificate of the stack's authority": ("expired", "CERTIFICATE_EXPIRED"),
}
"""How the attacker connects -> key in ``Target.certificates``, TLS alert."""


def consul(target: Target) -> ApiClient:
    return target.consul


def nomad(target: Target) -> ApiClient:
    return target.nomad


def _without_token(product: str, api: Callable[[Target], ApiClient], request: Request) -> Attack:
    return Attack(
        f"{product}: {request.goal}, with the operator's certificate and no token",
        lambda target: send(target, api(target), request),
        request.refusal,
        f"{product} ACL",
    )


def _with_certificate(
    product: str, api: Callable[[Target], ApiClient], manner: str, holder: str, alert: str
) -> Attack:
    def run(target: Target) -> Outcome:
        """Send the management token too, so that only the certificate is wrong."""
        return send(
            target,
            api(target).with_credentials(target.certificates[holder]),
            Request("", "GET", "/v1/agent/members", "{prime_name}"),
            target.tokens[f"{product.lower()} management"],
        )

    return Attack(f"{product}: list the members {manner}", run, alert, "mutual TLS")


def _plain_http(product: str, api: Callable[[Target], ApiClient]) -> Attack:
    def run(target: Target) -> Outcome:
        plain = replace(api(target), url=api(target).url.replace("https:", "http:"))
        return send(target, plain, Request("", "GET", "/v1/agent/members", "{prime_name}"))

    return Attack(
        f"{product}: list the members over plain HTTP",
        run,
        "^400 .*HTTP request to an HTTPS server",
        "mutual TLS",
    )


ATTACKS = [
    *(
        _with_certificate("Consul", consul, manner, holder, alert)
        for manner, (holder, alert) in REJECTED_CERTIFICATES.items()
    ),
    _plain_http("Consul", consul),
    *(_without_token("Consul", consul, request) for request in CONSUL_REQUESTS),
    *(
        _with_certificate("Nomad", nomad, manner, holder, alert)
        for manner, (holder, alert) in REJECTED_CERTIFICATES.items()
    ),
    _plain_http("Nomad", nomad),
    *(_without_token("Nomad", nomad, request) for request in NOMAD_REQUESTS),
]

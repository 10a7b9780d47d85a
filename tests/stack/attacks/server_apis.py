"""The servers' HTTP APIs, asked by somebody who gets as far as an administrator's network, and has not all that one has."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import Api
from tests.stack.attacks.target import Victim

REFUSED = "^403 "
NOTHING_SHOWN = r"^200 \[\]|^403 "
"""Consul leaves out of a list what its asker may not see."""


@dataclass(frozen=True)
class Request:
    """What is asked for, and by which words in the answer the asker knows that he got it. Names in braces are a victim's facts."""

    what: str
    method: str
    path: str
    sign: str = ""
    body: Any = None
    refusal: str = REFUSED


def sent(victim: Victim, api: Api, request: Request, token: str = "") -> Outcome:
    """The outcome of one request."""
    answer = api.ask(
        request.method, victim.filled(request.path), token, victim.filled(request.body)
    )
    got = 200 <= answer.status < 300 and victim.filled(request.sign) in answer.text
    return Outcome(got, answer.seen)


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
"""Of the attacker's own."""

OF_CONSUL = [
    Request("names its members", "GET", "/v1/agent/members", "{node}", refusal=NOTHING_SHOWN),
    Request("names its nodes", "GET", "/v1/catalog/nodes", "{node}", refusal=NOTHING_SHOWN),
    Request(
        "tells where backserve is",
        "GET",
        "/v1/health/service/backserve",
        "backserve",
        refusal=NOTHING_SHOWN,
    ),
    Request("gives away a key's value", "GET", "/v1/kv/attacks/planted?raw", "{planted}"),
    Request("takes another value for a key", "PUT", "/v1/kv/attacks/written", "true", "changed"),
    Request(
        "takes a false node",
        "PUT",
        "/v1/catalog/register",
        "true",
        {"Node": "false-node", "Address": "192.0.2.1"},
    ),
    Request(
        "takes an intention",
        "PUT",
        "/v1/connect/intentions/exact?source=stranger&destination=backserve",
        "true",
        {"Action": "allow"},
    ),
    Request("takes an event", "PUT", "/v1/event/fire/attack", "attack"),
    Request("shows its configuration", "GET", "/v1/agent/self", "{node}"),
    Request("reads its configuration anew", "PUT", "/v1/agent/reload"),
    Request("gives away its whole memory", "GET", "/v1/snapshot"),
]
OF_NOMAD = [
    Request("names its nodes", "GET", "/v1/nodes", "{client}"),
    Request("names its jobs", "GET", "/v1/jobs", "backserve"),
    Request("shows the text of a job", "GET", "/v1/job/backserve", "BACKSERVE_GREETING"),
    Request("runs a job", "POST", "/v1/jobs", "EvalID", {"Job": JOB}),
    Request("ends a job's instance", "POST", "/v1/allocation/{spare}/stop", "EvalID"),
    Request("gives away a variable", "GET", "/v1/var/attacks/planted", "{planted}"),
    Request(
        "shows what an instance logged",
        "GET",
        "/v1/client/fs/logs/{allocation}?task=backserve&type=stdout&plain=true",
        "listening",
        refusal="^500 Permission denied",
    ),
    Request("shows an instance's files", "GET", "/v1/client/fs/ls/{allocation}?path=/", "alloc"),
    Request(
        "takes a node out of service",
        "POST",
        "/v1/node/{client}/eligibility",
        "NodeModifyIndex",
        {"NodeID": "{client}", "Eligibility": "eligible"},
    ),
    Request("gives away its whole memory", "GET", "/v1/operator/snapshot"),
    Request("shows its configuration", "GET", "/v1/agent/self", "config"),
    Request(
        "places no more jobs",
        "PUT",
        "/v1/operator/scheduler/configuration",
        "Updated",
        {"SchedulerAlgorithm": "binpack"},
    ),
]
ALERTS = {
    "without a certificate": ("none", "CERTIFICATE_REQUIRED"),
    "with a certificate of another authority that bears the same name": (
        "foreign",
        "UNKNOWN_CA|BAD_CERTIFICATE",
    ),
    "with an expired certificate of the stack's own authority": ("expired", "CERTIFICATE_EXPIRED"),
}
"""How a server is asked, whose certificate that is, and the alert that answers it."""


def consul(victim: Victim) -> Api:
    return victim.consul


def nomad(victim: Victim) -> Api:
    return victim.nomad


def _without_token(name: str, api: Callable[[Victim], Api], request: Request) -> Attack:
    return Attack(
        f"{name} {request.what} to who has a certificate and no token",
        lambda victim: sent(victim, api(victim), request),
        request.refusal,
    )


def _certificate(
    name: str, api: Callable[[Victim], Api], how: str, holder: str, alert: str, path: str
) -> Attack:
    def run(victim: Victim) -> Outcome:
        """With a token that would do, so that nothing but the certificate is wrong."""
        token = victim.tokens["consul" if api is consul else "manager"]
        return sent(
            victim,
            api(victim).showing(victim.certificates[holder]),
            Request("", "GET", path, "{node}"),
            token,
        )

    return Attack(f"{name} answers who asks {how}", run, alert)


def _plain(name: str, api: Callable[[Victim], Api], path: str) -> Attack:
    def run(victim: Victim) -> Outcome:
        plain = replace(api(victim), url=api(victim).url.replace("https:", "http:"))
        return sent(victim, plain, Request("", "GET", path, "{node}"))

    return Attack(
        f"{name} answers who asks over plain HTTP", run, "^400 .*HTTP request to an HTTPS server"
    )


ATTACKS = [
    *(
        _certificate("Consul", consul, how, holder, alert, "/v1/agent/members")
        for how, (holder, alert) in ALERTS.items()
    ),
    _plain("Consul", consul, "/v1/agent/members"),
    *(_without_token("Consul", consul, request) for request in OF_CONSUL),
    *(
        _certificate("Nomad", nomad, how, holder, alert, "/v1/agent/members")
        for how, (holder, alert) in ALERTS.items()
    ),
    _plain("Nomad", nomad, "/v1/agent/members"),
    *(_without_token("Nomad", nomad, request) for request in OF_NOMAD),
]

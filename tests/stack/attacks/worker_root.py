"""Root on a worker, with all that he finds there: the tokens of its agents, its certificate, the secret of its Nomad client."""

from collections.abc import Callable
from typing import Any

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import Api
from tests.stack.attacks.server_apis import JOB, Request, sent
from tests.stack.attacks.server_rpc import NOMAD, call, tried
from tests.stack.attacks.target import Victim

FALSE = {"Name": "backserve", "ID": "false-backserve", "Address": "192.0.2.1", "Port": 1}
MADE_UP = {"Name": "made-up", "Address": "192.0.2.1", "Port": 1}
HERE = {
    "Node": "{own}",
    "SkipNodeUpdate": True,
    "Service": {"Service": "backserve", "ID": "false-backserve", "Port": 1},
}
ELSEWHERE = {**HERE, "Node": "{node}"}
FALSE_NODE = {"Node": "false-node", "Address": "192.0.2.1"}

VALUE = Request("reads a key's value", "GET", "/v1/kv/attacks/planted?raw", "{planted}")
BACKSERVE = Request(
    "registers a false backserve with the agent there",
    "PUT",
    "/v1/agent/service/register",
    "",
    FALSE,
)
NODE = Request("registers a false node", "PUT", "/v1/catalog/register", "true", FALSE_NODE)
BY_TOKEN = {
    ("agent", "Consul's own token"): [
        BACKSERVE,
        Request(
            "registers a false backserve in the catalogue",
            "PUT",
            "/v1/catalog/register",
            "true",
            HERE,
        ),
        Request(
            "registers a false backserve on another node",
            "PUT",
            "/v1/catalog/register",
            "true",
            ELSEWHERE,
        ),
        NODE,
        Request(
            "takes another node out of the catalogue",
            "PUT",
            "/v1/catalog/deregister",
            "true",
            {"Node": "{doomed}"},
        ),
        VALUE,
        Request("writes a key", "PUT", "/v1/kv/attacks/written", "true", "changed"),
        Request(
            "allows whom he likes",
            "PUT",
            "/v1/connect/intentions/exact?source=me&destination=backserve",
            "true",
            {"Action": "allow"},
        ),
        Request(
            "has the certificate of a service that he made up",
            "GET",
            "/v1/agent/connect/ca/leaf/made-up",
            "PrivateKeyPEM",
        ),
        Request("reads Consul's whole memory", "GET", "/v1/snapshot"),
        Request("changes what the agent runs", "PUT", "/v1/agent/reload"),
    ],
    ("nomad", "its Nomad's token"): [
        Request(
            "registers a service that he made up", "PUT", "/v1/agent/service/register", "", MADE_UP
        ),
        NODE,
        VALUE,
        Request(
            "has the certificate of a service that he made up",
            "GET",
            "/v1/agent/connect/ca/leaf/made-up",
            "PrivateKeyPEM",
        ),
    ],
    ("dns", "the token of DNS"): [BACKSERVE, NODE, VALUE],
}
"""By holder in Consul, what is tried with its token."""
OF_NOMAD = [
    Request("reads a variable", "GET", "/v1/var/attacks/planted", "{planted}"),
    Request("reads the text of a job", "GET", "/v1/job/backserve", "BACKSERVE_GREETING"),
    Request("runs a job", "POST", "/v1/jobs", "EvalID", {"Job": JOB}),
]


def _agent(victim: Victim) -> Api:
    return victim.agent


def _client(victim: Victim) -> Api:
    return victim.client


def _by(api: Callable[[Victim], Api], holder: str, words: str, request: Request) -> Attack:
    return Attack(
        f"Root on a worker, by {words}, {request.what}",
        lambda victim: sent(victim, api(victim), request, victim.tokens[holder]),
        request.refusal,
    )


def _primes_api(name: str, api: Callable[[Victim], Api], path: str) -> Attack:
    """The way that administrators go, which is shut to machines."""

    def run(victim: Victim) -> Outcome:
        asked = Api(
            api(victim).url.replace(victim.prime.public, victim.inside.server),
            "",
            victim.inside.station,
        )
        return sent(
            victim, asked.showing(victim.certificates["worker"]), Request("", "GET", path, "{node}")
        )

    return Attack(
        f"Root on a worker asks {name} on a prime, with the worker's certificate",
        run,
        "TimeoutError",
    )


def _node_secret(what: str, method: str, args: dict[str, Any], sign: bytes) -> Attack:
    """A call to Nomad's servers with what makes a client known to them."""

    def run(victim: Victim) -> Outcome:
        asked = {
            "Region": "global",
            "Namespace": "default",
            "AuthToken": victim.tokens["node"],
            **args,
        }
        expected = victim.filled(sign.decode()).encode()
        return tried(
            lambda: call(
                victim, victim.inside, NOMAD, victim.certificates["worker"], method, asked
            ),
            expected,
        )

    return Attack(
        f"Root on a worker, by its Nomad client's secret, {what}", run, "Permission denied"
    )


ATTACKS = [
    *(
        _by(_agent, holder, words, request)
        for (holder, words), requests in BY_TOKEN.items()
        for request in requests
    ),
    *(_by(_client, "", "its Nomad's API and certificate", request) for request in OF_NOMAD),
    _primes_api("Consul", lambda victim: victim.consul, "/v1/agent/members"),
    _primes_api("Nomad", lambda victim: victim.nomad, "/v1/agent/members"),
    _node_secret("reads a variable", "Variables.Read", {"Path": "attacks/planted"}, b"{planted}"),
    _node_secret(
        "reads the text of a job", "Job.GetJob", {"JobID": "backserve"}, b"BACKSERVE_GREETING"
    ),
    _node_secret("lists all instances", "Alloc.List", {}, b"backserve"),
]

"""Tokens that are good for something, used for something else; and identities that are none."""

import base64
import json
import time
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import Answer
from tests.stack.attacks.server_apis import JOB, REFUSED, Request, sent
from tests.stack.attacks.server_rpc import signing_key
from tests.stack.attacks.target import Victim

VALUE = Request("reads a key's value", "GET", "/v1/kv/attacks/planted?raw", "{planted}")
BY_OPERATOR_IN_CONSUL = [
    VALUE,
    Request("writes a key", "PUT", "/v1/kv/attacks/written", "true", "changed"),
    Request(
        "takes a service out of the catalogue",
        "PUT",
        "/v1/catalog/deregister",
        "true",
        {"Node": "{doomed}"},
    ),
    Request("reads the whole memory", "GET", "/v1/snapshot"),
]
BY_OPERATOR_IN_NOMAD = [
    Request("reads a variable", "GET", "/v1/var/attacks/planted", "{planted}"),
    Request("runs a job", "POST", "/v1/jobs", "EvalID", {"Job": JOB}),
    Request("reads the whole memory", "GET", "/v1/operator/snapshot"),
]
BY_WORKLOAD = {
    ("frontserve", "backserve"): [
        VALUE,
        Request(
            "has the certificate of backserve",
            "GET",
            "/v1/agent/connect/ca/leaf/backserve",
            "PrivateKeyPEM",
        ),
        Request(
            "registers a false backserve",
            "PUT",
            "/v1/agent/service/register",
            "",
            {"Name": "backserve", "ID": "false-backserve"},
        ),
        Request(
            "allows a stranger",
            "PUT",
            "/v1/connect/intentions/exact?source=stranger&destination=backserve",
            "true",
            {"Action": "allow"},
        ),
    ],
    ("prober", "frontserve"): [
        VALUE,
        Request(
            "has the certificate of frontserve",
            "GET",
            "/v1/agent/connect/ca/leaf/frontserve",
            "PrivateKeyPEM",
        ),
        Request(
            "deregisters an instance of backserve",
            "PUT",
            "/v1/catalog/deregister",
            "true",
            {"Node": "{doomed}", "ServiceID": "{instance}"},
        ),
        Request(
            "deregisters a node", "PUT", "/v1/catalog/deregister", "true", {"Node": "{doomed}"}
        ),
    ],
}
"""By whose token it is, and the service that it is after."""
UNSIGNED = "no known key|signature|algorithm"
UNKNOWN = "ACL not found|token does not exist"


def _revoked(victim: Victim) -> Outcome:
    """A token of Consul's that may read everything is used, revoked, and used again."""
    made = victim.manager(
        "/v1/acl/token",
        "PUT",
        {"Description": "attacked", "Policies": [{"Name": "global-management"}]},
    )
    issued = made.json if victim.guarded else {"SecretID": "", "AccessorID": ""}
    before = sent(victim, victim.consul, VALUE, issued["SecretID"])
    assert before.succeeded, before.seen
    victim.manager(f"/v1/acl/token/{issued['AccessorID']}", "DELETE")
    return sent(victim, victim.consul, VALUE, issued["SecretID"])


def _revoked_in_nomad(victim: Victim) -> Outcome:
    made = victim.nomad_manager("/v1/acl/token", "POST", {"Name": "attacked", "Type": "management"})
    issued = made.json if victim.guarded else {"SecretID": "", "AccessorID": ""}
    wanted = BY_OPERATOR_IN_NOMAD[0]
    before = sent(victim, victim.nomad, wanted, issued["SecretID"])
    assert before.succeeded, before.seen
    victim.nomad_manager(f"/v1/acl/token/{issued['AccessorID']}", "DELETE")
    return sent(victim, victim.nomad, wanted, issued["SecretID"])


def logged_in(victim: Victim, identity: str) -> Answer:
    """Consul's answer to who says by this identity that he is a workload; where nobody has to say so, it says so."""
    return victim.agent.ask(
        "POST", "/v1/acl/login", body={"AuthMethod": "nomad-workloads", "BearerToken": identity}
    )


def as_workload(victim: Victim, identity: str) -> Outcome:
    """Read the certificate of a service as the workload that the identity names, as far as Consul believes it."""
    answer = logged_in(victim, identity)
    if not victim.guarded and "ACL support disabled" in answer.text:
        return sent(
            victim,
            victim.agent,
            Request("", "GET", "/v1/agent/connect/ca/leaf/made-up", "PrivateKeyPEM"),
        )
    if answer.status == 200:
        victim.agent.ask("POST", "/v1/acl/logout", answer.json["SecretID"])
    return Outcome(answer.status == 200, answer.seen)


def identity(key: rsa.RSAPrivateKey, name: str, job: str, seconds: int) -> str:
    """What Nomad gives to a workload: a JWT that says which job it is of, good for so long from now on."""

    def part(value: dict[str, Any]) -> str:
        return _text(json.dumps(value).encode())

    now = int(time.time())
    claims = {
        "nomad_namespace": "default",
        "nomad_job_id": job,
        "nomad_task": job,
        "nomad_service": job,
    }
    times = {"iat": now - 7200, "nbf": now - 7200, "exp": now + seconds}
    signed = f"{part({'alg': 'RS256', 'typ': 'JWT', 'kid': name})}.{part({'aud': 'consul.io', 'sub': 'attack', **claims, **times})}"
    return f"{signed}.{_text(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _nomads_key(victim: Victim) -> tuple[rsa.RSAPrivateKey, str]:
    """Nomad's own, and its name: from the server itself, by its certificate."""
    der = signing_key(victim, victim.beside, victim.certificates["prime"])
    key = serialization.load_der_private_key(der, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    listed = victim.keys.ask("GET", "/.well-known/jwks.json").json
    return key, str(listed["keys"][0]["kid"])


def _foreign(victim: Victim) -> Outcome:
    """Everything is right but the key that signed it."""
    _, name = _nomads_key(victim)
    return as_workload(
        victim, identity(rsa.generate_private_key(65537, 2048), name, "frontserve", 3600)
    )


def _expired(victim: Victim) -> Outcome:
    """Everything is right but the time."""
    key, name = _nomads_key(victim)
    good = as_workload(victim, identity(key, name, "frontserve", 3600))
    assert good.succeeded, good.seen
    return as_workload(victim, identity(key, name, "frontserve", -3600))


def _of_another_job(victim: Victim) -> Outcome:
    """Everything is right, but nobody ever said what this job may be."""
    key, name = _nomads_key(victim)
    return as_workload(victim, identity(key, name, "stranger", 3600))


def _without_signature(victim: Victim) -> Outcome:
    key, name = _nomads_key(victim)
    _, claims, _ = identity(key, name, "frontserve", 3600).split(".")
    header = _text(json.dumps({"alg": "none", "typ": "JWT"}).encode())
    return as_workload(victim, f"{header}.{claims}.")


def _by_operator(server: str, holder: str, request: Request) -> Attack:
    def run(victim: Victim) -> Outcome:
        return sent(
            victim,
            victim.consul if server == "Consul" else victim.nomad,
            request,
            victim.tokens[holder],
        )

    return Attack(
        f"By the operator's token in {server} somebody {request.what}", run, request.refusal
    )


def _by_workload(job: str, other: str, request: Request) -> Attack:
    return Attack(
        f"By {job}'s token in Consul somebody {request.what}",
        lambda victim: sent(victim, victim.without[other], request, victim.tokens[job]),
        request.refusal,
    )


ATTACKS = [
    *(_by_operator("Consul", "operator", request) for request in BY_OPERATOR_IN_CONSUL),
    *(_by_operator("Nomad", "reader", request) for request in BY_OPERATOR_IN_NOMAD),
    *(
        _by_workload(job, other, request)
        for (job, other), requests in BY_WORKLOAD.items()
        for request in requests
    ),
    Attack(
        "A token of Consul's is used again after it was revoked",
        _revoked,
        f"{REFUSED}.*({UNKNOWN})",
    ),
    Attack(
        "A token of Nomad's is used again after it was revoked",
        _revoked_in_nomad,
        f"{REFUSED}.*({UNKNOWN}|Permission denied|token)",
    ),
    Attack("Consul believes an identity that is signed with another key", _foreign, UNSIGNED),
    Attack("Consul believes an identity without a signature", _without_signature, UNSIGNED),
    Attack("Consul believes an identity that has expired", _expired, "token is expired"),
    Attack(
        "Consul believes the identity of a job that nobody told it of", _of_another_job, REFUSED
    ),
]

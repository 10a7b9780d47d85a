"""Attacks with valid tokens used beyond their purpose, and with false workload identities."""

import base64
import json
import time
from typing import Any

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import Response
from tests.stack.attacks.server_apis import (
    DENIED,
    READ_KV,
    READ_NOMAD_SNAPSHOT,
    READ_SNAPSHOT,
    READ_VARIABLE,
    RUN_JOB,
    WRITE_KV,
    Request,
    send,
)
from tests.stack.attacks.server_rpc import signing_key
from tests.stack.attacks.target import Target

OPERATOR_IN_CONSUL = [
    READ_KV,
    WRITE_KV,
    Request(
        "deregister a node",
        "PUT",
        "/v1/catalog/deregister",
        "true",
        {"Node": "{other_worker_name}"},
    ),
    READ_SNAPSHOT,
]
OPERATOR_IN_NOMAD = [READ_VARIABLE, RUN_JOB, READ_NOMAD_SNAPSHOT]
WORKLOADS = {
    ("frontserve", "backserve"): [
        READ_KV,
        Request(
            "get the mesh certificate of backserve",
            "GET",
            "/v1/agent/connect/ca/leaf/backserve",
            "PrivateKeyPEM",
        ),
        Request(
            "register a false backserve",
            "PUT",
            "/v1/agent/service/register",
            "",
            {"Name": "backserve", "ID": "false-backserve"},
        ),
        Request(
            "write an intention",
            "PUT",
            "/v1/connect/intentions/exact?source=stranger&destination=backserve",
            "true",
            {"Action": "allow"},
        ),
    ],
    ("prober", "frontserve"): [
        READ_KV,
        Request(
            "get the mesh certificate of frontserve",
            "GET",
            "/v1/agent/connect/ca/leaf/frontserve",
            "PrivateKeyPEM",
        ),
        Request(
            "deregister an instance of backserve",
            "PUT",
            "/v1/catalog/deregister",
            "true",
            {"Node": "{other_worker_name}", "ServiceID": "{backserve_service_id}"},
        ),
        Request(
            "deregister a node",
            "PUT",
            "/v1/catalog/deregister",
            "true",
            {"Node": "{other_worker_name}"},
        ),
    ],
}
"""Job whose token is used, and the service that it attacks."""
UNSIGNED = "no known key|signature|algorithm"
UNKNOWN_TOKEN = "ACL not found|token does not exist"
SIGNATURE_CHECK = "Consul's check of the identity's signature"


def _use_revoked_consul_token(target: Target) -> Outcome:
    """Use a management token, revoke it, and use it again."""
    created = target.consul_as_manager(
        "/v1/acl/token",
        "PUT",
        {"Description": "attacked", "Policies": [{"Name": "global-management"}]},
    )
    token = created.json if target.is_protected else {"SecretID": "", "AccessorID": ""}
    before = send(target, target.consul, READ_KV, token["SecretID"])
    assert before.succeeded, before.detail
    target.consul_as_manager(f"/v1/acl/token/{token['AccessorID']}", "DELETE")
    return send(target, target.consul, READ_KV, token["SecretID"])


def _use_revoked_nomad_token(target: Target) -> Outcome:
    created = target.nomad_as_manager(
        "/v1/acl/token", "POST", {"Name": "attacked", "Type": "management"}
    )
    token = created.json if target.is_protected else {"SecretID": "", "AccessorID": ""}
    before = send(target, target.nomad, READ_VARIABLE, token["SecretID"])
    assert before.succeeded, before.detail
    target.nomad_as_manager(f"/v1/acl/token/{token['AccessorID']}", "DELETE")
    return send(target, target.nomad, READ_VARIABLE, token["SecretID"])


def login(target: Target, identity: str) -> Response:
    """Log in to Consul with a workload identity."""
    return target.worker_consul.request(
        "POST", "/v1/acl/login", body={"AuthMethod": "nomad-workloads", "BearerToken": identity}
    )


def _log_in(target: Target, identity: str) -> Outcome:
    """Log in with the identity; without ACLs, get the certificate that a login would open."""
    response = login(target, identity)
    if not target.is_protected and "ACL support disabled" in response.text:
        request = Request("", "GET", "/v1/agent/connect/ca/leaf/made-up", "PrivateKeyPEM")
        return send(target, target.worker_consul, request)
    if response.status == 200:
        target.worker_consul.request("POST", "/v1/acl/logout", response.json["SecretID"])
    return Outcome(response.status == 200, response.detail)


def workload_identity(key: rsa.RSAPrivateKey, key_id: str, job: str, lifetime_s: int) -> str:
    """Return a JWT as Nomad signs it for a workload; it expires ``lifetime_s`` after now."""

    def encode(value: dict[str, Any]) -> str:
        return _base64url(json.dumps(value).encode())

    now = int(time.time())
    claims = {
        "nomad_namespace": "default",
        "nomad_job_id": job,
        "nomad_task": job,
        "nomad_service": job,
    }
    times = {"iat": now - 7200, "nbf": now - 7200, "exp": now + lifetime_s}
    header = encode({"alg": "RS256", "typ": "JWT", "kid": key_id})
    signed = f"{header}.{encode({'aud': 'consul.io', 'sub': 'attack', **claims, **times})}"
    return f"{signed}.{_base64url(key.sign(signed.encode(), padding.PKCS1v15(), hashes.SHA256()))}"


def _base64url(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()


def _nomad_signing_key(target: Target) -> tuple[rsa.RSAPrivateKey, str]:
    """Return Nomad's signing key and its id, read with the prime's certificate."""
    der, key_id = signing_key(target, target.prime_position, target.certificates["prime"])
    key = serialization.load_der_private_key(der, None)
    assert isinstance(key, rsa.RSAPrivateKey)
    return key, key_id


def _signed_with_another_key(target: Target) -> Outcome:
    """Everything but the signing key is right."""
    _, key_id = _nomad_signing_key(target)
    another = rsa.generate_private_key(65537, 2048)
    return _log_in(target, workload_identity(another, key_id, "frontserve", 3600))


def _expired(target: Target) -> Outcome:
    """Everything but the time is right."""
    key, key_id = _nomad_signing_key(target)
    valid = _log_in(target, workload_identity(key, key_id, "frontserve", 3600))
    assert valid.succeeded, valid.detail
    return _log_in(target, workload_identity(key, key_id, "frontserve", -3600))


def _of_unknown_job(target: Target) -> Outcome:
    """Everything is right, but no binding rule names the job."""
    key, key_id = _nomad_signing_key(target)
    return _log_in(target, workload_identity(key, key_id, "stranger", 3600))


def _without_signature(target: Target) -> Outcome:
    key, key_id = _nomad_signing_key(target)
    _, claims, _ = workload_identity(key, key_id, "frontserve", 3600).split(".")
    header = _base64url(json.dumps({"alg": "none", "typ": "JWT"}).encode())
    return _log_in(target, f"{header}.{claims}.")


def _with_operator_token(product: str, request: Request) -> Attack:
    def run(target: Target) -> Outcome:
        api = target.consul if product == "Consul" else target.nomad
        return send(target, api, request, target.tokens[f"{product.lower()} operator"])

    return Attack(
        f"With the operator's {product} token: {request.goal}",
        run,
        request.refusal,
        f"{product} ACL",
    )


def _with_workload_token(job: str, service: str, request: Request) -> Attack:
    return Attack(
        f"With {job}'s Consul token: {request.goal}",
        lambda target: send(target, target.consul_without[service], request, target.tokens[job]),
        request.refusal,
        "Consul ACL",
    )


ATTACKS = [
    *(_with_operator_token("Consul", request) for request in OPERATOR_IN_CONSUL),
    *(_with_operator_token("Nomad", request) for request in OPERATOR_IN_NOMAD),
    *(
        _with_workload_token(job, service, request)
        for (job, service), requests in WORKLOADS.items()
        for request in requests
    ),
    Attack(
        "Use a revoked Consul token",
        _use_revoked_consul_token,
        f"{DENIED}.*({UNKNOWN_TOKEN})",
        "Consul ACL",
    ),
    Attack(
        "Use a revoked Nomad token",
        _use_revoked_nomad_token,
        f"{DENIED}.*({UNKNOWN_TOKEN}|Permission denied|token)",
        "Nomad ACL",
    ),
    Attack(
        "Log in to Consul with an identity signed with another key",
        _signed_with_another_key,
        UNSIGNED,
        SIGNATURE_CHECK,
    ),
    Attack(
        "Log in to Consul with an identity without a signature",
        _without_signature,
        UNSIGNED,
        SIGNATURE_CHECK,
    ),
    Attack(
        "Log in to Consul with an expired identity",
        _expired,
        "token is expired",
        "Consul's check of the identity's lifetime",
    ),
    Attack(
        "Log in to Consul with the identity of an unknown job",
        _of_unknown_job,
        DENIED,
        "Consul's binding rules",
    ),
]

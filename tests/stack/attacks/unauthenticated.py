"""Attacks on what answers without a token: a prime's public keys endpoint, and DNS."""

import dns.exception
import dns.message
import dns.query

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import describe
from tests.stack.attacks.namespaces import run_in_namespace
from tests.stack.attacks.server_apis import JOB, Request, send
from tests.stack.attacks.target import Target

DNS_TIMEOUT_S = 2.0
JWKS = Request("", "GET", "/.well-known/jwks.json", '"kty"')
OTHER_REQUESTS = [
    Request("list the jobs", "GET", "/v1/jobs", "backserve", refusal="^404 "),
    Request(
        "list the members",
        "GET",
        "/v1/agent/members?/.well-known/jwks.json",
        "{prime_name}",
        refusal="^404 ",
    ),
    Request("run a job", "POST", "/v1/jobs", "EvalID", {"Job": JOB}, refusal="^501 "),
]


def _through_jwks_endpoint(request: Request) -> Attack:
    def run(target: Target) -> Outcome:
        """First verify that the endpoint serves the public keys."""
        keys = send(target, target.jwks, JWKS)
        assert keys.succeeded, keys.detail
        return send(target, target.jwks, request)

    return Attack(
        f"On a prime, through the endpoint of Nomad's public keys: {request.goal}",
        run,
        request.refusal,
        "the endpoint, which serves nothing else",
    )


def _resolve(target: Target) -> Outcome:
    query = dns.message.make_query("backserve.service.consul.", "SRV")
    try:
        response = run_in_namespace(
            target.outside_namespace,
            lambda: dns.query.udp(query, target.prime.public, DNS_TIMEOUT_S),
        )
    except (dns.exception.DNSException, OSError) as error:
        return Outcome(False, describe(error))
    return Outcome(bool(response.answer), str(response))


ATTACKS = [
    *map(_through_jwks_endpoint, OTHER_REQUESTS),
    Attack(
        "From outside: resolve backserve through Consul's DNS",
        _resolve,
        "Timeout",
        "the primes' firewall",
    ),
]

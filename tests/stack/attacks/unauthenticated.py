"""The one thing that a prime tells without a certificate, and what else it might tell there; and DNS, asked from outside."""

import dns.exception
import dns.message
import dns.query

from tests.stack.attacks.attack import Attack, Outcome
from tests.stack.attacks.http_client import words
from tests.stack.attacks.namespaces import within
from tests.stack.attacks.server_apis import JOB, Request, sent
from tests.stack.attacks.target import Victim

DNS_SECONDS = 2.0
REQUESTS = [
    Request("jobs", "GET", "/v1/jobs", "backserve", refusal="^404 "),
    Request(
        "the members", "GET", "/v1/agent/members?/.well-known/jwks.json", "{node}", refusal="^404 "
    ),
    Request("a job to be run", "POST", "/v1/jobs", "EvalID", {"Job": JOB}, refusal="^501 "),
]


def _relay(request: Request) -> Attack:
    def run(victim: Victim) -> Outcome:
        """It does answer: what it is there for."""
        keys = sent(victim, victim.keys, Request("", "GET", "/.well-known/jwks.json", '"kty"'))
        assert keys.succeeded, keys.seen
        return sent(victim, victim.keys, request)

    return Attack(
        f"Where Consul reads Nomad's public keys, anybody on a prime asks for {request.what}",
        run,
        request.refusal,
    )


def _resolved(victim: Victim) -> Outcome:
    question = dns.message.make_query("backserve.service.consul.", "SRV")
    try:
        answer = within(
            victim.outside, lambda: dns.query.udp(question, victim.prime.public, DNS_SECONDS)
        )
    except (dns.exception.DNSException, OSError) as failed:
        return Outcome(False, words(failed))
    return Outcome(bool(answer.answer), str(answer))


ATTACKS = [
    *map(_relay, REQUESTS),
    Attack("Consul's DNS tells everybody where the services are", _resolved, "Timeout"),
]

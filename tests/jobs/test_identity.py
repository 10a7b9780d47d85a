"""What each job may do in Consul, and who may speak with whom."""

import json
from collections.abc import Mapping
from typing import Any

import pulumi
import pytest

from jobs.identity import WorkloadIdentity, WorkloadIdentityArgs
from jobs.intentions import Intentions, IntentionsArgs
from jobs.workload import ALLOWED, NODE_WRITES, SERVICES
from tests.jobs.conftest import FakeCluster

Claims = Mapping[str, str]


@pytest.fixture
def made(cluster: FakeCluster) -> dict[str, dict[str, Any]]:
    def program() -> None:
        WorkloadIdentity("identity", WorkloadIdentityArgs(services=SERVICES, writes=NODE_WRITES))
        Intentions("intentions", IntentionsArgs(allowed=ALLOWED))

    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    return cluster.created


def given(made: dict[str, dict[str, Any]], claims: Claims) -> set[tuple[str, str]]:
    """What a login with these claims gives: each selector is a chain of equations, and one on a claim that is missing fails."""
    found = set()
    for rule in made.values():
        if rule["token"] == "consul:index/aclBindingRule:AclBindingRule":
            equations = [equation.split(" == ") for equation in rule["selector"].split(" and ")]
            if all(
                claims.get(claim.removeprefix("value.")) == json.loads(value)
                for claim, value in equations
            ):
                found.add((rule["bindType"], rule["bindName"]))
    return found


def of(job: str, namespace: str = "default", **more: str) -> Claims:
    return {"nomad_namespace": namespace, "nomad_job_id": job, **more}


@pytest.mark.parametrize(
    ("claims", "wanted"),
    [
        (of("backserve", nomad_task="backserve"), {("service", "backserve")}),
        (of("backserve", nomad_service="backserve"), {("service", "backserve")}),
        (
            of("backserve", nomad_service="backserve-health"),
            {("service", "backserve"), ("service", "backserve-health")},
        ),
        (of("frontserve", nomad_task="frontserve"), {("service", "frontserve")}),
        (of("prober", nomad_service="prober"), {("service", "prober")}),
        (of("prober", nomad_task="prober"), {("service", "prober"), ("policy", "prober")}),
        # A job that would be somebody else: it chooses the names of its tasks and services, not its own.
        (of("frontserve", nomad_service="backserve"), {("service", "frontserve")}),
        (of("frontserve", nomad_task="prober"), {("service", "frontserve")}),
        (of("other", nomad_task="frontserve"), set()),
        (of("other", nomad_service="backserve"), set()),
        (of("backserve-health", nomad_service="backserve-health"), set()),
        (of("frontserve", namespace="mine", nomad_task="frontserve"), set()),
    ],
)
def test_a_job_is_itself_and_nobody_else(
    made: dict[str, dict[str, Any]], claims: Claims, wanted: set[tuple[str, str]]
) -> None:
    assert given(made, claims) == wanted


def test_no_name_that_is_given_comes_from_a_claim(made: dict[str, dict[str, Any]]) -> None:
    rules = [one for one in made.values() if "bindName" in one]
    assert len(rules) == 5
    assert not [rule for rule in rules if "$" in rule["bindName"]]
    assert {rule["authMethod"] for rule in rules} == {"nomad-workloads"}


def test_the_method_trusts_nomads_keys_of_this_prime_and_gives_tokens_that_last(
    made: dict[str, dict[str, Any]],
) -> None:
    method = made["identity-method"]
    assert (method["name"], method["type"]) == ("nomad-workloads", "jwt")
    assert "maxTokenTtl" not in method, "Nomad never asks for another token"
    assert method["configJson"] == (
        '{"BoundAudiences":["consul.io"],"ClaimMappings":{"nomad_job_id":"nomad_job_id","nomad_namespace":"nomad_namespace",'
        '"nomad_service":"nomad_service","nomad_task":"nomad_task"},'
        '"JWKSURL":"http://127.0.0.1:4651/.well-known/jwks.json","JWTSupportedAlgs":["RS256"]}'
    )


def test_the_prober_writes_the_edge_only(made: dict[str, dict[str, Any]]) -> None:
    rules = made["identity-prober-policy"]
    assert rules["name"] == "prober"
    assert (
        rules["rules"]
        == 'node "edge" {\n  policy = "write"\n}\nservice "edge" {\n  policy = "write"\n}\n'
    )


def test_only_frontserve_may_speak_with_backserve_and_nobody_with_anyone_else(
    made: dict[str, dict[str, Any]],
) -> None:
    entries = [one for one in made.values() if one.get("kind") == "service-intentions"]
    assert [(entry["name"], entry["configJson"]) for entry in entries] == [
        (
            "backserve",
            '{"Sources":[{"Action":"allow","Name":"frontserve","Precedence":9,"Type":"consul"}]}',
        )
    ]

"""Consul rights of each job, and intentions between services."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from infra.mtls import Access
from jobs.identity import WorkloadIdentity, WorkloadIdentityArgs
from jobs.intentions import Intentions, IntentionsArgs
from jobs.services import services
from tests.jobs.support.declared import settings
from tests.jobs.support.fake_cluster import FakeCluster, run

Claims = Mapping[str, str]


@pytest.fixture
def resources(cluster: FakeCluster) -> dict[str, dict[str, Any]]:
    def program() -> None:
        declared = services(settings())
        access = Access(
            authority="",
            certificate="",
            key="",
            consul=[],
            nomad=[],
            consul_token="",
            nomad_token="",
        )
        WorkloadIdentity("identity", WorkloadIdentityArgs(services=declared))
        Intentions("intentions", IntentionsArgs(services=declared, access=access))

    run(program)
    return cluster.created


def granted(resources: dict[str, dict[str, Any]], claims: Claims) -> set[tuple[str, str]]:
    """Return type and name of each binding that a login with ``claims`` matches.

    A selector is a conjunction of equations; an equation on a missing claim is false.
    """
    bindings = set()
    for rule in resources.values():
        if rule["token"] == "consul:index/aclBindingRule:AclBindingRule":
            equations = [equation.split(" == ") for equation in rule["selector"].split(" and ")]
            if all(
                claims.get(claim.removeprefix("value.")) == json.loads(value)
                for claim, value in equations
            ):
                bindings.add((rule["bindType"], rule["bindName"]))
    return bindings


def claims_of(job: str, namespace: str = "default", **others: str) -> Claims:
    return {"nomad_namespace": namespace, "nomad_job_id": job, **others}


@pytest.mark.parametrize(
    ("claims", "expected"),
    [
        (claims_of("backserve", nomad_task="backserve"), {("service", "backserve")}),
        (claims_of("backserve", nomad_service="backserve"), {("service", "backserve")}),
        (
            claims_of("backserve", nomad_service="backserve-health"),
            {("service", "backserve"), ("service", "backserve-health")},
        ),
        (claims_of("frontserve", nomad_task="frontserve"), {("service", "frontserve")}),
        (claims_of("prober", nomad_service="prober"), {("service", "prober")}),
        (claims_of("prober", nomad_task="prober"), {("service", "prober"), ("policy", "prober")}),
        # A job chooses the names of its tasks and services freely, but not its id.
        (claims_of("frontserve", nomad_service="backserve"), {("service", "frontserve")}),
        (claims_of("frontserve", nomad_task="prober"), {("service", "frontserve")}),
        (claims_of("other", nomad_task="frontserve"), set()),
        (claims_of("other", nomad_service="backserve"), set()),
        (claims_of("backserve-health", nomad_service="backserve-health"), set()),
        (claims_of("frontserve", namespace="mine", nomad_task="frontserve"), set()),
    ],
)
def test_a_job_gets_the_rights_of_its_own_services_only(
    resources: dict[str, dict[str, Any]], claims: Claims, expected: set[tuple[str, str]]
) -> None:
    assert granted(resources, claims) == expected


def test_no_bound_name_is_interpolated_from_a_claim(resources: dict[str, dict[str, Any]]) -> None:
    rules = [resource for resource in resources.values() if "bindName" in resource]
    assert len(rules) == 5
    assert not [rule for rule in rules if "$" in rule["bindName"]]
    assert {rule["authMethod"] for rule in rules} == {"nomad-workloads"}


def test_the_auth_method_trusts_nomads_keys_and_its_tokens_do_not_expire(
    resources: dict[str, dict[str, Any]],
) -> None:
    method = resources["identity-method"]
    assert (method["name"], method["type"]) == ("nomad-workloads", "jwt")
    assert "maxTokenTtl" not in method, "Nomad does not replace an expired token"
    assert method["configJson"] == (
        '{"BoundAudiences":["consul.io"],"ClaimMappings":{"nomad_job_id":"nomad_job_id",'
        '"nomad_namespace":"nomad_namespace",'
        '"nomad_service":"nomad_service","nomad_task":"nomad_task"},'
        '"JWKSURL":"http://127.0.0.1:4651/.well-known/jwks.json","JWTSupportedAlgs":["RS256"]}'
    )


def test_the_prober_writes_the_edge_only(resources: dict[str, dict[str, Any]]) -> None:
    rules = resources["identity-prober-policy"]
    assert rules["name"] == "prober"
    assert (
        rules["rules"]
        == 'node "edge" {\n  policy = "write"\n}\nservice "edge" {\n  policy = "write"\n}\n'
    )


def test_frontserve_may_connect_to_backserve_and_no_other_connection_is_allowed(
    resources: dict[str, dict[str, Any]],
) -> None:
    entries = [
        resource for resource in resources.values() if resource.get("kind") == "service-intentions"
    ]
    assert [(entry["name"], entry["configJson"]) for entry in entries] == [
        (
            "backserve",
            '{"Sources":[{"Action":"allow","Name":"frontserve","Precedence":9,"Type":"consul"}]}',
        )
    ]

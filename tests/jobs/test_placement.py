"""A job is planned before it is registered, and not registered when the cluster has no room."""

import asyncio
import socket
import traceback

import pulumi
import pytest
from pulumi.runtime import mocks

from infra.mtls import Access
from jobs import placement
from jobs.placement import NoPlacementError, require_placement
from jobs.service_job import ServiceJob, ServiceJobArgs
from tests.deploy.support.certificates import CertificateAuthority
from tests.jobs.support.declared import CHECKSUM, DEFAULTS, job, service
from tests.jobs.support.fake_cluster import FakeCluster, run
from tests.jobs.support.planner import TOKEN, Planner

SPEC = job("backserve").render()
FULL = {
    "backserve": {
        "NodesEvaluated": 4,
        "ConstraintFiltered": None,
        "DimensionExhausted": {"memory": 3, "cpu": 1},
    }
}


@pytest.fixture(autouse=True)
def short_poll_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "POLL_INTERVAL_S", 0.01)


def refusal(access: Access) -> str:
    with pytest.raises(NoPlacementError) as refused:
        asyncio.run(require_placement(SPEC, access))
    return str(refused.value)


def test_a_job_that_fits_is_returned_unchanged(planner: Planner) -> None:
    assert asyncio.run(require_placement(SPEC, planner.access)) == SPEC
    [(path, body)] = planner.requests
    assert path == "/v1/job/backserve/plan"
    assert body["Job"]["ID"] == "backserve"


def test_the_error_says_why_there_is_no_room(planner: Planner) -> None:
    planner.failures = [FULL]
    reason = (
        "no room for group backserve: "
        "cpu exhausted on 1 of 4 nodes, memory exhausted on 3 of 4 nodes"
    )
    assert refusal(planner.access) == f"job backserve is not registered: {reason}"
    filtered = {"missing drivers": 3, "${attr.kernel.name} = windows": 1}
    planner.failures = [
        {
            "backserve": {
                "NodesEvaluated": 4,
                "ConstraintFiltered": filtered,
                "DimensionExhausted": None,
            }
        }
    ]
    assert "constraint missing drivers filtered 3 of 4 nodes" in refusal(planner.access)
    planner.failures = [
        {"backserve": {"NodesEvaluated": 0, "ConstraintFiltered": None, "DimensionExhausted": None}}
    ]
    assert refusal(planner.access).endswith("no room for group backserve: no node is ready")


def test_a_node_may_report_its_resources_late(planner: Planner) -> None:
    planner.failures = [FULL, FULL, None]
    assert asyncio.run(require_placement(SPEC, planner.access)) == SPEC
    assert len(planner.requests) == 3


def test_an_unchanged_job_needs_no_placement(planner: Planner) -> None:
    planner.failures, planner.change = [FULL], "None"
    assert asyncio.run(require_placement(SPEC, planner.access)) == SPEC


def test_the_error_names_a_refusal_and_an_unreachable_nomad(planner: Planner) -> None:
    planner.status = 400
    assert refusal(planner.access).endswith("Nomad says 400: 1 error occurred: no datacenters")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"https://127.0.0.1:{unused.getsockname()[1]}"
        assert refusal({**planner.access, "nomad": [address]}).endswith(
            f"Nomad at {address} does not answer (ConnectionError)"
        )


def test_an_untrusted_server_gets_no_request_and_an_unknown_token_is_refused(
    planner: Planner,
) -> None:
    stranger = CertificateAuthority("stranger")
    assert refusal({**planner.access, "authority": stranger.pem}).endswith(
        "does not answer (SSLError)"
    )
    assert planner.requests == [], "the untrusted server received a request"
    assert refusal({**planner.access, "nomad_token": "another"}).endswith(
        "Nomad says 403: Permission denied"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"status": 400},
        {"key": "no key"},
        {"nomad": "https://127.0.0.1:1"},
        {"nomad_token": "b\nad"},
    ],
)
def test_no_error_contains_a_credential(planner: Planner, changes: dict[str, object]) -> None:
    planner.status = 400
    with pytest.raises(NoPlacementError) as refused:
        access = {**planner.access, **changes}
        asyncio.run(require_placement(SPEC, access))  # type: ignore[arg-type]
    text = "".join(traceback.format_exception(refused.value))
    assert not [
        secret for secret in (TOKEN, planner.access["key"], "no key", "b\nad") if secret in text
    ], text


def deploy(access: pulumi.Input[Access]) -> None:
    def program() -> pulumi.Output[str]:
        args = ServiceJobArgs(
            service=service("backserve"),
            defaults=DEFAULTS,
            url="http://spaces.test/backserve/abc.pyz",
            checksum=CHECKSUM,
            access=access,
        )
        return ServiceJob("backserve", args).job_id

    run(program)


def test_a_job_that_does_not_fit_is_not_registered(cluster: FakeCluster, planner: Planner) -> None:
    planner.failures = [FULL]
    with pytest.raises(NoPlacementError, match="memory exhausted on 3 of 4 nodes"):
        deploy(planner.access)
    tokens = [resource["token"] for resource in cluster.created.values()]
    assert "slipway:jobs:ServiceJob" in tokens
    assert "nomad:index/job:Job" not in tokens


def test_a_preview_plans_nothing(cluster: FakeCluster, planner: Planner) -> None:
    mocks.set_mocks(cluster, project="slipway", stack="test", preview=True)
    deploy(planner.access)
    assert planner.requests == []
    assert "nomad:index/job:Job" in [resource["token"] for resource in cluster.created.values()]


def test_the_jobspec_is_not_secret_though_the_credentials_are(
    cluster: FakeCluster, planner: Planner
) -> None:
    deploy(pulumi.Output.secret(planner.access))
    assert cluster.created["backserve"]["jobspec"] == SPEC, "a secret would be wrapped"
    assert len(planner.requests) == 1

"""A job is planned before it is registered, and is not registered when it has no place."""

import asyncio
import socket
import traceback
from functools import partial

import pulumi
import pytest
from pulumi.runtime import mocks

from infra.mtls import Access
from jobs import placement
from jobs.backserve import backserve_job
from jobs.jobspec import Artifact
from jobs.placement import NoPlaceError, placed
from jobs.service_job import ServiceJob, ServiceJobArgs
from tests.deploy.certificates import Authority
from tests.jobs.conftest import TOKEN, FakeCluster, Planner

CHECKSUM = "sha256:" + "b" * 64
backserve = partial(backserve_job, datacenter="nyc3", driver="exec", count=2, greeting="hi")
SPEC = backserve(
    Artifact(source="http://spaces.test/b.pyz", checksum=CHECKSUM, destination="local/b.pyz")
).render()
FULL = {
    "backserve": {
        "NodesEvaluated": 4,
        "ConstraintFiltered": None,
        "DimensionExhausted": {"memory": 3, "cpu": 1},
    }
}


@pytest.fixture(autouse=True)
def hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(placement, "PACE", 0.01)


def refusal(access: Access) -> str:
    with pytest.raises(NoPlaceError) as refused:
        asyncio.run(placed(SPEC, access))
    return str(refused.value)


def test_a_job_with_a_place_is_given_on_as_it_is(planner: Planner) -> None:
    assert asyncio.run(placed(SPEC, planner.access)) == SPEC
    [(path, body)] = planner.asked
    assert path == "/v1/job/backserve/plan"
    assert body["Job"]["ID"] == "backserve"


def test_why_there_is_no_place_is_told(planner: Planner) -> None:
    planner.failures = [FULL]
    room = "no room for group backserve: cpu exhausted on 1 of 4 nodes, memory exhausted on 3 of 4 nodes"
    assert refusal(planner.access) == f"job backserve, not registered: {room}"
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
    assert refusal(planner.access).endswith("no room for group backserve: no node of nyc3 is ready")


def test_a_node_may_take_a_moment_to_tell_what_it_has(planner: Planner) -> None:
    planner.failures = [FULL, FULL, None]
    assert asyncio.run(placed(SPEC, planner.access)) == SPEC
    assert len(planner.asked) == 3


def test_what_runs_as_it_is_asked_for_is_not_judged_again(planner: Planner) -> None:
    planner.failures, planner.change = [FULL], "None"
    assert asyncio.run(placed(SPEC, planner.access)) == SPEC


def test_a_refusal_and_a_silence_are_told(planner: Planner) -> None:
    planner.status = 400
    assert refusal(planner.access).endswith("Nomad says 400: 1 error occurred: no datacenters")
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        nobody = f"https://127.0.0.1:{unused.getsockname()[1]}"
        assert refusal({**planner.access, "nomad": nobody}).endswith(
            f"Nomad at {nobody} does not answer (ConnectionError)"
        )


def test_only_the_stacks_own_nomad_is_asked_and_only_a_known_token_is_answered(
    planner: Planner,
) -> None:
    stranger = Authority("stranger")
    assert refusal({**planner.access, "authority": stranger.pem}).endswith(
        "does not answer (SSLError)"
    )
    assert planner.asked == [], "nothing was shown to a server that nobody vouches for"
    assert refusal({**planner.access, "nomad_token": "another"}).endswith(
        "Nomad says 403: Permission denied"
    )


@pytest.mark.parametrize(
    "spoiled",
    [
        {"status": 400},
        {"key": "no key"},
        {"nomad": "https://127.0.0.1:1"},
        {"nomad_token": "b\nad"},
    ],
)
def test_no_failure_tells_what_was_asked_with(planner: Planner, spoiled: dict[str, object]) -> None:
    planner.status = 400
    with pytest.raises(NoPlaceError) as refused:
        asyncio.run(placed(SPEC, {**planner.access, **spoiled}))  # type: ignore[typeddict-item]  # that is the point
    told = "".join(traceback.format_exception(refused.value))
    assert not [
        word for word in (TOKEN, planner.access["key"], "no key", "b\nad") if word in told
    ], told


def deploy(access: pulumi.Input[Access]) -> None:
    def program() -> pulumi.Output[str]:
        args = ServiceJobArgs(
            job=backserve, url="http://spaces.test/b.pyz", checksum=CHECKSUM, access=access
        )
        return ServiceJob("backserve", args).job_id

    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


def test_a_job_without_a_place_is_not_registered(cluster: FakeCluster, planner: Planner) -> None:
    planner.failures = [FULL]
    with pytest.raises(NoPlaceError, match="memory exhausted on 3 of 4 nodes"):
        deploy(planner.access)
    assert [made["token"] for made in cluster.created.values()] == ["slipway:jobs:ServiceJob"]


def test_a_preview_asks_nobody(cluster: FakeCluster, planner: Planner) -> None:
    mocks.set_mocks(cluster, project="slipway", stack="test", preview=True)
    deploy(planner.access)
    assert planner.asked == []
    assert "nomad:index/job:Job" in [made["token"] for made in cluster.created.values()]


def test_the_job_is_no_secret_though_it_was_planned_with_one(
    cluster: FakeCluster, planner: Planner
) -> None:
    deploy(pulumi.Output.secret(planner.access))
    assert cluster.created["backserve"]["jobspec"] == SPEC.replace(
        "local/b.pyz", "local/backserve.pyz"
    ), "a secret would be wrapped"
    assert len(planner.asked) == 1

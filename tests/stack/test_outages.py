"""Outages of the cluster itself: instances that end meanwhile come back without any action."""

from collections.abc import Iterator

import pytest

from tests.stack.rig import Rig, wait_for
from tests.stack.traffic import Traffic

PRIME = "prime01nyc3"
MIN_FAILED_PLACEMENTS = 4
"""More than a limited number of attempts would allow; the outage lasts 45 s and longer."""
RECOVERY_TIMEOUT_S = 60


@pytest.fixture
def without_consul(rig: Rig) -> Iterator[Rig]:
    """The stack, while Consul on its only prime is stopped."""
    assert rig.ssh(PRIME, "systemctl stop consul").code == 0
    yield rig
    rig.ssh(PRIME, "systemctl start consul")


def _allocations(rig: Rig, job: str, status: str) -> set[str]:
    return {
        allocation["ID"]
        for allocation in rig.nomad(f"/v1/job/{job}/allocations")
        if allocation["ClientStatus"] == status and allocation["DesiredStatus"] != "stop"
    }


def _passing(rig: Rig, service: str) -> int:
    return len(rig.consul(f"/v1/health/service/{service}?passing"))


def test_instance_that_ends_while_consul_is_away_comes_back(without_consul: Rig) -> None:
    """Requests are answered meanwhile, by the instance that is left."""
    rig = without_consul
    ended = min(_allocations(rig, "backserve", "running"))
    failed_before = _failed_count(rig)
    rig.nomad(f"/v1/allocation/{ended}/stop", "POST")
    with Traffic(rig.outputs["url"]) as traffic:
        assert wait_for(lambda: _failed_count(rig) - failed_before >= MIN_FAILED_PLACEMENTS)
        assert ended not in _allocations(rig, "backserve", "running")
        assert rig.ssh(PRIME, "systemctl start consul").code == 0
        assert wait_for(
            lambda: len(_allocations(rig, "backserve", "running")) == 2, RECOVERY_TIMEOUT_S
        )
        assert wait_for(lambda: _passing(rig, "backserve") == 2, RECOVERY_TIMEOUT_S)
    traffic.assert_no_failures()


def _failed_count(rig: Rig) -> int:
    return sum(
        allocation["ClientStatus"] == "failed"
        for allocation in rig.nomad("/v1/job/backserve/allocations")
    )

"""Drills of machines and agents that fail, for a while or for good."""

import time

from tests.drills.changes import ONE_PRIME, THREE_PRIMES
from tests.drills.drill import NOTICE_S, Drill
from tests.drills.stage import DrillError, Stage
from tests.stack.rig import wait_for

LEADER_TIMEOUT_S = 60
AFTERMATH_S = 30
"""Time under load after a failure that nobody repairs."""


def reboot_worker(stage: Stage) -> None:
    stage.reboot(stage.worker_with("frontserve"))
    stage.wait_until_verified()


def reboot_only_prime(stage: Stage) -> None:
    stage.reboot(stage.name_of("prime01"))
    stage.wait_until_verified()


def keep_only_prime_off(stage: Stage) -> None:
    name = stage.name_of("prime01")
    stage.power(name, "power_off")
    time.sleep(stage.outage_s)
    stage.power(name, "power_on")
    stage.wait_until_verified()


def kill_leader(stage: Stage) -> None:
    """Power the leader off; the two other primes elect a new one and keep the cluster."""
    access, primes = stage.access(), stage.primes()
    leader = stage.leader(access, primes)
    stage.power(leader, "power_off")

    def has_new_leader() -> bool:
        return stage.leader(access, primes) not in ("", leader)

    if not wait_for(has_new_leader, LEADER_TIMEOUT_S):
        raise DrillError(f"no new leader within {LEADER_TIMEOUT_S} s")
    # The tools reach the cluster through another server.
    stage.require(stage.rig.deploy("logs", "backserve"), "deploy logs")
    stage.power(leader, "power_on")
    stage.wait_until_verified()


def destroy_primes(stage: Stage) -> None:
    """Destroy each prime in turn, and run one ``up`` after each."""
    for number in range(1, stage.topology.primes + 1):
        label = f"prime{number:02d}"
        with stage.expect_replaced(label):
            stage.destroy(stage.name_of(label))
            stage.up()


def _kill_agent(unit: str) -> Drill:
    def kill(stage: Stage) -> None:
        stage.target = stage.worker_with("frontserve")
        stage.mark_event()
        stage.kill_agent(stage.target, unit)
        time.sleep(AFTERMATH_S)

    def repair(stage: Stage) -> None:
        stage.revive_agent(stage.target, unit)
        stage.wait_until_verified()

    return Drill(
        name=f"{unit}-agent",
        topology=ONE_PRIME,
        summary=f"the {unit.capitalize()} agent of a worker is killed for good",
        act=kill,
        repair=repair,
        allowed_s=NOTICE_S,
    )


def power_off_worker(stage: Stage) -> None:
    stage.target = stage.worker_with("frontserve")
    stage.mark_event()
    stage.power(stage.target, "power_off")
    time.sleep(AFTERMATH_S)


def power_on_worker(stage: Stage) -> None:
    stage.power(stage.target, "power_on")
    stage.wait_until_verified()


DRILLS = (
    Drill(
        name="reboot-worker",
        topology=ONE_PRIME,
        summary="a worker reboots",
        act=reboot_worker,
    ),
    Drill(
        name="reboot-only-prime",
        topology=ONE_PRIME,
        summary="the only prime reboots",
        act=reboot_only_prime,
    ),
    Drill(
        name="only-prime-off",
        topology=ONE_PRIME,
        summary="the only prime is off, by default for 10 minutes",
        act=keep_only_prime_off,
    ),
    _kill_agent("consul"),
    _kill_agent("nomad"),
    Drill(
        name="worker-off",
        topology=ONE_PRIME,
        summary="a worker is powered off",
        act=power_off_worker,
        repair=power_on_worker,
        allowed_s=NOTICE_S,
    ),
    Drill(
        name="leader-off",
        topology=THREE_PRIMES,
        summary="the leader of three primes is powered off",
        act=kill_leader,
    ),
    Drill(
        name="primes-destroyed",
        topology=THREE_PRIMES,
        summary="each prime is destroyed in turn, one `up` after each",
        act=destroy_primes,
    ),
)

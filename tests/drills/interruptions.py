"""Drills of updates that are killed, and of new servers that die during a replacement."""

import subprocess
from collections.abc import Callable

from infra.cluster_api.consul import Consul
from infra.cluster_api.nomad import Nomad
from tests.drills import state
from tests.drills.changes import ONE_PRIME
from tests.drills.drill import Drill
from tests.drills.stage import SIZES, DrillError, Phase, Stage

UPDATE_TIMEOUT_S = 600
"""Time in which an update that lost its new server ends."""

API_INTERVAL_S = 1.0


def joining(stage: Stage) -> Phase:
    """A new worker is booted and is not a member yet."""
    before = stage.ids()
    return Phase(
        name="joining",
        has_begun=lambda: stage.new_droplet(before, "worker") is not None,
        interval_s=API_INTERVAL_S,
    )


def draining(stage: Stage) -> Phase:
    """A worker of the old generation is drained."""
    nomad = Nomad(stage.access())
    return Phase(
        name="draining",
        has_begun=lambda: any(node["Drain"] for node in nomad.request("GET", "/v1/nodes")),
    )


def leaving(stage: Stage) -> Phase:
    """A worker of the old generation left Consul, and its droplet still exists."""
    before, consul = stage.ids(), Consul(stage.access())
    workers = {name for name in before if name.startswith("worker")}
    return Phase(
        name="leaving",
        has_begun=lambda: not workers <= {name for name, _ in consul.alive_members()},
    )


def deleting(stage: Stage) -> Phase:
    """A droplet of the old generation is gone."""
    before = stage.ids()
    return Phase(
        name="deleting",
        has_begun=lambda: not set(before.values()) <= set(stage.ids().values()),
        interval_s=API_INTERVAL_S,
    )


def _interrupt_roll(phase: Callable[[Stage], Phase]) -> Drill:
    def interrupt(stage: Stage) -> None:
        with stage.expect_replaced("worker"):
            stage.toggle("worker_size", SIZES)
            stage.interrupt(phase(stage))
            stage.up()

    return Drill(
        name=f"killed-{phase.__name__}",
        topology=ONE_PRIME,
        summary=f"SIGKILL of `up` while workers are {phase.__name__}, then one `up`",
        act=interrupt,
    )


def lose_joining_server(stage: Stage) -> None:
    """Destroy the only prime's replacement before it is a voter, then run ``up``."""
    with stage.expect_replaced("prime01"):
        before, consul = stage.ids(), Consul(stage.access())
        old = stage.name_of("prime01")
        with stage.background("replace", old, "--yes") as process:

            def is_member() -> bool:
                name = stage.new_droplet(before, "prime")
                return name in {member for member, _ in consul.alive_members()}

            phase = Phase(
                name="the new server is a member",
                has_begun=is_member,
                interval_s=API_INTERVAL_S,
            )
            stage.wait_during(process, phase)
            voters = [server for server in state.raft_servers(consul) if server.is_voter]
            if len(voters) != 1:
                raise DrillError(f"{len(voters)} voters: the new server is one already")
            stage.destroy(str(stage.new_droplet(before, "prime")))
            _wait_for_end(process)
        stage.up()


def lose_one_of_two_voters(stage: Stage) -> None:
    """Destroy the only prime's replacement when both are voters, then run ``recover``."""
    with stage.expect_replaced("prime01"):
        before, access = stage.ids(), stage.access()
        old = stage.name_of("prime01")
        apis = (Consul(access), Nomad(access))
        with stage.background("replace", old, "--yes") as process:

            def are_voters() -> bool:
                return all(
                    sum(server.is_voter for server in state.raft_servers(api)) == 2 for api in apis
                )

            phase = Phase(name="both servers are voters", has_begun=are_voters)
            stage.wait_during(process, phase)
            stage.destroy(str(stage.new_droplet(before, "prime")))
            _wait_for_end(process)
        stage.recover(old)
        stage.up()


def _wait_for_end(process: subprocess.Popen[bytes]) -> None:
    """Wait until the update fails, because its new server is gone."""
    try:
        code = process.wait(UPDATE_TIMEOUT_S)
    except subprocess.TimeoutExpired:
        raise DrillError(f"the update did not end within {UPDATE_TIMEOUT_S} s") from None
    if code == 0:
        raise DrillError("the update succeeded without its new server")


DRILLS = (
    *map(_interrupt_roll, (joining, draining, leaving, deleting)),
    Drill(
        name="joining-server-dies",
        topology=ONE_PRIME,
        summary="the replacement of the only prime dies before it is a voter, then one `up`",
        act=lose_joining_server,
    ),
    Drill(
        name="voter-of-two-dies",
        topology=ONE_PRIME,
        summary="the replacement of the only prime dies as one of two voters, then `recover`",
        act=lose_one_of_two_voters,
    ),
)

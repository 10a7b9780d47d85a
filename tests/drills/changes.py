"""Drills of changes to a running cluster: rolls, versions, numbers and replacements."""

from tests.drills.drill import Drill
from tests.drills.stage import SIZES, TASK_DRIVERS, Stage, Topology
from toolchain.versions import Tool, older_tools, pinned_tools

ONE_PRIME = Topology(1, 4)
THREE_PRIMES = Topology(3, 3)


def change_image(stage: Stage) -> None:
    with stage.expect_replaced("prime", "worker"):
        stage.change_image()
        stage.up()


def change_worker_size(stage: Stage) -> None:
    with stage.expect_replaced("worker"):
        stage.toggle("worker_size", SIZES)
        stage.up()


def change_worker_size_in_batches(stage: Stage) -> None:
    with stage.expect_replaced("worker"):
        stage.toggle("worker_size", SIZES)
        stage.up("--batch", "2")


def change_prime_size(stage: Stage) -> None:
    with stage.expect_replaced("prime"):
        stage.toggle("prime_size", SIZES)
        stage.up()


def change_task_driver(stage: Stage) -> None:
    with stage.expect_replaced("worker"):
        stage.toggle("task_driver", TASK_DRIVERS)
        stage.up()


def scale_primes(stage: Stage) -> None:
    """Scale the primes up to three and back."""
    primes = stage.topology.primes
    with stage.expect_replaced():
        stage.rig.set(primes=3)
        stage.up()
        stage.rig.set(primes=primes)
        stage.up()


def scale_workers(stage: Stage) -> None:
    """Scale the workers up by two and back."""
    workers = stage.topology.workers
    with stage.expect_replaced():
        stage.rig.set(workers=workers + 2)
        stage.up()
        stage.rig.set(workers=workers)
        stage.up()


def replace_worker(stage: Stage) -> None:
    with stage.expect_replaced("worker01"):
        stage.replace(stage.name_of("worker01"))


def replace_only_prime(stage: Stage) -> None:
    with stage.expect_replaced("prime01"):
        stage.replace(stage.name_of("prime01"))


def replace_leader(stage: Stage) -> None:
    leader = stage.leader(stage.access(), stage.primes())
    with stage.expect_replaced(stage.label(leader)):
        stage.replace(leader)


START_DRIVERS = {"nomad": {"task_driver": "raw_exec"}}
"""Nomad 1.11.1 cannot download an artifact into a chroot on a kernel without Landlock."""


def _upgrade(tool: Tool, older: Tool) -> Drill:
    """Return the drill of an upgrade from an older version to the pinned one."""
    setting = f"{tool.name}_version"
    start_settings = {setting: older.version, **START_DRIVERS.get(tool.name, {})}

    def upgrade(stage: Stage) -> None:
        with stage.expect_replaced("prime", "worker"):
            stage.rig.set(**{setting: tool.version})
            stage.up()

    return Drill(
        name=f"{tool.name}-version",
        topology=ONE_PRIME,
        summary=", ".join(
            (
                f"{tool.name.capitalize()} {older.version} to {tool.version}",
                *(f"`{value}`" for value in START_DRIVERS.get(tool.name, {}).values()),
            )
        ),
        act=upgrade,
        start_settings=start_settings,
        older_tool=older,
    )


_PINNED = {tool.name: tool for tool in pinned_tools()}

DRILLS = (
    *(_upgrade(_PINNED[older.name], older) for older in older_tools()),
    Drill(
        name="image",
        topology=ONE_PRIME,
        summary="a file of the image changes",
        act=change_image,
    ),
    Drill(
        name="worker-size",
        topology=ONE_PRIME,
        summary="`worker_size` changes",
        act=change_worker_size,
    ),
    Drill(
        name="batches",
        topology=ONE_PRIME,
        summary="`worker_size` changes, by `up --batch 2`",
        act=change_worker_size_in_batches,
    ),
    Drill(
        name="prime-size",
        topology=ONE_PRIME,
        summary="`prime_size` changes",
        act=change_prime_size,
    ),
    Drill(
        name="task-driver",
        topology=ONE_PRIME,
        summary="`task_driver` changes",
        act=change_task_driver,
        changes_jobs=True,
    ),
    Drill(
        name="scale-primes",
        topology=ONE_PRIME,
        summary="1, 3 and again 1 prime",
        act=scale_primes,
    ),
    Drill(
        name="scale-workers",
        topology=ONE_PRIME,
        summary="4, 6 and again 4 workers",
        act=scale_workers,
    ),
    Drill(
        name="replace-worker",
        topology=ONE_PRIME,
        summary="`deploy replace` of a worker",
        act=replace_worker,
    ),
    Drill(
        name="replace-only-prime",
        topology=ONE_PRIME,
        summary="`deploy replace` of the only prime",
        act=replace_only_prime,
    ),
    Drill(
        name="replace-leader",
        topology=THREE_PRIMES,
        summary="`deploy replace` of the leader of three primes",
        act=replace_leader,
    ),
    Drill(
        name="image-three-primes",
        topology=THREE_PRIMES,
        summary="a file of the image changes",
        act=change_image,
    ),
)

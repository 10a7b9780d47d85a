"""Replacements of machines by plain ``pulumi up``, with droplets that are only records.

The updates have targets: the network, the droplets and what they need. So no agent is needed.
"""

from collections.abc import Iterator

import pytest

from infra.names import label_of_droplet
from tests.stack.large_plan import Commands, run_shell, seed_image
from tests.stack.rig import CommandResult, Rig

WORKERS = 3
SIZES = ("s-1vcpu-1gb", "s-1vcpu-2gb")


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A stack of one prime and three workers."""
    rig = Rig("recordsonly", tmp_path_factory.mktemp("cloud") / "checkout")
    try:
        rig.start("--machines", "memory")
        seed_image(rig)
        rig.set(workers=WORKERS, workload=False, worker_size=SIZES[0])
        created = update(rig)
        assert created.code == 0, created.output[-4000:]
        yield rig
    finally:
        rig.stop()


def update(stack: Rig, options: str = "", environment: str = "") -> CommandResult:
    """Run ``pulumi up`` with targets."""
    command = Commands.read().up.replace("pulumi up", f"{environment} pulumi up {options}")
    return run_shell(stack, command)


def urn(stack: Rig, name: str) -> str:
    [found] = [str(item["urn"]) for item in stack.resources if item["urn"].endswith(name)]
    return found


def droplets(stack: Rig) -> dict[str, tuple[int, str, str]]:
    """Return id, name and size of the one droplet in each slot."""
    listed = stack.api("/v2/droplets?per_page=200")["droplets"]
    by_slot = {
        label_of_droplet(item["name"]): (item["id"], item["name"], item["size_slug"])
        for item in listed
    }
    assert len(by_slot) == len(listed) == 1 + WORKERS
    return by_slot


def replaced(
    before: dict[str, tuple[int, str, str]], after: dict[str, tuple[int, str, str]]
) -> list[str]:
    """Return the slots whose droplet is another one; check that it also has another name."""
    slots = [slot for slot in before if before[slot][0] != after[slot][0]]
    assert [slot for slot in slots if before[slot][1] == after[slot][1]] == []
    return sorted(slots)


def test_an_update_replaces_only_the_machines_of_its_batch(stack: Rig) -> None:
    before = droplets(stack)
    [size] = set(SIZES) - {before["worker01"][2]}
    stack.set(worker_size=size)
    first = update(stack, environment="SLIPWAY_BATCH=worker01,worker03")
    assert first.code == 0, first.output[-4000:]
    after = droplets(stack)
    assert replaced(before, after) == ["worker01", "worker03"]
    assert (after["worker01"][2], after["worker02"][2]) == (size, before["worker02"][2])

    unchanged = update(stack, "--expect-no-changes", "SLIPWAY_BATCH=prime01")
    assert unchanged.code == 0, unchanged.output[-4000:]

    last = update(stack)
    assert last.code == 0, last.output[-4000:]
    assert replaced(after, droplets(stack)) == ["worker02"]


def test_a_replaced_generation_gets_a_name_of_its_own(stack: Rig) -> None:
    before = droplets(stack)
    done = update(stack, f"--replace '{urn(stack, ':Generation::generation-worker02')}'")
    assert done.code == 0, done.output[-4000:]
    assert replaced(before, droplets(stack)) == ["worker02"]


def test_a_droplet_is_not_replaced_by_one_of_its_name(stack: Rig) -> None:
    before = droplets(stack)
    refused = update(stack, f"--replace '{urn(stack, ':Droplet::worker02')}'")
    assert refused.code != 0
    name = before["worker02"][1]
    assert f"a droplet {name} exists" in refused.output
    assert f"python -m deploy replace dev {name}" in refused.output
    assert droplets(stack) == before
    again = update(stack, "--expect-no-changes")
    assert again.code == 0, again.output[-4000:]

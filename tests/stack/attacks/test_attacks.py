"""Every attack of the table: it succeeds on a twin that nothing protects, and the stack refuses it, for the right reason."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.attacks import machines, stack_target, unprotected_control
from tests.stack.attacks.attack import Attack
from tests.stack.attacks.known_limits import LIMITS, Limit
from tests.stack.attacks.table import TABLE, listed
from tests.stack.attacks.target import Machine, Victim
from tests.stack.rig import Rig

ATTACKS = [attack for attacks in TABLE.values() for attack in attacks]


@pytest.fixture(scope="module")
def of_stack(deployed: Rig) -> dict[str, Machine]:
    return machines.of_stack(deployed)


@pytest.fixture(scope="module")
def unguarded(
    deployed: Rig, of_stack: dict[str, Machine], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Victim]:
    """The twin; gone before another test looks at the stack."""
    neighbour = of_stack["worker01nyc3"]
    with unprotected_control.built(
        deployed,
        tmp_path_factory.mktemp("twin"),
        neighbour,
        neighbour.name.removeprefix("worker01"),
    ) as made:
        yield made


@pytest.fixture(scope="module")
def guarded(deployed: Rig, of_stack: dict[str, Machine], unguarded: Victim) -> Iterator[Victim]:
    with stack_target.guarded(deployed, of_stack, unguarded.prime.station) as made:
        yield made


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_the_attack_succeeds_on_the_twin_and_the_stack_refuses_it(
    attack: Attack, unguarded: Victim, guarded: Victim
) -> None:
    done = attack.run(unguarded)
    assert done.succeeded, f"not even on the twin: {done.seen}"
    tried = attack.run(guarded)
    assert not tried.succeeded, tried.seen
    assert re.search(attack.refusal, tried.seen, re.DOTALL), f"not refused as meant: {tried.seen}"


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_the_stack_does_not_refuse(limit: Limit, guarded: Victim) -> None:
    """Known, and told; a version of Nomad or Consul that does refuse it is good news for the document."""
    done = limit.run(guarded)
    assert done.succeeded, done.seen


def test_the_attacks_have_names_of_their_own() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names)) > 40


def test_the_document_names_what_was_tried() -> None:
    text = (Path(__file__).parents[3] / "docs/security.md").read_text()
    tried = text.partition("## What was tried\n")[2]
    limits = text.partition("## What an intruder on a worker gets all the same\n")[2].partition(
        "\n## "
    )[0]
    assert tried.rstrip().endswith(listed()), listed()
    assert [line[2:] for line in limits.splitlines() if line.startswith("- ")] == [
        limit.name for limit in LIMITS
    ]

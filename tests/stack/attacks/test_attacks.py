"""Each attack succeeds on an unprotected control, and the stack refuses it for the right reason."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.stack.attacks.attack import Attack
from tests.stack.attacks.known_limits import LIMITS, Limit
from tests.stack.attacks.machines import stack_machines
from tests.stack.attacks.stack_target import stack_target
from tests.stack.attacks.table import ATTACKS, as_markdown
from tests.stack.attacks.target import Machine, Target
from tests.stack.attacks.unprotected_control import unprotected_control
from tests.stack.rig import Rig

DOCUMENT = Path(__file__).parents[3] / "docs/security.md"


@pytest.fixture(scope="module")
def machines(deployed: Rig) -> dict[str, Machine]:
    return stack_machines(deployed)


@pytest.fixture(scope="module")
def control(
    deployed: Rig, machines: dict[str, Machine], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Target]:
    """The unprotected control, deleted before another module uses the stack."""
    neighbour = machines["worker01nyc3"]
    with unprotected_control(
        deployed, tmp_path_factory.mktemp("control"), neighbour, "nyc3"
    ) as target:
        yield target


@pytest.fixture(scope="module")
def stack(deployed: Rig, machines: dict[str, Machine], control: Target) -> Iterator[Target]:
    with stack_target(deployed, machines, control.prime.namespace) as target:
        yield target


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack.name)
def test_attack_succeeds_on_control_and_fails_on_stack(
    attack: Attack, control: Target, stack: Target
) -> None:
    on_control = attack.run(control)
    assert on_control.succeeded, f"fails on the unprotected control: {on_control.detail}"
    on_stack = attack.run(stack)
    assert not on_stack.succeeded, on_stack.detail
    assert re.search(attack.refusal, on_stack.detail, re.DOTALL), (
        f"not refused for the expected reason: {on_stack.detail}"
    )


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_known_limit_still_holds(limit: Limit, stack: Target) -> None:
    """If a version of Nomad or Consul refuses it, docs/security.md can drop the limit."""
    outcome = limit.run(stack)
    assert outcome.succeeded, outcome.detail


def test_attack_names_are_unique() -> None:
    names = [attack.name for attack in ATTACKS]
    assert len(names) == len(set(names)) > 40


def test_document_lists_attacks_and_limits() -> None:
    text = DOCUMENT.read_text()
    assert as_markdown() in text, "run `python -m tests.stack.attacks.table`"
    assert "\n".join(f"- {limit.name}" for limit in LIMITS) in text

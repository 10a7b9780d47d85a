"""Operations of the engine on a stack: preview, up, rotate, restore, refresh, drift and destroy."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from dataclasses import replace as replace_fields
from typing import Any, Literal

from pulumi import automation

from deploy import deployment_failure, failure
from deploy.failure import Failure
from deploy.progress.changes import Change
from deploy.progress.display import PhaseDisplay
from deploy.progress.follower import EventFollower
from deploy.progress.phases import Phase, kind_of_type
from deploy.progress.risks import risks
from deploy.progress.tracker import Tracker
from deploy.pulumi_cli import PulumiCli
from deploy.serving import Serving
from deploy.stack import Workspace, expected_machines, resources
from deploy.terminal import Terminal

Operation = Literal["preview", "up", "rotate", "restore", "refresh", "drift", "destroy"]
Result = Literal["succeeded", "failed", "cancelled"]
PREVIEWS = ("preview", "drift")
UPDATES = ("up", "rotate", "restore")


@dataclass(frozen=True)
class Outcome:
    """The result of an operation. ``outputs`` holds no secret; times are in seconds."""

    operation: Operation
    stack: str
    result: Result
    seconds: float
    changes: tuple[Change, ...] = ()
    failures: tuple[Failure, ...] = ()
    outputs: dict[str, Any] = field(default_factory=dict)
    risks: tuple[str, ...] = ()
    orphans: tuple[dict[str, Any], ...] = ()
    """Found before the operation; ``up``, ``rotate`` and ``destroy`` have deleted them."""
    serving: Serving = field(default_factory=Serving)
    """What an update has left serving; empty for other operations."""

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        """Return the number of resources for each action: ``12 created, 1 updated``."""
        counts = Counter(change.action for change in self.changes)
        return ", ".join(f"{number} {action}" for action, number in counts.items()) or "no changes"


def run(
    operation: Operation,
    stack: automation.Stack,
    pulumi_cli: PulumiCli,
    terminal: Terminal,
    replace: Sequence[str] = (),
    *,
    clear_pending_creates: bool = True,
) -> Outcome:
    """Run ``operation`` to its end, with progress on ``terminal``.

    A failed operation raises nothing: the outcome holds its failures.

    A rotation or a restore is an update that replaces the resources of the URNs in ``replace``; a
    preview with ``replace`` shows what the rotation would do. A destroy continues past what cannot
    be deleted, so that as little as possible is left and costs money.

    A refresh removes pending creates from the state, unless ``clear_pending_creates`` is false.
    """
    assert isinstance(stack.workspace, Workspace)
    types = {state["urn"]: state["type"] for state in stack.workspace.state.resources}
    tracker = Tracker(
        {urn: type for urn, type in types.items() if _is_counted(type)},
        {Phase.MACHINES: expected_machines(stack.workspace.work_dir, stack.name)},
        deletes=operation == "destroy",
    )
    display = PhaseDisplay(tracker, terminal)
    follower = EventFollower(
        terminal,
        tracker,
        display,
        plans_only=operation in PREVIEWS,
        is_interrupted=lambda: pulumi_cli.interrupts > 0,
    )
    on_event = follower.on_event
    actions: dict[Operation, Callable[[], object]] = {
        "preview": lambda: stack.preview(on_event=on_event, replace=[*replace]),
        "up": lambda: stack.up(on_event=on_event, show_secrets=False),
        **dict.fromkeys(
            ("rotate", "restore"),
            lambda: stack.up(on_event=on_event, show_secrets=False, replace=[*replace]),
        ),
        "refresh": lambda: stack.refresh(
            on_event=on_event,
            show_secrets=False,
            clear_pending_creates=clear_pending_creates,
        ),
        "drift": lambda: stack.preview_refresh(on_event=on_event),
        "destroy": lambda: stack.destroy(
            on_event=on_event, show_secrets=False, continue_on_error=True
        ),
    }
    result: Result = "succeeded"
    outputs: dict[str, Any] = {}
    failures = follower.failures
    try:
        with pulumi_cli.interruptible(), display:
            returned = actions[operation]()
        if isinstance(returned, automation.UpResult):
            outputs = public(returned.outputs)
    except automation.CommandError as error:
        result = "failed"
        if not failures and not pulumi_cli.interrupts:
            failures.append(failure.of_command(error, stack.name))
    if pulumi_cli.interrupts:
        result = "cancelled"
    if result == "failed" and operation in UPDATES:
        failures = deployment_failure.explain(
            failures,
            lambda: resources(stack.name, pulumi_cli, stack.workspace.work_dir, secrets=True),
        )
    if pulumi_cli.is_killed:
        stack.cancel()  # The lock of a killed update would refuse the next one.
    machines = [
        failure.name_of(urn)
        for urn, type in types.items()
        if kind_of_type(type).phase is Phase.MACHINES
    ]
    return Outcome(
        operation,
        stack.name,
        result,
        round(terminal.elapsed(), 1),
        tuple(follower.changes),
        tuple(replace_fields(item, message=terminal.hide(item.message)) for item in failures),
        outputs,
        tuple(risks(follower.changes, machines)),
    )


def public(outputs: automation.OutputMap) -> dict[str, Any]:
    """Return the outputs that are not secret."""
    return {name: output.value for name, output in outputs.items() if not output.secret}


def _is_counted(type_token: str) -> bool:
    return kind_of_type(type_token).phase is not Phase.OTHER

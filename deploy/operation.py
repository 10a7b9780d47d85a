"""What the engine does with a stack: preview, up, rotate, refresh, drift and destroy, each with one outcome."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from pulumi import automation

from deploy import deployment_failure, failure
from deploy.failure import Failure
from deploy.progress import Change, Progress
from deploy.pulumi_cli import PulumiCli
from deploy.stack import resources
from deploy.terminal import Terminal

Operation = Literal["preview", "up", "rotate", "refresh", "drift", "destroy"]
Result = Literal["succeeded", "failed", "cancelled"]


@dataclass(frozen=True)
class Outcome:
    """What came of an operation. ``outputs`` holds no secret; times are in seconds."""

    operation: Operation
    stack: str
    result: Result
    seconds: float
    changes: tuple[Change, ...] = ()
    failures: tuple[Failure, ...] = ()
    outputs: dict[str, Any] = field(default_factory=dict)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def summary(self) -> str:
        """How many resources by what was done with them, or would be: ``12 created, 1 updated``."""
        counts = Counter(change.action for change in self.changes)
        return ", ".join(f"{number} {action}" for action, number in counts.items()) or "no changes"


def run(
    operation: Operation,
    stack: automation.Stack,
    engine: PulumiCli,
    terminal: Terminal,
    replace: Sequence[str] = (),
) -> Outcome:
    """Do ``operation`` to its end, with progress on ``terminal``. Never raises for a failed update: the outcome tells.

    A rotation is an update that makes the resources of the URNs in ``replace`` anew, whatever the program says of them; a
    preview tells with them what it would do.

    A destroy goes on past what cannot be deleted, so that as little as possible is left and costs money; the engine
    still ends it as failed.
    """
    progress = Progress(
        terminal,
        planning=operation in ("preview", "drift"),
        interrupted=lambda: engine.interrupts > 0,
    )
    begin: dict[Operation, Callable[[], object]] = {
        "preview": lambda: stack.preview(on_event=progress.on_event, replace=[*replace]),
        "up": lambda: stack.up(on_event=progress.on_event, show_secrets=False),
        "rotate": lambda: stack.up(
            on_event=progress.on_event, show_secrets=False, replace=[*replace]
        ),
        "refresh": lambda: stack.refresh(
            on_event=progress.on_event, show_secrets=False, clear_pending_creates=True
        ),
        "drift": lambda: stack.preview_refresh(on_event=progress.on_event),
        "destroy": lambda: stack.destroy(
            on_event=progress.on_event, show_secrets=False, continue_on_error=True
        ),
    }
    result: Result = "succeeded"
    outputs: dict[str, Any] = {}
    try:
        with engine.interruptible():
            done = begin[operation]()
        if isinstance(done, automation.UpResult):
            outputs = public(done.outputs)
    except automation.CommandError as error:
        result = "cancelled" if engine.interrupts else "failed"
        if not progress.failures and result == "failed":
            progress.failures.append(failure.of_command(error))
    if result == "failed" and operation in ("up", "rotate"):
        progress.failures = deployment_failure.explain(
            progress.failures,
            lambda: resources(stack.name, engine, stack.workspace.work_dir, secrets=True),
        )
    if engine.killed:
        stack.cancel()  # the lock of a killed update would refuse the next one
    failures = tuple(
        Failure(one.resource, one.type, terminal.hide(one.message)) for one in progress.failures
    )
    return Outcome(
        operation,
        stack.name,
        result,
        round(terminal.elapsed(), 1),
        tuple(progress.changes),
        failures,
        outputs,
    )


def public(outputs: automation.OutputMap) -> dict[str, Any]:
    """The outputs that are no secrets."""
    return {name: output.value for name, output in outputs.items() if not output.secret}

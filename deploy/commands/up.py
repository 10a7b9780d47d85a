"""``up``: make the stack what the program says."""

import argparse

from pulumi import automation

from deploy import batches, stack
from deploy.commands.command import Command, add_parser
from deploy.errors import UsageError
from deploy.failure import kind_of
from deploy.machines import list_machines
from deploy.operation import Outcome
from deploy.progress.risks import can_lose

DESCRIPTION = """\
Make the stack what the program says. If this replaces or deletes machines or data, or stops a
service, a preview shows it first, and `up` asks for the stack's name on a terminal. Without a
terminal it then changes nothing. With --yes there is neither a preview nor a question."""
REFUSAL = "give --yes, or the stack's name when asked"


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(
        subparsers, "up", run, "make the stack what the program says", has_details=True
    )
    parser.description = DESCRIPTION
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--batch",
        type=_positive,
        metavar="N",
        help="replace at most N machines at a time, by one update after another, for an account "
        "whose droplet limit does not allow twice the machines",
    )


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of machines")
    return int(text)


def run(command: Command) -> int:
    if size := command.args.batch:
        return _run_in_batches(command, size)
    selected = command.select("up", create=True)
    if not command.args.yes and _has_something_to_lose(selected):
        plan = command.operate("preview", selected=selected)
        if plan.result != "succeeded":
            return command.report(plan)
        _require_consent(command, plan)
        # The answer may have taken long.
        selected = command.select("up")
    return command.report(command.operate("up", selected=selected))


def _has_something_to_lose(selected: automation.Stack) -> bool:
    return can_lose(kind_of(resource["urn"]) for resource in stack.state_of(selected).resources)


def _require_consent(command: Command, plan: Outcome) -> None:
    """Ask whether the update may run, if it has risks.

    Raises:
        UsageError: it may not, or there is no terminal.
    """
    if plan.risks and not command.is_confirmed(f"Update the stack {command.stack_name}?"):
        raise UsageError(
            f"nothing was changed; the update has risks ({'; '.join(plan.risks)}): {REFUSAL}"
        )


def _run_in_batches(command: Command, size: int) -> int:
    """Run one update for each batch, and a last one for what concerns no machine."""
    directory, name = command.directory, command.stack_name
    machines = list_machines(command.resources())
    batches.require_same_kind(
        machines,
        region=stack.setting(directory, name, "region"),
        task_driver=stack.setting(directory, name, "task_driver"),
    )
    made = batches.make_batches(machines, size)
    # A preview of the whole change would exceed the droplet limit.
    if not command.args.yes and not command.is_confirmed(
        f"Replace machines of the stack {name}, {size} at a time?"
    ):
        raise UsageError(f"nothing was replaced; {REFUSAL}")
    for number, batch in enumerate(made, 1):
        command.terminal.line(f"batch {number} of {len(made)}: {', '.join(batch)}")
        with batches.replacing_only(batch):
            outcome = command.operate("up")
        if outcome.result != "succeeded":
            return command.report(outcome, batch=batch)
    return command.report(command.operate("up"))

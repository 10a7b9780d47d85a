"""``up``: make the stack what the program says."""

import argparse

from deploy import batches, stack
from deploy.commands.command import Command, add_parser
from deploy.machines import list_machines


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(
        subparsers, "up", run, "make the stack what the program says", has_details=True
    )
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
    return command.report(command.operate("up", create=True))


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
    for number, batch in enumerate(made, 1):
        command.terminal.line(f"batch {number} of {len(made)}: {', '.join(batch)}")
        with batches.replacing_only(batch):
            outcome = command.operate("up")
        if outcome.result != "succeeded":
            return command.report(outcome, batch=batch)
    return command.report(command.operate("up"))

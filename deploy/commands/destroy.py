"""``destroy``: delete the stack's resources, then search the account for any that are left."""

import argparse
from collections.abc import Sequence

from deploy.commands.command import FAILED, OK, Command, add_parser
from deploy.errors import NoSuchStackError, UsageError
from deploy.orphans.kinds import CloudResource
from deploy.orphans.proof import base_images, find_left
from deploy.orphans.search import has_bucket
from deploy.terminal import Terminal
from infra.digitalocean_api import ApiError


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(
        subparsers,
        "destroy",
        run,
        "destroy the stack, then check that the account has nothing left of it",
        has_details=True,
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")
    parser.add_argument(
        "--if-exists", action="store_true", help="succeed if the stack does not exist"
    )


def run(command: Command) -> int:
    args, terminal = command.args, command.terminal
    if not args.yes and not command.is_confirmed(
        f"Destroy everything of the stack {command.stack_name}?"
    ):
        raise UsageError("nothing was destroyed; give --yes, or the stack's name when asked")
    try:
        former = command.state()
    except NoSuchStackError as error:
        if not args.if_exists:
            raise
        terminal.line(str(error))
        return OK
    outcome = command.operate("destroy")
    if outcome.result == "cancelled":
        return command.report(outcome)
    problems: list[str] = []
    try:
        left = find_left(
            command.api,
            command.orphans.spaces,
            command.prefix,
            command.orphans.region,
            former,
            problems.append,
        )
        images = base_images(command.api)
    except ApiError as error:
        command.report(outcome, left=None, not_searched=[str(error)])
        terminal.line(f"what is left is unknown: {error}", "red")
        return FAILED
    monthly_usd = sum(resource.monthly_usd for resource in left)
    code = command.report(
        outcome,
        left=[resource.as_json() for resource in left],
        not_searched=problems,
        base_images=[image.as_json() for image in images],
        monthly_usd=monthly_usd,
    )
    _show_left(left, images, monthly_usd, terminal)
    for problem in problems:
        terminal.line(f"whether a bucket is left is unknown: {problem}", "red")
    # A stack that never had a bucket leaves none; a memory cloud has no Spaces at all.
    is_uncertain = bool(problems) and has_bucket(former)
    return FAILED if left or is_uncertain else code


def _show_left(
    left: Sequence[CloudResource],
    base_images: Sequence[CloudResource],
    monthly_usd: float,
    terminal: Terminal,
) -> None:
    if left:
        terminal.table(
            ("left", "id", "name", "USD a month"),
            [
                (resource.kind, resource.id, resource.name, f"{resource.monthly_usd:.2f}")
                for resource in left
            ],
        )
    for image in base_images:
        terminal.line(
            f"the account still has the base image {image.name}, which stacks share: "
            f"{image.monthly_usd:.2f} USD a month",
            "yellow",
        )
    noun = "resource" if len(left) == 1 else "resources"
    terminal.line(
        f"the account has {len(left)} {noun} of this stack: {monthly_usd:.2f} USD a month",
        "red" if left else "green",
    )

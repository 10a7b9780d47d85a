"""``verify``: check that the stack serves."""

import argparse

from deploy import stack
from deploy.backup.age import check_age
from deploy.commands.command import FAILED, OK, Command, add_parser
from deploy.orphans.spaces import Spaces, SpacesError
from deploy.verify import CheckResult, verify
from infra.digitalocean_api import ApiError


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add_parser(
        subparsers, "verify", run, "check that the stack serves: URL, members, nodes, jobs, checks"
    )


def run(command: Command) -> int:
    results = [*verify(command.outputs()), _check_orphans(command), _check_backups(command)]
    is_verified = all(result.ok for result in results)
    command.terminal.table(
        ("", "check", "detail"),
        [(result.word, result.subject, result.detail) for result in results],
    )
    command.terminal.line(
        "verified" if is_verified else "not verified", "green" if is_verified else "red"
    )
    command.print_json(
        {
            "stack": command.stack_name,
            "verified": is_verified,
            "checks": [
                {
                    "check": result.subject,
                    "ok": result.ok,
                    "warning": result.is_warning,
                    "detail": result.detail,
                }
                for result in results
            ],
        }
    )
    return OK if is_verified else FAILED


def _check_orphans(command: Command) -> CheckResult:
    """Check that the account has nothing of the stack that its state does not have."""
    try:
        orphans = command.orphans.search(command.state())
    except ApiError as error:
        return CheckResult("account", False, str(error))
    problems = list(command.orphans.not_searched)
    if orphans:
        listed = ", ".join(str(orphan) for orphan in orphans)
        problems.append(
            f"not in the state: {listed}; run `python -m deploy prune {command.stack_name}`"
        )
    detail = "; ".join(problems) or "everything of the stack is in its state"
    return CheckResult("account", not problems, detail)


def _check_backups(command: Command) -> CheckResult:
    """Warn if the last backup is older than two periods. The stack serves without one."""
    period_h = int(stack.setting(command.directory, command.stack_name, "backup_period"))
    try:
        state = stack.resources(
            command.stack_name, command.pulumi_cli, command.directory, secrets=True
        )
        is_late, detail = check_age(state, Spaces(command.setting), period_h)
    except SpacesError as error:
        is_late, detail = True, str(error)
    return CheckResult("backups", True, detail, is_warning=is_late)

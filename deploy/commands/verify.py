"""``verify``: check that the stack serves."""

import argparse

from deploy.commands.command import FAILED, OK, Command, add_parser
from deploy.verify import CheckResult, verify
from infra.digitalocean_api import ApiError


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    add_parser(
        subparsers, "verify", run, "check that the stack serves: URL, members, nodes, jobs, checks"
    )


def run(command: Command) -> int:
    results = [*verify(command.outputs()), _check_orphans(command)]
    is_verified = all(result.ok for result in results)
    command.terminal.table(
        ("", "check", "detail"),
        [("ok" if result.ok else "WRONG", result.subject, result.detail) for result in results],
    )
    command.terminal.line(
        "verified" if is_verified else "not verified", "green" if is_verified else "red"
    )
    command.print_json(
        {
            "stack": command.stack_name,
            "verified": is_verified,
            "checks": [
                {"check": result.subject, "ok": result.ok, "detail": result.detail}
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

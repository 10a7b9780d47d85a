"""``rotate``: replace secrets, and revoke the old ones."""

import argparse
import sys

from deploy import rotation
from deploy.commands.command import OK, Command, add_parser
from deploy.errors import UsageError

DESCRIPTION = """\
Replace secrets by an update, deliver the new ones to every agent and client, and revoke the old.
The agents reload them while they run, and no request is lost."""
KINDS = """\
kinds:
  gossip        the keys that encrypt Consul's and Nomad's gossip
  tokens        of every node, of DNS, backups and the operator, and the management tokens
  certificates  with their keys, of every node and of the operator

never rotated: the certificate authority, the droplets' host keys, the enrolment key

an interrupted rotation leaves a working cluster: `up` delivers the new secrets, `rotate` replaces
all of them again
"""


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(
        subparsers,
        "rotate",
        run,
        "replace secrets, deliver the new ones, and revoke the old",
        has_details=True,
    )
    parser.description, parser.epilog = DESCRIPTION, KINDS
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "kind",
        nargs="?",
        choices=rotation.KINDS,
        default=rotation.ALL,
        help="which secrets (default: all)",
    )
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(command: Command) -> int:
    args, terminal = command.args, command.terminal
    refusal = UsageError("nothing was rotated; give --yes, or the stack's name when asked")
    if not args.yes and not sys.stdin.isatty():
        raise refusal
    urns_by_kind = rotation.urns_to_replace(args.kind, command.resources())
    urns = [urn for urns in urns_by_kind.values() for urn in urns]
    if not urns:
        raise UsageError(
            f"the stack {command.stack_name} has nothing to rotate; run "
            f"`python -m deploy up {command.stack_name}` first"
        )
    if not args.yes:
        preview = command.operate("preview", replace=urns)
        if preview.result != "succeeded":
            return command.report(preview)
        if not command.is_confirmed(f"Rotate these secrets of the stack {command.stack_name}?"):
            raise refusal
    outcome = command.operate("rotate", replace=urns)
    rotated = rotation.replaced_names(outcome.changes, urns_by_kind)
    code = command.report(outcome, rotated=rotated)
    for kind, names in rotated.items():
        total = len(urns_by_kind[kind])
        terminal.line(
            f"rotated {kind}: {len(names)} of {total} replaced",
            "yellow" if len(names) < total else "green",
        )
    if code != OK:
        terminal.line(
            f"`python -m deploy up {command.stack_name}` delivers the new secrets; "
            f"`python -m deploy rotate {command.stack_name}` replaces all of them again"
        )
    return code

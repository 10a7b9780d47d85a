"""``python -m deploy COMMAND STACK``: see ``--help``."""

import argparse
import json
import os
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from pulumi import automation

from deploy import failure, operation, orphans, rotation, stack, status, verify
from deploy.account import AccountError
from deploy.cluster import ClusterError
from deploy.pulumi_cli import PulumiCli
from deploy.remote_access import RemoteAccess
from deploy.ssh import UnknownHostError
from deploy.stack import NoSuchStackError, UsageError
from deploy.terminal import Terminal

OK, FAILED, USAGE, CHANGES, INTERRUPTED = 0, 1, 2, 3, 130
EXIT_CODES = """\
exit codes:
  0    done, and as it should be
  1    failed
  2    wrong usage or wrong settings; nothing was changed
  3    changes were found (drift; preview --expect-no-changes)
  130  interrupted: the update was cancelled in good order
"""
ROTATE = """\
Make secrets anew by an update that replaces them, hand them on to all that hold them, and end what the former ones were good for.
The agents take them while they run, and no request is lost."""
KINDS = """\
kinds:
  gossip        the keys with which Consul's and Nomad's members talk to each other
  tokens        of every node, of DNS, of the operator, and the two that manage
  certificates  with their keys, of every node and of the operator

never rotated: the authority that signs, the droplets' host keys, the key of enrolment

interrupted, a rotation leaves a cluster that works: `up` hands on what was made anew, `rotate` makes all of it anew
"""


def main(argv: list[str] | None = None) -> int:
    asked = parser().parse_args(argv)
    terminal = Terminal()
    os.environ.setdefault("PULUMI_SKIP_UPDATE_CHECK", "true")
    try:
        command: Callable[[argparse.Namespace, Terminal], int] = asked.command
        return command(asked, terminal)
    except UsageError as error:
        return _fail(asked, terminal, str(error), USAGE)
    except automation.CommandError as error:
        return _fail(asked, terminal, failure.of_command(error).message, FAILED)
    except (AccountError, ClusterError, UnknownHostError, automation.InvalidVersionError) as error:
        return _fail(asked, terminal, str(error), FAILED)
    except FileNotFoundError as error:
        if error.filename != "pulumi":
            raise
        return _fail(asked, terminal, "pulumi is not on PATH", FAILED)
    except BrokenPipeError:
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # or the flush at exit would fail once more
        return OK
    except KeyboardInterrupt:
        return _fail(asked, terminal, "interrupted", INTERRUPTED)


def parser() -> argparse.ArgumentParser:
    """The commands and their options."""
    whole = argparse.ArgumentParser(
        prog="python -m deploy",
        description="Run the program of this checkout on a stack.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = whole.add_subparsers(required=True, metavar="COMMAND")

    def add(
        name: str,
        function: Callable[[argparse.Namespace, Terminal], int],
        text: str,
        json: bool = True,
    ) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("stack", help="the stack; its settings are in Pulumi.STACK.yaml")
        command.set_defaults(json=False)
        if json:
            command.add_argument(
                "--json",
                action="store_true",
                help="the result as JSON on standard output; progress stays on standard error",
            )
        command.add_argument(
            "--directory",
            type=Path,
            default=stack.CHECKOUT,
            help="where Pulumi.yaml is (default: this checkout)",
        )
        command.set_defaults(command=function, name=name)
        return command

    preview = add("preview", _operate, "tell what `up` would change")
    preview.add_argument(
        "--expect-no-changes", action="store_true", help="exit with 3 if there is any"
    )
    add("up", _operate, "make the stack what the program says")
    add("refresh", _operate, "take into the state what was changed from outside")
    add("drift", _operate, "tell what was changed from outside; exit with 3 if anything was")
    add("verify", _verify, "prove that the stack serves: URL, members, nodes, jobs, checks")
    add("status", _status, "show droplets, members, jobs, services, checks and the URL")
    destroy = add(
        "destroy", _destroy, "destroy the stack, then prove that the account has nothing left of it"
    )
    destroy.add_argument("--yes", action="store_true", help="do not ask")
    destroy.add_argument(
        "--if-exists", action="store_true", help="a stack that does not exist is destroyed already"
    )
    rotate = add(
        "rotate",
        _rotate,
        "make secrets anew, hand them on to all that hold them, and end what the former ones were good for",
    )
    rotate.description, rotate.epilog, rotate.formatter_class = (
        ROTATE,
        KINDS,
        argparse.RawDescriptionHelpFormatter,
    )
    rotate.add_argument(
        "kind",
        nargs="?",
        choices=rotation.KINDS,
        default=rotation.ALL,
        help="which secrets (default: all)",
    )
    rotate.add_argument("--yes", action="store_true", help="do not ask")
    ssh = add(
        "ssh",
        _ssh,
        "open a shell on a droplet, or run a command there, as ops, who may use sudo",
        json=False,
    )
    ssh.add_argument("thing", metavar="NAME", nargs="?", default="", help="the droplet")
    ssh.add_argument(
        "words", metavar="COMMAND", nargs=argparse.REMAINDER, help="what to run; a shell without it"
    )
    logs = add(
        "logs", _logs, "show what a droplet's agents or a job's instances logged", json=False
    )
    logs.add_argument("thing", metavar="NAME", nargs="?", default="", help="the droplet or the job")
    logs.add_argument("--follow", action="store_true", help="go on until interrupted")
    logs.add_argument(
        "--lines",
        type=_count,
        default=100,
        metavar="N",
        help="of each instance's stream, or of the journal (default: 100)",
    )
    shell = add(
        "shell",
        _shell,
        "run a command, or a shell, in which consul, nomad and curl may use the cluster as its operator",
        json=False,
    )
    shell.add_argument(
        "words",
        metavar="[--] COMMAND",
        nargs=argparse.REMAINDER,
        help="what to run; a shell without it",
    )
    return whole


def _operate(asked: argparse.Namespace, terminal: Terminal) -> int:
    engine = PulumiCli(terminal.line)
    get = stack.ensure if asked.name in ("preview", "up") else stack.select
    outcome = operation.run(asked.name, get(asked.stack, engine, asked.directory), engine, terminal)
    _tell(outcome, asked, terminal)
    if outcome.result != "succeeded":
        return _code(outcome)
    wants_none = asked.name == "drift" or getattr(asked, "expect_no_changes", False)
    return CHANGES if wants_none and outcome.changes else OK


def _destroy(asked: argparse.Namespace, terminal: Terminal) -> int:
    if not asked.yes and not _confirmed(
        f"Destroy everything of the stack {asked.stack}?", asked.stack
    ):
        raise UsageError("nothing was destroyed: give --yes, or the stack's name when asked")
    engine = PulumiCli(terminal.line)
    try:
        chosen = stack.select(asked.stack, engine, asked.directory)
    except NoSuchStackError as none:
        if not asked.if_exists:
            raise
        terminal.line(str(none))
        return OK
    had = stack.resources(asked.stack, engine, asked.directory)
    outcome = operation.run("destroy", chosen, engine, terminal)
    if outcome.result == "cancelled":
        _tell(outcome, asked, terminal)
        return _code(outcome)
    left = orphans.search(had, status.tags(stack.project(asked.directory), asked.stack))
    images = orphans.base_images()
    monthly = sum(thing.monthly_usd for thing in left)
    _tell(
        outcome,
        asked,
        terminal,
        left=[asdict(thing) for thing in left],
        base_images=[asdict(thing) for thing in images],
        monthly_usd=monthly,
    )
    if left:
        terminal.table(
            ("left", "id", "name", "USD a month"),
            [(one.kind, one.id, one.name, f"{one.monthly_usd:.2f}") for one in left],
        )
    for image in images:
        terminal.line(
            f"the account still has the base image {image.name}, which stacks share: {image.monthly_usd:.2f} USD a month",
            "yellow",
        )
    terminal.line(
        f"the account has {len(left)} thing(s) of this stack: {monthly:.2f} USD a month",
        "red" if left else "green",
    )
    return FAILED if left else _code(outcome)


def _verify(asked: argparse.Namespace, terminal: Terminal) -> int:
    proofs = verify.verify(_outputs(asked, terminal))
    good = all(proof.ok for proof in proofs)
    terminal.table(
        ("", "what", "seen"),
        [("ok" if one.ok else "WRONG", one.subject, one.seen) for one in proofs],
    )
    terminal.line("verified" if good else "not as it should be", "green" if good else "red")
    _print(
        asked,
        {"stack": asked.stack, "verified": good, "proofs": [asdict(proof) for proof in proofs]},
    )
    return OK if good else FAILED


def _status(asked: argparse.Namespace, terminal: Terminal) -> int:
    found = status.gather(stack.project(asked.directory), asked.stack, _outputs(asked, terminal))
    if not asked.json:
        status.show(found, Terminal(sys.stdout))
    _print(asked, found)
    return FAILED if found["problems"] else OK


def _rotate(asked: argparse.Namespace, terminal: Terminal) -> int:
    refusal = UsageError("nothing was rotated: give --yes, or the stack's name when asked")
    if not asked.yes and not sys.stdin.isatty():
        raise refusal
    engine = PulumiCli(terminal.line)
    parts = rotation.chosen(asked.kind, stack.resources(asked.stack, engine, asked.directory))
    urns = [urn for kind in parts.values() for urn in kind]
    if not urns:
        raise UsageError(f"the stack {asked.stack} has nothing to rotate: it is not up")
    chosen = stack.select(asked.stack, engine, asked.directory)
    if not asked.yes:
        preview = operation.run("preview", chosen, engine, terminal, urns)
        if preview.result != "succeeded":
            _tell(preview, asked, terminal)
            return _code(preview)
        if not _confirmed(f"Rotate these secrets of the stack {asked.stack}?", asked.stack):
            raise refusal
    outcome = operation.run("rotate", chosen, engine, terminal, urns)
    rotated = rotation.done(outcome.changes, parts)
    _tell(outcome, asked, terminal, rotated=rotated)
    for kind, names in rotated.items():
        terminal.line(
            f"rotated {kind}: {len(names)} of {len(parts[kind])} made anew",
            "yellow" if len(names) < len(parts[kind]) else "green",
        )
    if outcome.result != "succeeded":
        terminal.line("`up` hands on what was made anew; `rotate` makes all of it anew")
    return _code(outcome)


def _ssh(asked: argparse.Namespace, terminal: Terminal) -> int:
    return _reach(asked, terminal).ssh(asked.thing, asked.words)


def _logs(asked: argparse.Namespace, terminal: Terminal) -> int:
    return _reach(asked, terminal).logs(
        asked.thing, asked.lines, asked.follow, Terminal(sys.stdout).text, terminal.text
    )


def _shell(asked: argparse.Namespace, terminal: Terminal) -> int:
    return _reach(asked, terminal).shell(asked.words[asked.words[:1] == ["--"] :])


def _reach(asked: argparse.Namespace, terminal: Terminal) -> RemoteAccess:
    return RemoteAccess(asked.stack, asked.directory, PulumiCli(terminal.line))


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no number of lines")
    return int(text)


def _outputs(asked: argparse.Namespace, terminal: Terminal) -> dict[str, Any]:
    return stack.outputs(asked.stack, PulumiCli(terminal.line), asked.directory)


def _confirmed(question: str, name: str) -> bool:
    return sys.stdin.isatty() and input(f"{question} Its name: ") == name


def _code(outcome: operation.Outcome) -> int:
    if outcome.result == "succeeded":
        return OK
    if outcome.result == "cancelled":
        return INTERRUPTED
    return USAGE if any(map(failure.wrong_settings, outcome.failures)) else FAILED


def _tell(
    outcome: operation.Outcome, asked: argparse.Namespace, terminal: Terminal, **more: Any
) -> None:
    """The end of an operation: what failed, what changed, what came out."""
    for one in outcome.failures:
        terminal.text(one.lines(), "red")
    terminal.line(
        f"{outcome.operation} {outcome.stack} {outcome.result}: {outcome.summary()}",
        "green" if outcome.result == "succeeded" else "red",
    )
    for name, value in sorted(outcome.outputs.items()):
        terminal.text(f"  {name}: {json.dumps(value) if not isinstance(value, str) else value}")
    _print(asked, outcome.as_json() | more)


def _print(asked: argparse.Namespace, result: dict[str, Any]) -> None:
    if asked.json:
        print(json.dumps(result, indent=2))


def _fail(asked: argparse.Namespace, terminal: Terminal, message: str, code: int) -> int:
    message = terminal.hide(message)
    terminal.text(f"{asked.name} {asked.stack}: {message}", "red")
    _print(
        asked,
        {
            "operation": asked.name,
            "stack": asked.stack,
            "result": "failed",
            "failures": [{"message": message}],
        },
    )
    return code


if __name__ == "__main__":
    sys.exit(main())

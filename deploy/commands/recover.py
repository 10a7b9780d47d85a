"""``recover``: make one server the only one of its cluster, after the loss of a quorum."""

import argparse
import json

from deploy import stack
from deploy.commands.command import FAILED, OK, Command, add_parser
from deploy.errors import UsageError
from deploy.machines import Server, list_servers
from infra import ssh

DESCRIPTION = """\
Make one prime the only server of Consul and Nomad, when too few servers are left to elect a leader.
It keeps its data. Afterwards `up` adds the other servers again. Do not use it while there is a
leader: other servers would lose what only they have."""
DELIVERY_TIMEOUT_S = 60


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(
        subparsers, "recover", run, "make one prime the only server, after the loss of a quorum"
    )
    parser.description = DESCRIPTION
    parser.add_argument("server", metavar="NAME", help="the prime that keeps its data")
    parser.add_argument("--yes", action="store_true", help="do not ask")


def run(command: Command) -> int:
    args, terminal = command.args, command.terminal
    state = stack.resources(command.stack_name, command.pulumi_cli, command.directory, secrets=True)
    server = _find_server(args.server, list_servers(state))
    if not args.yes and not command.is_confirmed(
        f"Make {server.name} the only server of the stack {command.stack_name}?"
    ):
        raise UsageError("nothing was changed; give --yes, or the stack's name when asked")
    terminal.line(f"recover {command.stack_name}: restarting Consul and Nomad on {server.name}")
    try:
        ssh.deliver(
            server.address,
            server.enrol_key,
            (server.host_key,),
            lambda: json.dumps({"action": "recover"}).encode(),
            DELIVERY_TIMEOUT_S,
            lambda reason: terminal.line(f"{server.name}: waiting for SSH ({reason})"),
        )
    except ssh.DeliveryError as error:
        return command.fail(f"{server.name} was not recovered: {error}", FAILED)
    terminal.line(
        f"{server.name} is the only server; run `python -m deploy up {command.stack_name}`", "green"
    )
    command.print_json({"operation": "recover", "stack": command.stack_name, "result": "succeeded"})
    return OK


def _find_server(name: str, servers: list[Server]) -> Server:
    for server in servers:
        if server.name == name:
            return server
    names = ", ".join(server.name for server in servers) or "none"
    raise UsageError(f"the stack has no prime {name}; its primes: {names}")

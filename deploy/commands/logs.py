"""``logs``: the logs of a droplet's agents, or of a job's allocations."""

import argparse
import sys

from deploy import logs
from deploy.cluster import Cluster
from deploy.commands.command import OK, Command, add_parser
from deploy.commands.ssh import droplets_of, run_on_droplet, unknown_target
from deploy.terminal import Terminal


def add(subparsers: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    parser = add_parser(
        subparsers,
        "logs",
        run,
        "show the logs of a droplet's agents, or of a job's allocations",
        has_json=False,
    )
    parser.add_argument(
        "target", metavar="NAME", nargs="?", default="", help="the droplet or the job"
    )
    parser.add_argument("--follow", action="store_true", help="continue until interrupted")
    parser.add_argument(
        "--lines",
        type=_line_count,
        default=100,
        metavar="N",
        help="of each allocation's stream, or of the journal (default: 100)",
    )


def run(command: Command) -> int:
    args = command.args
    droplets = droplets_of(command)
    if args.target in droplets:
        words = logs.journal_command(args.lines, args.follow)
        return run_on_droplet(command, droplets[args.target], words)
    cluster = Cluster.from_outputs(command.outputs())
    jobs = [job.name for job in cluster.jobs()]
    if args.target not in jobs:
        raise unknown_target(args.target, "droplet or job", [*droplets, *jobs])
    job_logs = logs.JobLogs(cluster, args.target, Terminal(sys.stdout).text, command.terminal.text)
    if args.follow:
        job_logs.follow(args.lines)
    else:
        job_logs.show(args.lines)
    return OK


def _line_count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of lines; use 1 or more")
    return int(text)

"""The figures of the drills, for the terminal and for docs/drills.md."""

import json
import os
import platform
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from infra.edge import CHECK_INTERVAL_S, CHECK_TIMEOUT_S, CHECKS_TO_CHANGE
from infra.settings import Settings
from tests.drills.drill import Drill, Outcome
from tests.drills.load import RATE
from toolchain.paths import ROOT
from toolchain.versions import pinned_tools

DOCUMENT = ROOT / "docs/drills.md"
HEADER = (
    "| drill | topology | what happens | requests | failed | allowed "
    "| longest gap | state kept | seconds |\n"
    "|---|---|---|---|---|---|---|---|---|"
)
INTRODUCTION = f"""\
# Drills

A drill is a change or a failure, tried on real machines in a rehearsal cloud. Meanwhile {RATE}
requests a second go through the load balancer, each on a new connection and none of them repeated.
A drill fails if a request fails that may not, or if the cluster loses state. It also fails if its
members, voters or droplets differ from those declared.

`make drill` runs all of them and writes this page; `make drill NAME="image worker-off"` runs these
two and writes their rows. The state is Consul's keys, Nomad's variables, ACL tokens, and the ids
and versions of the jobs. The longest gap is the longest time without a successful response. The
seconds are those of the change itself, to the end of its last command.
"""
LEGEND = f"""\
*Allowed*: while a dead worker is not noticed yet, requests that the load balancer sends to it fail.
The load balancer notices after {CHECKS_TO_CHANGE} checks without a response. It waits
{CHECK_TIMEOUT_S} s for each response, and {CHECK_INTERVAL_S} s before the next check.
"""


def summarise(outcome: Outcome) -> list[str]:
    """Return the lines that describe an outcome on the terminal."""
    if outcome.not_run:
        return [f"{outcome.drill}: not run: {outcome.not_run}"]
    verdict = "passed" if outcome.is_passed else "FAILED"
    lines = [
        f"{outcome.drill}: {verdict}; {outcome.failed} of {outcome.requests} requests failed "
        f"(allowed: {outcome.allowed}), longest gap {outcome.longest_gap_s:.1f} s, "
        f"slowest response {outcome.slowest_s:.1f} s, change {outcome.seconds:.0f} s"
    ]
    lines += [f"  failed requests: {reason}" for reason in outcome.first_failures]
    lines += [f"  state: {problem}" for problem in outcome.state_problems]
    lines += [f"  error: {outcome.error}"] if outcome.error else []
    return lines


def to_json(outcomes: Iterable[Outcome]) -> str:
    return json.dumps([outcome.as_json() for outcome in outcomes], indent=2)


def write(outcomes: Iterable[Outcome], drills: Mapping[str, Drill], path: Path = DOCUMENT) -> None:
    """Write the page with new rows for ``outcomes``, and the earlier rows of the other drills."""
    rows = _read_rows(path)
    rows.update({outcome.drill: _row(outcome) for outcome in outcomes})
    table = [
        rows.get(drill.name) or _row(not_run(drill, "no run yet")) for drill in drills.values()
    ]
    text = "\n".join([INTRODUCTION, _environment(), HEADER, *table, "", LEGEND])
    path.write_text(text)


def _read_rows(path: Path) -> dict[str, str]:
    text = path.read_text() if path.exists() else ""
    return {
        match[1]: match[0] for match in re.finditer(r"^\| `([\w-]+)` \|.*$", text, re.MULTILINE)
    }


def _row(outcome: Outcome) -> str:
    if outcome.not_run:
        figures = ["-", "-", outcome.allowed, "-", "not run", "-"]
    else:
        kept = "no" if outcome.state_problems else "yes"
        figures = [
            f"{outcome.requests:,}",
            f"{outcome.failed:,}",
            outcome.allowed,
            f"{outcome.longest_gap_s:.1f} s",
            "drill failed" if outcome.error else kept,
            f"{outcome.seconds:.0f}",
        ]
    cells = [f"`{outcome.drill}`", outcome.topology, outcome.summary, *figures]
    return f"| {' | '.join(cells)} |"


def not_run(drill: Drill, reason: str) -> Outcome:
    """Return the outcome of a drill that did not run."""
    return Outcome(
        drill=drill.name,
        topology=str(drill.topology),
        summary=drill.summary,
        allowed=drill.allowance,
        not_run=reason,
    )


def failed(drill: Drill, error: str) -> Outcome:
    """Return the outcome of a drill that failed before it sent a request."""
    return replace(not_run(drill, ""), error=error)


def _environment() -> str:
    """Return on which machine and with which versions the drills run."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / (1 << 30)
    match = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    processor = match[1] if match else platform.machine()
    settings = Settings(admin_cidrs=())
    versions = {tool.name: tool.version for tool in pinned_tools()}
    return (
        f"Machine: {os.cpu_count()} processors ({processor}), {memory:.0f} GiB of memory, "
        f"Linux {'.'.join(platform.release().split('.')[:2])}.\n"
        f"Versions: Consul {settings.consul_version}, Nomad {settings.nomad_version}, "
        f"Pulumi {versions['pulumi']}.\n"
    )

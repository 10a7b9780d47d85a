"""The current status of a stack: droplets from the API, everything else from the cluster."""

from collections.abc import Iterable, Mapping
from dataclasses import asdict
from typing import Any

import requests

from deploy.account import Account
from deploy.cluster import Cluster, ClusterError
from deploy.terminal import Terminal

URL_TIMEOUT_S = 5.0
MAX_BODY_LENGTH = 1000
SECTIONS: dict[str, tuple[str, ...]] = {
    "droplets": ("name", "status", "size", "public", "private"),
    "members": ("name", "address", "role", "status"),
    "nodes": ("name", "address", "status", "eligibility"),
    "jobs": ("name", "type", "version", "declared", "healthy", "deployment", "problem"),
    "services": ("name", "instances", "passing"),
    "checks": ("service", "node", "name", "status"),
}
"""The sections that are shown, with their columns."""


def collect(
    stack: str, account: Account, tags: Iterable[str], outputs: Mapping[str, Any]
) -> dict[str, Any]:
    """Return every section that could be read; ``problems`` names the others.

    Args:
        tags: those of the stack's droplets.

    Raises:
        ApiError: DigitalOcean's API fails.
    """
    status: dict[str, Any] = {
        "stack": stack,
        "url": outputs.get("url"),
        "estimated_monthly_usd": outputs.get("estimated_monthly_usd"),
    }
    problems: list[str] = []
    status["droplets"] = [asdict(droplet) for droplet in account.droplets(tags)]
    try:
        cluster = Cluster.from_outputs(outputs)
        for section in ("members", "nodes", "jobs", "services", "checks"):
            status[section] = [asdict(item) for item in getattr(cluster, section)()]
    except ClusterError as error:
        problems.append(str(error))
    if status["url"]:
        try:
            response = requests.get(status["url"], timeout=URL_TIMEOUT_S)
            body = response.text[:MAX_BODY_LENGTH]
            status["answer"] = {"status": response.status_code, "body": body}
        except requests.RequestException as error:
            problems.append(f"{status['url']} does not answer: {error}")
    return {**status, "problems": problems}


def show(status: Mapping[str, Any], terminal: Terminal) -> None:
    """Show the sections as tables."""
    for section, columns in SECTIONS.items():
        rows = status.get(section)
        if rows is None:
            continue
        terminal.text(f"{section} ({len(rows)})")
        if rows:
            terminal.table(columns, [[row[column] for column in columns] for row in rows])
    answer = status.get("answer")
    if status["url"]:
        suffix = f"  {answer['status']}  {answer['body']}" if answer else ""
        terminal.text(f"url\n  {status['url']}{suffix}")
    for problem in status["problems"]:
        terminal.text(problem, "red")

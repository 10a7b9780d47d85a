"""What a stack is right now: its droplets by the API, the rest by the cluster itself."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

import requests

from deploy.account import Account
from deploy.cluster import Cluster, ClusterError
from deploy.terminal import Terminal

SECTIONS: dict[str, tuple[str, ...]] = {
    "droplets": ("name", "status", "size", "public", "private"),
    "members": ("name", "address", "role", "status"),
    "nodes": ("name", "address", "status", "eligibility"),
    "jobs": ("name", "version", "wanted", "running", "deployment", "reason"),
    "services": ("name", "instances", "passing"),
    "checks": ("service", "node", "name", "status"),
}
"""What is shown, and which of its columns."""


def tags(project: str, stack: str) -> list[str]:
    """The tags of a stack's droplets; no other stack in the account has them."""
    return [f"{project}-{stack}-prime", f"{project}-{stack}-worker"]


def gather(project: str, stack: str, outputs: Mapping[str, Any]) -> dict[str, Any]:
    """Every section, as far as it answers; ``problems`` tells what did not.

    Raises:
        AccountError: the API cannot be asked.
    """
    found: dict[str, Any] = {
        "stack": stack,
        "url": outputs.get("url"),
        "estimated_monthly_usd": outputs.get("estimated_monthly_usd"),
    }
    problems: list[str] = []
    found["droplets"] = [asdict(one) for one in Account().droplets(tags(project, stack))]
    try:
        cluster = Cluster.of_outputs(outputs)
        for section in ("members", "nodes", "jobs", "services", "checks"):
            found[section] = [asdict(one) for one in getattr(cluster, section)()]
    except ClusterError as error:
        problems.append(str(error))
    if found["url"]:
        try:
            response = requests.get(found["url"], timeout=5.0)
            found["answer"] = {"status": response.status_code, "body": response.text[:1000]}
        except requests.RequestException as error:
            problems.append(f"{found['url']} does not answer: {error}")
    return {**found, "problems": problems}


def show(found: Mapping[str, Any], terminal: Terminal) -> None:
    """The sections as tables."""
    for section, columns in SECTIONS.items():
        rows = found.get(section)
        if rows is None:
            continue
        terminal.text(f"{section} ({len(rows)})")
        if rows:
            terminal.table(columns, [[row[column] for column in columns] for row in rows])
    answer = found.get("answer")
    if found["url"]:
        terminal.text(
            f"url\n  {found['url']}" + (f"  {answer['status']}  {answer['body']}" if answer else "")
        )
    for problem in found["problems"]:
        terminal.text(problem, "red")

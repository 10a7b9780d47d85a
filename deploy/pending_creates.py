"""Droplets that a killed update created, and whose ids the state does not have.

The state only says that the creation of a droplet of some name has started. Such a droplet never
became a member of the cluster, because enrolment needs the result of the creation.
"""

from collections.abc import Iterable
from typing import Any

from pulumi import automation

from deploy.account import Account, Droplet
from deploy.stack import DROPLET_TYPE, STACK_TYPE, State, Workspace, read_state
from deploy.terminal import Terminal


def resolve(
    stack: automation.Stack, tags: Iterable[str], terminal: Terminal, *, deletes: bool
) -> list[Droplet]:
    """Delete the droplets that a killed update left; return those that remain.

    Args:
        tags: those of the stack's droplets.
        deletes: otherwise, only say which droplets there are.

    Raises:
        AccountError, ApiError: the account cannot be read, or a droplet cannot be deleted.
        pulumi.automation.CommandError: another update runs.
    """
    workspace = stack.workspace
    assert isinstance(workspace, Workspace)
    if not _pending_names(workspace.state):
        return []
    account = Account()
    droplets = account.droplets(tags)
    left = find(workspace.state, droplets)
    if not left or not deletes:
        for droplet in left:
            terminal.line(f"{_describe(droplet)}; `up` deletes it", "yellow")
        return left
    # A pending create may also belong to an update that runs now. If none runs after the droplets
    # were listed, a droplet of the list that the state lacks afterwards belongs to no update.
    _require_no_update(stack, workspace.state)
    state = read_state(stack.name, workspace.pulumi_command, workspace.work_dir)
    for droplet in find(state, droplets):
        account.delete_droplet(droplet.id)
        terminal.line(f"{_describe(droplet)}; it is deleted", "yellow")
    return []


def find(state: State, droplets: Iterable[Droplet]) -> list[Droplet]:
    """Return the droplets that have the name of a pending create and no resource in the state."""
    pending = _pending_names(state)
    in_state = {
        str(resource.get("id")) for resource in state.resources if resource["type"] == DROPLET_TYPE
    }
    return [
        droplet
        for droplet in droplets
        if droplet.name in pending and str(droplet.id) not in in_state
    ]


def _pending_names(state: State) -> set[str]:
    inputs: list[dict[str, Any]] = [
        resource.get("inputs") or {}
        for resource in state.pending_creates
        if resource["type"] == DROPLET_TYPE
    ]
    return {str(values["name"]) for values in inputs if "name" in values}


def _require_no_update(stack: automation.Stack, state: State) -> None:
    """Raise ``CommandError`` if an update holds the stack's lock.

    A refresh of the stack's root resource needs the lock, reads nothing and changes nothing.
    """
    roots = [resource["urn"] for resource in state.resources if resource["type"] == STACK_TYPE]
    stack.refresh(target=roots, show_secrets=False)


def _describe(droplet: Droplet) -> str:
    return (
        f"an interrupted update left the droplet {droplet.name} (id {droplet.id}), "
        "which is not in the state"
    )

"""Droplets that the state has and the account does not, because they were destroyed.

The provider's deletion of such a droplet fails, so an update that replaces it could not end.
"""

from collections.abc import Collection, Iterable

from pulumi import automation

from deploy.account import Account
from deploy.stack import DROPLET_TYPE, State, Workspace, read_state
from deploy.terminal import Terminal


def forget(
    stack: automation.Stack, account: Account, tags: Iterable[str], terminal: Terminal
) -> None:
    """Remove destroyed droplets from the state, by a refresh of them alone.

    Args:
        tags: those of the stack's droplets.

    Raises:
        ApiError: the account cannot be read.
        pulumi.automation.CommandError: the refresh failed, or another update runs.
    """
    workspace = stack.workspace
    assert isinstance(workspace, Workspace)
    if not _ids(workspace.state):
        return
    existing = {str(droplet.id) for droplet in account.droplets(tags)}
    lost = find(workspace.state, existing)
    if not lost:
        return
    stack.refresh(target=sorted(set(lost.values())), show_secrets=False)
    workspace.state = read_state(stack.name, workspace.pulumi_command, workspace.work_dir)
    for id in sorted(lost.keys() - _ids(workspace.state)):
        terminal.line(f"the droplet {id} was destroyed; the state no longer has it", "yellow")


def find(state: State, existing: Collection[str]) -> dict[str, str]:
    """Return the URN of each droplet, by its id, that is not among ``existing`` ids."""
    return {
        id: str(resource["urn"])
        for resource in state.resources
        if resource["type"] == DROPLET_TYPE
        and (id := str(resource.get("id", "")))
        and id not in existing
    }


def _ids(state: State) -> set[str]:
    return set(find(state, ()))

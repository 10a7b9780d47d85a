"""Resources that the state has and the account does not, because somebody deleted them.

Pulumi compares the program with the state, so an update would not create them again. The provider's
deletion of a destroyed droplet fails, so an update that replaces it could not end.
"""

from collections.abc import Collection, Iterable

from pulumi import automation

from deploy.orphans.kinds import BUCKET, CloudResource
from deploy.orphans.search import KIND_OF_TYPE, Identity
from deploy.stack import State, Workspace, read_state
from deploy.terminal import Terminal


def forget(stack: automation.Stack, account: Iterable[CloudResource], terminal: Terminal) -> None:
    """Remove deleted resources from the state, by a refresh of them alone.

    Args:
        account: what the account has, without buckets.

    Raises:
        pulumi.automation.CommandError: the refresh failed, or another update runs.
    """
    workspace = stack.workspace
    assert isinstance(workspace, Workspace)
    lost = find(workspace.state, {(resource.kind, resource.id) for resource in account})
    if not lost:
        return
    stack.refresh(target=sorted(set(lost.values())), show_secrets=False)
    workspace.state = read_state(stack.name, workspace.pulumi_command, workspace.work_dir)
    for kind, id in sorted(lost.keys() - find(workspace.state, ()).keys()):
        terminal.line(f"the {kind} {id} was deleted; the state no longer has it", "yellow")


def find(state: State, existing: Collection[Identity]) -> dict[Identity, str]:
    """Return the URN of each resource, by kind and id, that is not among the ``existing`` ones."""
    found = {
        (KIND_OF_TYPE[resource["type"]], str(resource.get("id", ""))): str(resource["urn"])
        for resource in state.resources
        if resource["type"] in KIND_OF_TYPE
    }
    return {
        identity: urn
        for identity, urn in found.items()
        if identity[0] != BUCKET and identity[1] and identity not in existing
    }

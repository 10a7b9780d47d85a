"""Orphans of a stack and operations that a killed update did not end, before an operation."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Literal

from pulumi import automation
from pulumi.automation.errors import ConcurrentUpdateError

from deploy.errors import UsageError
from deploy.orphans import removal
from deploy.orphans.kinds import KINDS, CloudResource
from deploy.orphans.search import (
    find_buckets,
    find_own,
    identities,
    is_certain,
    list_account,
)
from deploy.orphans.spaces import Spaces
from deploy.stack import DROPLET_TYPE, STACK_TYPE, State, Workspace, read_state
from deploy.terminal import Terminal
from infra.digitalocean_api import DigitalOceanApi

FOUND_AGAIN = ("image", "tag")
"""Kinds that an update finds by tag or name, and uses instead of creating them again."""
NEVER_MADE = tuple(kind.name for kind in KINDS.values() if not kind.is_made)
"""Kinds that only ``prune`` deletes."""

CLUSTER_TYPES = ("consul:", "nomad:")
"""How the type tokens of the resources in the cluster start."""

Policy = Literal["refuse", "keep", "delete"]
"""What is done with orphans of which it is not certain that this stack made them."""


class UncertainOrphansError(UsageError):
    """The account has resources of this stack's name that another backend may manage."""


@dataclass
class Orphans:
    """What the account has of a stack, compared with the stack's state."""

    api: DigitalOceanApi
    spaces: Spaces
    prefix: str
    region: str
    terminal: Terminal
    account: list[CloudResource] = field(default_factory=list)
    own: list[CloudResource] = field(default_factory=list)
    """What bears the stack's tags or names, in the state or not."""
    not_searched: list[str] = field(default_factory=list)
    """Why the last search did not see some buckets."""

    def search(self, state: State) -> list[CloudResource]:
        """Read the account; return the orphans.

        Raises:
            ApiError: the account cannot be read.
        """
        self.account = list_account(self.api)
        self.not_searched = []
        self.own = [
            *find_own(self.account, self.prefix, state),
            *find_buckets(
                self.api, self.spaces, self.prefix, self.region, state, self.not_searched.append
            ),
        ]
        for problem in self.not_searched:
            self.terminal.line(problem, "yellow")
        return self.compare(state)

    def compare(self, state: State) -> list[CloudResource]:
        """Return what the last search found and the state does not have.

        A tag is no orphan while the state has droplets, which would lose it.
        """
        in_state = identities(state.resources)
        has_droplets = any(resource["type"] == DROPLET_TYPE for resource in state.resources)
        return [
            resource
            for resource in self.own
            if (resource.kind, resource.id) not in in_state
            and not (resource.kind == "tag" and has_droplets)
        ]

    def resolve(
        self,
        stack: automation.Stack,
        uncertain: Policy,
        is_deleted: Callable[[CloudResource], bool],
    ) -> list[CloudResource]:
        """Delete the orphans, and end the operations that a killed update left in the state.

        Args:
            uncertain: see ``Policy``. An orphan that is kept is named.
            is_deleted: whether an orphan may be deleted.

        Returns:
            The orphans that were deleted, or should have been.

        Raises:
            UncertainOrphansError: nothing was deleted.
            RemovalError: some orphans were not deleted. With the policy ``keep``, they are named.
            ApiError: the account cannot be read.
            pulumi.automation.CommandError: another update runs.
        """
        workspace = stack.workspace
        assert isinstance(workspace, Workspace)
        state = workspace.state
        found = list(filter(is_deleted, self.search(state)))
        if not (found or state.pending_creates or state.pending_changes):
            return []
        # An update that runs has resources that its state lacks. If none runs after the account
        # was read, what the state lacks afterwards belongs to no update.
        _refresh(stack)
        self._resolve_changes(stack, state.pending_changes, may_fail=uncertain == "keep")
        workspace.state = read_state(stack.name, workspace.pulumi_command, workspace.work_dir)
        deleted = self._choose(workspace.state, stack.name, uncertain, is_deleted)
        try:
            removal.remove(deleted, self.api, self.spaces, self.prefix, self._report)
        except removal.RemovalError as error:
            if uncertain != "keep":
                raise
            self.terminal.line(str(error), "red")
        if state.pending_creates:
            _refresh(stack, clears_pending_creates=True)
        return deleted

    def _resolve_changes(
        self, stack: automation.Stack, urns: Collection[str], *, may_fail: bool
    ) -> None:
        """Refresh the resources whose update or deletion did not end.

        A refresh that may fail is named and left out; that of a resource of Consul or Nomad may
        always fail, because the update may be the one that makes the cluster reachable again.
        """
        of_cluster = [urn for urn in urns if _type(urn).startswith(CLUSTER_TYPES)]
        others = [urn for urn in urns if urn not in of_cluster]
        for group, is_optional in ((others, may_fail), (of_cluster, True)):
            if not group:
                continue
            try:
                _refresh(stack, group)
            except ConcurrentUpdateError:
                raise
            except automation.CommandError as error:
                if not is_optional:
                    raise
                names = ", ".join(urn.rpartition("::")[2] for urn in group)
                self.terminal.line(
                    f"an operation on {names} did not end, and a refresh of it fails; "
                    "its result stays unknown",
                    "yellow",
                )
                self.terminal.detail(str(error), "yellow")

    def _choose(
        self,
        state: State,
        stack_name: str,
        policy: Policy,
        is_deleted: Callable[[CloudResource], bool],
    ) -> list[CloudResource]:
        orphans = list(filter(is_deleted, self.compare(state)))
        if policy == "delete":
            return orphans
        certain = [
            orphan for orphan in orphans if is_certain(orphan, state, self.account, self.prefix)
        ]
        uncertain = [orphan for orphan in orphans if orphan not in certain]
        if uncertain and policy == "refuse":
            raise UncertainOrphansError(self._explain(uncertain, stack_name))
        for orphan in uncertain:
            self.terminal.line(f"{orphan} is not in the state; it is kept", "yellow")
        return certain

    def _report(self, orphan: CloudResource) -> None:
        self.terminal.line(f"{orphan} was not in the state; it is deleted", "yellow")

    def _explain(self, uncertain: Collection[CloudResource], stack: str) -> str:
        listed = ", ".join(str(orphan) for orphan in uncertain)
        return (
            f"the account has {listed}, and the state of this backend does not have every VPC of "
            "the stack in the account: if the stack's state is in another backend, set "
            f"PULUMI_BACKEND_URL to that one; otherwise run `python -m deploy prune {stack}`"
        )


def _type(urn: str) -> str:
    """Return the type token in a URN, which has those of the parents before it."""
    return urn.split("::")[2].rpartition("$")[2]


def _refresh(
    stack: automation.Stack,
    urns: Collection[str] = (),
    *,
    clears_pending_creates: bool = False,
) -> None:
    """Refresh the stack's root and ``urns``, which needs the stack's lock.

    Raises:
        pulumi.automation.CommandError: another update holds the lock.
    """
    workspace = stack.workspace
    assert isinstance(workspace, Workspace)
    in_state = {resource["urn"]: resource["type"] for resource in workspace.state.resources}
    roots = [urn for urn, type in in_state.items() if type == STACK_TYPE]
    stack.refresh(
        target=[*roots, *(urn for urn in urns if urn in in_state)],
        show_secrets=False,
        clear_pending_creates=clears_pending_creates,
    )

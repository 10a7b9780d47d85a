"""Changes: what a step of the engine does to one resource."""

from dataclasses import dataclass

from pulumi.automation import OpType
from pulumi.automation.events import StepEventMetadata

from deploy.failure import kind_of, name_of
from deploy.progress.differences import Difference, differences
from deploy.progress.phases import Phase, kind_of_type
from deploy.terminal import Colour


@dataclass(frozen=True)
class Action:
    """The three forms of a verb, and the colour of its lines."""

    infinitive: str
    participle: str
    past: str
    colour: Colour

    @property
    def is_deletion(self) -> bool:
        return self.colour == "red"


ACTIONS: dict[OpType, Action] = {
    OpType.CREATE: Action("create", "creating", "created", "green"),
    OpType.UPDATE: Action("update", "updating", "updated", "yellow"),
    OpType.DELETE: Action("delete", "deleting", "deleted", "red"),
    OpType.CREATE_REPLACEMENT: Action("replace", "replacing", "replaced", "yellow"),
    OpType.DELETE_REPLACED: Action("delete old", "deleting old", "deleted old", "red"),
    OpType.READ: Action("read", "reading", "read", "dim"),
    OpType.READ_REPLACEMENT: Action("read", "reading", "read", "dim"),
    OpType.IMPORT: Action("import", "importing", "imported", "green"),
    OpType.IMPORT_REPLACEMENT: Action("import", "importing", "imported", "green"),
    OpType.DISCARD: Action("forget", "forgetting", "forgot", "dim"),
    OpType.DISCARD_REPLACED: Action("forget", "forgetting", "forgot", "dim"),
}
"""Operations that are shown. A replacement also has the operation REPLACE, which is not."""

COUNTED = frozenset(ACTIONS) - {OpType.READ, OpType.READ_REPLACEMENT, OpType.DELETE_REPLACED}
"""Operations that count as a change."""

DELETIONS = frozenset({OpType.DELETE, OpType.DISCARD})
COMPLETIONS = frozenset({OpType.SAME, *ACTIONS}) - {
    *DELETIONS,
    OpType.DELETE_REPLACED,
    OpType.DISCARD_REPLACED,
}
"""Operations after which a resource is as the program says."""


@dataclass(frozen=True)
class Change:
    """One resource that was changed (``created``) or would be (``to create``)."""

    action: str
    type: str
    name: str
    properties: tuple[str, ...] = ()
    """Names of the top-level properties that differ."""
    seconds: float = 0.0
    """Duration to a tenth of a second; 0 for a change that a preview shows."""
    phase: Phase = Phase.OTHER
    differences: tuple[Difference, ...] = ()


def change_of(step: StepEventMetadata, action: str, seconds: float = 0.0) -> Change:
    """Return the change that a step makes."""
    differing = differences(step) if step.op in (OpType.UPDATE, OpType.CREATE_REPLACEMENT) else ()
    named = step.keys or step.diffs or step.detailed_diff
    return Change(
        action,
        kind_of(step.urn),
        name_of(step.urn),
        tuple(sorted(named or {difference.property for difference in differing})),
        seconds,
        kind_of_type(step.type).phase,
        differing,
    )


def is_shown(step: StepEventMetadata) -> bool:
    """Whether users want to see a step: a resource of a provider, and not the provider itself."""
    state = step.new or step.old
    return bool(state and state.custom) and not step.type.startswith("pulumi:providers:")


def label(step: StepEventMetadata) -> str:
    """Return type, name and changed properties: ``Droplet worker01nyc3 (size)``."""
    properties = change_of(step, "").properties
    return f"{kind_of(step.urn)} {name_of(step.urn)}" + (
        f" ({', '.join(properties)})" if properties else ""
    )

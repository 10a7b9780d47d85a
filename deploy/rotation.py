"""The secrets that a rotation replaces."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from deploy.failure import name_of
from deploy.progress.changes import Change
from infra.names import ROTATED_RESOURCES

ALL = "all"
KINDS = (*ROTATED_RESOURCES, ALL)


def urns_to_replace(kind: str, resources: Iterable[Mapping[str, Any]]) -> dict[str, list[str]]:
    """Return the URNs of what a rotation of ``kind`` replaces in a state, by kind of secret."""
    # By URN: a resource that waits for its deletion has the same URN as its replacement.
    types = {resource["urn"]: resource["type"] for resource in resources}
    return {
        part: [
            urn
            for urn, type in types.items()
            if type in patterns and patterns[type].fullmatch(name_of(urn))
        ]
        for part, patterns in ROTATED_RESOURCES.items()
        if kind in (part, ALL)
    }


def replaced_names(
    changes: Iterable[Change], urns: Mapping[str, Sequence[str]]
) -> dict[str, list[str]]:
    """Return the names of what an update replaced of ``urns``, by kind of secret."""
    replaced = {change.name for change in changes if change.action == "replaced"}
    return {kind: sorted(replaced & {*map(name_of, parts)}) for kind, parts in urns.items()}

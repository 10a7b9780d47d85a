"""The report of a preview: the risks first, then the changes with old and new values."""

from collections.abc import Iterable, Sequence

from deploy.progress.changes import ACTIONS, Change
from deploy.progress.differences import Difference
from deploy.progress.phases import Phase
from deploy.terminal import Colour, Terminal

MAX_NAMES = 8
"""How many resources of equal changes are named without ``--verbose``."""
PHASES = [*Phase]

_COLOURS: dict[str, Colour] = {
    form: action.colour
    for action in ACTIONS.values()
    for form in (f"to {action.infinitive}", action.past)
}


def show_plan(changes: Sequence[Change], risks: Iterable[str], terminal: Terminal) -> None:
    """Show what an update would do. Equal changes are shown once, by phase."""
    for risk in risks:
        terminal.text(f"RISK: {risk}", "red")
    groups: dict[tuple[str, str, tuple[Difference, ...]], list[str]] = {}
    for change in sorted(changes, key=lambda change: (PHASES.index(change.phase), change.name)):
        groups.setdefault((change.action, change.type, change.differences), []).append(change.name)
    for (action, kind, differences), names in groups.items():
        terminal.text(
            f"  {action.removeprefix('to '):<12} {kind} {_listed(names, terminal)}",
            _COLOURS.get(action),
        )
        for difference in differences:
            suffix = " (forces replacement)" if difference.forces_replacement else ""
            terminal.text(
                f"      {difference.property}: {difference.old} -> {difference.new}{suffix}"
            )


def _listed(names: Sequence[str], terminal: Terminal) -> str:
    shown = names if terminal.is_verbose else names[:MAX_NAMES]
    more = len(names) - len(shown)
    return ", ".join(shown) + (f" and {more} more" if more else "")

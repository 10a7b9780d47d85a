"""All drills, in the order in which they run."""

from tests.drills import changes, failures, interruptions
from tests.drills.drill import Drill


def _by_topology(drills: tuple[Drill, ...]) -> dict[str, Drill]:
    """Return the drills by name; those of one topology are neighbours, and share a stack."""
    topologies = list(dict.fromkeys(drill.topology for drill in drills))
    return {
        drill.name: drill
        for topology in topologies
        for drill in drills
        if drill.topology == topology
    }


DRILLS = _by_topology((*changes.DRILLS, *failures.DRILLS, *interruptions.DRILLS))

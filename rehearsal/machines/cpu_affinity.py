"""The processors of this machine that a droplet runs on, and those that it sees.

A droplet sees as many processors as its size has, numbered from 0: Nomad rejects any other
numbering. It runs on others of this machine, by affinity and not by cpuset, because Nomad pins
tasks to the numbers that it sees. Its control group limits the processor time.
"""

import os


def select_processors(droplet_id: int, vcpus: int) -> str:
    """Return the processors that the droplet starts on, spread by its id, for ``taskset``."""
    online = sorted(os.sched_getaffinity(0))
    count = visible_count(vcpus)
    return ",".join(
        str(online[(droplet_id * count + offset) % len(online)]) for offset in range(count)
    )


def visible_count(vcpus: int) -> int:
    """Return the number of processors that the droplet sees: at most those of this machine."""
    return min(vcpus, len(os.sched_getaffinity(0)))


def format_visible(vcpus: int) -> str:
    """Return the processors that the droplet sees, in the kernel's format of ``online``."""
    count = visible_count(vcpus)
    return "0" if count == 1 else f"0-{count - 1}"

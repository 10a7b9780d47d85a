"""Which of this machine's processors a droplet runs on, and which it is shown.

A droplet sees as many as its size has, numbered from 0 as on a machine of its own: Nomad refuses any other numbering.
It runs on others of this machine's, by affinity and not by cpuset, because Nomad pins by the numbers that it sees.
How much time it gets there is the control group's business.
"""

import os


def seats(droplet_id: int, vcpus: int) -> str:
    """The processors of this machine that the droplet starts on, spread by its id; as ``taskset`` takes them."""
    online = sorted(os.sched_getaffinity(0))
    count = shown(vcpus)
    return ",".join(
        str(online[(droplet_id * count + offset) % len(online)]) for offset in range(count)
    )


def shown(vcpus: int) -> int:
    """How many the droplet sees: those of its size, at most those of this machine."""
    return min(vcpus, len(os.sched_getaffinity(0)))


def listed(vcpus: int) -> str:
    """The same as the kernel lists them in /sys."""
    count = shown(vcpus)
    return "0" if count == 1 else f"0-{count - 1}"

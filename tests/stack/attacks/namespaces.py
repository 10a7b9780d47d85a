"""Where an attacker sits: in the network of a machine, seen from this one."""

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x40000000
HERE = ""
"""This machine's own network: the administrator's place."""

T = TypeVar("T")


def within(station: str, work: Callable[[], T]) -> T:
    """What ``work`` gives when all that it does on the network is done in the namespace ``station``.

    It is done in a thread of its own, which alone moves there; files and processes stay this machine's.
    """
    if station == HERE:
        return work()
    results: list[T] = []
    errors: list[BaseException] = []

    def enter() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            with (NAMESPACES / station).open() as namespace:
                if libc.setns(namespace.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), station)
            results.append(work())
        except BaseException as error:  # it belongs to who called
            errors.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]

"""Work in the network namespace of a machine."""

import ctypes
import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

NAMESPACES = Path("/run/netns")
CLONE_NEWNET = 0x40000000
HOST = ""
"""This machine's own network, which stands for the administrator's."""

T = TypeVar("T")


def run_in_namespace(namespace: str, work: Callable[[], T]) -> T:
    """Return the result of ``work``, with its sockets opened in the network ``namespace``.

    A thread of its own enters the namespace. Files and processes stay those of this machine.

    Raises:
        OSError: the namespace cannot be entered.
    """
    if namespace == HOST:
        return work()
    results: list[T] = []
    errors: list[BaseException] = []

    def enter() -> None:
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            with (NAMESPACES / namespace).open() as file:
                if libc.setns(file.fileno(), CLONE_NEWNET):
                    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), namespace)
            results.append(work())
        except BaseException as error:  # the caller raises it
            errors.append(error)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]

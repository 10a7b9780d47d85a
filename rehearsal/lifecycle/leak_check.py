"""What a cloud left behind on this machine, looked for where it could be, not where it is remembered to be."""

import os
from pathlib import Path

from rehearsal import paths
from rehearsal.network import hosts
from rehearsal.network.bridges import NETNS_DIR


def of(name: str) -> list[str]:
    """Everything of the cloud ``name`` that is still here, one line each."""
    return [
        *_processes(name),
        *namespaces(name),
        *_links(name),
        *_mounts(name),
        *_groups(name),
        *_files(name),
    ]


def _processes(name: str) -> list[str]:
    """Processes whose command line names the cloud, its directory or its namespace, but for those that ask."""
    marks = (
        f"--cloud\0{name}\0".encode(),
        f"{paths.cloud_dir(name)}/".encode(),
        f"slip-{name}-d".encode(),
    )
    found, asking = [], _ancestors()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in asking:
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if any(mark in command for mark in marks):
            found.append(
                f"process {entry.name}: {command.replace(bytes(1), b' ').decode(errors='replace').strip()[:120]}"
            )
    return found


def _ancestors() -> set[int]:
    """This process, and those that started it: a shell or ``time`` has our command line in its own."""
    found, pid = set(), os.getpid()
    while pid:
        found.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return found


def namespaces(name: str) -> list[str]:
    if not NETNS_DIR.exists():
        return []
    own = f"slip-{name}"
    return [
        f"namespace {entry.name}"
        for entry in NETNS_DIR.iterdir()
        if entry.name == own or entry.name.startswith(f"{own}-d")
    ]


def _links(name: str) -> list[str]:
    """A host's end of a cloud's link lives on only while the namespace does; one whose peer is gone is listed by its alias."""
    found = []
    for entry in Path("/sys/class/net").iterdir():
        alias = (entry / "ifalias").read_text().strip() if (entry / "ifalias").exists() else ""
        if alias == f"slip-{name}":
            found.append(f"link {entry.name}")
    return found


def _mounts(name: str) -> list[str]:
    directory = str(paths.cloud_dir(name))
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [
        f"mount {point}"
        for point in points
        if point == directory or point.startswith(f"{directory}/")
    ]


def _groups(name: str) -> list[str]:
    root = Path("/sys/fs/cgroup")
    return [
        f"cgroup {path}"
        for path in (*root.glob(f"slipway/{name}"), *root.glob(f"*/slipway/{name}"))
    ]


def _files(name: str) -> list[str]:
    found = [f"directory {paths.cloud_dir(name)}"] if paths.cloud_dir(name).exists() else []
    return found + (
        [f"names in {hosts.HOSTS}"] if hosts.HOSTS.exists() and hosts.names(name) else []
    )

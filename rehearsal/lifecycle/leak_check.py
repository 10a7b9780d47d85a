"""A search for what a cloud left on this machine.

It looks at the machine itself and not at the cloud's records, which may be incomplete.
"""

import os
from pathlib import Path

from rehearsal import paths
from rehearsal.network import hosts_file
from rehearsal.network.bridges import NETNS_DIR

MAX_COMMAND_CHARS = 120


def find_leaks(name: str) -> list[str]:
    """Return a line for each remaining process, namespace, link, mount, cgroup and file."""
    return [
        *_find_processes(name),
        *(f"namespace {namespace}" for namespace in find_namespaces(name)),
        *_find_links(name),
        *_find_mounts(name),
        *_find_cgroups(name),
        *_find_files(name),
    ]


def find_namespaces(name: str) -> list[str]:
    """Return the names of the cloud's network namespaces."""
    if not NETNS_DIR.exists():
        return []
    cloud = f"slip-{name}"
    namespaces = (entry.name for entry in NETNS_DIR.iterdir())
    return [entry for entry in namespaces if entry == cloud or entry.startswith(f"{cloud}-d")]


def _find_processes(name: str) -> list[str]:
    """Find processes whose command line has the cloud's name, directory or namespace."""
    patterns = (
        f"--cloud\0{name}\0".encode(),
        f"{paths.cloud_dir(name)}/".encode(),
        f"slip-{name}-d".encode(),
    )
    lines, excluded = [], _own_processes()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit() or int(entry.name) in excluded:
            continue
        try:
            command = (entry / "cmdline").read_bytes()
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        if any(pattern in command for pattern in patterns):
            text = command.replace(b"\0", b" ").decode(errors="replace").strip()
            lines.append(f"process {entry.name}: {text[:MAX_COMMAND_CHARS]}")
    return lines


def _own_processes() -> set[int]:
    """Return this process and its ancestors: a shell's command line may contain this one's."""
    pids, pid = set(), os.getpid()
    while pid:
        pids.add(pid)
        pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    return pids


def _find_links(name: str) -> list[str]:
    """Find links by their alias: a link whose peer is gone is in no namespace of the cloud."""
    lines = []
    for entry in Path("/sys/class/net").iterdir():
        alias = (entry / "ifalias").read_text().strip() if (entry / "ifalias").exists() else ""
        if alias == f"slip-{name}":
            lines.append(f"link {entry.name}")
    return lines


def _find_mounts(name: str) -> list[str]:
    directory = str(paths.cloud_dir(name))
    points = (line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines())
    return [
        f"mount {point}"
        for point in points
        if point == directory or point.startswith(f"{directory}/")
    ]


def _find_cgroups(name: str) -> list[str]:
    root = Path("/sys/fs/cgroup")
    return [
        f"cgroup {path}"
        for path in (*root.glob(f"slipway/{name}"), *root.glob(f"*/slipway/{name}"))
    ]


def _find_files(name: str) -> list[str]:
    lines = []
    if paths.cloud_dir(name).exists():
        lines.append(f"directory {paths.cloud_dir(name)}")
    if hosts_file.HOSTS_FILE.exists() and hosts_file.read_names(name):
        lines.append(f"names in {hosts_file.HOSTS_FILE}")
    return lines

"""Each cloud's block of names in /etc/hosts, through which programs of this machine find Spaces."""

import fcntl
from collections.abc import Callable, Iterable
from ipaddress import IPv4Address
from pathlib import Path

from rehearsal.catalog.regions import SPACES_REGIONS
from rehearsal.config import CloudConfig

HOSTS_FILE = Path("/etc/hosts")


def read_names(cloud: str) -> dict[str, str]:
    """Return the host names in the cloud's block, each with its address."""
    _, block = _split(cloud, HOSTS_FILE.read_text())
    return _names(block)


def add_names(cloud: str, addresses: dict[str, IPv4Address]) -> None:
    """Add host names to the cloud's block."""
    added = {name: str(address) for name, address in addresses.items()}

    def add(text: str) -> str:
        others, block = _split(cloud, text)
        merged = _names(block) | added
        begin, end = _markers(cloud)
        lines = (f"{address} {name}" for name, address in sorted(merged.items()))
        return _join([*others, begin, *lines, end])

    if not added.items() <= read_names(cloud).items():
        _change(add)


def add_bucket_names(config: CloudConfig, buckets: Iterable[str]) -> None:
    """Make the host names of ``buckets`` resolve on this machine: /etc/hosts has no wildcards."""
    names = {
        f"{bucket}.{region}.spaces.{config.domain}": config.spaces_address
        for region in SPACES_REGIONS
        for bucket in buckets
    }
    add_names(config.name, names)


def remove_names(cloud: str) -> None:
    """Remove the cloud's block."""
    if read_names(cloud):
        _change(lambda text: _join(_split(cloud, text)[0]))


def _markers(cloud: str) -> tuple[str, str]:
    return f"# rehearsal cloud {cloud}: begin", f"# rehearsal cloud {cloud}: end"


def _split(cloud: str, text: str) -> tuple[list[str], list[str]]:
    """Return the lines outside and inside the cloud's block, without its markers."""
    begin, end = _markers(cloud)
    others: list[str] = []
    block: list[str] = []
    is_inside = False
    for line in text.splitlines():
        if line in (begin, end):
            is_inside = line == begin
        else:
            (block if is_inside else others).append(line)
    return others, block


def _names(block: Iterable[str]) -> dict[str, str]:
    return {name: line.split()[0] for line in block for name in line.split()[1:]}


def _join(lines: Iterable[str]) -> str:
    return "\n".join(lines) + "\n"


def _change(change: Callable[[str], str]) -> None:
    """Replace the text of the file. Clouds that change it at the same time wait for each other."""
    # In place: where /etc/hosts is a mount, as in containers, it cannot be replaced.
    with HOSTS_FILE.open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        text = change(file.read())
        file.seek(0)
        file.write(text)
        file.truncate()

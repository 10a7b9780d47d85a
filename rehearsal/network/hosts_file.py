"""Each cloud's block of names in /etc/hosts, through which programs of this machine find Spaces."""

from ipaddress import IPv4Address
from pathlib import Path

HOSTS_FILE = Path("/etc/hosts")


def read_names(cloud: str) -> dict[str, str]:
    """Return the host names in the cloud's block, each with its address."""
    _, block = _split(cloud)
    return {name: line.split()[0] for line in block for name in line.split()[1:]}


def add_names(cloud: str, addresses: dict[str, IPv4Address]) -> None:
    """Add host names to the cloud's block."""
    present = read_names(cloud)
    merged = present | {name: str(address) for name, address in addresses.items()}
    if merged == present:
        return
    others, _ = _split(cloud)
    begin, end = _markers(cloud)
    block = (f"{address} {name}" for name, address in sorted(merged.items()))
    _write([*others, begin, *block, end])


def remove_names(cloud: str) -> None:
    """Remove the cloud's block."""
    others, block = _split(cloud)
    if block:
        _write(others)


def _markers(cloud: str) -> tuple[str, str]:
    return f"# rehearsal cloud {cloud}: begin", f"# rehearsal cloud {cloud}: end"


def _split(cloud: str) -> tuple[list[str], list[str]]:
    """Return the lines outside and inside the cloud's block, without its markers."""
    begin, end = _markers(cloud)
    others: list[str] = []
    block: list[str] = []
    is_inside = False
    for line in HOSTS_FILE.read_text().splitlines():
        if line in (begin, end):
            is_inside = line == begin
        else:
            (block if is_inside else others).append(line)
    return others, block


def _write(lines: list[str]) -> None:
    # In place: where /etc/hosts is a mount, as in containers, it cannot be replaced.
    HOSTS_FILE.write_text("\n".join(lines) + "\n")

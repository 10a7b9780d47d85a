"""The block of /etc/hosts in which one cloud's names stand, so that programs on this machine find Spaces by name."""

from ipaddress import IPv4Address
from pathlib import Path

HOSTS = Path("/etc/hosts")


def _marks(cloud: str) -> tuple[str, str]:
    return f"# rehearsal cloud {cloud}: begin", f"# rehearsal cloud {cloud}: end"


def _split(cloud: str) -> tuple[list[str], list[str]]:
    """The file's lines without and within the cloud's block."""
    begin, end = _marks(cloud)
    outside: list[str] = []
    within: list[str] = []
    inside = False
    for line in HOSTS.read_text().splitlines():
        if line in (begin, end):
            inside = line == begin
        else:
            (within if inside else outside).append(line)
    return outside, within


def _write(lines: list[str]) -> None:
    # Written in place: where /etc/hosts is a mount, as in containers, it cannot be replaced.
    HOSTS.write_text("\n".join(lines) + "\n")


def names(cloud: str) -> dict[str, str]:
    """Name to address, as the cloud's block says."""
    return {name: line.split()[0] for line in _split(cloud)[1] for name in line.split()[1:]}


def add(cloud: str, wanted: dict[str, IPv4Address]) -> None:
    """Make ``wanted`` resolve on this machine, besides what the cloud's block holds already."""
    outside, _ = _split(cloud)
    known = names(cloud)
    merged = known | {name: str(address) for name, address in wanted.items()}
    if merged == known:
        return
    begin, end = _marks(cloud)
    _write(
        [*outside, begin, *(f"{address} {name}" for name, address in sorted(merged.items())), end]
    )


def remove(cloud: str) -> None:
    """Take the cloud's block out."""
    outside, within = _split(cloud)
    if within:
        _write(outside)

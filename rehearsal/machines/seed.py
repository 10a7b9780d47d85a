"""What a droplet is told before its first boot: the NoCloud seed that cloud-init reads, its resolver, and a unit
that makes the container look like a machine.

A real droplet gets the same from the metadata service, which answers here too; only cloud-init cannot ask it,
because its DigitalOcean source ignores containers.
"""

import json
import re
from ipaddress import IPv4Address
from pathlib import Path

from rehearsal.network.metadata import VENDOR_DATA
from rehearsal.topology.protocol import MachineSpec

ONLINE = "/run/rehearsal-online"
"""Where the list of the machine's own processors is bound."""

UNIT = f"""\
[Unit]
Description=Control groups and processors as on a machine of its own
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
# systemd-nspawn leaves version 1 hierarchies read-only; Nomad's client makes groups in them.
ExecStart=/bin/sh -c 'for h in /sys/fs/cgroup/*/; do mountpoint -q "$h" || continue; mount -o remount,rw,bind "$h"; done'
ExecStart=/bin/mount --bind {ONLINE} /sys/devices/system/cpu/online
"""
UNIT_NAME = "rehearsal-machine.service"

LONGEST_HOSTNAME = 64
"""What Linux takes."""
_LABEL = re.compile("[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?")


def hostname(name: str, droplet_id: int) -> str:
    """The droplet's name if a host can have it, else what is left of it when all that no host can have is taken out."""
    return ".".join(_LABEL.findall(name))[:LONGEST_HOSTNAME].rstrip(".-") or f"droplet-{droplet_id}"


def write(upper: Path, spec: MachineSpec, resolver: IPv4Address) -> None:
    """Put the seed and /etc/resolv.conf into the droplet's layer; only root inside may read the user data."""
    seed = upper / "var/lib/cloud/seed/nocloud"
    seed.mkdir(parents=True, exist_ok=True)
    host = hostname(spec.name, spec.id)
    metadata = {
        "instance-id": f"droplet-{spec.id}",
        "local-hostname": host,
        "public-keys": spec.public_keys,
    }
    for name, text in (
        ("meta-data", json.dumps(metadata)),
        ("user-data", spec.user_data or "#cloud-config\n{}\n"),
        ("vendor-data", VENDOR_DATA),
    ):
        file = seed / name
        file.touch(mode=0o600)
        file.write_text(text)
    etc = upper / "etc"
    etc.mkdir(exist_ok=True)
    resolv = etc / "resolv.conf"
    resolv.unlink(missing_ok=True)
    resolv.write_text(f"nameserver {resolver}\n")
    units = etc / "systemd/system"
    wants = units / "sysinit.target.wants"
    wants.mkdir(parents=True, exist_ok=True)
    (units / UNIT_NAME).write_text(UNIT)
    (wants / UNIT_NAME).unlink(missing_ok=True)
    (wants / UNIT_NAME).symlink_to(f"../{UNIT_NAME}")
    (etc / "hostname").write_text(f"{host}\n")

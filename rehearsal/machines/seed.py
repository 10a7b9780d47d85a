"""Files that a droplet's disk gets before its first boot.

They are the NoCloud seed for cloud-init, the resolver, and a unit that makes the container look
like a machine. A real droplet gets the same data from the metadata service. The cloud has one too,
but cloud-init's DigitalOcean data source ignores containers.
"""

import json
import re
from ipaddress import IPv4Address
from pathlib import Path

from rehearsal.network.metadata import VENDOR_DATA
from rehearsal.topology.protocol import MachineSpec

ONLINE_FILE = "/run/rehearsal-online"
"""The bind-mounted file with the list of the droplet's processors."""

UNIT = f"""\
[Unit]
Description=Show control groups and processors like a real machine
DefaultDependencies=no
Before=sysinit.target

[Service]
Type=oneshot
# systemd-nspawn leaves version 1 hierarchies read-only; Nomad's client creates groups in them.
ExecStart=/bin/sh -c 'for h in /sys/fs/cgroup/*/; do \\
    mountpoint -q "$h" || continue; mount -o remount,rw,bind "$h"; done'
ExecStart=/bin/mount --bind {ONLINE_FILE} /sys/devices/system/cpu/online
"""
UNIT_NAME = "rehearsal-machine.service"

MAX_HOSTNAME_CHARS = 64
"""The limit of Linux."""
_LABEL = re.compile("[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?")


def hostname(name: str, droplet_id: int) -> str:
    """Return the droplet's name without the parts that no host name may have."""
    valid = ".".join(_LABEL.findall(name))[:MAX_HOSTNAME_CHARS].rstrip(".-")
    return valid or f"droplet-{droplet_id}"


def write(upper: Path, spec: MachineSpec, resolver: IPv4Address) -> None:
    """Write the files to the droplet's layer; in the droplet only root may read the user data."""
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

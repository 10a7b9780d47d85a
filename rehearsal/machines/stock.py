"""The stock image debian-12-x64, made by debootstrap from Debian's packages, once for every cloud of this machine.

It holds what DigitalOcean's image of that name holds and our provisioners may rely on, and no more of note:
the list is in docs/rehearsal.md. Kept outside the checkout; its name tells its recipe.
"""

import hashlib
import os
import shutil
from pathlib import Path

from rehearsal import paths
from rehearsal.subprocesses import CLEAN, run

SLUG = "debian-12-x64"
SUITE = "bookworm"
PACKAGES = [
    "ca-certificates",
    "curl",
    "dbus",
    "iproute2",
    "iputils-ping",
    "libpam-systemd",
    "locales",
    "nftables",
]
PACKAGES += ["openssh-server", "procps", "python3", "sudo", "systemd", "systemd-sysv", "udev"]
LATER = ("cloud-init",)
"""Fails in debootstrap's own list, so apt installs it in the finished root."""

FILES = {
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    # Empty, not "uninitialized": systemd fills it in at boot without enabling every unit as on a first boot.
    "etc/machine-id": "",
    # Addresses are there before the machine boots (rehearsal/network/bridges.py), and the seed replaces the metadata
    # service for cloud-init, whose DigitalOcean source ignores containers.
    "etc/cloud/cloud.cfg.d/90_rehearsal.cfg": "datasource_list: [NoCloud]\nnetwork: {config: disabled}\nlocale: C.UTF-8\n",
}


def directory() -> Path:
    """Where the image is, or will be, for this recipe."""
    recipe = repr((SUITE, PACKAGES, LATER, FILES))
    return (
        paths.cache_root() / "images" / f"{SLUG}-{hashlib.sha256(recipe.encode()).hexdigest()[:12]}"
    )


async def _mirror() -> list[str]:
    """The Debian archive that this machine itself installs from, if it has one for the suite; else debootstrap's own default."""
    if shutil.which("apt-get") is None:
        return []
    targets = await run(
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(CODENAME) $(LABEL)",
        "Created-By: Packages",
    )
    found = [
        line.split()[0] for line in targets.splitlines() if line.split()[1:] == [SUITE, "Debian"]
    ]
    return found[:1]


async def ensure() -> Path:
    """Make the image if it is not there; about two minutes, and none the next time.

    Raises:
        CommandError: a package could not be installed.
    """
    image = directory()
    if image.exists():
        return image
    image.parent.mkdir(parents=True, exist_ok=True)
    building = image.with_name(f"{image.name}.building-{os.getpid()}")
    try:
        await run(
            "debootstrap",
            "--variant=minbase",
            f"--include={','.join(PACKAGES)}",
            SUITE,
            building,
            *await _mirror(),
        )
        inside = (
            "chroot",
            building,
            "env",
            "-i",
            f"PATH={CLEAN['PATH']}",
            "DEBIAN_FRONTEND=noninteractive",
            "HOME=/root",
        )
        await run(*inside, "apt-get", "update", "-q")
        await run(*inside, "apt-get", "install", "-y", "-q", "--no-install-recommends", *LATER)
        await run(*inside, "apt-get", "clean")
        for name, text in FILES.items():
            (building / name).write_text(text)
        for secret in (building / "etc/ssh").glob("ssh_host_*"):
            secret.unlink()
        (building / "etc/hostname").unlink(missing_ok=True)
        (building / "etc/resolv.conf").unlink(missing_ok=True)
        building.rename(image)
    finally:
        if building.exists():
            shutil.rmtree(building)
    return image

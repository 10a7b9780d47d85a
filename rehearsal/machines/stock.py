"""The stock image debian-12-x64, built by debootstrap once for all clouds of this machine.

It has the packages of DigitalOcean's image that our provisioners rely on; docs/rehearsal.md lists
them. The image is outside the checkout. Its directory name contains a hash of its recipe.
"""

import hashlib
import os
import shutil
from pathlib import Path

from rehearsal import paths
from rehearsal.subprocesses import CHILD_ENVIRONMENT, run

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
    "openssh-server",
    "procps",
    "python3",
    "sudo",
    "systemd",
    "systemd-sysv",
    "udev",
]
APT_PACKAGES = ("cloud-init",)
"""Packages that debootstrap fails to install, so apt installs them afterwards."""

INSTALL = ("apt-get", "install", "-y", "-q", "--no-install-recommends")

FILES = {
    "etc/hosts": "127.0.0.1 localhost\n::1 localhost ip6-localhost ip6-loopback\n",
    # Empty, not "uninitialized": at a first boot systemd would enable every unit.
    "etc/machine-id": "",
    # rehearsal/network/bridges.py sets the addresses before the machine boots. The seed replaces
    # the metadata service, because cloud-init's DigitalOcean data source ignores containers.
    "etc/cloud/cloud.cfg.d/90_rehearsal.cfg": (
        "datasource_list: [NoCloud]\nnetwork: {config: disabled}\nlocale: C.UTF-8\n"
    ),
}


def directory() -> Path:
    """Return the directory of the image of this recipe, whether it exists or not."""
    recipe = repr((SUITE, PACKAGES, APT_PACKAGES, FILES))
    digest = hashlib.sha256(recipe.encode()).hexdigest()
    return paths.cache_root() / "images" / f"{SLUG}-{digest[:12]}"


async def _mirror() -> list[str]:
    """Return the Debian archive in this machine's apt sources, if it has the suite.

    Without one debootstrap uses its default.
    """
    if shutil.which("apt-get") is None:
        return []
    targets = await run(
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(CODENAME) $(LABEL)",
        "Created-By: Packages",
    )
    archives = [
        line.split()[0] for line in targets.splitlines() if line.split()[1:] == [SUITE, "Debian"]
    ]
    return archives[:1]


async def ensure() -> Path:
    """Build the image if it does not exist, which takes about two minutes; return its directory.

    Raises:
        CommandError: a package cannot be installed.
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
        in_image = (
            "chroot",
            building,
            "env",
            "-i",
            f"PATH={CHILD_ENVIRONMENT['PATH']}",
            "DEBIAN_FRONTEND=noninteractive",
            "HOME=/root",
        )
        await run(*in_image, "apt-get", "update", "-q")
        await run(*in_image, *INSTALL, *APT_PACKAGES)
        await run(*in_image, "apt-get", "clean")
        for name, text in FILES.items():
            (building / name).write_text(text)
        for host_key in (building / "etc/ssh").glob("ssh_host_*"):
            host_key.unlink()
        (building / "etc/hostname").unlink(missing_ok=True)
        (building / "etc/resolv.conf").unlink(missing_ok=True)
        building.rename(image)
    finally:
        if building.exists():
            shutil.rmtree(building)
    return image

"""Request bodies of images."""

from typing import Annotated, Literal

from pydantic import StringConstraints

from rehearsal.api.schemas import Body

Distribution = Literal[
    "Arch Linux",
    "CentOS",
    "CoreOS",
    "Debian",
    "Fedora",
    "Fedora Atomic",
    "FreeBSD",
    "Gentoo",
    "openSUSE",
    "RancherOS",
    "Rocky Linux",
    "Ubuntu",
    "Unknown",
]


class ImageUpdate(Body):
    name: Annotated[str, StringConstraints(min_length=1)] | None = None
    description: str | None = None
    distribution: Distribution | None = None

"""One cloud's fixed facts, written once by ``up`` and read by each of its processes."""

from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rehearsal import atomic_file, paths
from rehearsal.limits import REAL, Limits
from rehearsal.times import Times

PUBLIC_POOL = IPv4Network("198.18.0.0/16")
"""Reserved for benchmarking (RFC 2544): no public host ever has one of these addresses."""

SLICE_PREFIX = 20
"""Each cloud's public slice: 4,094 addresses, so that 16 clouds fit side by side."""


NAME = r"^[a-z][a-z0-9]{0,19}$"
"""A cloud's name stands in host names and in front of ``-d`` and a droplet's id: so no hyphens."""


class CloudConfig(BaseModel):
    """What tells one cloud of this machine from another."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME)
    index: int
    """0 to 15: which slice of the public pool is this cloud's."""
    machines: Literal["nspawn", "memory"]
    port: int
    """Loopback port of the API."""
    token: str
    spaces_key: str
    spaces_secret: str
    times: Times = Times()
    """What the file held that ``up`` was given, not where it is: the cloud's times are its own."""
    requests_an_hour: int = Field(default=REAL.hour, ge=1)
    requests_a_minute: int = Field(default=REAL.minute, ge=1)

    @property
    def limits(self) -> Limits:
        return Limits(hour=self.requests_an_hour, minute=self.requests_a_minute)

    @property
    def directory(self) -> Path:
        return paths.cloud_dir(self.name)

    @cached_property
    def public(self) -> IPv4Network:
        """The cloud's slice of public addresses."""
        return list(PUBLIC_POOL.subnets(new_prefix=SLICE_PREFIX))[self.index]

    @property
    def gateway(self) -> IPv4Address:
        """The droplets' default route; nothing is forwarded beyond it. DNS answers here."""
        return self.public[1]

    @property
    def host(self) -> IPv4Address:
        """This machine's own address in the slice: an outside client for the firewalls."""
        return self.public[2]

    @property
    def spaces(self) -> IPv4Address:
        """Where Spaces answers, on port 80."""
        return self.public[3]

    @property
    def releases(self) -> IPv4Address:
        """Where the release server answers, on port 80."""
        return self.public[4]

    @property
    def first_free(self) -> IPv4Address:
        """The first address that droplets, balancers and reserved IPs may have."""
        return self.public[16]

    @property
    def netns(self) -> str:
        return f"slip-{self.name}"

    @property
    def domain(self) -> str:
        """The cloud's own names end in this; ``.internal`` is reserved for private use."""
        return f"{self.name}.internal"

    @property
    def spaces_host(self) -> str:
        """Go template of the Spaces host, as ``SPACES_ENDPOINT_URL`` takes it."""
        return "{{.Region}}.spaces." + self.domain

    @property
    def releases_url(self) -> str:
        return f"http://releases.{self.domain}"

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def save(self) -> None:
        """Write the file that the cloud's processes read, whole or not at all; only its owner may read it, for it holds the keys."""
        atomic_file.write(self.directory / "cloud.json", self.model_dump_json(indent=2).encode())

    @classmethod
    def load(cls, name: str) -> "CloudConfig":
        """Read a cloud's facts.

        Raises:
            FileNotFoundError: there is no cloud of that name.
        """
        return cls.model_validate_json((paths.cloud_dir(name) / "cloud.json").read_text())

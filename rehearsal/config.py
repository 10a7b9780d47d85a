"""The configuration of one cloud: written by ``up``, read by each process of the cloud."""

from functools import cached_property
from ipaddress import IPv4Address, IPv4Network
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from rehearsal import atomic_file, paths
from rehearsal.limits import DIGITALOCEAN_LIMITS, RateLimits
from rehearsal.times import Times

PUBLIC_POOL = IPv4Network("198.18.0.0/16")
"""Reserved for benchmarking (RFC 2544), so no host on the internet has one of these addresses."""

CLOUD_PREFIX = 20
"""Prefix length of one cloud's part of the pool: 4,094 addresses, so that 16 clouds fit in it."""

NAME_PATTERN = r"^[a-z][a-z0-9]{0,19}$"
"""No hyphens: namespaces are named ``slip-CLOUD-dDROPLET``, and host names contain the name."""


MachineKind = Literal["nspawn", "memory"]
"""Real machines, or none."""


class CloudConfig(BaseModel):
    """Name, addresses, credentials and settings of one cloud."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(pattern=NAME_PATTERN)
    index: int
    """Which network of the public pool is this cloud's, from 0 to 15."""
    machines: MachineKind
    port: int
    """Loopback port of the API."""
    token: str
    spaces_key: str
    spaces_secret: str
    times: Times = Times()
    """The content of the file given to ``up --times``; later changes to the file have no effect."""
    requests_an_hour: int = Field(default=DIGITALOCEAN_LIMITS.per_hour, ge=1)
    requests_a_minute: int = Field(default=DIGITALOCEAN_LIMITS.per_minute, ge=1)

    @property
    def limits(self) -> RateLimits:
        return RateLimits(per_hour=self.requests_an_hour, per_minute=self.requests_a_minute)

    @property
    def directory(self) -> Path:
        return paths.cloud_dir(self.name)

    @cached_property
    def public_network(self) -> IPv4Network:
        """The network of the cloud's public addresses."""
        return list(PUBLIC_POOL.subnets(new_prefix=CLOUD_PREFIX))[self.index]

    @property
    def gateway(self) -> IPv4Address:
        """The droplets' default gateway, which forwards nothing. DNS answers here too."""
        return self.public_network[1]

    @property
    def host_address(self) -> IPv4Address:
        """This machine's own address in the network. Firewalls treat it as an outside client."""
        return self.public_network[2]

    @property
    def spaces_address(self) -> IPv4Address:
        """The address of Spaces, on port 80."""
        return self.public_network[3]

    @property
    def releases_address(self) -> IPv4Address:
        """The address of the release server, on port 80."""
        return self.public_network[4]

    @property
    def first_assignable_address(self) -> IPv4Address:
        """The first address for droplets, load balancers and reserved IPs."""
        return self.public_network[16]

    @property
    def netns(self) -> str:
        """The name of the cloud's network namespace."""
        return f"slip-{self.name}"

    @property
    def domain(self) -> str:
        """The DNS domain of the cloud's services; ``.internal`` is reserved for private use."""
        return f"{self.name}.internal"

    @property
    def spaces_host(self) -> str:
        """The Spaces host as a Go template, which ``SPACES_ENDPOINT_URL`` expects."""
        return "{{.Region}}.spaces." + self.domain

    @property
    def releases_url(self) -> str:
        return f"http://releases.{self.domain}"

    @property
    def api_url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def save(self) -> None:
        """Write the file atomically; only its owner may read it, because it has credentials."""
        atomic_file.write(self.directory / "cloud.json", self.model_dump_json(indent=2).encode())

    @classmethod
    def load(cls, name: str) -> "CloudConfig":
        """Return the configuration of the cloud ``name``.

        Raises:
            FileNotFoundError: there is no cloud of that name.
            ValidationError: the file is damaged.
        """
        return cls.model_validate_json((paths.cloud_dir(name) / "cloud.json").read_text())

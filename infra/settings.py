"""What a stack may set. Read once and checked whole, before the first resource is asked for."""

import difflib
import json
import re
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from infra import addresses, names

ENVIRONMENT = {"admin_cidrs": "SLIPWAY_ADMIN_CIDRS", "ssh_public_key": "SLIPWAY_SSH_PUBLIC_KEY"}
"""Settings that may also come from the environment, because they belong to who deploys, not to what is deployed."""

AGENT_PORTS = frozenset({22, 53, *range(4646, 4649), *range(8300, 8303), *range(8500, 8504), 8600})
"""What sshd, Consul and Nomad listen on."""


def _parts(value: object) -> object:
    """A list as Pulumi hands it over: a list, JSON text, or text with commas."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return [part.strip() for part in value.split(",") if part.strip()]


def _number(value: object) -> object:
    """A number as Pulumi hands it over: text."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


Size = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)+$")]
Version = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")]
PublicKey = Annotated[
    str, Field(pattern=r"^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/=]+( .*)?$")
]


class Settings(BaseModel):
    """One stack's settings; frozen, and nothing that it does not know. Made by ``check`` and ``load``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: Annotated[
        str,
        Field(
            pattern=r"^[a-z]{3}\d$",
            description="Where everything is: a DigitalOcean region that has Spaces.",
        ),
    ] = "nyc3"
    primes: Annotated[
        Literal[1, 3, 5],
        BeforeValidator(_number),
        Field(description="Consul and Nomad servers: 1, 3 or 5."),
    ] = 1
    workers: Annotated[
        int,
        Field(ge=1, le=1000, description="Machines that run jobs; at least `service_count` + 1."),
    ] = 4
    prime_size: Annotated[Size, Field(description="Size of a prime; the region must offer it.")] = (
        "s-1vcpu-1gb"
    )
    worker_size: Annotated[
        Size, Field(description="Size of a worker; the region must offer it.")
    ] = "s-1vcpu-1gb"
    vpc_cidr: Annotated[
        IPv4Network,
        Field(
            description="The private network, /16 to /28 and RFC 1918; no other VPC may overlap it."
        ),
    ] = IPv4Network("10.10.0.0/20")
    admin_cidrs: Annotated[
        tuple[addresses.Network, ...],
        BeforeValidator(_parts),
        Field(
            description="Who may reach SSH, Nomad (4646) and Consul (8501). Required; what the environment names is added."
        ),
    ] = ()
    ssh_public_key: Annotated[
        PublicKey | None,
        Field(
            description="Who may log in over SSH as `ops`, which may do all; nobody if unset. Reaches every machine at the next `up`."
        ),
    ] = None
    service_count: Annotated[
        int, Field(ge=1, le=100, description="Instances of frontserve, and of backserve.")
    ] = 2
    frontserve_port: Annotated[
        int,
        Field(
            ge=1024,
            le=19999,
            description="Port of frontserve on each worker, open to the load balancer only; not one of an agent's.",
        ),
    ] = 8085
    workload: Annotated[
        bool,
        Field(
            description="Whether services, prober and operator are in the cluster. Without them a new stack can be brought up "
            "in parts (`pulumi up --target`), which providers of a cluster that is not there yet make impossible."
        ),
    ] = True
    task_driver: Annotated[
        Literal["exec", "raw_exec"],
        Field(description="How Nomad runs a service: in a chroot, or as it is."),
    ] = "exec"
    greeting: Annotated[
        str,
        Field(
            pattern=r"^[^$\n]{0,200}$",
            description="What backserve answers with: one line without `$`. With none it is unhealthy, and an update to that is reverted.",
        ),
    ] = "hello"
    consul_version: Annotated[
        Version, Field(description="Consul in the base image; a change makes a new image.")
    ] = "1.22.3"
    nomad_version: Annotated[
        Version, Field(description="Nomad in the base image; a change makes a new image.")
    ] = "1.11.3"
    artifacts_bucket: Annotated[
        Bucket | None,
        Field(
            description="Bucket of the packed services; unset, it is named after project, stack, region and account."
        ),
    ] = None
    ready_timeout: Annotated[
        int, Field(ge=30, le=3600, description="Seconds that the agents have to find each other.")
    ] = 600

    def machine_count(self, role: names.Role) -> int:
        """Return how many machines of a role the stack has."""
        return {"prime": self.primes, "worker": self.workers}[role]

    def droplet_size(self, role: names.Role) -> str:
        """Return the size of the droplets of a role."""
        return {"prime": self.prime_size, "worker": self.worker_size}[role]


Problem = tuple[tuple[str, ...], str]
"""The settings that together are wrong, the one to change first, and the words."""


class SettingsError(Exception):
    """Every problem of a stack's settings, one a line."""


def check(
    stack: str, values: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[Settings, list[str]]:
    """Check ``values`` of ``Pulumi.<stack>.yaml`` together with what the environment adds.

    Returns:
        The settings, a default standing where a value is wrong, and all problems with their remedies; empty if none.
    """
    values = _with_environment(values, environment)
    problems = []
    wrong: set[str] = set()
    try:
        settings = Settings(**values)
    except ValidationError as bad:
        for error in bad.errors():
            name = str(error["loc"][0])
            if name not in wrong:
                problems.append(_told(name, values[name], error["msg"]))
            wrong.add(name)
        settings = Settings(**{name: value for name, value in values.items() if name not in wrong})
    problems += [
        f"{fields[0]}: {text}" for fields, text in _together(settings) if not wrong & set(fields)
    ]
    if not names.is_slug(stack):
        problems.append(
            f"stack name {stack!r} is in every name and tag: use 1 to 30 lower-case letters, digits and single dashes"
        )
    return settings, problems


def load(stack: str, values: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """As ``check``, for a caller that can do nothing with wrong settings.

    Raises:
        SettingsError: with all problems at once.
    """
    settings, problems = check(stack, values, environment)
    if problems:
        raise SettingsError(message(stack, problems))
    return settings


def is_settings_report(text: str) -> bool:
    """Whether an error message of the program is the ``message`` of wrong settings."""
    return re.match(r"(SettingsError: )?Pulumi\.\S+\.yaml .*problem", text) is not None


def message(stack: str, problems: list[str]) -> str:
    """Return the report of all problems; ``is_settings_report`` recognises it."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return (
        f"Pulumi.{stack}.yaml and its environment have {count}; nothing was touched:\n"
        + "\n".join(f"  - {p}" for p in problems)
    )


def _with_environment(values: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """The stack's file and the environment together: networks add up, any other value of the file wins."""
    merged = dict(values)
    for name, variable in ENVIRONMENT.items():
        if value := environment.get(variable, "").strip():
            merged[name] = (
                ",".join(map(str, (*_listed(values.get(name)), value)))
                if name == "admin_cidrs"
                else values.get(name, value)
            )
    return merged


def _listed(value: object) -> list[object]:
    parts = _parts(value) if value is not None else []
    return parts if isinstance(parts, list) else [parts]


def _told(name: str, value: object, reason: str) -> str:
    """One wrong value in words: what it is, why it will not do, what would."""
    if (field := Settings.model_fields.get(name)) is None:
        near = difflib.get_close_matches(name, Settings.model_fields, n=1)
        remedy = (
            f"did you mean {near[0]!r}?"
            if near
            else f"there are {', '.join(Settings.model_fields)}"
        )
        return f"{name}: no such setting; {remedy}"
    return (
        f"{name}: {str(value)!r} will not do ({reason[0].lower()}{reason[1:]}). {field.description}"
    )


def _together(settings: Settings) -> list[Problem]:
    """What no value alone is guilty of."""
    s = settings
    found: list[Problem] = []
    if s.region not in addresses.SPACES_REGIONS:
        found.append(
            (
                ("region",),
                f"{s.region} has no Spaces, which hold the services; choose one of {', '.join(addresses.SPACES_REGIONS)}",
            )
        )
    if s.workers < s.service_count + 1:
        found.append(
            (
                ("workers", "service_count"),
                f"{s.workers} cannot hold {s.service_count} instances on a fixed port and the canary of an update: "
                f"set at least {s.service_count + 1}, or a lower service_count",
            )
        )
    if s.frontserve_port in AGENT_PORTS:
        found.append(
            (
                ("frontserve_port",),
                f"{s.frontserve_port} is an agent's; set another, for example 8085",
            )
        )
    found += _networks(s)
    return found


def _networks(s: Settings) -> list[Problem]:
    found: list[Problem] = []
    if not (16 <= s.vpc_cidr.prefixlen <= 28 and addresses.is_private(s.vpc_cidr)):
        found.append(
            (
                ("vpc_cidr",),
                f"{s.vpc_cidr} is not a private range from /16 to /28; set one, for example 10.10.0.0/20",
            )
        )
    elif taken := addresses.overlapping(s.vpc_cidr, addresses.RESERVED_RANGES):
        found.append(
            (
                ("vpc_cidr",),
                f"{s.vpc_cidr} overlaps {taken[0]}, which DigitalOcean keeps for itself; move it",
            )
        )
    elif s.primes + s.workers > (room := addresses.capacity(s.vpc_cidr)):
        asked = s.primes + s.workers
        found.append(
            (
                ("vpc_cidr", "primes", "workers"),
                f"{s.vpc_cidr} has room for {max(room, 0)} machines, {asked} are asked for; widen it",
            )
        )
    if not s.admin_cidrs:
        text = f"required; list the networks that you work from, in Pulumi.<stack>.yaml or in {ENVIRONMENT['admin_cidrs']}"
        found.append((("admin_cidrs",), text))
    elif addresses.is_everyone(s.admin_cidrs):
        found.append(
            (
                ("admin_cidrs",),
                "opens SSH, Nomad and Consul to everyone; name the networks that you work from",
            )
        )
    for network in addresses.overlapping(
        s.vpc_cidr, [n for n in s.admin_cidrs if isinstance(n, IPv4Network) and n.prefixlen]
    ):
        text = f"{network} overlaps vpc_cidr {s.vpc_cidr}, so that every machine of it would count as an administrator; take it out"
        found.append((("admin_cidrs", "vpc_cidr"), text))
    return found

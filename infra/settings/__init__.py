"""The settings of a stack, and their validation.

To change which droplet sizes a stack may have, see ``prime_size`` and ``worker_size`` here, and
``infra/account.py``, which compares them with the sizes that the region offers.
"""

import difflib
import re
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Annotated, Any, Literal

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from infra import addresses, names
from infra.settings.checks import cross_field_checks
from infra.settings.sources import merge_environment, parse_mapping, parse_number, split_list

Size = Annotated[str, Field(pattern=r"^[a-z0-9]+(-[a-z0-9]+)+$")]
Version = Annotated[str, Field(pattern=r"^\d+\.\d+\.\d+$")]
Bucket = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$")]
Slot = Annotated[str, Field(pattern=r"^(prime|worker)\d{2,}$")]
TaskDriver = Literal["exec", "raw_exec"]
DEFAULT_TASK_DRIVER: TaskDriver = "exec"
DEFAULT_REGION = "nyc3"
MIN_DRAIN_DEADLINE_S = 360
"""Longer than the migration of an allocation and its kill timeout together."""
PublicKey = Annotated[
    str, Field(pattern=r"^(ssh-(ed25519|rsa)|ecdsa-sha2-nistp\d+) [A-Za-z0-9+/=]+( .*)?$")
]


class Settings(BaseModel):
    """The settings of one stack. Use ``check`` or ``load`` to create them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    region: Annotated[
        str,
        Field(
            pattern=r"^[a-z]{3}\d$",
            description="The DigitalOcean region of all resources. It must have Spaces.",
        ),
    ] = DEFAULT_REGION
    primes: Annotated[
        Literal[1, 3, 5],
        BeforeValidator(parse_number),
        Field(description="Consul and Nomad servers: 1, 3 or 5."),
    ] = 1
    workers: Annotated[
        int,
        Field(ge=1, le=1000, description="Machines that run jobs; at least `service_count` + 1."),
    ] = 4
    prime_size: Annotated[
        Size, Field(description="Droplet size of the primes; the region must offer it.")
    ] = "s-1vcpu-1gb"
    worker_size: Annotated[
        Size, Field(description="Droplet size of the workers; the region must offer it.")
    ] = "s-1vcpu-1gb"
    vpc_cidr: Annotated[
        IPv4Network,
        Field(
            description="IP range of the VPC: RFC 1918, /16 to /28. "
            "It must not overlap another VPC of the account. Each region has another default."
        ),
    ] = addresses.VPC_RANGES[DEFAULT_REGION]
    admin_cidrs: Annotated[
        tuple[addresses.Network, ...],
        BeforeValidator(split_list),
        Field(
            description="Networks that may connect to SSH, Nomad (4646) and Consul (8501). "
            "Required; the networks of the environment are added."
        ),
    ] = ()
    ssh_public_key: Annotated[
        PublicKey | None,
        Field(
            description="Public SSH key of the user `ops`, who may use sudo. "
            "Without it, nobody can log in. `up` delivers a new key to every machine."
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
            description="Port of frontserve on each worker. Only the load balancer can connect to "
            "it. The ports of Consul and Nomad are not allowed.",
        ),
    ] = 8085
    workload: Annotated[
        bool,
        Field(
            description="Whether the stack has the services, the prober and the operator. "
            "To create a new stack in parts (`pulumi up --target`), set it to false first: "
            "the providers of a cluster that does not exist yet cannot be configured."
        ),
    ] = True
    task_driver: Annotated[
        TaskDriver,
        Field(
            description="Nomad's task driver: `exec` runs a service in a chroot, `raw_exec` "
            "without isolation."
        ),
    ] = DEFAULT_TASK_DRIVER
    greeting: Annotated[
        str,
        Field(
            pattern=r"^[^$\n]{0,200}$",
            description="The text with which backserve answers: one line without `$`. "
            "With an empty text, backserve is unhealthy and Nomad reverts the update.",
        ),
    ] = "hello"
    consul_version: Annotated[
        Version, Field(description="Consul in the base image; a change builds a new image.")
    ] = "1.22.3"
    nomad_version: Annotated[
        Version, Field(description="Nomad in the base image; a change builds a new image.")
    ] = "1.11.3"
    artifacts_bucket: Annotated[
        Bucket | None,
        Field(
            description="Bucket of the packed services. The default name has the project, the "
            "stack, the region and a hash of the account."
        ),
    ] = None
    ready_timeout: Annotated[
        int,
        Field(
            ge=30,
            le=3600,
            description="Seconds in which a machine must enrol, all agents must join, and the URL "
            "must answer.",
        ),
    ] = 600
    drain_deadline: Annotated[
        int,
        Field(
            ge=MIN_DRAIN_DEADLINE_S,
            le=86400,
            description="Seconds for the allocations of a machine to move before it is deleted.",
        ),
    ] = 600
    max_unavailable: Annotated[
        int, Field(ge=1, le=100, description="Workers that leave the cluster at the same time.")
    ] = 1
    backup_period: Annotated[
        int,
        Field(ge=1, le=720, description="Hours between two backups of Consul and Nomad."),
    ] = 24
    backup_keep: Annotated[
        int, Field(ge=2, le=1000, description="Backups that are kept at most.")
    ] = 14
    backup_days: Annotated[
        int,
        Field(ge=1, le=3650, description="Days for which a backup is kept; the last one stays."),
    ] = 30
    replace: Annotated[
        dict[str, int],
        BeforeValidator(parse_mapping),
        Field(description="By machine, how often `deploy replace` has replaced it."),
    ] = {}
    batch: Annotated[
        tuple[Slot, ...] | None,
        BeforeValidator(split_list),
        Field(
            description="Machines that an update may replace, such as `worker01`; all by default. "
            "`deploy up --batch` sets it."
        ),
    ] = None

    def may_replace(self, label: str) -> bool:
        """Whether an update may replace the machine in a slot."""
        return self.batch is None or label in self.batch

    @model_validator(mode="before")
    @classmethod
    def _choose_vpc_range(cls, values: dict[str, Any]) -> dict[str, Any]:
        default = addresses.VPC_RANGES.get(values.get("region", DEFAULT_REGION))
        return {"vpc_cidr": default, **values} if default else values

    def machine_count(self, role: names.Role) -> int:
        """Return how many machines of a role the stack has."""
        return {"prime": self.primes, "worker": self.workers}[role]

    def droplet_size(self, role: names.Role) -> str:
        """Return the size of the droplets of a role."""
        return {"prime": self.prime_size, "worker": self.worker_size}[role]


class SettingsError(Exception):
    """All problems of a stack's settings, one in each line."""


def check(
    stack: str, values: Mapping[str, Any], environment: Mapping[str, str]
) -> tuple[Settings, list[str]]:
    """Validate ``values`` of ``Pulumi.<stack>.yaml`` and the environment.

    Returns:
        The settings, with defaults in place of wrong values, and all problems with remedies.
    """
    values = merge_environment(values, environment)
    problems = []
    wrong: set[str] = set()
    try:
        settings = Settings(**values)
    except ValidationError as error:
        for details in error.errors():
            name = str(details["loc"][0])
            if name not in wrong:
                problems.append(format_problem(name, values[name], details["msg"]))
            wrong.add(name)
        settings = Settings(**{name: value for name, value in values.items() if name not in wrong})
    problems += [
        f"{problem.fields[0]}: {problem.text}"
        for problem in cross_field_checks(settings)
        if not wrong & set(problem.fields)
    ]
    if not names.is_slug(stack):
        problems.append(
            f"stack name {stack!r} is part of every name and tag: "
            "use 1 to 30 lower-case letters, digits and single dashes"
        )
    return settings, problems


def load(stack: str, values: Mapping[str, Any], environment: Mapping[str, str]) -> Settings:
    """Return valid settings.

    Raises:
        SettingsError: with all problems.
    """
    settings, problems = check(stack, values, environment)
    if problems:
        raise SettingsError(format_report(stack, problems))
    return settings


def format_report(stack: str, problems: list[str]) -> str:
    """Return the report of all problems; ``is_settings_report`` recognises it."""
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    return (
        f"Pulumi.{stack}.yaml and its environment have {count}; nothing was changed:\n"
        + "\n".join(f"  - {problem}" for problem in problems)
    )


def is_settings_report(text: str) -> bool:
    """Whether an error message of the program is a ``format_report``."""
    return re.match(r"(SettingsError: )?Pulumi\.\S+\.yaml .*problem", text) is not None


def format_problem(name: str, value: object, reason: str) -> str:
    """Return a sentence with the setting, its value, the reason and the remedy."""
    if (field := Settings.model_fields.get(name)) is None:
        similar = difflib.get_close_matches(name, Settings.model_fields, n=1)
        remedy = (
            f"did you mean {similar[0]!r}?"
            if similar
            else f"the settings are {', '.join(Settings.model_fields)}"
        )
        return f"{name}: no such setting; {remedy}"
    return (
        f"{name}: {str(value)!r} is not allowed ({reason[0].lower()}{reason[1:]}). "
        f"{field.description}"
    )

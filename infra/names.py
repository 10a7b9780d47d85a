"""Names, tags and logical names of a stack, each stated once.

``infra`` gives these names to resources; ``deploy`` finds the resources again by them.
"""

import hashlib
import re
from collections.abc import Mapping
from ipaddress import IPv4Network
from typing import Literal

Role = Literal["prime", "worker"]
ROLES: tuple[Role, ...] = ("prime", "worker")

FirewallGroup = Literal["nodes", "primes", "workers", "edge"]
FIREWALL_GROUPS: tuple[FirewallGroup, ...] = ("nodes", "primes", "workers", "edge")

AUTHORITY = "authority"
BACKUPS = "backups"
OPERATOR = "operator"
SECRETS = "secrets"
"""Logical names of components. The logical names of their children start with them."""

IMAGE_FAMILY = "base"
BASE_IMAGE_NAME = re.compile(rf"{IMAGE_FAMILY}\.\d{{4}}\.\d{{2}}\.\d{{2}}\.\d+")
"""Names of the base images of all stacks; see ``image_name``."""
BUILD_PREFIX = "image-build"
CLAIM_PREFIX = "used-by-"

HOST_KEY_TYPE = "tls:index/privateKey:PrivateKey"
"""Type token of the resource whose logical name is ``host_key_name``."""

_RANDOM = "random:index/randomPassword:RandomPassword"
ROTATED_RESOURCES: Mapping[str, Mapping[str, re.Pattern[str]]] = {
    "gossip": {_RANDOM: re.compile(rf"{SECRETS}-gossip-(consul|nomad)")},
    "tokens": {
        _RANDOM: re.compile(
            rf"{SECRETS}-(bootstrap-(consul|nomad)|backup|dns|({'|'.join(ROLES)})\d+-(agent|nomad))"
        ),
        "consul:index/aclToken:AclToken": re.compile(rf"{OPERATOR}-.+"),
        "nomad:index/aclToken:AclToken": re.compile(rf"{OPERATOR}-.+"),
    },
    "certificates": {
        "tls:index/privateKey:PrivateKey": re.compile(rf"{AUTHORITY}-.+-key"),
        "tls:index/certRequest:CertRequest": re.compile(rf"{AUTHORITY}-.+-request"),
        "tls:index/locallySignedCert:LocallySignedCert": re.compile(rf"{AUTHORITY}-.+-certificate"),
    },
}
"""What a rotation replaces: kind of secret -> type token -> logical names that match in full.

A rotation never replaces the certificate authority, SSH host keys and the enrolment key.
"""


def stack_prefix(project: str, stack: str) -> str:
    """Return the start of every name and tag of a stack: ``slipway-dev``.

    With it, several stacks can share one account.
    """
    return f"{project}-{stack}"


def role_tag(prefix: str, role: Role) -> str:
    """Return the tag of the droplets of one role: ``slipway-dev-worker``."""
    return f"{prefix}-{role}"


def role_tags(prefix: str) -> list[str]:
    """Return the tags of all droplets of a stack."""
    return [role_tag(prefix, role) for role in ROLES]


def network_name(prefix: str, region: str, vpc_cidr: IPv4Network) -> str:
    """Return the name of a stack's VPC and load balancer: ``slipway-dev-nyc3-10-10-0-0``.

    A stack that moves has two networks for a while, and DigitalOcean refuses a name twice.
    """
    return f"{prefix}-{region}-{str(vpc_cidr.network_address).replace('.', '-')}"


def is_network_name(prefix: str, name: str) -> bool:
    """Whether a VPC of this name belongs to the stack."""
    return re.fullmatch(_network_names(prefix), name) is not None


def _network_names(prefix: str) -> str:
    """Return the pattern of ``network_name``; earlier versions used the prefix alone."""
    return rf"{re.escape(prefix)}(-[a-z]+\d+(-\d+){{4}})?"


def machine_label(role: Role, number: int) -> str:
    """Return the logical name of a machine: ``worker01``, with three digits from 100 on.

    It has no region, so that a stack that moves to another region replaces its machines.
    """
    return f"{role}{number:02d}"


def droplet_name(role: Role, number: int, region: str) -> str:
    """Return the name of a droplet, which is also its node name: ``worker01nyc3``."""
    return f"{machine_label(role, number)}{region}"


def generation_name(first_name: str, number: int) -> str:
    """Return the name of a slot's machine of one generation.

    The first is ``worker01nyc3``, the second ``worker01nyc3-2``.
    """
    return first_name if number == 1 else f"{first_name}-{number}"


def generation_number(first_name: str, name: str) -> int:
    """Return the generation of a machine in a slot; 0 if the name is not one of the slot's."""
    match = re.fullmatch(rf"{re.escape(first_name)}(?:-(\d+))?", name)
    return 0 if match is None else int(match[1] or 1)


def suffix_number(name: str) -> int:
    """Return the generation in the name of a machine of any slot: 2 for ``worker01nyc3-2``."""
    suffix = name.rpartition("-")[2]
    return int(suffix) if "-" in name and suffix.isdecimal() else 1


def label_of_droplet(name: str) -> str:
    """Return the machine label in a droplet name: ``worker01`` for ``worker01nyc3``.

    A name of another form is returned as it is.
    """
    match = re.match(rf"({'|'.join(ROLES)})\d+", name)
    return match[0] if match else name


def is_droplet_name(name: str) -> bool:
    """Whether a name is one that ``droplet_name`` or ``generation_name`` returns."""
    return re.fullmatch(rf"({'|'.join(ROLES)})\d{{2,}}[a-z]{{3}}\d(-\d+)?", name) is not None


def is_worker(droplet_name: str) -> bool:
    """Whether a droplet name belongs to a worker."""
    return droplet_name.startswith("worker")


def host_key_name(label: str) -> str:
    """Return the logical name of a machine's SSH host key: ``secrets-worker01-host``."""
    return f"{SECRETS}-{label}-host"


def bucket_name(prefix: str, region: str, account: str) -> str:
    """Return the name of the artifacts bucket.

    All accounts share one namespace of bucket names, so the name contains a hash of the account.
    """
    return f"{prefix}-{region}-{hashlib.sha256(account.encode()).hexdigest()[:10]}"


def backup_bucket_name(prefix: str, region: str, account: str) -> str:
    """Return the name of the bucket of backups."""
    return f"{bucket_name(prefix, region, account)}-backups"


def backup_key_name(prefix: str) -> str:
    """Return the name of the Spaces key of a stack's primes."""
    return f"{prefix}-{BACKUPS}"


def image_name(family: str, day: str, number: int) -> str:
    """Return the name of an image: ``base.2026.01.31.2``.

    Args:
        day: ``YYYY.MM.DD``.
        number: counts the images of that day from 1.
    """
    return f"{family}.{day}.{number}"


def build_name(owner: str, token: str) -> str:
    """Return the name for the droplet, the key and the unfinished image of an image build.

    Args:
        owner: prefix of the stack.
        token: eight hexadecimal digits.
    """
    return f"{BUILD_PREFIX}-{owner}-{token}"


def is_build_of(owner: str, name: str) -> bool:
    """Whether a name is a ``build_name`` of this owner."""
    return re.fullmatch(build_name(re.escape(owner), "[0-9a-f]{8}"), name) is not None


def claim_tag(owner: str, token: str = "") -> str:
    """Return the tag of an image that says that a stack uses it; its start without a token."""
    return f"{CLAIM_PREFIX}{owner}:{token}"


def is_claim_tag(tag: str) -> bool:
    """Whether a tag says that a stack uses the image."""
    return tag.startswith(CLAIM_PREFIX)


def firewall_name(prefix: str, group: FirewallGroup) -> str:
    """Return the name of a firewall: ``slipway-dev-nodes``.

    Args:
        prefix: of the stack; for the load balancer's firewall, the name of the network.
    """
    return f"{prefix}-{group}"


def own_names(prefix: str) -> Mapping[str, re.Pattern[str]]:
    """Return the names that a stack gives to resources of the account, by kind.

    Names of droplets and images do not contain the prefix, but their tags do.
    """
    exact, network = re.compile(re.escape(prefix)), _network_names(prefix)
    return {
        "firewall": re.compile(f"{network}-({'|'.join(FIREWALL_GROUPS)})"),
        **dict.fromkeys(("load balancer", "VPC"), re.compile(network)),
        **dict.fromkeys(("project", "SSH key"), exact),
        "Spaces key": re.compile(re.escape(backup_key_name(prefix))),
        "tag": re.compile(f"{re.escape(prefix)}-({'|'.join(ROLES)})"),
    }


def is_slug(name: str) -> bool:
    """Whether a name is allowed in all names that contain it: droplet tags, VPCs, buckets."""
    return re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name) is not None and len(name) <= 30

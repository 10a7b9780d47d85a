"""The stack's machines with root shells, and the store of its artifacts."""

from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from rehearsal.config import CloudConfig
from rehearsal.network import bridges
from tests.stack.attacks.shell import Login, Shell
from tests.stack.attacks.target import Machine
from tests.stack.rig import Rig

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def droplet_namespace(rig: Rig, droplet_id: int) -> str:
    """Return the name of a droplet's network namespace."""
    return bridges.droplet_namespace(CloudConfig.load(rig.name), droplet_id)


def admin_login(rig: Rig) -> Login:
    return Login("ops", Path(rig.environment["SLIPWAY_SSH_KEY"]).read_text())


def stack_machines(rig: Rig) -> dict[str, Machine]:
    """Return the stack's machines by name, such as ``prime01nyc3``."""
    host_keys: dict[str, str] = rig.outputs["host_keys"]
    machines = {}
    for name, droplet in sorted(rig.droplets().items()):
        if name in host_keys:
            public, private = rig.address(name), rig.address(name, "private")
            machines[name] = Machine(
                name=name,
                roles=frozenset({"prime" if name.startswith("prime") else "worker"}),
                namespace=droplet_namespace(rig, droplet["id"]),
                public=public,
                private=private,
                shell=Shell(public, host_keys[name], admin_login(rig)),
            )
    return machines


def spaces_client(rig: Rig, region: str) -> "S3Client":
    """Return a client of Spaces with the account's key."""
    return boto3.client(
        "s3",
        region_name=region,
        endpoint_url=rig.environment["SPACES_ENDPOINT_URL"].replace("{{.Region}}", region),
        aws_access_key_id=rig.environment["SPACES_ACCESS_KEY_ID"],
        aws_secret_access_key=rig.environment["SPACES_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )

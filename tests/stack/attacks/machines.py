"""The stack's machines, with root's shells on them, and the store of their artifacts."""

from pathlib import Path
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config

from rehearsal.config import CloudConfig
from rehearsal.network.bridges import droplet_namespace
from tests.stack.attacks.shell import Login, Shell
from tests.stack.attacks.target import Machine
from tests.stack.rig import Rig

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


def netns(rig: Rig, droplet: int) -> str:
    """The name of a droplet's network."""
    return droplet_namespace(CloudConfig.load(rig.name), droplet)


def administrator(rig: Rig) -> Login:
    return Login("ops", Path(rig.environment["SLIPWAY_SSH_KEY"]).read_text())


def of_stack(rig: Rig) -> dict[str, Machine]:
    """By name: ``prime01nyc3``."""
    host_keys: dict[str, str] = rig.outputs["host_keys"]
    found = {}
    for name, droplet in rig.droplets().items():
        if name in host_keys:
            public, private = rig.address(name), rig.address(name, "private")
            shell = Shell(public, host_keys[name], administrator(rig))
            roles = frozenset({"prime" if name.startswith("prime") else "worker"})
            found[name] = Machine(
                name=name,
                roles=roles,
                station=netns(rig, droplet["id"]),
                public=public,
                private=private,
                shell=shell,
            )
    return found


def store(rig: Rig, region: str) -> "S3Client":
    """Spaces, with the account's key."""
    return boto3.client(
        "s3",
        region_name=region,
        endpoint_url=rig.environment["SPACES_ENDPOINT_URL"].replace("{{.Region}}", region),
        aws_access_key_id=rig.environment["SPACES_ACCESS_KEY_ID"],
        aws_secret_access_key=rig.environment["SPACES_SECRET_ACCESS_KEY"],
        config=Config(s3={"addressing_style": "path"}),
    )

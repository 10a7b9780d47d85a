"""Files and host names that users of a cloud need besides its API."""

from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rehearsal.catalog.regions import SPACES_REGIONS
from rehearsal.config import CloudConfig
from rehearsal.lifecycle.environment import pulumi_credentials, secrets_url, ssh_key_path
from rehearsal.lifecycle.errors import LifecycleError
from rehearsal.network import hosts_file, releases
from toolchain import plugins, tools
from toolchain.versions import older_tools, pinned_tools

RELEASED_TOOLS = ("consul", "nomad")
"""Tools that images install from the release server."""


def create_operator_files(config: CloudConfig) -> None:
    """Create the operator's SSH key, and a home and a state backend for Pulumi."""
    key = ssh_key_path(config)
    if not key.exists():
        _create_ssh_key(key, f"operator@{config.name}")
    home = config.directory / "pulumi-home"
    for directory in (config.directory / "pulumi", home):
        directory.mkdir(mode=0o700, exist_ok=True)
    if not (home / "plugins").is_symlink():
        (home / "plugins").symlink_to(plugins.pulumi_home() / "plugins")
    file = home / "credentials.json"
    file.touch(mode=0o600)
    file.write_text(pulumi_credentials(secrets_url(config), config.token))


def _create_ssh_key(file: Path, comment: str) -> None:
    """Write an Ed25519 key pair in OpenSSH's format; the private key, which is looked for, last."""
    key = Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes(
        serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
    )
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.OpenSSH,
        serialization.NoEncryption(),
    )
    file.parent.mkdir(mode=0o700, exist_ok=True)
    file.with_name(f"{file.name}.pub").write_text(f"{public.decode()} {comment}\n")
    new = file.with_name(f"{file.name}.new")
    new.touch(mode=0o600)
    new.write_bytes(private)
    new.replace(file)


def publish_releases(config: CloudConfig) -> None:
    """Publish Consul and Nomad on the release server, signed with the cloud's key.

    Older versions are published if they are installed.
    """
    for tool in (*pinned_tools(), *older_tools()):
        installed = tools.find(tool) if tool.name in RELEASED_TOOLS else None
        if installed is not None:
            releases.publish(config, tool.name, tool.version, installed.path)


def add_service_names(config: CloudConfig) -> None:
    """Make Spaces and the release server resolve on this machine."""
    spaces = {
        f"{region}.spaces.{config.domain}": config.spaces_address for region in SPACES_REGIONS
    }
    hosts_file.add_names(
        config.name, {**spaces, f"releases.{config.domain}": config.releases_address}
    )


def add_bucket_names(config: CloudConfig, buckets: list[str]) -> None:
    """Make the host names of ``buckets`` resolve on this machine.

    Raises:
        LifecycleError: the cloud has memory machines and so no network.
    """
    if config.machines == "memory":
        raise LifecycleError(
            f"cloud {config.name} has memory machines, and no network with names for buckets: "
            f"serve its Spaces with `python -m rehearsal spaces --cloud {config.name}`, "
            "and use path-style requests"
        )
    hosts_file.add_bucket_names(config, buckets)

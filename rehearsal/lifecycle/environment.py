"""What to set so that a DigitalOcean client, Packer and Pulumi work with a cloud: all that differs from the real one."""

import json
import os
import shlex
from pathlib import Path

from rehearsal.config import CloudConfig
from toolchain import plugins, python, tools


def ssh_key(config: CloudConfig) -> Path:
    """The private key of this cloud's operator; the public one is beside it."""
    return config.directory / "ssh" / "id_ed25519"


def secrets_url(config: CloudConfig) -> str:
    """Where the cloud keeps stacks' secrets, so that Pulumi.<stack>.yaml needs no salt."""
    return f"{config.api_url}/_rehearsal"


def credentials(url: str, token: str) -> str:
    """The text of ``$PULUMI_HOME/credentials.json`` with which the CLI may ask the service of secrets at ``url``."""
    return json.dumps({"accessTokens": {url: token}, "accounts": {url: {"accessToken": token}}})


def client(config: CloudConfig) -> dict[str, str]:
    """For any DigitalOcean client."""
    return {
        "DIGITALOCEAN_TOKEN": config.token,
        "DIGITALOCEAN_API_URL": config.api_url,
        "SPACES_ENDPOINT_URL": f"http://{config.spaces_host}",
        "SPACES_ACCESS_KEY_ID": config.spaces_key,
        "SPACES_SECRET_ACCESS_KEY": config.spaces_secret,
    }


def direct(config: CloudConfig) -> dict[str, str]:
    """The cloud is on this machine: no proxy can reach it."""
    hosts = f"127.0.0.1,localhost,{config.public},.internal"
    return {"NO_PROXY": hosts, "no_proxy": hosts}


def program(config: CloudConfig) -> dict[str, str]:
    """For the program of this checkout, besides ``client``: Pulumi with a backend and plugins of the rehearsal's own."""
    found = {
        "SLIPWAY_ADMIN_CIDRS": f"{config.host}/32",
        "SLIPWAY_SSH_KEY": str(ssh_key(config)),
        "SLIPWAY_SSH_PUBLIC_KEY": ssh_key(config).with_suffix(".pub").read_text().strip(),
        "PULUMI_HOME": str(config.directory / "pulumi-home"),
        "PULUMI_BACKEND_URL": f"file://{config.directory / 'pulumi'}",
        "SLIPWAY_SECRETS_URL": secrets_url(config),
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PACKER_PLUGIN_PATH": str(plugins.packer_plugins()),
        "CHECKPOINT_DISABLE": "1",
        **direct(config),
    }
    if config.machines == "nspawn":  # no machine of the other kind could install anything
        found["SLIPWAY_RELEASES_URL"] = config.releases_url
        found["SLIPWAY_RELEASES_KEY"] = str(config.directory / "releases-key.asc")
    if any(provider.origin == "stand-in" for provider in plugins.providers()):
        found["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    return found


def path() -> str:
    """PATH with the checkout's interpreter and the pinned tools first."""
    first = [str(python.VENV / "bin"), str(tools.bin_dir())]
    rest = [part for part in os.environ.get("PATH", "").split(os.pathsep) if part not in first]
    return os.pathsep.join([*first, *rest])


def whole(config: CloudConfig) -> dict[str, str]:
    """Everything, PATH included."""
    return {**client(config), **program(config), "PATH": path()}


def as_shell(variables: dict[str, str]) -> str:
    """Lines for ``eval``."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())

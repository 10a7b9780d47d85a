"""Environment variables with which DigitalOcean clients, Packer and Pulumi use a cloud."""

import json
import os
import shlex
from pathlib import Path

from rehearsal.config import CloudConfig
from toolchain import plugins, python, tools


def ssh_key_path(config: CloudConfig) -> Path:
    """Return the file of the operator's private key; the public key is beside it."""
    return config.directory / "ssh" / "id_ed25519"


def secrets_url(config: CloudConfig) -> str:
    """Return the URL of the secrets service, with which Pulumi.<stack>.yaml needs no salt."""
    return f"{config.api_url}/_rehearsal"


def pulumi_credentials(url: str, token: str) -> str:
    """Return Pulumi's ``credentials.json`` with the token for the secrets service ``url``."""
    return json.dumps({"accessTokens": {url: token}, "accounts": {url: {"accessToken": token}}})


def client_variables(config: CloudConfig) -> dict[str, str]:
    """Return the variables for any DigitalOcean client."""
    return {
        "DIGITALOCEAN_TOKEN": config.token,
        "DIGITALOCEAN_API_URL": config.api_url,
        "SPACES_ENDPOINT_URL": f"http://{config.spaces_host}",
        "SPACES_ACCESS_KEY_ID": config.spaces_key,
        "SPACES_SECRET_ACCESS_KEY": config.spaces_secret,
    }


def proxy_bypass_variables(config: CloudConfig) -> dict[str, str]:
    """Return variables that make clients bypass proxies, which cannot reach a local cloud."""
    hosts = f"127.0.0.1,localhost,{config.public_network},.internal"
    return {"NO_PROXY": hosts, "no_proxy": hosts}


def program_variables(config: CloudConfig) -> dict[str, str]:
    """Return the further variables for this checkout's program: Pulumi's backend and plugins."""
    variables = {
        "SLIPWAY_ADMIN_CIDRS": f"{config.host_address}/32",
        "SLIPWAY_SSH_KEY": str(ssh_key_path(config)),
        "SLIPWAY_SSH_PUBLIC_KEY": ssh_key_path(config).with_suffix(".pub").read_text().strip(),
        "PULUMI_HOME": str(config.directory / "pulumi-home"),
        # Without `skip`, a file of attributes beside the state is not written atomically. After a
        # SIGKILL it may be empty, and then the state cannot be read.
        "PULUMI_BACKEND_URL": f"file://{config.directory / 'pulumi'}?metadata=skip",
        "SLIPWAY_SECRETS_URL": secrets_url(config),
        "PULUMI_FALLBACK_TO_STATE_SECRETS_MANAGER": "true",
        "PULUMI_SKIP_UPDATE_CHECK": "true",
        "PACKER_PLUGIN_PATH": str(plugins.packer_plugins()),
        "CHECKPOINT_DISABLE": "1",
        **proxy_bypass_variables(config),
    }
    if config.machines == "nspawn":  # memory machines install nothing
        variables["SLIPWAY_RELEASES_URL"] = config.releases_url
        variables["SLIPWAY_RELEASES_KEY"] = str(config.directory / "releases-key.asc")
    if any(provider.origin == "emulator" for provider in plugins.find_providers()):
        variables["PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION"] = "true"
    return variables


def search_path() -> str:
    """Return PATH with the checkout's interpreter and the pinned tools first."""
    first = [str(python.VENV / "bin"), str(tools.bin_dir())]
    rest = [part for part in os.environ.get("PATH", "").split(os.pathsep) if part not in first]
    return os.pathsep.join([*first, *rest])


def all_variables(config: CloudConfig) -> dict[str, str]:
    """Return the variables for clients and this checkout's program, with PATH."""
    return {**client_variables(config), **program_variables(config), "PATH": search_path()}


def format_exports(variables: dict[str, str]) -> str:
    """Return ``export`` lines for ``eval`` in a shell."""
    return "\n".join(f"export {name}={shlex.quote(value)}" for name, value in variables.items())

"""The checks before any resource is created: settings, credentials and account.

They also run in previews, and report all problems together.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

from infra import names, reachability, settings
from infra.account import Account, survey
from infra.digitalocean_api import (
    SPACES_KEY_VARIABLES,
    ApiError,
    connect,
    spaces_key,
    spaces_key_refusal,
    spaces_url,
)
from infra.image.base_image import image_tag
from infra.settings import Settings


@dataclass(frozen=True)
class Context:
    """The validated inputs of the program."""

    settings: Settings
    account: Account
    prefix: str
    """Start of all names and tags of the stack."""
    bucket: str
    spaces_endpoint: str
    """URL of Spaces in the stack's region."""
    has_consul: bool
    """Whether a Consul server accepts connections."""


def preflight() -> Context:
    """Validate the stack's settings, compare them with the account and connect to the cluster.

    Raises:
        pulumi.RunError: with all problems and their remedies.
    """
    stack, project = pulumi.get_stack(), pulumi.get_project()
    provider_config = _read_config("digitalocean")
    stack_settings, problems = settings.check(stack, _read_config(project), os.environ)
    key_problems = _check_releases_key()
    problems += _check_spaces_key(provider_config) + key_problems
    prefix = names.stack_prefix(project, stack)
    account = None
    try:
        account, account_problems = survey(
            connect(provider_config.get),
            stack_settings,
            prefix,
            "" if key_problems else image_tag(stack_settings),
        )
        problems += account_problems
    except ApiError as error:
        problems.append(str(error))
    region = stack_settings.region
    endpoint = spaces_url(region, provider_config.get)
    if account is not None and not problems:
        bucket = stack_settings.artifacts_bucket or names.bucket_name(prefix, region, account.id)
        problems += _check_bucket_access(f"{endpoint}/{bucket}", provider_config)
    if account is None or problems:
        raise pulumi.RunError(settings.format_report(stack, problems))
    _announce_move(stack_settings, account)
    return Context(
        settings=stack_settings,
        account=account,
        prefix=prefix,
        bucket=bucket,
        spaces_endpoint=endpoint,
        has_consul=_check_cluster(stack_settings, account, prefix, provider_config),
    )


def _announce_move(stack_settings: Settings, account: Account) -> None:
    """Say what a move to another network loses."""
    if former := account.former_network:
        pulumi.log.warn(
            f"the stack moves from {former['region']} ({former['ip_range']}) to "
            f"{stack_settings.region} ({stack_settings.vpc_cidr}): a new cluster starts there "
            "without the keys of Consul and the variables of Nomad, and gets another URL; the "
            "former cluster serves until the new URL answers, and is deleted then"
        )


def _check_cluster(
    stack_settings: Settings, account: Account, prefix: str, provider_config: Mapping[str, str]
) -> bool:
    """Return whether a Consul server accepts connections.

    Raises:
        pulumi.RunError: the update cannot end, because no server answers. A preview only says so.
    """
    if not (account.servers or account.stopped_servers):
        return False
    found = reachability.probe(account.servers)
    if not found.is_silent:
        return found.has_consul
    try:
        obstacle = reachability.find_obstacle(
            account, prefix, stack_settings.admin_cidrs, connect(provider_config.get)
        )
    except ApiError as error:
        raise pulumi.RunError(str(error)) from error
    if obstacle and not pulumi.runtime.is_dry_run():
        raise pulumi.RunError(obstacle)
    if obstacle:
        pulumi.log.warn(f"an update would stop: {obstacle}")
    return False


def _read_config(namespace: str) -> dict[str, str]:
    """Return all values of a namespace.

    ``pulumi.Config`` only returns the value of a given key, so it cannot find unknown keys.
    """
    values: Mapping[str, str] = {**get_config_env(), **CONFIG.get()}
    start = f"{namespace}:"
    return {
        key.removeprefix(start): value for key, value in values.items() if key.startswith(start)
    }


def _check_spaces_key(provider_config: Mapping[str, str]) -> list[str]:
    return [
        f"no Spaces key: set {variable}, or `pulumi config set --secret digitalocean:{name}`"
        for (name, variable), value in zip(
            SPACES_KEY_VARIABLES.items(), spaces_key(provider_config.get), strict=True
        )
        if not value
    ]


def _check_bucket_access(url: str, provider_config: Mapping[str, str]) -> list[str]:
    if reason := spaces_key_refusal(url, *spaces_key(provider_config.get)):
        variables = " and ".join(SPACES_KEY_VARIABLES.values())
        return [f"Spaces refuses the key ({reason}); set {variables} to a valid key"]
    return []


def _check_releases_key() -> list[str]:
    path = os.environ.get("SLIPWAY_RELEASES_KEY")
    if not path or Path(path).is_file():
        return []
    return [
        f"SLIPWAY_RELEASES_KEY: there is no file {path}; "
        "set it to the file of the key that signs the releases, or unset it"
    ]

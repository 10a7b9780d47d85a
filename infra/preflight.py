"""The check before take-off: settings, credentials and account, told together, in previews too."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pulumi
from pulumi.runtime.config import CONFIG, get_config_env

from infra import names, settings
from infra.account import Account, survey
from infra.digitalocean_api import ApiError, connect, spaces_url
from infra.settings import Settings


@dataclass(frozen=True)
class Context:
    """All that the program is told from outside, checked."""

    settings: Settings
    account: Account
    prefix: str
    """How every name and tag of this stack starts."""
    bucket: str
    spaces_endpoint: str
    """Where Spaces answers in this stack's region."""


def preflight() -> Context:
    """Read the stack's settings and ask the account.

    Raises:
        pulumi.RunError: with every problem and its remedy; nothing has been asked for yet.
    """
    stack, project = pulumi.get_stack(), pulumi.get_project()
    own, cloud = _config(project), _config("digitalocean")
    found, problems = settings.check(stack, own, os.environ)
    problems += _missing_spaces_key(cloud) + _missing_releases_key()
    prefix = names.stack_prefix(project, stack)
    account = None
    try:
        account, account_problems = survey(connect(cloud.get), found, prefix)
        problems += account_problems
    except ApiError as error:
        problems.append(str(error))
    if account is None or problems:
        raise pulumi.RunError(settings.message(stack, problems))
    bucket = found.artifacts_bucket or names.bucket_name(prefix, found.region, account.id)
    return Context(found, account, prefix, bucket, spaces_url(found.region, cloud.get))


def _config(namespace: str) -> dict[str, str]:
    """All of a namespace: ``pulumi.Config`` finds only what it is asked for, and would never tell an unknown key."""
    everything: Mapping[str, str] = {**get_config_env(), **CONFIG.get()}
    start = f"{namespace}:"
    return {
        key.removeprefix(start): value for key, value in everything.items() if key.startswith(start)
    }


def _first(configured: str | None, *variables: str) -> str | None:
    """As the provider reads its own settings: the stack's file, then the environment."""
    return configured or next(
        (value for variable in variables if (value := os.environ.get(variable))), None
    )


def _missing_spaces_key(cloud: Mapping[str, str]) -> list[str]:
    wanted = {
        "spacesAccessId": "SPACES_ACCESS_KEY_ID",
        "spacesSecretKey": "SPACES_SECRET_ACCESS_KEY",
    }
    missing = [
        (name, variable)
        for name, variable in wanted.items()
        if not _first(cloud.get(name), variable)
    ]
    return [
        f"no Spaces key: set {variable}, or `pulumi config set --secret digitalocean:{name}`"
        for name, variable in missing
    ]


def _missing_releases_key() -> list[str]:
    key = os.environ.get("SLIPWAY_RELEASES_KEY")
    return [f"SLIPWAY_RELEASES_KEY names no file: {key}"] if key and not Path(key).is_file() else []

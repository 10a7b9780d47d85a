"""The sources of a stack's settings: Pulumi's configuration and the environment."""

import json
from collections.abc import Mapping
from typing import Any

ENVIRONMENT = {
    "admin_cidrs": "SLIPWAY_ADMIN_CIDRS",
    "ssh_public_key": "SLIPWAY_SSH_PUBLIC_KEY",
    "batch": "SLIPWAY_BATCH",
}
"""Environment variables of the settings that describe who deploys, or one update, not the stack."""


def split_list(value: object) -> object:
    """Return a list from Pulumi's configuration, where it is a list, JSON or comma-separated."""
    if not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return [part.strip() for part in value.split(",") if part.strip()]


def parse_number(value: object) -> object:
    """Return a number from Pulumi's configuration, where it is text."""
    return int(value) if isinstance(value, str) and value.isdigit() else value


def parse_mapping(value: object) -> object:
    """Return an object of Pulumi's configuration, where it is JSON."""
    return json.loads(value) if isinstance(value, str) else value


def merge_environment(values: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the values of the file and the environment.

    The networks of both are combined. For other settings, the file takes precedence.
    """
    merged = dict(values)
    for name, variable in ENVIRONMENT.items():
        if value := environment.get(variable, "").strip():
            merged[name] = (
                ",".join(map(str, (*_as_list(values.get(name)), value)))
                if name == "admin_cidrs"
                else values.get(name, value)
            )
    return merged


def _as_list(value: object) -> list[object]:
    parts = split_list(value) if value is not None else []
    return parts if isinstance(parts, list) else [parts]

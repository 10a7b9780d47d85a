"""The provider configuration: from the program, else from environment variables."""

import json
import os
from collections.abc import Sequence
from typing import Any

from rehearsal.plugins.check import CheckResult, check
from rehearsal.plugins.properties import Properties, State

ENGINE_KEYS = ("version", "pluginDownloadURL", "pluginChecksums")


def read_config(properties: Properties, args: State) -> CheckResult:
    """Check the configuration. The engine passes every value except strings as JSON text."""
    config = {
        key: _parse(properties, key, value) for key, value in args.items() if key not in ENGINE_KEYS
    }
    return check(properties, config, {}, "", b"")


def read_setting(config: State, key: str, variables: Sequence[str], default: str = "") -> str:
    """Return one setting: from ``config``, else the first set variable, else the default."""
    if config.get(key):
        return str(config[key])
    return next((os.environ[name] for name in variables if os.environ.get(name)), default)


def _parse(properties: Properties, key: str, value: Any) -> Any:
    kind = properties[key].kind.name if key in properties else "string"
    if kind == "string" or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value

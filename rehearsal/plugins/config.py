"""A provider's own configuration: from the program, else from the environment."""

import json
import os
from collections.abc import Sequence
from typing import Any

from rehearsal.plugins.check import Checked, check
from rehearsal.plugins.properties import Properties, State

ENGINE_KEYS = ("version", "pluginDownloadURL", "pluginChecksums")


def read_config(properties: Properties, args: State) -> Checked:
    """The configuration with its failures; the engine passes everything but strings as JSON text."""
    given = {
        key: _parsed(properties, key, value)
        for key, value in args.items()
        if key not in ENGINE_KEYS
    }
    return check(properties, given, {}, "", b"")


def setting(config: State, key: str, variables: Sequence[str], default: str = "") -> str:
    """One text setting: the program's, else the first environment variable that is set, else the default."""
    if config.get(key):
        return str(config[key])
    return next((os.environ[name] for name in variables if os.environ.get(name)), default)


def _parsed(properties: Properties, key: str, value: Any) -> Any:
    kind = properties[key].kind.name if key in properties else "string"
    if kind == "string" or not isinstance(value, str):
        return value
    try:
        return json.loads(value)
    except ValueError:
        return value

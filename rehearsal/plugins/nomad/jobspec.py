"""Job specifications, as JSON."""

import json
from typing import Any

from rehearsal.plugins.errors import PluginError

NAMESPACE = "default"
"""Where a job goes that names no namespace."""


def parse(text: str) -> dict[str, Any]:
    """The job of a specification, with or without the ``Job`` around it.

    Raises:
        PluginError: it is not a job.
    """
    try:
        root = json.loads(text)
    except ValueError as error:
        raise PluginError(f"error parsing jobspec: {error}") from error
    job = root.get("Job", root) if isinstance(root, dict) else None
    if not isinstance(job, dict) or not job.get("ID"):
        raise PluginError(
            "error parsing jobspec: input JSON is not a valid Nomad jobspec (a job needs an ID)"
        )
    return {**job, "Namespace": job.get("Namespace") or NAMESPACE}


def same(old: str, new: str) -> bool:
    """Whether two specifications describe one job, however they are written."""
    try:
        return bool(_present(parse(old)) == _present(parse(new)))
    except PluginError:
        return False


def _present(value: Any) -> Any:
    """A null is the same as nothing."""
    if isinstance(value, dict):
        return {key: _present(item) for key, item in value.items() if item is not None}
    return [_present(item) for item in value] if isinstance(value, list) else value

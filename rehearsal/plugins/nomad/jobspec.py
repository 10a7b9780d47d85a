"""Job specifications in JSON."""

import json
from typing import Any

from rehearsal.plugins.errors import PluginError

DEFAULT_NAMESPACE = "default"
"""Namespace of a job that names none."""


def parse(text: str) -> dict[str, Any]:
    """Return the job of a specification, which may be wrapped in ``{"Job": ...}``.

    Raises:
        PluginError: the text is not a job specification.
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
    return {**job, "Namespace": job.get("Namespace") or DEFAULT_NAMESPACE}


def is_same_job(old: str, new: str) -> bool:
    """Whether two specifications describe the same job."""
    try:
        return bool(_without_nulls(parse(old)) == _without_nulls(parse(new)))
    except PluginError:
        return False


def _without_nulls(value: Any) -> Any:
    """Remove nulls, which Nomad treats like missing fields."""
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return [_without_nulls(item) for item in value] if isinstance(value, list) else value

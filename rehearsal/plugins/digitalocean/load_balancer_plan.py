"""The checks that the official plugin makes in the plan of a load balancer."""

from collections.abc import Mapping
from typing import Any

from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.properties import State
from rehearsal.plugins.values import resolved_or_none

COOKIE_FIELDS = {"cookieName": "cookie_name", "cookieTtlSeconds": "cookie_ttl_seconds"}


def check_plan(new: State) -> None:
    """Check the planned inputs. An unknown value is not set.

    Raises:
        PluginError: the official plugin refuses the plan.
    """
    if check := resolved_or_none(new.get("healthcheck")):
        _check_health_check(check)
    if sessions := resolved_or_none(new.get("stickySessions")):
        _check_sticky_sessions(sessions)
    kind, region = resolved_or_none(new.get("type")), resolved_or_none(new.get("region"))
    if not (kind or region):
        raise PluginError("missing 'region' value")
    if kind and kind.upper().startswith("REGIONAL") and not region:
        raise PluginError(f"'region' must be set and not be empty when 'type' is '{kind}'")


def _check_health_check(check: Mapping[str, Any]) -> None:
    protocol, path = resolved_or_none(check.get("protocol")), resolved_or_none(check.get("path"))
    if protocol in ("http", "https") and not path:
        raise PluginError(f"health check `path` is required for when protocol is `{protocol}`")
    if protocol not in ("http", "https") and path:
        raise PluginError("health check `path` is not allowed for when protocol is `tcp`")


def _check_sticky_sessions(sessions: Mapping[str, Any]) -> None:
    has_cookies = resolved_or_none(sessions.get("type")) == "cookies"
    for key, field in COOKIE_FIELDS.items():
        if bool(resolved_or_none(sessions.get(key))) != has_cookies:
            kind, rule = ("cookie", "required") if has_cookies else ("none", "not allowed")
            raise PluginError(f"sticky sessions `{field}` is {rule} for when type is `{kind}`")

"""DNS records."""

from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import PluginError, error_context
from rehearsal.plugins.properties import INTEGER, STRING, Properties, Property, State, name, output
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.values import UNKNOWN, resolved_or_none

TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "TXT", "SRV", "SOA")
TAGS = ("issue", "issuewild", "iodef")
HOST_NAME_TYPES = ("CNAME", "MX", "NS", "SRV", "CAA")
"""Types whose data the API requires with a trailing dot but returns without it."""
MAX_NUMBERS = {"priority": 65535, "port": 65535, "weight": 65535, "flags": 255}
REQUIRED = {"MX": ("priority",), "SRV": ("priority", "weight"), "CAA": ("flags", "tag")}
"""What a plan requires for a type. A create also requires the port of a SRV record."""


class DnsRecord(Resource[DigitalOcean]):
    """A record of a domain."""

    token = "digitalocean:index/dnsRecord:DnsRecord"
    properties: ClassVar[Properties] = {
        "domain": Property(STRING, required=True, replaces=True),
        "flags": Property(INTEGER),
        "name": name(),
        "port": Property(INTEGER),
        "priority": Property(INTEGER),
        "tag": Property(STRING),
        "ttl": Property(INTEGER, computed=True),
        "type": Property(STRING, required=True, replaces=True),
        "value": Property(STRING, required=True),
        "weight": Property(INTEGER),
        "fqdn": output(STRING),
    }

    def check(self, inputs: State) -> list[Failure]:
        kind, tag = inputs.get("type"), inputs.get("tag")
        failures = []
        if isinstance(kind, str) and kind not in (*TYPES, UNKNOWN):
            failures.append(
                Failure("type", f"expected type to be one of {', '.join(TYPES)}, got {kind}")
            )
        if isinstance(tag, str) and tag not in (*TAGS, UNKNOWN):
            failures.append(
                Failure("tag", f"expected tag to be one of {', '.join(TAGS)}, got {tag}")
            )
        for key, maximum in MAX_NUMBERS.items():
            if isinstance(inputs.get(key), int) and not 0 <= inputs[key] <= maximum:
                failures.append(
                    Failure(
                        key, f"expected {key} to be in the range (0 - {maximum}), got {inputs[key]}"
                    )
                )
        return failures

    def plan(self, old: State, new: State, differences: list[Difference]) -> list[Difference]:
        """Require what the type needs; treat absolute names and values like relative ones."""
        _require(new, *REQUIRED.get(new["type"], ()))
        domain = f"{new.get('domain')}."

        def is_equivalent(key: str) -> bool:
            before, after = old.get(key), new.get(key)
            if key == "name":
                return (before, after) == ("@", domain) or f"{before}.{domain}" == after
            if key == "value":
                return (before, after) == ("@", domain) or before == f"{after}.{domain}"
            return False

        return [item for item in differences if not (old and is_equivalent(item.key))]

    def create(self, change: Change) -> None:
        if change.new["type"] == "SRV":
            _require(change.new, "port")
        body = {"type": change.new["type"], **_request_body(change.new)}
        with error_context("Failed to create record"):
            response = self.client.call("POST", f"/v2/domains/{change.new['domain']}/records", body)
        change.id = str(response["domain_record"]["id"])

    def read(self, resource_id: str, state: State) -> State | None:
        """Read the record. The id of an import is ``DOMAIN,RECORD_ID``."""
        domain, _, id = (
            resource_id.rpartition(",") if not state else (state["domain"], "", resource_id)
        )
        if not domain or not id.isdecimal():
            raise PluginError(
                f"invalid record ID: {resource_id}; "
                "import by the domain's name, a comma and the record's id"
            )
        response = self.client.find(f"/v2/domains/{domain}/records/{id}")
        if response is None:
            return None
        record = response["domain_record"]
        is_host_name = (
            record["type"] in HOST_NAME_TYPES and record["data"] != "@" and record["tag"] != "iodef"
        )
        return {
            "id": id,
            "domain": domain,
            "type": record["type"],
            "name": record["name"],
            "value": record["data"] + ("." if is_host_name else ""),
            "ttl": record["ttl"],
            **{key: record[key] or 0 for key in MAX_NUMBERS},
            "tag": record["tag"] or "",
            "fqdn": domain if record["name"] == "@" else f"{record['name']}.{domain}",
        }

    def update(self, change: Change) -> None:
        """Update all fields except the type, which the API cannot change."""
        with error_context("Failed to update record"):
            self.client.call("PUT", self._path(change), _request_body(change.new))

    def delete(self, change: Change) -> None:
        with error_context("Error deleting record"):
            self.client.delete(self._path(change))

    def _path(self, change: Change) -> str:
        return f"/v2/domains/{change.old['domain']}/records/{change.id}"


def _require(new: State, *keys: str) -> None:
    for key in keys:
        if resolved_or_none(new.get(key)) is None:
            raise PluginError(f"`{key}` is required for when type is `{new['type']}`")


def _request_body(new: State) -> dict[str, Any]:
    """Return the record's fields. Like the official client, send 0 for unset numbers."""
    optional = {key: new[key] for key in ("ttl", "tag") if new.get(key)}
    return {
        "name": new["name"],
        "data": new["value"],
        **{key: new.get(key) or 0 for key in MAX_NUMBERS},
        **optional,
    }

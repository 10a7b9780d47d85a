"""Records of domains."""

from typing import Any, ClassVar

from rehearsal.plugins.check import Failure
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import PluginError, telling
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.rest import RestError
from rehearsal.plugins.properties import INTEGER, STRING, Properties, Property, State, name, output
from rehearsal.plugins.values import UNKNOWN

TYPES = ("A", "AAAA", "CAA", "CNAME", "MX", "NS", "TXT", "SRV", "SOA")
TAGS = ("issue", "issuewild", "iodef")
HOSTS = ("CNAME", "MX", "NS", "SRV", "CAA")
"""Types whose data the API tells without the dot at its end that it asks for."""
NUMBERS = {"priority": 65535, "port": 65535, "weight": 65535, "flags": 255}
REQUIRED = {"MX": ("priority",), "SRV": ("priority", "weight", "port"), "CAA": ("flags", "tag")}


class DnsRecord(Resource[DigitalOcean]):
    """One record."""

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
        failures = [
            Failure(key, f"`{key}` is required for when type is `{kind}`")
            for key in REQUIRED.get(str(kind), ())
            if key not in inputs
        ]
        if isinstance(kind, str) and kind not in (*TYPES, UNKNOWN):
            failures.append(
                Failure("type", f"expected type to be one of {', '.join(TYPES)}, got {kind}")
            )
        if isinstance(tag, str) and tag not in (*TAGS, UNKNOWN):
            failures.append(
                Failure("tag", f"expected tag to be one of {', '.join(TAGS)}, got {tag}")
            )
        for key, most in NUMBERS.items():
            if isinstance(inputs.get(key), int) and not 0 <= inputs[key] <= most:
                failures.append(
                    Failure(
                        key, f"expected {key} to be in the range (0 - {most}), got {inputs[key]}"
                    )
                )
        return failures

    def plan(self, old: State, new: State, found: list[Difference]) -> list[Difference]:
        """A name or a value written whole is the same as one relative to the domain."""
        whole = f"{new.get('domain')}."
        alike = {
            "name": lambda was, now: (was, now) == ("@", whole) or f"{was}.{whole}" == now,
            "value": lambda was, now: (was, now) == ("@", whole) or was == f"{now}.{whole}",
        }
        return [
            item
            for item in found
            if not (
                item.key in alike and old and alike[item.key](old.get(item.key), new.get(item.key))
            )
        ]

    def create(self, change: Change) -> None:
        body = {"type": change.new["type"], **_content(change.new)}
        with telling("Failed to create record"):
            made = self.client.call("POST", f"/v2/domains/{change.new['domain']}/records", body)
        change.id = str(made["domain_record"]["id"])

    def read(self, resource_id: str, state: State) -> State | None:
        """An import names the domain before the record, with a comma between them."""
        domain, _, id = (
            resource_id.rpartition(",") if not state else (state["domain"], "", resource_id)
        )
        if not domain or not id.isdecimal():
            raise PluginError(
                f"invalid record ID: {resource_id}; import by the domain's name, a comma and the record's id"
            )
        found = self.client.find(f"/v2/domains/{domain}/records/{id}")
        if found is None:
            return None
        record = found["domain_record"]
        is_host = record["type"] in HOSTS and record["data"] != "@" and record["tag"] != "iodef"
        return {
            "id": id,
            "domain": domain,
            "type": record["type"],
            "name": record["name"],
            "value": record["data"] + ("." if is_host else ""),
            "ttl": record["ttl"],
            **{key: record[key] or 0 for key in NUMBERS},
            "tag": record["tag"] or "",
            "fqdn": domain if record["name"] == "@" else f"{record['name']}.{domain}",
        }

    def update(self, change: Change) -> None:
        """The type is not sent: it never changes."""
        with telling("Failed to update record"):
            self.client.call("PUT", self._path(change), _content(change.new))

    def delete(self, change: Change) -> None:
        try:
            self.client.call("DELETE", self._path(change))
        except RestError as error:
            if error.status != 404:
                raise PluginError(f"Error deleting record: {error}") from error

    def _path(self, change: Change) -> str:
        return f"/v2/domains/{change.old['domain']}/records/{change.id}"


def _content(new: State) -> dict[str, Any]:
    """With zeros for the numbers that are not set, as the official client sends them."""
    texts = {key: new[key] for key in ("ttl", "tag") if new.get(key)}
    return {
        "name": new["name"],
        "data": new["value"],
        **{key: new.get(key) or 0 for key in NUMBERS},
        **texts,
    }

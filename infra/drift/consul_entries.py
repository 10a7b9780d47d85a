"""Entries of Consul that were deleted or changed by hand.

Pulumi compares the program with its state. So each update also compares Consul with what the
program declared last, and writes an entry that differs. All of them are found by their names.

A dynamic provider runs in its own process, and the state contains its module path. It uses nothing
but its declared inputs.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

import pulumi
from pulumi import dynamic

from infra.cluster_api.client import AgentError
from infra.cluster_api.consul import Consul
from infra.drift.comparison import contains, is_known, matches, with_integers
from infra.mtls import Access

COMPARED_INPUTS = ("cluster", "entries", "repairs")


class Entry(TypedDict):
    """An entry of Consul."""

    path: str
    """Of the request that reads it, or a list of which it is one element."""
    declared: Mapping[str, Any]
    """What the API returns."""
    write_path: str
    body: Mapping[str, Any]
    """Of the request that writes it."""


def config_entry(kind: str, name: str, content: Mapping[str, Any]) -> Entry:
    """Return a config entry."""
    return Entry(
        path=f"/v1/config/{kind}/{name}",
        declared=content,
        write_path="/v1/config",
        body={"Kind": kind, "Name": name, **content},
    )


class ConsulEntriesProvider(dynamic.ResourceProvider):
    """Counts the entries that differ, and writes them. A creation and a deletion do nothing."""

    serialize_as_secret_always = False

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        """Count in the inputs, so that a preview knows the counts.

        The program's own registration calls it. ``diff`` is also called by a refresh.
        """
        repairs = dict(news["repairs"])
        if former := olds.get("entries"):
            repairs |= olds["repairs"]
        if former and olds["cluster"] == news["cluster"]:
            for key in _find_changed(former, news["access"]) & news["entries"].keys():
                print(f"Consul has {key} not as declared", flush=True)
                repairs[key] += 1
        return dynamic.CheckResult({**news, "repairs": repairs}, failures=[])

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult("entries", _outputs(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(changes=any(olds[name] != news[name] for name in COMPARED_INPUTS))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        for key, entry in news["entries"].items():
            if news["repairs"][key] > olds["repairs"].get(key, 0):
                Consul(news["access"]).request(
                    "PUT", entry["write_path"], with_integers(entry["body"])
                )
        return dynamic.UpdateResult(_outputs(news))


def _outputs(props: Mapping[str, Any]) -> dict[str, Any]:
    return {name: props[name] for name in COMPARED_INPUTS}


def _find_changed(entries: Mapping[str, Entry], access: Any) -> set[str]:
    """Return the keys of the entries that Consul has otherwise, or not at all.

    A preview that replaces the credentials does not know them; the update itself does. An update of
    selected resources may have none.
    """
    if not access or not is_known(access):
        return set()
    consul = Consul(access)
    try:
        return {key for key, entry in entries.items() if not _is_as_declared(entry, consul)}
    except AgentError as error:
        print(f"the entries of Consul are not compared: {error}", flush=True)
        return set()


def _is_as_declared(entry: Entry, consul: Consul) -> bool:
    actual = consul.find(entry["path"])
    if isinstance(actual, list):
        return contains(actual, entry["declared"])
    return matches(entry["declared"], actual)


class ConsulEntries(dynamic.Resource, module="slipway", name="ConsulEntries"):
    """Entries that Consul has as declared."""

    def __init__(
        self,
        name: str,
        *,
        cluster: pulumi.Input[str] | None,
        entries: Mapping[str, Entry],
        access: pulumi.Input[Access],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare entries by a key of each.

        Args:
            cluster: the cluster's identity. Another cluster has no entries yet.
            access: access with a management token; secret.
        """
        props = {
            "cluster": cluster,
            "entries": dict(entries),
            "repairs": dict.fromkeys(entries, 0),
            "access": pulumi.Output.secret(access),
        }
        super().__init__(ConsulEntriesProvider(), name, props, opts)

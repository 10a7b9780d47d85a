"""Entries of Consul that were deleted or changed by hand.

Pulumi compares the program with its state. So each update also compares Consul with what the
program declared last. An entry that differs is counted, and the count is the
``replacement_trigger`` of the entry's resource.

A dynamic provider runs in its own process, and the state contains its module path. It uses nothing
but its declared inputs.
"""

from collections.abc import Mapping
from typing import Any, TypedDict

import pulumi
from pulumi import dynamic

from infra.cluster_api.client import AgentError
from infra.cluster_api.consul import Consul
from infra.drift.comparison import contains, is_known, matches
from infra.mtls import Access

COMPARED_INPUTS = ("cluster", "entries", "replacements")


class Entry(TypedDict):
    """An entry of Consul as its API returns it."""

    path: str
    """Of the request that reads it, or a list of which it is one element."""
    declared: Mapping[str, Any]


def config_entry(kind: str, name: str, content: Mapping[str, Any]) -> Entry:
    """Return a config entry."""
    return Entry(path=f"/v1/config/{kind}/{name}", declared=content)


class ConsulEntriesProvider(dynamic.ResourceProvider):
    """Counts the entries that differ. A creation, an update and a deletion do nothing."""

    serialize_as_secret_always = False

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        """Count in the inputs, so that a preview knows the counts.

        The program's own registration calls it. ``diff`` is also called by a refresh.
        """
        replacements = dict(news["replacements"])
        if former := olds.get("entries"):
            replacements |= olds["replacements"]
        if former and olds["cluster"] == news["cluster"]:
            for key in _find_changed(former, news["access"]) & news["entries"].keys():
                print(f"Consul has {key} not as declared", flush=True)
                replacements[key] += 1
        return dynamic.CheckResult({**news, "replacements": replacements}, failures=[])

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult("entries", _outputs(props))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(changes=any(olds[name] != news[name] for name in COMPARED_INPUTS))

    def update(self, _id: str, _olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
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

    replacements: pulumi.Output[dict[str, int]]
    """How often each entry was deleted or changed by hand."""

    def __init__(
        self,
        name: str,
        *,
        entries: Mapping[str, Entry],
        access: pulumi.Input[Access],
        options: pulumi.ResourceOptions,
    ) -> None:
        """Declare entries by a key of each.

        Args:
            access: access with a management token; secret.
            options: those of the entries' resources. Their replacement trigger is the identity of
                the cluster.
        """
        self._options, self._cluster = options, options.replacement_trigger
        props = {
            "cluster": self._cluster,
            "entries": dict(entries),
            "replacements": dict.fromkeys(entries, 0),
            "access": pulumi.Output.secret(access),
        }
        super().__init__(
            ConsulEntriesProvider(), name, props, pulumi.ResourceOptions(parent=options.parent)
        )

    def options(self, *keys: str) -> pulumi.ResourceOptions:
        """Return the options of the resource of the entries with these keys.

        Entries are found by their names, so the deletion comes first.
        """
        trigger = pulumi.Output.all(self._cluster, self.replacements).apply(
            lambda resolved: _trigger(resolved[0], sum(resolved[1][key] for key in keys))
        )
        return pulumi.ResourceOptions.merge(
            self._options,
            pulumi.ResourceOptions(replacement_trigger=trigger, delete_before_replace=True),
        )


def _trigger(cluster: str, count: float) -> str:
    """Return the trigger; without a count it is that of a state that has no counts."""
    return f"{cluster} {count:.0f}" if count else cluster

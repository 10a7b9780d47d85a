"""Firewalls or load balancers that were deleted or changed by hand.

Pulumi compares the program with its state. So each update also compares the account with what the
program declared last. A resource that was changed is put right in place. One that was deleted is
counted, and the count is the ``replacement_trigger`` of the resource.

A dynamic provider runs in its own process, and the state contains its module path.
"""

from collections.abc import Mapping
from typing import Any, Literal

import pulumi
from pulumi import dynamic

from infra.digitalocean_api import ApiError, DigitalOceanApi, connect
from infra.drift.comparison import matches, with_integers
from infra.targeting import apply_if_created

Collection = Literal["firewalls", "load_balancers"]
Body = Mapping[str, Any]
"""The body of the request that creates or updates a resource."""


class AccountResourcesProvider(dynamic.ResourceProvider):
    """Counts the losses and repairs of resources. A creation and a deletion do nothing."""

    serialize_as_secret_always = False

    def configure(self, req: dynamic.ConfigureRequest) -> None:
        self._config = req.config

    def check(self, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.CheckResult:
        """Count in the inputs, so that a preview knows the counts.

        The program's own registration calls it. ``diff`` is also called by a refresh.
        """
        replacements, repairs = dict(news["replacements"]), dict(news["repairs"])
        if former := olds.get("bodies"):
            replacements |= olds["replacements"]
            repairs |= olds["repairs"]
            try:
                found = self._find(news["collection"])
            except ApiError as error:
                print(f"{news['collection']} are not compared: {error}", flush=True)
            else:
                for key in former.keys() & news["bodies"].keys():
                    name = former[key]["name"]
                    if name not in found:
                        print(f"{name} does not exist", flush=True)
                        replacements[key] += 1
                    elif not matches(former[key], found[name]):
                        print(f"{name} was changed", flush=True)
                        repairs[key] += 1
        return dynamic.CheckResult(
            {**news, "replacements": replacements, "repairs": repairs}, failures=[]
        )

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult(props["collection"], props)

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(
            changes=any(olds[name] != news[name] for name in ("bodies", "replacements", "repairs"))
        )

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        changed = {
            key for key, count in news["repairs"].items() if count > olds["repairs"].get(key, 0)
        }
        if changed:
            found = self._find(news["collection"])
            for key in changed:
                body = news["bodies"][key]
                if existing := found.get(body["name"]):
                    self._ensure_tags(body)
                    path = f"/v2/{news['collection']}/{existing['id']}"
                    self._api().put(path, with_integers(body))
        return dynamic.UpdateResult(news)

    def _ensure_tags(self, body: Body) -> None:
        """Create the tags that a body names: the API refuses one that does not exist."""
        sources = [rule["sources"] for rule in body.get("inbound_rules", ())]
        tags = {*body.get("tags", ()), *(tag for source in sources for tag in source["tags"])}
        for tag in sorted(tags):
            self._api().ensure_tag(tag)

    def _find(self, collection: str) -> dict[str, dict[str, Any]]:
        """Return the resources of the account by name."""
        listed = self._api().list_all(f"/v2/{collection}", collection)
        return {str(resource["name"]): resource for resource in listed}

    def _api(self) -> DigitalOceanApi:
        return connect(lambda key: self._config.get(f"digitalocean:{key}"))


class AccountResources(dynamic.Resource, module="slipway", name="AccountResources"):
    """Resources of the account that exist as declared."""

    replacements: pulumi.Output[dict[str, int]]
    """How often each resource was deleted by hand."""

    def __init__(
        self,
        name: str,
        *,
        collection: Collection,
        bodies: Mapping[str, Body],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Declare resources by a key of each.

        Args:
            collection: path and key of the API's list.
            bodies: full request bodies; an empty list means that there are none.
        """
        counts = dict.fromkeys(bodies, 0)
        props = {
            "collection": collection,
            "bodies": dict(bodies),
            "replacements": counts,
            "repairs": counts,
        }
        super().__init__(AccountResourcesProvider(), name, props, opts)

    def trigger(self, key: str) -> pulumi.ResourceOptions:
        """Return the options of the resource with this key."""
        return pulumi.ResourceOptions(
            replacement_trigger=apply_if_created(
                self.replacements, lambda counts: counts.get(key, 0)
            )
        )

"""The roster: the servers that a cluster has had. Its id is the cluster's identity.

The first servers of a cluster bootstrap it. Every later server joins it, so a server that joins
never has ``bootstrap_expect``.
"""

import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pulumi
from pulumi import dynamic

from infra.cluster_api.members import Member
from infra.digitalocean_api import DigitalOceanApi, connect


class RosterProvider(dynamic.ResourceProvider):
    """Keeps the declared servers, and those before them that still exist in the account."""

    serialize_as_secret_always = False

    def configure(self, req: dynamic.ConfigureRequest) -> None:
        self._config = req.config

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        servers = props["servers"]
        return dynamic.CreateResult(
            str(uuid.uuid4()),
            {**props, "former": [], "founders": [server["droplet"] for server in servers]},
        )

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        """Replace the roster, and with it the cluster, if no server is left in the network.

        Either every server's droplet is gone, or the stack moves to another network. A preview does
        not know the id of a new network.
        """
        changes = olds["servers"] != news["servers"]
        is_new_cluster = changes and not self._existing(_all_servers(olds), news["network"])
        return dynamic.DiffResult(changes=changes, replaces=["servers"] if is_new_cluster else [])

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        droplets = {server["droplet"] for server in news["servers"]}
        former = [server for server in _all_servers(olds) if server["droplet"] not in droplets]
        return dynamic.UpdateResult(
            {
                **news,
                "former": self._existing(former, news["network"]),
                "founders": olds["founders"],
            }
        )

    def _existing(self, servers: Sequence[Member], network: str) -> list[Member]:
        """Return the servers whose droplets exist in a VPC."""
        api = self._api()
        found = [(server, api.find(f"/v2/droplets/{server['droplet']}")) for server in servers]
        return [
            server for server, reply in found if reply and reply["droplet"]["vpc_uuid"] == network
        ]

    def _api(self) -> DigitalOceanApi:
        return connect(lambda key: self._config.get(f"digitalocean:{key}"))


def _all_servers(props: Mapping[str, Any]) -> list[Member]:
    return [*props["servers"], *(props.get("former") or [])]


class Roster(dynamic.Resource, module="slipway", name="Roster"):
    """The servers of one cluster."""

    # At run time, the SDK would compare the values with the types and print a value that differs.
    if TYPE_CHECKING:
        former: pulumi.Output[list[Member]]
        """Servers of older generations that may still be members."""
        founders: pulumi.Output[list[str]]
        """Droplets of the servers that bootstrapped the cluster."""

    def __init__(
        self,
        name: str,
        *,
        servers: pulumi.Input[Sequence[Member]],
        network: pulumi.Input[str],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Args:
        servers: the declared servers.
        network: id of their VPC.
        """
        props = {"servers": servers, "network": network, "former": None, "founders": None}
        super().__init__(RosterProvider(), name, props, opts)
        self._servers = pulumi.Output.from_input(servers)

    @property
    def addresses(self) -> pulumi.Output[list[str]]:
        """Private addresses of all servers that an agent may join."""
        return pulumi.Output.all(self._servers, self.former).apply(
            lambda resolved: [server["address"] for servers in resolved for server in servers or ()]
        )

    def bootstrap_expect(self, droplet: pulumi.Output[str]) -> pulumi.Output[int]:
        """Return the number of servers that bootstrap the cluster; 0 for one that joins it."""
        return pulumi.Output.all(self.founders, droplet).apply(
            lambda resolved: len(resolved[0]) if resolved[1] in (resolved[0] or ()) else 0
        )

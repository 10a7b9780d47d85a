"""Tags."""

from typing import ClassVar

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import error_context
from rehearsal.plugins.properties import INTEGER, Properties, State, name, output
from rehearsal.plugins.resource import Change, Resource

COUNTS = {
    "dropletsCount": "droplets",
    "imagesCount": "images",
    "volumesCount": "volumes",
    "volumeSnapshotsCount": "volume_snapshots",
    "databasesCount": "databases",
}


class Tag(Resource[DigitalOcean]):
    """A tag and the number of resources that have it."""

    token = "digitalocean:index/tag:Tag"
    properties: ClassVar[Properties] = {
        "name": name(replaces=True),
        "totalResourceCount": output(INTEGER),
        **{key: output(INTEGER) for key in COUNTS},
    }

    def create(self, change: Change) -> None:
        with error_context("Error creating tag"):
            change.id = self.client.call("POST", "/v2/tags", {"name": change.new["name"]})["tag"][
                "name"
            ]

    def read(self, resource_id: str, state: State) -> State | None:
        response = self.client.find(f"/v2/tags/{resource_id}")
        if response is None:
            return None
        resources = response["tag"]["resources"]
        counts = {key: resources[kind]["count"] for key, kind in COUNTS.items()}
        return {"name": response["tag"]["name"], "totalResourceCount": resources["count"], **counts}

    def update(self, change: Change) -> None:
        """Do nothing: the name is the only property, and its change replaces the tag."""

    def delete(self, change: Change) -> None:
        with error_context("Error deleting tag"):
            self.client.call("DELETE", f"/v2/tags/{change.id}")

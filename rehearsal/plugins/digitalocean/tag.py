"""Tags."""

from typing import ClassVar

from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.errors import telling
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.properties import INTEGER, Properties, State, name, output

COUNTS = {
    "dropletsCount": "droplets",
    "imagesCount": "images",
    "volumesCount": "volumes",
    "volumeSnapshotsCount": "volume_snapshots",
    "databasesCount": "databases",
}


class Tag(Resource[DigitalOcean]):
    """A label, and how many things bear it."""

    token = "digitalocean:index/tag:Tag"
    properties: ClassVar[Properties] = {
        "name": name(replaces=True),
        "totalResourceCount": output(INTEGER),
        **{key: output(INTEGER) for key in COUNTS},
    }

    def create(self, change: Change) -> None:
        with telling("Error creating tag"):
            change.id = self.client.call("POST", "/v2/tags", {"name": change.new["name"]})["tag"][
                "name"
            ]

    def read(self, resource_id: str, state: State) -> State | None:
        found = self.client.find(f"/v2/tags/{resource_id}")
        if found is None:
            return None
        resources = found["tag"]["resources"]
        counts = {key: resources[kind]["count"] for key, kind in COUNTS.items()}
        return {"name": found["tag"]["name"], "totalResourceCount": resources["count"], **counts}

    def update(self, change: Change) -> None:
        """Never asked for: the name is all there is, and it replaces."""

    def delete(self, change: Change) -> None:
        with telling("Error deleting tag"):
            self.client.call("DELETE", f"/v2/tags/{change.id}")

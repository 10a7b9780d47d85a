"""What all objects of Consul's ACL system share."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.consul.api import Consul
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.rest import RestError
from rehearsal.plugins.properties import STRING, Properties, Property, State

NOT_FOUND = "ACL not found"

ENTERPRISE: Properties = {
    "namespace": Property(STRING, replaces=True, supported=False),
    "partition": Property(STRING, replaces=True, supported=False),
}
NO_ENTERPRISE = {"namespace": "", "partition": ""}


class Acl(Resource[Consul]):
    """One object, under a key that Consul made or the program chose."""

    noun: ClassVar[str]
    path: ClassVar[str]
    key: ClassVar[str] = "ID"
    prefix: ClassVar[str] = ""
    """What the resource's id has before the key."""

    @abstractmethod
    def content(self, new: State) -> State:
        """The object as Consul wants it, but for its key."""

    @abstractmethod
    def found(self, answer: Mapping[str, Any], state: State) -> State:
        """The properties of an object that Consul has."""

    def create(self, change: Change) -> None:
        answer = self._write("create", "PUT", self.path, self.content(change.new))
        change.id = f"{self.prefix}{answer[self.key]}"

    def read(self, resource_id: str, state: State) -> State | None:
        found = self.look(self._path(resource_id))
        return None if found is None else self.found(found, state) | NO_ENTERPRISE

    def update(self, change: Change) -> None:
        key = change.id.removeprefix(self.prefix)
        self._write(
            "update", "PUT", self._path(change.id), {**self.content(change.new), self.key: key}
        )

    def delete(self, change: Change) -> None:
        self._write("delete", "DELETE", self._path(change.id))

    def look(self, path: str) -> Any:
        """Consul's answer, None when there is no such object."""
        return self.client.find(path, self.client.datacenter({}))

    def _path(self, resource_id: str) -> str:
        return f"{self.path}/{resource_id.removeprefix(self.prefix)}"

    def _write(self, verb: str, method: str, path: str, body: State | None = None) -> Any:
        try:
            return self.client.call(method, path, self.client.datacenter({}), body).json()
        except PluginError as error:
            raise PluginError(f"failed to {verb} {self.noun}: {error}") from error


def look_for_message(client: Consul, path: str) -> Any:
    """As the official plugin looks for policies and tokens: it goes by Consul's message alone.

    Consul says the same of the provider's own token once it is revoked, and the resource then counts as gone.
    """
    try:
        return client.call("GET", path, client.datacenter({})).json()
    except RestError as error:
        if NOT_FOUND in str(error):
            return None
        raise

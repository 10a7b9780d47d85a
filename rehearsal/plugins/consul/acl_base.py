"""Base class of the resources of Consul's ACL system."""

from abc import abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar

from rehearsal.plugins.consul.api import Consul
from rehearsal.plugins.errors import error_context
from rehearsal.plugins.properties import STRING, Properties, Property, State
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.rest import RestError

NOT_FOUND = "ACL not found"

ENTERPRISE: Properties = {
    "namespace": Property(STRING, replaces=True, supported=False),
    "partition": Property(STRING, replaces=True, supported=False),
}
NO_ENTERPRISE = {"namespace": "", "partition": ""}


class AclObject(Resource[Consul]):
    """An ACL object, identified by a key that Consul or the program chooses."""

    noun: ClassVar[str]
    path: ClassVar[str]
    key: ClassVar[str] = "ID"
    prefix: ClassVar[str] = ""
    """Prefix of the resource id before the key."""

    @abstractmethod
    def request_body(self, new: State) -> State:
        """Return the object in Consul's format, without its key."""

    @abstractmethod
    def to_properties(self, response: Mapping[str, Any], state: State) -> State:
        """Return the properties of an object in Consul's format."""

    def create(self, change: Change) -> None:
        response = self._write("create", "PUT", self.path, self.request_body(change.new))
        change.id = f"{self.prefix}{response[self.key]}"

    def read(self, resource_id: str, state: State) -> State | None:
        response = self.find(self._path(resource_id))
        return None if response is None else self.to_properties(response, state) | NO_ENTERPRISE

    def update(self, change: Change) -> None:
        key = change.id.removeprefix(self.prefix)
        body = {**self.request_body(change.new), self.key: key}
        self._write("update", "PUT", self._path(change.id), body)

    def delete(self, change: Change) -> None:
        self._write("delete", "DELETE", self._path(change.id))

    def find(self, path: str) -> Any:
        """Return the object in Consul's format, None if it does not exist."""
        return self.client.find(path, self.client.datacenter({}))

    def _path(self, resource_id: str) -> str:
        return f"{self.path}/{resource_id.removeprefix(self.prefix)}"

    def _write(self, verb: str, method: str, path: str, body: State | None = None) -> Any:
        with error_context(f"failed to {verb} {self.noun}"):
            return self.client.call(method, path, self.client.datacenter({}), body).json()


def find_by_error_message(client: Consul, path: str) -> Any:
    """Find an object like the official plugin: an error with ``NOT_FOUND`` means a missing object.

    Consul reports the same error when the provider's own token is revoked. The resource then
    counts as deleted.
    """
    try:
        return client.call("GET", path, client.datacenter({})).json()
    except RestError as error:
        if NOT_FOUND in str(error):
            return None
        raise

"""A fake of Consul's and Nomad's ACL API."""

import itertools
from typing import Any

from tests.rehearsal.plugins.support.recorded import DATACENTER
from tests.rehearsal.plugins.support.service import Call, Reply

ACL = "/v1/acl/"
TIME = "2031-05-17T09:30:15.25Z"

Object = dict[str, Any]


class AclStore:
    """Stores objects under their key or under a generated key."""

    def __init__(self, missing: str) -> None:
        """``missing`` is the error message for an object that does not exist."""
        self.objects: dict[str, Object] = {}
        self._missing = missing
        self._keys = (f"{number:08d}-0000-0000-0000-000000000000" for number in itertools.count(1))

    def __call__(self, call: Call) -> Reply:
        path = call.path.partition("?")[0]
        if path == "/v1/agent/self":
            return Reply(body=DATACENTER)
        if call.method == "PUT":
            return Reply(body=self._put(path.removeprefix(ACL), call.body))
        found = self._find(path.removeprefix(ACL))
        if found is None:
            return Reply(404, self._missing)
        if call.method == "DELETE":
            del self.objects[path.removeprefix(ACL)]
            return Reply(body=True)
        return Reply(body=found)

    def only(self, kind: str) -> Object:
        """Return the only object of a kind."""
        (found,) = (item for path, item in self.objects.items() if path.startswith(f"{kind}/"))
        return found

    def forget(self, kind: str) -> None:
        """Delete all objects of a kind, as if outside of Pulumi."""
        self.objects = {
            path: item for path, item in self.objects.items() if not path.startswith(f"{kind}/")
        }

    def _find(self, path: str) -> Object | None:
        kind, _, name = path.partition("/name/")
        by_name = (
            item
            for key_path, item in self.objects.items()
            if name and key_path.startswith(f"{kind}/") and item["Name"] == name
        )
        return self.objects.get(path) or next(by_name, None)

    def _put(self, path: str, body: Object) -> Object:
        kind, _, key = path.partition("/")
        own = {"token": "AccessorID", "auth-method": "Name"}.get(kind, "ID")
        key = key or body.get(own) or next(self._keys)
        key_path = f"{kind}/{key}"
        old = self.objects.get(key_path) or {"SecretID": next(self._keys)}
        made = {"SecretID": old["SecretID"], "CreateTime": TIME} if kind == "token" else {}
        blank: Object = {"Policies": None, "Roles": None, "JobACL": None, "Description": ""}
        self.objects[key_path] = found = {**blank, **body, **made, own: key}
        for links, linked in (("Policies", "policy"), ("Roles", "role")):
            if kind in ("token", "role") and found[links]:
                found[links] = [self._link(linked, link) for link in found[links]]
        return found

    def _link(self, kind: str, link: Any) -> Any:
        """Return a link with id and name. The policies of a Nomad token are names only."""
        if isinstance(link, str):
            return link
        key_paths = (
            (key_path.partition("/")[2], item)
            for key_path, item in self.objects.items()
            if key_path.startswith(f"{kind}/")
        )
        return next(
            {"ID": key, "Name": item["Name"]}
            for key, item in key_paths
            if link.get("ID") == key or link.get("Name") == item["Name"]
        )

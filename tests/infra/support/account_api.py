"""A fake of the API requests about an account: the preflight checks and deletions."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.infra.support.answering import answering

TOKEN = "a-valid-token"


class AccountApi:
    """An account that tests change. Kinds that ``things`` lacks are not offered.

    ``failing`` holds the statuses of the next responses.

    ``forbidden`` holds the kinds that the token is not for.

    ``refusing`` holds the statuses of the next deletions, which delete nothing.
    """

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[str] = []
        self.failing: list[int] = []
        self.refusing: list[int] = []
        self.deleted: list[str] = []
        self.forbidden: list[str] = []
        self.page = 200
        self.things: dict[str, list[dict[str, Any]]] = {
            "sizes": [
                {
                    "slug": "s-1vcpu-1gb",
                    "price_monthly": 6,
                    "available": True,
                    "regions": ["nyc3", "ams3"],
                },
                {
                    "slug": "s-8vcpu-16gb",
                    "price_monthly": 96,
                    "available": True,
                    "regions": ["ams3"],
                },
            ],
            "regions": [
                {"slug": "nyc3", "available": True},
                {"slug": "ams3", "available": True},
                {"slug": "sfo2", "available": False},
            ],
            "droplets": [],
            "images": [{"id": 1, "tags": ["content-1"]}],
            "vpcs": [],
            "firewalls": [],
        }
        self.account = {"uuid": "the-account", "droplet_limit": 25}

    def answer(self, target: str, token: str) -> tuple[int, dict[str, Any]]:
        self.requests.append(target)
        if self.failing:
            return self.failing.pop(0), {"id": "server_error", "message": "as the test wants it"}
        if token != f"Bearer {TOKEN}":
            return 401, {"id": "unauthorized", "message": "Unable to authenticate you"}
        url = urlsplit(target)
        if url.path == "/v2/account":
            return 200, {"account": self.account}
        key, identity = self._split(url.path)
        query = parse_qs(url.query)
        not_found = {"id": "not_found", "message": "The resource could not be found."}
        if key in self.forbidden:
            return 403, {"id": "forbidden", "message": "You are not authorized"}
        if key not in self.things:
            return 404, not_found
        if identity:
            found = [one for one in self.things[key] if _id(one) == identity]
            return (200, {key.removesuffix("s"): found[0]}) if found else (404, not_found)
        page = int(query["page"][0])
        everything = [
            one
            for one in self.things[key]
            if query.get("name", [one.get("name")])[0] == one.get("name")
            and set(query.get("tag_name", ())) <= set(one.get("tags", ()))
        ]
        start = (page - 1) * self.page
        pages = {"next": "http://elsewhere"} if start + self.page < len(everything) else {}
        return 200, {
            {"keys": "ssh_keys"}.get(key, key): everything[start : start + self.page],
            "links": {"pages": pages} if pages else {},
        }

    def delete(self, target: str, _token: str) -> tuple[int, dict[str, Any]]:
        if self.refusing:
            return self.refusing.pop(0), {"message": "Droplet already has a pending event."}
        key, identity = self._split(target)
        self.things[key] = [one for one in self.things[key] if _id(one) != identity]
        self.deleted.append(identity)
        return 204, {}

    @staticmethod
    def _split(path: str) -> tuple[str, str]:
        """Return the kind of a path, and the id if it has one."""
        key, _, identity = path.removeprefix("/v2/").removeprefix("account/").partition("/")
        return key, identity


def _id(thing: dict[str, Any]) -> str:
    return str(thing.get("id", thing.get("name")))


@contextmanager
def serving(api: AccountApi) -> Iterator[AccountApi]:
    """Serve ``api`` on a port of its own."""
    with answering(api.answer, api.delete) as address:
        api.url = f"http://{address}"
        yield api

"""A fake of the API requests that the preflight checks make."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs, urlsplit

from tests.infra.support.answering import answering

TOKEN = "a-valid-token"


class AccountApi:
    """An account that tests change. ``failing`` holds the statuses of the next responses."""

    def __init__(self) -> None:
        self.url = ""
        self.requests: list[str] = []
        self.failing: list[int] = []
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
            "vpcs": [],
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
        key = url.path.removeprefix("/v2/")
        page = int(parse_qs(url.query)["page"][0])
        start, everything = (page - 1) * self.page, self.things[key]
        pages = {"next": "http://elsewhere"} if start + self.page < len(everything) else {}
        return 200, {
            key: everything[start : start + self.page],
            "links": {"pages": pages} if pages else {},
        }


@contextmanager
def serving(api: AccountApi) -> Iterator[AccountApi]:
    """Serve ``api`` on a port of its own."""
    with answering(api.answer) as address:
        api.url = f"http://{address}"
        yield api

"""The account behind the token: whether it can hold what the settings ask for. Only reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from infra import addresses, names
from infra.settings import Settings

BALANCER_USD = 12.0
"""Monthly price of a load balancer of one node, which the API does not tell."""

PAGE = 200
"""The most that the API gives at once."""

PATIENCE = 4
"""How often a question is asked again, as the clients of the API do."""


@dataclass(frozen=True)
class Account:
    """What the API told of the account."""

    id: str
    prices: Mapping[str, float]
    """US dollars a month of each size."""

    def monthly_usd(self, settings: Settings) -> float:
        """What the droplets and the load balancer cost a month; Spaces is a flat fee of the account."""
        droplets = (
            settings.primes * self.prices[settings.prime_size]
            + settings.workers * self.prices[settings.worker_size]
        )
        return round(droplets + BALANCER_USD, 2)


class AccountError(Exception):
    """The API could not be asked, or refused; the message names the cause and the remedy."""


class Api:
    """The API as far as it is read before anything is made."""

    def __init__(self, endpoint: str, token: str) -> None:
        self._endpoint = endpoint.rstrip("/")
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"
        patience = Retry(
            total=PATIENCE,
            backoff_factor=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=patience))

    def get(self, path: str) -> dict[str, Any]:
        """One object or page.

        Raises:
            AccountError: no answer within some tries of 10 s each, or one that is not 200.
        """
        try:
            answer = self._session.get(f"{self._endpoint}{path}", timeout=10)
        except requests.RequestException as broken:
            raise AccountError(
                f"the API at {self._endpoint} cannot be reached ({type(broken).__name__}); check DIGITALOCEAN_API_URL"
            ) from broken
        if answer.status_code == 401:
            raise AccountError(
                f"the API at {self._endpoint} refuses the token (401); set DIGITALOCEAN_TOKEN to one that is valid"
            )
        if answer.status_code != 200:
            raise AccountError(
                f"the API at {self._endpoint} answers {answer.status_code} to {path}: {_reason(answer)}; try again later"
            )
        body: dict[str, Any] = answer.json()
        return body

    def every(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        """All objects of a list, page by page."""
        page = 1
        while True:
            body = self.get(f"{path}?page={page}&per_page={PAGE}")
            yield from body[key]
            if "next" not in body.get("links", {}).get("pages", {}):
                return
            page += 1


def _reason(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.reason


def survey(api: Api, settings: Settings, prefix: str) -> tuple[Account, list[str]]:
    """Ask the account what it offers, and compare.

    Args:
        prefix: how names of this stack start; what bears it is its own and no obstacle.

    Returns:
        The account, and every problem with its remedy.

    Raises:
        AccountError: the API could not be asked.
    """
    account = api.get("/v2/account")["account"]
    sizes = {size["slug"]: size for size in api.every("/v2/sizes", "sizes")}
    regions = {region["slug"]: region for region in api.every("/v2/regions", "regions")}
    problems = [
        *_region(settings, regions, sizes),
        *_room(settings, prefix, account, api),
        *_overlaps(settings, prefix, api),
    ]
    return Account(
        account["uuid"], {slug: float(size["price_monthly"]) for slug, size in sizes.items()}
    ), problems


def _region(
    settings: Settings, regions: Mapping[str, dict[str, Any]], sizes: Mapping[str, dict[str, Any]]
) -> Iterator[str]:
    region = regions.get(settings.region)
    if region is None or not region["available"]:
        state = "does not exist" if region is None else "takes nothing new at present"
        there = ", ".join(sorted(slug for slug, other in regions.items() if other["available"]))
        yield f"region: {settings.region} {state}; there are {there}"
    for name, slug in (("prime_size", settings.prime_size), ("worker_size", settings.worker_size)):
        size = sizes.get(slug)
        if size is None:
            yield f"{name}: there is no size {slug}; {_offer(settings.region, sizes)}"
        elif region is not None and (
            settings.region not in size["regions"] or not size["available"]
        ):
            yield f"{name}: {settings.region} does not offer {slug}; {_offer(settings.region, sizes)}"


def _offer(region: str, sizes: Mapping[str, dict[str, Any]]) -> str:
    """The cheapest sizes of a region, as a remedy."""
    there = sorted(
        (size for size in sizes.values() if region in size["regions"] and size["available"]),
        key=lambda size: float(size["price_monthly"]),
    )
    return (
        f"{region} offers {', '.join(size['slug'] for size in there[:5])} and more"
        if there
        else "choose another region"
    )


def _room(settings: Settings, prefix: str, account: dict[str, Any], api: Api) -> Iterator[str]:
    """What the stack has already is no obstacle: an old machine goes before a new one of its name comes."""
    own = set(names.role_tags(prefix))
    others = sum(
        own.isdisjoint(droplet["tags"]) for droplet in api.every("/v2/droplets", "droplets")
    )
    asked, limit = settings.primes + settings.workers, account["droplet_limit"]
    if asked + others > limit:
        besides = f", and {others} that are not this stack's are there" if others else ""
        yield f"workers: {asked} machines are asked for, the account may have {limit}{besides}; set fewer, or ask DigitalOcean for more"


def no_room_to_build(api: Api) -> str | None:
    """Why the image cannot be built, in words; None when the account may have one more droplet, for as long as that takes.

    Raises:
        AccountError: the API could not be asked.
    """
    limit = api.get("/v2/account")["account"]["droplet_limit"]
    there = sum(1 for _ in api.every("/v2/droplets", "droplets"))
    if there < limit:
        return None
    return f"the image is built on a droplet of its own, and the account has {there} of the {limit} it may have; ask DigitalOcean for more"


def _overlaps(settings: Settings, prefix: str, api: Api) -> Iterator[str]:
    for vpc in api.every("/v2/vpcs", "vpcs"):
        if vpc["name"] != prefix and addresses.overlapping(
            settings.vpc_cidr, [IPv4Network(vpc["ip_range"])]
        ):
            yield f"vpc_cidr: {settings.vpc_cidr} overlaps {vpc['ip_range']} of the VPC {vpc['name']} in {vpc['region']}; move it"

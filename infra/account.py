"""The account behind the token: whether it can hold what the settings ask for. Only reads."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from infra import addresses, names
from infra.digitalocean_api import LOAD_BALANCER_NODE_MONTHLY_USD, DigitalOceanApi
from infra.settings import Settings


@dataclass(frozen=True)
class Account:
    """What the API told of the account."""

    id: str
    prices: Mapping[str, float]
    """US dollars a month of each size."""

    def monthly_usd(self, settings: Settings) -> float:
        """What the droplets and the load balancer cost a month; Spaces is a flat fee of the account."""
        droplets = sum(
            settings.machine_count(role) * self.prices[settings.droplet_size(role)]
            for role in names.ROLES
        )
        return round(droplets + LOAD_BALANCER_NODE_MONTHLY_USD, 2)


def survey(api: DigitalOceanApi, settings: Settings, prefix: str) -> tuple[Account, list[str]]:
    """Ask the account what it offers, and compare.

    Args:
        prefix: how names of this stack start; what bears it is its own and no obstacle.

    Returns:
        The account, and every problem with its remedy.

    Raises:
        ApiError: the API could not be asked.
    """
    account = api.get("/v2/account")["account"]
    sizes = {size["slug"]: size for size in api.list_all("/v2/sizes", "sizes")}
    regions = {region["slug"]: region for region in api.list_all("/v2/regions", "regions")}
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
    for role in names.ROLES:
        name, slug = f"{role}_size", settings.droplet_size(role)
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


def _room(
    settings: Settings, prefix: str, account: dict[str, Any], api: DigitalOceanApi
) -> Iterator[str]:
    """What the stack has already is no obstacle: an old machine goes before a new one of its name comes."""
    own = set(names.role_tags(prefix))
    others = sum(
        own.isdisjoint(droplet["tags"]) for droplet in api.list_all("/v2/droplets", "droplets")
    )
    asked, limit = settings.primes + settings.workers, account["droplet_limit"]
    if asked + others > limit:
        besides = f", and {others} that are not this stack's are there" if others else ""
        yield f"workers: {asked} machines are asked for, the account may have {limit}{besides}; set fewer, or ask DigitalOcean for more"


def no_room_to_build(api: DigitalOceanApi) -> str | None:
    """Why the image cannot be built, in words; None when the account may have one more droplet, for as long as that takes.

    Raises:
        ApiError: the API could not be asked.
    """
    limit = api.get("/v2/account")["account"]["droplet_limit"]
    there = sum(1 for _ in api.list_all("/v2/droplets", "droplets"))
    if there < limit:
        return None
    return f"the image is built on a droplet of its own, and the account has {there} of the {limit} it may have; ask DigitalOcean for more"


def _overlaps(settings: Settings, prefix: str, api: DigitalOceanApi) -> Iterator[str]:
    for vpc in api.list_all("/v2/vpcs", "vpcs"):
        if vpc["name"] != prefix and addresses.overlapping(
            settings.vpc_cidr, [IPv4Network(vpc["ip_range"])]
        ):
            yield f"vpc_cidr: {settings.vpc_cidr} overlaps {vpc['ip_range']} of the VPC {vpc['name']} in {vpc['region']}; move it"

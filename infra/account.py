"""The DigitalOcean account, and whether the settings fit its limits and offers. Reads only."""

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

from infra import addresses, names
from infra.digitalocean_api import LOAD_BALANCER_NODE_MONTHLY_USD, DigitalOceanApi, public_address
from infra.settings import Settings

MAX_SUGGESTED_SIZES = 5


@dataclass(frozen=True)
class Account:
    """The account's id, its prices, and what the stack has there."""

    id: str
    prices: Mapping[str, float]
    """US dollars for a month of each droplet size."""
    servers: tuple[str, ...] = ()
    """Public addresses of the stack's active primes; after an interrupted move, of the new ones."""
    stopped_servers: tuple[str, ...] = ()
    """Public addresses of the stack's primes that are powered off."""
    former_network: Mapping[str, Any] | None = None
    """The VPC that an update moves the stack out of; None if it does not move."""

    def monthly_usd(self, settings: Settings) -> float:
        """Return the price of the droplets and the load balancer; without Spaces, a flat fee."""
        droplets = sum(
            settings.machine_count(role) * self.prices[settings.droplet_size(role)]
            for role in names.ROLES
        )
        return round(droplets + LOAD_BALANCER_NODE_MONTHLY_USD, 2)


def survey(
    api: DigitalOceanApi, settings: Settings, prefix: str, image_tag: str
) -> tuple[Account, list[str]]:
    """Compare the settings with the account.

    Args:
        prefix: start of the names of the stack's own resources, which conflict with nothing.
        image_tag: tag of the base image that the machines boot from.

    Returns:
        The account, and all problems with remedies.

    Raises:
        ApiError: a request fails.
    """
    account = api.get("/v2/account")["account"]
    vpcs = api.list_all("/v2/vpcs", "vpcs")
    network = _find_network(settings, prefix, vpcs)
    primes = api.list_all("/v2/droplets", "droplets", tag_name=names.role_tag(prefix, "prime"))
    here = [prime for prime in primes if network and prime["vpc_uuid"] == network["id"]]
    former = None if here else _find_former_network(primes, vpcs)
    sizes = {size["slug"]: size for size in api.list_all("/v2/sizes", "sizes")}
    regions = {region["slug"]: region for region in api.list_all("/v2/regions", "regions")}
    problems = [
        *_check_region_and_sizes(settings, regions, sizes),
        *_check_droplet_limit(settings, prefix, image_tag, account["droplet_limit"], network, api),
        *_check_vpc(settings, prefix, vpcs, network),
        *_check_move(settings, former),
    ]
    prices = {slug: float(size["price_monthly"]) for slug, size in sizes.items()}
    servers, stopped = (
        tuple(public_address(prime) for prime in here or primes if prime["status"] == status)
        for status in ("active", "off")
    )
    return Account(account["uuid"], prices, servers, stopped, former), problems


def _find_network(
    settings: Settings, prefix: str, vpcs: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Return the stack's VPC with the declared region and range, or None."""
    for vpc in vpcs:
        is_own = names.is_network_name(prefix, vpc["name"])
        declared = (settings.region, str(settings.vpc_cidr))
        if is_own and (vpc["region"], vpc["ip_range"]) == declared:
            return vpc
    return None


def _find_former_network(
    primes: Sequence[Mapping[str, Any]], vpcs: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any] | None:
    """Return the VPC of the primes, or None if there are none."""
    used = {prime["vpc_uuid"] for prime in primes}
    return next((vpc for vpc in vpcs if vpc["id"] in used), None)


def _check_region_and_sizes(
    settings: Settings, regions: Mapping[str, dict[str, Any]], sizes: Mapping[str, dict[str, Any]]
) -> Iterator[str]:
    region = regions.get(settings.region)
    if region is None or not region["available"]:
        state = "does not exist" if region is None else "accepts no new resources at present"
        available = sorted(slug for slug, other in regions.items() if other["available"])
        yield f"region: {settings.region} {state}; choose one of {', '.join(available)}"
    for role in names.ROLES:
        setting, slug = f"{role}_size", settings.droplet_size(role)
        size = sizes.get(slug)
        if size is None:
            yield f"{setting}: there is no size {slug}; {_suggest_sizes(settings.region, sizes)}"
        elif region is not None and not _is_offered(size, settings.region):
            yield (
                f"{setting}: {settings.region} does not offer {slug}; "
                f"{_suggest_sizes(settings.region, sizes)}"
            )


def _is_offered(size: Mapping[str, Any], region: str) -> bool:
    return bool(size["available"]) and region in size["regions"]


def _suggest_sizes(region: str, sizes: Mapping[str, dict[str, Any]]) -> str:
    """Return the cheapest sizes of a region, as a remedy."""
    offered = sorted(
        (size for size in sizes.values() if _is_offered(size, region)),
        key=lambda size: float(size["price_monthly"]),
    )
    if not offered:
        return "choose another region"
    cheapest = ", ".join(size["slug"] for size in offered[:MAX_SUGGESTED_SIZES])
    return f"{region} offers {cheapest} and more"


def _check_droplet_limit(
    settings: Settings,
    prefix: str,
    image_tag: str,
    limit: int,
    network: Mapping[str, Any] | None,
    api: DigitalOceanApi,
) -> Iterator[str]:
    """Yield a problem if the account may not have all droplets that the update needs.

    The new droplet of a replaced machine is created before the old one is deleted. An interrupted
    update has created some of the new droplets already.
    """
    tags = set(names.role_tags(prefix))
    droplets = api.list_all("/v2/droplets", "droplets")
    own = [droplet for droplet in droplets if tags & {*droplet["tags"]}]
    others, machines = len(droplets) - len(own), settings.primes + settings.workers
    besides = f" and already has {others} of other stacks" if others else ""
    if machines + others > limit:
        yield (
            f"workers: the stack has {machines} droplets, but the account may have {limit}"
            f"{besides}; set fewer, or ask DigitalOcean for a higher limit"
        )
        return
    images = {
        image["id"] for image in api.list_all("/v2/images", "images", tag_name=image_tag) if own
    }
    here = [droplet for droplet in own if network and droplet["vpc_uuid"] == network["id"]]
    new = _count_new_droplets(settings, here, images)
    peak = len(own) + new
    if new and peak + others > limit:
        free = limit - others - len(own)
        remedy = (
            f"replace at most {free} at a time with `python -m deploy up STACK --batch {free}`"
            if free > 0 and here  # A move creates all machines at once.
            else "set fewer workers for this update"
        )
        yield (
            f"workers: the update creates {new} droplets before it deletes any, and needs {peak} "
            f"at once, but the account may have {limit}{besides}; "
            f"ask DigitalOcean for a higher limit, or {remedy}"
        )


def _count_new_droplets(
    settings: Settings, own: Sequence[Mapping[str, Any]], images: Collection[int]
) -> int:
    """Return how many slots have no droplet of the image, region and size that they need.

    Only the newest generation of a slot counts: older ones are about to leave.

    Args:
        own: the droplets of the stack in its declared network.
        images: ids of the base images that the machines may have.
    """
    by_label: defaultdict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for droplet in own:
        by_label[names.label_of_droplet(droplet["name"])].append(droplet)

    def is_current(droplet: Mapping[str, Any], role: names.Role) -> bool:
        has_image = droplet["image"]["id"] in images
        return has_image and droplet["size_slug"] == settings.droplet_size(role)

    new = 0
    for role in names.ROLES:
        for number in range(1, settings.machine_count(role) + 1):
            first_name = names.droplet_name(role, number, settings.region)
            label = names.machine_label(role, number)
            newest = max(
                by_label[label],
                key=lambda droplet: names.generation_number(first_name, droplet["name"]),
                default=None,
            )
            new += (
                newest is None
                or names.generation_number(first_name, newest["name"]) == 0
                or (settings.may_replace(label) and not is_current(newest, role))
            )
    return new


def droplet_limit_problem(api: DigitalOceanApi) -> str | None:
    """Return why the image cannot be built, or None if the account may have one more droplet.

    Raises:
        ApiError: a request fails.
    """
    limit = api.get("/v2/account")["account"]["droplet_limit"]
    count = len(api.list_all("/v2/droplets", "droplets"))
    if count < limit:
        return None
    return (
        "the image is built on a droplet of its own, but the account already has "
        f"{count} of {limit} droplets; delete one, or ask DigitalOcean for a higher limit"
    )


def _check_vpc(
    settings: Settings,
    prefix: str,
    vpcs: Sequence[Mapping[str, Any]],
    network: Mapping[str, Any] | None,
) -> Iterator[str]:
    """Yield a problem for each other VPC that overlaps the declared range.

    A stack that moves to another network has the former one until the end of the update.
    """
    others = [vpc for vpc in vpcs if vpc is not network]
    taken = [IPv4Network(vpc["ip_range"]) for vpc in others]
    for vpc, other in zip(others, taken, strict=True):
        if settings.vpc_cidr.overlaps(other):
            free = addresses.find_free(settings.vpc_cidr, taken)
            remedy = f"set {free}, which is free" if free else "set another range"
            is_own = names.is_network_name(prefix, vpc["name"])
            owner = "the stack's network" if is_own else f"the VPC {vpc['name']}"
            reason = ", which exists until the stack has moved" if is_own else ""
            yield (
                f"vpc_cidr: {settings.vpc_cidr} overlaps {other} of {owner} in {vpc['region']}"
                f"{reason}; {remedy}"
            )


def _check_move(settings: Settings, former: Mapping[str, Any] | None) -> Iterator[str]:
    """Yield what prevents that the stack moves out of its former network."""
    if former is None:
        return
    if settings.batch is not None:
        yield (
            f"vpc_cidr: a move to {settings.vpc_cidr} in {settings.region} is not possible in "
            "batches, because all new machines must exist at once; run `up` without --batch"
        )
    bucket, region = settings.artifacts_bucket, settings.region
    if bucket and former["region"] != region and region not in bucket:
        yield (
            f"artifacts_bucket: {bucket} cannot move from {former['region']} to {region}, and "
            f"another bucket needs another name; set {bucket}-{region}, or remove the setting"
        )

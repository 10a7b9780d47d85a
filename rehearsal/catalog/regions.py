"""The regions. All are on this host, but images and VPCs still belong to regions."""

from pydantic import BaseModel, ConfigDict

from rehearsal.catalog.sizes import SIZES

FEATURES = ["backups", "ipv6", "metadata", "install_agent", "storage", "image_transfer"]


class Region(BaseModel):
    """``region`` of the API."""

    model_config = ConfigDict(frozen=True)

    slug: str
    name: str
    features: list[str]
    available: bool
    sizes: list[str]


def _region(slug: str, name: str) -> Region:
    sizes = [size.slug for size in SIZES.values() if slug in size.regions]
    return Region(slug=slug, name=name, features=FEATURES, available=bool(sizes), sizes=sizes)


REGIONS = {
    region.slug: region
    for region in (
        _region("nyc1", "New York 1"),
        _region("sfo1", "San Francisco 1"),
        _region("nyc2", "New York 2"),
        _region("ams2", "Amsterdam 2"),
        _region("sgp1", "Singapore 1"),
        _region("lon1", "London 1"),
        _region("nyc3", "New York 3"),
        _region("ams3", "Amsterdam 3"),
        _region("fra1", "Frankfurt 1"),
        _region("tor1", "Toronto 1"),
        _region("sfo2", "San Francisco 2"),
        _region("blr1", "Bangalore 1"),
        _region("sfo3", "San Francisco 3"),
        _region("syd1", "Sydney 1"),
    )
}
"""All regions by slug. A region without sizes is closed: ``available`` is false."""

SPACES_REGIONS = (
    "ams3",
    "atl1",
    "blr1",
    "fra1",
    "lon1",
    "nyc3",
    "sfo2",
    "sfo3",
    "sgp1",
    "syd1",
    "tor1",
)
"""The regions with Spaces. The API specification has no droplets in atl1."""

"""The stock images, which the machines can boot."""

from dataclasses import dataclass, field

from rehearsal.catalog.regions import REGIONS

FIRST_SNAPSHOT_ID = 180_000_001
"""Stock images have lower ids."""


@dataclass(frozen=True, kw_only=True)
class StockImage:
    """A public image, with DigitalOcean's attributes."""

    id: int
    name: str
    distribution: str
    slug: str
    created_at: str
    min_disk_size: int
    """GiB."""
    size_gigabytes: float
    description: str
    regions: list[str] = field(
        default_factory=lambda: [region.slug for region in REGIONS.values() if region.available]
    )


STOCK_IMAGES = [
    StockImage(
        id=129_211_873,
        name="12 x64",
        distribution="Debian",
        slug="debian-12-x64",
        created_at="2023-06-14T15:18:26Z",
        min_disk_size=7,
        size_gigabytes=0.4,
        description="Debian 12 x64",
    )
]

"""DigitalOcean's droplet sizes: memory in MiB, disk in GiB, transfer in TiB, prices in USD."""

from pydantic import BaseModel, ConfigDict

MAX_BILLED_HOURS = 672
"""Per month: the monthly price is the maximum, and is reached after 28 days."""

CURRENT_REGIONS = ("nyc1", "nyc3", "ams3", "sfo3", "sgp1", "lon1", "fra1", "tor1", "blr1", "syd1")
LEGACY_REGIONS = ("nyc2", "sfo2")
"""Regions without new hardware, which have only the basic sizes."""


class DiskSize(BaseModel):
    amount: int
    unit: str


class DiskInfo(BaseModel):
    type: str
    size: DiskSize


class Size(BaseModel):
    """``size`` of the API."""

    model_config = ConfigDict(frozen=True)

    slug: str
    memory: int
    vcpus: int
    disk: int
    transfer: float
    price_monthly: float
    price_hourly: float
    regions: list[str]
    available: bool
    description: str
    disk_info: list[DiskInfo]


def _size(
    slug: str, description: str, memory: int, vcpus: int, disk: int, transfer: float, monthly: float
) -> Size:
    regions = CURRENT_REGIONS + LEGACY_REGIONS if description == "Basic" else CURRENT_REGIONS
    return Size(
        slug=slug,
        memory=memory,
        vcpus=vcpus,
        disk=disk,
        transfer=transfer,
        price_monthly=monthly,
        price_hourly=round(monthly / MAX_BILLED_HOURS, 5),
        regions=sorted(regions),
        available=True,
        description=description,
        disk_info=[DiskInfo(type="local", size=DiskSize(amount=disk, unit="gib"))],
    )


SIZES = {
    size.slug: size
    for size in (
        _size("s-1vcpu-512mb-10gb", "Basic", 512, 1, 10, 0.5, 4),
        _size("s-1vcpu-1gb", "Basic", 1024, 1, 25, 1, 6),
        _size("s-1vcpu-1gb-amd", "Basic AMD", 1024, 1, 25, 1, 7),
        _size("s-1vcpu-1gb-intel", "Basic Intel", 1024, 1, 25, 1, 7),
        _size("s-1vcpu-2gb", "Basic", 2048, 1, 50, 2, 12),
        _size("s-1vcpu-2gb-amd", "Basic AMD", 2048, 1, 50, 2, 14),
        _size("s-1vcpu-2gb-intel", "Basic Intel", 2048, 1, 50, 2, 14),
        _size("s-2vcpu-2gb", "Basic", 2048, 2, 60, 3, 18),
        _size("s-2vcpu-2gb-amd", "Basic AMD", 2048, 2, 60, 3, 21),
        _size("s-2vcpu-2gb-intel", "Basic Intel", 2048, 2, 60, 3, 21),
        _size("s-2vcpu-4gb", "Basic", 4096, 2, 80, 4, 24),
        _size("s-2vcpu-4gb-amd", "Basic AMD", 4096, 2, 80, 4, 28),
        _size("s-2vcpu-4gb-intel", "Basic Intel", 4096, 2, 80, 4, 28),
        _size("c-2", "CPU-Optimized", 4096, 2, 25, 4, 42),
        _size("s-4vcpu-8gb", "Basic", 8192, 4, 160, 5, 48),
        _size("s-4vcpu-8gb-amd", "Basic AMD", 8192, 4, 160, 5, 56),
        _size("s-4vcpu-8gb-intel", "Basic Intel", 8192, 4, 160, 5, 56),
        _size("g-2vcpu-8gb", "General Purpose", 8192, 2, 25, 4, 63),
        _size("c-4", "CPU-Optimized", 8192, 4, 50, 5, 84),
        _size("m-2vcpu-16gb", "Memory-Optimized", 16384, 2, 50, 4, 84),
        _size("s-8vcpu-16gb", "Basic", 16384, 8, 320, 6, 96),
        _size("s-8vcpu-16gb-amd", "Basic AMD", 16384, 8, 320, 6, 112),
        _size("s-8vcpu-16gb-intel", "Basic Intel", 16384, 8, 320, 6, 112),
        _size("g-4vcpu-16gb", "General Purpose", 16384, 4, 50, 5, 126),
        _size("c-8", "CPU-Optimized", 16384, 8, 100, 6, 168),
        _size("m-4vcpu-32gb", "Memory-Optimized", 32768, 4, 100, 6, 168),
        _size("g-8vcpu-32gb", "General Purpose", 32768, 8, 100, 6, 252),
        _size("m-8vcpu-64gb", "Memory-Optimized", 65536, 8, 200, 7, 336),
    )
}
"""All sizes by slug, the cheapest first."""

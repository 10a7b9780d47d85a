"""The stock images: only what the rehearsal can really boot."""

from rehearsal.catalog.regions import REGIONS
from rehearsal.records import Image
from rehearsal.states import ImageStatus

FIRST_OWN_ID = 180_000_001
"""Stock images have ids below, snapshots from here on."""

STOCK = [
    Image(
        id=129_211_873,
        name="12 x64",
        type="base",
        distribution="Debian",
        slug="debian-12-x64",
        public=True,
        regions=[region.slug for region in REGIONS.values() if region.available],
        created_at="2023-06-14T15:18:26Z",
        min_disk_size=7,
        size_gigabytes=0.4,
        description="Debian 12 x64",
        status=ImageStatus.AVAILABLE,
    )
]

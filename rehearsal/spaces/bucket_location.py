"""The region in which a new bucket is created."""

import re

from rehearsal.catalog.regions import SPACES_REGIONS
from rehearsal.spaces.errors import S3Error

SIGNING_REGION = "us-east-1"
"""Region for which S3 clients sign by default, whatever Spaces region they address."""

DEFAULT_REGION = "nyc3"
"""Region of a new bucket when neither the endpoint nor the client names one."""

CONSTRAINT = (
    "<CreateBucketConfiguration><LocationConstraint>{region}</LocationConstraint>"
    "</CreateBucketConfiguration>"
)


def locate_bucket(body: bytes, endpoint_region: str | None) -> bytes:
    """Return the body of a bucket creation with an explicit location constraint.

    Raises:
        S3Error: the client names a region that Spaces or the endpoint does not have.
    """
    match = re.search(rb"<LocationConstraint[^>]*>([^<]+)<", body)
    requested = match[1].decode(errors="replace") if match else SIGNING_REGION
    available = [endpoint_region] if endpoint_region else SPACES_REGIONS
    if requested != SIGNING_REGION and requested not in available:
        message = "The specified location-constraint is not valid."
        raise S3Error(400, "InvalidLocationConstraint", message)
    region = endpoint_region or (DEFAULT_REGION if requested == SIGNING_REGION else requested)
    return CONSTRAINT.format(region=region).encode()

"""Spaces buckets."""

import base64
import hashlib
from typing import Any, ClassVar
from xml.etree import ElementTree

from rehearsal.plugins.check import Failure
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.digitalocean.spaces import REGIONS, SpacesError
from rehearsal.plugins.errors import PluginError, error_context
from rehearsal.plugins.properties import (
    BOOLEAN,
    INTEGER,
    STRING,
    Properties,
    Property,
    State,
    list_of,
    name,
    object_of,
    output,
)
from rehearsal.plugins.resource import Change, Resource
from rehearsal.plugins.values import UNKNOWN

VISIBLE_TIMEOUT_S = 300.0
"""Time until a new bucket is visible."""

REAL_DOMAIN = "digitaloceanspaces.com"
"""Domain in the outputs, for every endpoint, as in the official plugin."""

S3_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"

CORS: Properties = {
    "allowedHeaders": Property(list_of(STRING)),
    "allowedMethods": Property(list_of(STRING), required=True),
    "allowedOrigins": Property(list_of(STRING), required=True),
    "maxAgeSeconds": Property(INTEGER),
}
LIFECYCLE: Properties = {
    "abortIncompleteMultipartUploadDays": Property(INTEGER),
    "enabled": Property(BOOLEAN, required=True),
    "expiration": Property(
        object_of(
            {
                "date": Property(STRING),
                "days": Property(INTEGER),
                "expiredObjectDeleteMarker": Property(BOOLEAN),
            }
        )
    ),
    "id": Property(STRING, computed=True),
    "noncurrentVersionExpiration": Property(object_of({"days": Property(INTEGER)})),
    "prefix": Property(STRING),
}


class SpacesBucket(Resource[DigitalOcean]):
    """A Spaces bucket."""

    token = "digitalocean:index/spacesBucket:SpacesBucket"
    properties: ClassVar[Properties] = {
        "acl": Property(STRING, default="private"),
        "corsRules": Property(list_of(object_of(CORS)), supported=False),
        "forceDestroy": Property(BOOLEAN, default=False),
        "lifecycleRules": Property(list_of(object_of(LIFECYCLE)), supported=False),
        "name": name(),
        "region": Property(STRING, default="nyc3", replaces=True, to_state=str.lower),
        "versioning": Property(
            object_of({"enabled": Property(BOOLEAN, default=False)}), computed=True
        ),
        "bucketDomainName": output(STRING),
        "bucketUrn": output(STRING),
        "endpoint": output(STRING),
    }

    def check(self, inputs: State) -> list[Failure]:
        region = inputs["region"]
        if region != UNKNOWN and region.lower() not in REGIONS:
            return [
                Failure("region", f"expected region to be one of {list(REGIONS)}, got {region}")
            ]
        return []

    def create(self, change: Change) -> None:
        new = change.new
        bucket, region, acl = new["name"], new["region"], {"x-amz-acl": new["acl"]}
        with error_context("Error creating Spaces bucket"):
            self.client.spaces.call("PUT", region, bucket, headers=acl)
        change.id = bucket
        change.deadline.capped(VISIBLE_TIMEOUT_S).wait_until(
            lambda: self._exists(region, bucket), f"Spaces bucket {bucket} to appear"
        )
        self.client.spaces.call("PUT", region, bucket, query={"acl": ""}, headers=acl)
        if new.get("versioning"):
            self._set_versioning(region, bucket, new["versioning"])

    def read(self, resource_id: str, state: State) -> State | None:
        region = state.get("region", "nyc3")
        if not self._exists(region, resource_id):
            return None
        location = self._get(region, resource_id, "location", path_style=True)
        region = (location.text or region).lower()
        status = self._get(region, resource_id, "versioning").findtext(f"{S3_NAMESPACE}Status", "")
        self._read_lifecycle(region, resource_id)
        imported = {} if state else {"acl": "private", "forceDestroy": False}
        return imported | {
            "name": state.get("name") or resource_id,
            "region": region,
            "versioning": {"enabled": status == "Enabled"},
            "bucketDomainName": f"{resource_id}.{region}.{REAL_DOMAIN}",
            "bucketUrn": f"do:space:{resource_id}",
            "endpoint": f"{region}.{REAL_DOMAIN}",
        }

    def update(self, change: Change) -> None:
        region = change.new["region"]
        if "acl" in change.changed:
            self.client.spaces.call(
                "PUT",
                region,
                change.id,
                query={"acl": ""},
                headers={"x-amz-acl": change.new["acl"]},
            )
        if "versioning" in change.changed:
            self._set_versioning(region, change.id, change.new.get("versioning") or {})

    def delete(self, change: Change) -> None:
        region = change.old.get("region", "nyc3")
        try:
            self.client.spaces.call("DELETE", region, change.id)
        except SpacesError as error:
            if error.status == 404:
                return
            if error.code != "BucketNotEmpty" or not change.old.get("forceDestroy"):
                raise PluginError(f"Error deleting Spaces Bucket: {error}") from error
            self._empty(region, change.id)
            self.client.spaces.call("DELETE", region, change.id)

    def _exists(self, region: str, bucket: str) -> bool:
        try:
            self.client.spaces.call("HEAD", region, bucket)
        except SpacesError as error:
            if error.status == 404:
                return False
            raise
        return True

    def _get(self, region: str, bucket: str, query: str, path_style: bool = False) -> Any:
        response = self.client.spaces.call(
            "GET", region, bucket, query={query: ""}, path_style=path_style
        )
        return ElementTree.fromstring(response.body)

    def _read_lifecycle(self, region: str, bucket: str) -> None:
        """Request the lifecycle rules, as the official plugin does; the rules are not used."""
        try:
            self._get(region, bucket, "lifecycle")
        except SpacesError as error:
            if error.code != "NoSuchLifecycleConfiguration":
                raise

    def _set_versioning(self, region: str, bucket: str, versioning: State) -> None:
        status = "Enabled" if versioning.get("enabled") else "Suspended"
        xml = (
            f'<VersioningConfiguration xmlns="{S3_NAMESPACE[1:-1]}">'
            f"<Status>{status}</Status></VersioningConfiguration>"
        )
        self.client.spaces.call("PUT", region, bucket, query={"versioning": ""}, body=xml.encode())

    def _empty(self, region: str, bucket: str) -> None:
        """Delete all versions of all objects, one page of the listing (1,000) at a time."""
        while True:
            versions = list_versions(self._get(region, bucket, "versions"))
            if not versions:
                return
            delete = ElementTree.Element("Delete", xmlns=S3_NAMESPACE[1:-1])
            for item in versions:
                entry = ElementTree.SubElement(delete, "Object")
                for field in ("Key", "VersionId"):
                    ElementTree.SubElement(entry, field).text = item.findtext(
                        f"{S3_NAMESPACE}{field}"
                    )
            xml = ElementTree.tostring(delete)
            digest = base64.b64encode(hashlib.md5(xml, usedforsecurity=False).digest()).decode()
            self.client.spaces.call(
                "POST",
                region,
                bucket,
                query={"delete": ""},
                headers={"Content-MD5": digest},
                body=xml,
            )


def list_versions(listing: ElementTree.Element) -> list[ElementTree.Element]:
    """Return the versions and delete markers in a listing of object versions."""
    return [
        item
        for kind in ("Version", "DeleteMarker")
        for item in listing.findall(f"{S3_NAMESPACE}{kind}")
    ]

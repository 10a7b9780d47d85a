"""Objects in Spaces buckets."""

import base64
import hashlib
from pathlib import Path
from typing import ClassVar
from xml.etree import ElementTree

from rehearsal.plugins.check import Failure
from rehearsal.plugins.diff import Difference
from rehearsal.plugins.digitalocean.api import DigitalOcean
from rehearsal.plugins.digitalocean.spaces import SpacesError
from rehearsal.plugins.digitalocean.spaces_bucket import S3_NAMESPACE, list_versions
from rehearsal.plugins.errors import PluginError, error_context
from rehearsal.plugins.properties import (
    BOOLEAN,
    STRING,
    Properties,
    Property,
    State,
    map_of,
    output,
)
from rehearsal.plugins.resource import Change, Resource

HEADERS = {
    "cacheControl": "Cache-Control",
    "contentDisposition": "Content-Disposition",
    "contentEncoding": "Content-Encoding",
    "contentLanguage": "Content-Language",
    "contentType": "Content-Type",
    "websiteRedirect": "x-amz-website-redirect-location",
}
CONTENT_KEYS = ("source", "content", "contentBase64")
METADATA_PREFIX = "x-amz-meta-"
UPLOAD_KEYS = frozenset({*HEADERS, *CONTENT_KEYS, "etag", "metadata"})
"""Properties whose change uploads the object again."""


class SpacesBucketObject(Resource[DigitalOcean]):
    """An object in a Spaces bucket."""

    token = "digitalocean:index/spacesBucketObject:SpacesBucketObject"
    properties: ClassVar[Properties] = {
        "acl": Property(STRING, default="private"),
        "bucket": Property(STRING, required=True, replaces=True),
        "cacheControl": Property(STRING),
        "content": Property(STRING),
        "contentBase64": Property(STRING),
        "contentDisposition": Property(STRING),
        "contentEncoding": Property(STRING),
        "contentLanguage": Property(STRING),
        "contentType": Property(STRING, computed=True),
        "etag": Property(STRING, computed=True),
        "forceDestroy": Property(BOOLEAN, default=False),
        "key": Property(STRING, required=True, replaces=True),
        "metadata": Property(map_of(STRING)),
        "region": Property(STRING, required=True, replaces=True),
        "source": Property(STRING),
        "websiteRedirect": Property(STRING),
        "versionId": output(STRING),
    }

    def check(self, inputs: State) -> list[Failure]:
        failures = []
        given_keys = [key for key in CONTENT_KEYS if inputs.get(key)]
        if len(given_keys) > 1:
            failures.append(
                Failure(
                    given_keys[0], f'"{given_keys[0]}": conflicts with {", ".join(given_keys[1:])}'
                )
            )
        for key in inputs.get("metadata") or {}:
            if key != key.lower():
                failures.append(
                    Failure("metadata", f'Metadata must be lowercase only. Offending key: "{key}"')
                )
        return failures

    def plan(self, old: State, new: State, differences: list[Difference]) -> list[Difference]:
        """Add a change of the version if the ETag changes."""
        if old and any(item.key == "etag" for item in differences):
            return [*differences, Difference("versionId")]
        return differences

    def create(self, change: Change) -> None:
        self._put(change.new)
        change.id = change.new["key"]

    def read(self, resource_id: str, state: State) -> State | None:
        if not state:
            raise PluginError("a Spaces object cannot be imported")
        try:
            response = self.client.spaces.call(
                "HEAD", state["region"], state["bucket"], f"/{state['key']}"
            )
        except SpacesError as error:
            if error.status == 404:
                return None
            raise
        headers = {name.lower(): value for name, value in response.headers.items()}
        properties = {key: headers.get(name.lower(), "") for key, name in HEADERS.items()}
        return properties | {
            "metadata": {
                name.removeprefix(METADATA_PREFIX): value
                for name, value in headers.items()
                if name.startswith(METADATA_PREFIX)
            },
            "etag": headers.get("etag", "").strip('"'),
            "versionId": headers.get("x-amz-version-id", ""),
        }

    def update(self, change: Change) -> None:
        new = change.new
        if change.changed & UPLOAD_KEYS:
            self._put(new)
        elif "acl" in change.changed:
            headers = {"x-amz-acl": new["acl"]}
            self.client.spaces.call(
                "PUT",
                new["region"],
                new["bucket"],
                f"/{new['key']}",
                query={"acl": ""},
                headers=headers,
            )

    def delete(self, change: Change) -> None:
        old = change.old
        path = f"/{old['key'].removeprefix('/')}"
        versions = self._versions(old) if old.get("versionId") else [""]
        for version in versions:
            query = {"versionId": version} if version else {}
            try:
                self.client.spaces.call("DELETE", old["region"], old["bucket"], path, query=query)
            except SpacesError as error:
                if error.code not in ("NoSuchBucket", "NoSuchKey"):
                    raise PluginError(
                        f"error deleting Spaces Bucket ({old['bucket']}) "
                        f"Object ({old['key']}): {error}"
                    ) from error

    def _put(self, new: State) -> None:
        body = _read_content(new)
        headers = {name: new[key] for key, name in HEADERS.items() if new.get(key)}
        headers |= {
            METADATA_PREFIX + key: value for key, value in (new.get("metadata") or {}).items()
        }
        headers["x-amz-acl"] = new["acl"]
        headers["Content-MD5"] = base64.b64encode(
            hashlib.md5(body, usedforsecurity=False).digest()
        ).decode()
        with error_context(f"Error putting object in Spaces bucket ({new['bucket']})"):
            self.client.spaces.call(
                "PUT", new["region"], new["bucket"], f"/{new['key']}", headers=headers, body=body
            )

    def _versions(self, old: State) -> list[str]:
        query = {"versions": "", "prefix": old["key"]}
        listing = ElementTree.fromstring(
            self.client.spaces.call("GET", old["region"], old["bucket"], query=query).body
        )
        return [
            item.findtext(f"{S3_NAMESPACE}VersionId", "")
            for item in list_versions(listing)
            if item.findtext(f"{S3_NAMESPACE}Key") == old["key"]
        ]


def _read_content(new: State) -> bytes:
    if new.get("source"):
        try:
            return Path(new["source"]).expanduser().read_bytes()
        except OSError as error:
            raise PluginError(
                f"Error opening Spaces bucket object source ({new['source']}): {error}"
            ) from error
    if new.get("content"):
        return str(new["content"]).encode()
    try:
        return base64.b64decode(new.get("contentBase64") or "", validate=True)
    except ValueError as error:
        raise PluginError(f"error decoding content_base64: {error}") from error

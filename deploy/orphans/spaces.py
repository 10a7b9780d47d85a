"""Buckets in Spaces."""

import re
from collections.abc import Callable
from typing import Any

from deploy.errors import DeployError
from deploy.orphans.kinds import CloudResource
from infra.digitalocean_api import SPACES_KEY_VARIABLES, create_spaces_client, spaces_key

ARTIFACT_KEY = re.compile(r"[^/]+/[0-9a-f]{64}\.pyz")
"""Keys of packed services; see ``services.packed_service``."""


class SpacesError(DeployError):
    """A request to Spaces failed, or a bucket holds other objects than artifacts."""


class Spaces:
    """The buckets of all regions, by the Spaces key that the program uses."""

    def __init__(self, configured: Callable[[str], str | None] = lambda _: None) -> None:
        """``configured`` is as for ``infra.digitalocean_api.connect``."""
        self._configured = configured

    @property
    def has_key(self) -> bool:
        return all(spaces_key(self._configured))

    def client(self, region: str) -> Any:
        if not self.has_key:
            variables = " and ".join(SPACES_KEY_VARIABLES.values())
            raise SpacesError(f"buckets cannot be searched without a Spaces key: set {variables}")
        return create_spaces_client(region, self._configured)

    def has(self, bucket: CloudResource) -> bool:
        """Return whether a bucket exists.

        Raises:
            SpacesError: Spaces fails, or the bucket belongs to another account.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self.client(bucket.region).head_bucket(Bucket=bucket.name)
        except (ClientError, BotoCoreError) as error:
            if (
                isinstance(error, ClientError)
                and error.response["ResponseMetadata"]["HTTPStatusCode"] == 404
            ):
                return False
            raise SpacesError(
                f"Spaces did not say whether the bucket {bucket.name} exists: {error}"
            ) from error
        return True

    def delete(self, bucket: CloudResource) -> None:
        """Delete a bucket with its artifacts.

        Raises:
            SpacesError: Spaces fails, or the bucket holds other objects, so nothing is deleted.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        name = bucket.name
        try:
            s3 = self.client(bucket.region)
            pages = s3.get_paginator("list_objects_v2").paginate(Bucket=name)
            keys = [stored["Key"] for page in pages for stored in page.get("Contents", ())]
            if others := [key for key in keys if not ARTIFACT_KEY.fullmatch(key)]:
                raise SpacesError(
                    f"the bucket {name} holds {others[0]}, which is no artifact of the stack; "
                    "move its objects and delete it on DigitalOcean's site"
                )
            for key in keys:
                s3.delete_object(Bucket=name, Key=key)
            s3.delete_bucket(Bucket=name)
        except (ClientError, BotoCoreError) as error:
            raise SpacesError(f"the bucket {name} was not deleted: {error}") from error

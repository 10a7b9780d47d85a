"""Buckets of artifacts in Spaces."""

import os
import re
from typing import Any

from deploy.errors import DeployError
from infra.digitalocean_api import spaces_url

ARTIFACT_KEY = re.compile(r"[^/]+/[0-9a-f]{64}\.pyz")
"""Keys of packed services; see ``services.packed_service``."""


class SpacesError(DeployError):
    """A request to Spaces failed, or a bucket holds other objects than artifacts."""


class Buckets:
    """The buckets of one region, by ``SPACES_ACCESS_KEY_ID``."""

    def __init__(self, region: str) -> None:
        # Imported here, because it takes long to load.
        import boto3
        from botocore.config import Config

        self._s3: Any = boto3.client(
            "s3",
            endpoint_url=spaces_url(region.lower()),
            region_name="us-east-1",
            aws_access_key_id=os.environ.get("SPACES_ACCESS_KEY_ID"),
            aws_secret_access_key=os.environ.get("SPACES_SECRET_ACCESS_KEY"),
            config=Config(connect_timeout=5, read_timeout=10, retries={"max_attempts": 2}),
        )

    def exists(self, name: str) -> bool:
        """Return whether a bucket exists.

        Raises:
            SpacesError: Spaces fails, or the bucket belongs to another account.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            self._s3.head_bucket(Bucket=name)
        except (ClientError, BotoCoreError) as error:
            if (
                isinstance(error, ClientError)
                and error.response["ResponseMetadata"]["HTTPStatusCode"] == 404
            ):
                return False
            raise SpacesError(
                f"Spaces did not say whether the bucket {name} exists: {error}"
            ) from error
        return True

    def delete(self, name: str) -> None:
        """Delete a bucket with its artifacts.

        Raises:
            SpacesError: Spaces fails, or the bucket holds other objects, so nothing is deleted.
        """
        from botocore.exceptions import BotoCoreError, ClientError

        try:
            pages = self._s3.get_paginator("list_objects_v2").paginate(Bucket=name)
            keys = [stored["Key"] for page in pages for stored in page.get("Contents", ())]
            if others := [key for key in keys if not ARTIFACT_KEY.fullmatch(key)]:
                raise SpacesError(
                    f"the bucket {name} holds {others[0]}, which is no artifact of the stack; "
                    "move its objects and delete it on DigitalOcean's site"
                )
            for key in keys:
                self._s3.delete_object(Bucket=name, Key=key)
            self._s3.delete_bucket(Bucket=name)
        except (ClientError, BotoCoreError) as error:
            raise SpacesError(f"the bucket {name} was not deleted: {error}") from error

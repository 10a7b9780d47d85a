"""The account's own images, and the keys and droplets that making one takes."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

ENDPOINT = "https://api.digitalocean.com"
TOKEN_VARIABLES = ("DIGITALOCEAN_TOKEN", "DIGITALOCEAN_ACCESS_TOKEN")
PAGE = 200
"""The most that the API gives at once."""
ANSWER_SECONDS = 30
TRANSFER_SECONDS = 30 * 60
UNLOCK_SECONDS = 10 * 60
"""A droplet in the middle of a snapshot cannot be destroyed before it is done."""


class ApiError(Exception):
    """The API refused, or does not answer; the message names the request and the cause."""

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True)
class Image:
    """One image of the account."""

    id: int
    name: str
    regions: tuple[str, ...]
    tags: tuple[str, ...]

    @classmethod
    def of(cls, wire: dict[str, Any]) -> "Image":
        return cls(wire["id"], wire["name"], tuple(wire["regions"]), tuple(wire.get("tags") or ()))


class ImageApi:
    """What images take of the API. Every call raises ``ApiError``; what is to be removed may be gone already."""

    def __init__(self, endpoint: str, token: str) -> None:
        self.endpoint = endpoint.rstrip("/")
        self.token = token
        self._session = requests.Session()
        self._session.headers["Authorization"] = f"Bearer {token}"
        # A POST that failed after all leaves at worst a second key of the same name, and keys are removed by name.
        patience = Retry(
            total=4,
            connect=2,
            backoff_factor=0.5,
            status_forcelist=(429, 500, 502, 503, 504),
            allowed_methods=None,
            raise_on_status=False,
        )
        for scheme in ("http://", "https://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=patience))

    def images(self) -> list[Image]:
        """Private images that can be used."""
        found = self._every("/v2/images?private=true", "images")
        return [Image.of(wire) for wire in found if wire.get("status", "available") == "available"]

    def find(self, tag: str) -> Image | None:
        """The oldest image that bears ``tag``."""
        return min(
            (image for image in self.images() if tag in image.tags),
            key=lambda image: image.id,
            default=None,
        )

    def get(self, image_id: int) -> Image | None:
        try:
            return Image.of(self._call("GET", f"/v2/images/{image_id}")["image"])
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    def rename(self, image: Image, name: str) -> Image:
        return Image.of(self._call("PUT", f"/v2/images/{image.id}", {"name": name})["image"])

    def delete(self, image_id: int) -> None:
        self._remove(f"/v2/images/{image_id}")

    def transfer(self, image: Image, region: str) -> None:
        """Copy the image to ``region`` and wait until it is there."""
        action = self._call(
            "POST", f"/v2/images/{image.id}/actions", {"type": "transfer", "region": region}
        )["action"]
        deadline, pause = time.monotonic() + TRANSFER_SECONDS, 0.5
        while action["status"] == "in-progress":
            if time.monotonic() > deadline:
                raise ApiError(
                    f"image {image.name} is not in {region} after {TRANSFER_SECONDS // 60} minutes"
                )
            time.sleep(pause)
            pause = min(2 * pause, 10)
            action = self._call("GET", f"/v2/images/{image.id}/actions/{action['id']}")["action"]
        if action["status"] != "completed":
            raise ApiError(
                f"the transfer of image {image.name} to {region} ended as {action['status']}"
            )

    def tag(self, image_id: int, tag: str) -> None:
        self._call("POST", "/v2/tags", {"name": tag})
        self._call(
            "POST",
            f"/v2/tags/{tag}/resources",
            {"resources": [{"resource_id": str(image_id), "resource_type": "image"}]},
        )

    def delete_tag(self, tag: str) -> None:
        """Take the tag off everything that bears it, and remove it."""
        self._remove(f"/v2/tags/{tag}")

    def add_key(self, name: str, public_key: str) -> int:
        key: int = self._call("POST", "/v2/account/keys", {"name": name, "public_key": public_key})[
            "ssh_key"
        ]["id"]
        return key

    def remove_builds(
        self, ours: Callable[[str], bool], complete: Callable[[Image], bool]
    ) -> list[str]:
        """Destroy the droplets, incomplete images and keys whose names are ``ours``; returns what there was."""
        removed = []
        for droplet in self._every("/v2/droplets", "droplets"):
            if ours(droplet["name"]):
                self._destroy(droplet["id"])
                removed.append(f"droplet {droplet['name']}")
        for image in self.images():
            if ours(image.name) and not complete(image):
                self.delete(image.id)
                removed.append(f"image {image.name}")
        for key in self._every("/v2/account/keys", "ssh_keys"):
            if ours(key["name"]):
                self._remove(f"/v2/account/keys/{key['id']}")
                removed.append(f"key {key['name']}")
        return removed

    def _destroy(self, droplet_id: int) -> None:
        deadline = time.monotonic() + UNLOCK_SECONDS
        while True:
            try:
                return self._remove(f"/v2/droplets/{droplet_id}")
            except ApiError as error:
                if error.status not in (403, 409, 422) or time.monotonic() > deadline:
                    raise
            time.sleep(2)

    def _remove(self, path: str) -> None:
        try:
            self._call("DELETE", path)
        except ApiError as error:
            if error.status != 404:
                raise

    def _every(self, path: str, key: str) -> Iterator[dict[str, Any]]:
        """All objects of a list, read to its end before the first is handed on: the caller may delete them."""
        found: list[dict[str, Any]] = []
        page, more = 1, True
        while more:
            body = self._call(
                "GET", f"{path}{'&' if '?' in path else '?'}page={page}&per_page={PAGE}"
            )
            found += body[key]
            more = "next" in ((body.get("links") or {}).get("pages") or {})
            page += 1
        return iter(found)

    def _call(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        asked = f"{method} {path.partition('?')[0]}"
        try:
            answer = self._session.request(
                method, self.endpoint + path, json=body, timeout=ANSWER_SECONDS
            )
        except requests.RequestException as broken:
            raise ApiError(f"{self.endpoint} cannot be reached ({asked}): {broken}") from broken
        if not answer.ok:
            raise ApiError(
                f"{self.endpoint} answers {answer.status_code} to {asked}: {_reason(answer)}",
                answer.status_code,
            )
        told: dict[str, Any] = answer.json() if answer.content else {}
        return told


def _reason(answer: requests.Response) -> str:
    try:
        return str(answer.json()["message"])
    except (ValueError, KeyError, TypeError):
        return answer.reason


def connect(configured: Callable[[str], str | None]) -> ImageApi:
    """The API as the droplets' provider finds it: the stack's settings first, then the environment.

    Args:
        configured: a key of the namespace ``digitalocean`` -> its value in the stack's settings.

    Raises:
        ApiError: there is no token.
    """
    token = configured("token") or next(
        (value for variable in TOKEN_VARIABLES if (value := os.environ.get(variable))), None
    )
    if not token:
        raise ApiError(
            f"no API token: set {TOKEN_VARIABLES[0]}, or `pulumi config set --secret digitalocean:token`"
        )
    return ImageApi(
        configured("apiEndpoint") or os.environ.get("DIGITALOCEAN_API_URL") or ENDPOINT, token
    )

"""Generations: the machines that a slot has had, counted.

A machine is replaced by creating the new one first, so two machines of one slot exist at the same
time. Each has a name of its own: ``worker01nyc3``, then ``worker01nyc3-2``, and so on.
"""

import threading
from collections.abc import Mapping
from typing import Any

import pulumi
from pulumi import dynamic

from infra.digitalocean_api import DigitalOceanApi, connect
from infra.names import generation_name, generation_number

_lock = threading.Lock()
_droplet_names: dict[str, list[str]] = {}
"""Names of an account's droplets by role tag, read once in each update."""


class GenerationProvider(dynamic.ResourceProvider):
    """Counts up when a keeper changes, and when the machine no longer exists.

    Every number is higher than those of the slot's droplets in the account. So a generation that
    is created again (``pulumi up --replace``) never gets the name of a machine that still exists.
    """

    serialize_as_secret_always = False

    def configure(self, req: dynamic.ConfigureRequest) -> None:
        self._config = req.config

    def create(self, props: dict[str, Any]) -> dynamic.CreateResult:
        return dynamic.CreateResult(props["slot"], self._outputs(props, 1 + self._highest(props)))

    def diff(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.DiffResult:
        return dynamic.DiffResult(changes=olds["keepers"] != news["keepers"] or self._is_lost(olds))

    def update(self, _id: str, olds: dict[str, Any], news: dict[str, Any]) -> dynamic.UpdateResult:
        number = 1 + max(int(olds["number"]), self._highest(news))
        return dynamic.UpdateResult(self._outputs(news, number))

    def _is_lost(self, props: Mapping[str, Any]) -> bool:
        """Whether no droplet has the machine's name. Another request confirms the loss."""
        api, name = self._api(), props["name"]
        return name not in _read_droplet_names(api, props["tag"]) and not api.list_all(
            "/v2/droplets", "droplets", name=name
        )

    def _api(self) -> DigitalOceanApi:
        return connect(lambda key: self._config.get(f"digitalocean:{key}"))

    def _highest(self, props: Mapping[str, Any]) -> int:
        """Return the highest generation of the slot's droplets in the account; 0 without any."""
        names = _read_droplet_names(self._api(), props["tag"])
        return max((generation_number(props["first_name"], name) for name in names), default=0)

    @staticmethod
    def _outputs(props: dict[str, Any], number: int) -> dict[str, Any]:
        return {**props, "number": number, "name": generation_name(props["first_name"], number)}


def _read_droplet_names(api: DigitalOceanApi, tag: str) -> list[str]:
    with _lock:
        if tag not in _droplet_names:
            droplets = api.list_all("/v2/droplets", "droplets", tag_name=tag)
            _droplet_names[tag] = [str(droplet["name"]) for droplet in droplets]
        return _droplet_names[tag]


class Generation(dynamic.Resource, module="slipway", name="Generation"):
    """The current generation of one slot. It is updated, never replaced."""

    number: pulumi.Output[int]
    name: pulumi.Output[str]
    """Name of the droplet and of the node."""

    def __init__(
        self,
        name: str,
        *,
        slot: str,
        first_name: str,
        tag: pulumi.Input[str],
        keepers: Mapping[str, pulumi.Input[str]],
        opts: pulumi.ResourceOptions | None = None,
    ) -> None:
        """Args:
        slot: role and number: ``worker01``.
        first_name: name of the first generation: ``worker01nyc3``.
        tag: tag of the droplets of this role in this stack.
        keepers: what replaces the machine when it changes.
        """
        props = {
            "slot": slot,
            "first_name": first_name,
            "tag": tag,
            "keepers": dict(keepers),
            "number": None,
            "name": None,
        }
        super().__init__(GenerationProvider(), name, props, opts)

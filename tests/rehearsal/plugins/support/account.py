"""An account of the rehearsal cloud that creates the objects that tests refer to."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from rehearsal.config import CloudConfig
from rehearsal.machines.memory import MemoryMachines
from rehearsal.plugins.digitalocean.package import PACKAGE
from tests.rehearsal.plugins.support.driver import Driver
from tests.rehearsal.support.client import UNLIMITED, Client, running
from tests.rehearsal.support.issuing import Issued, issue


class Account:
    """Creates objects in an account, each with a unique name."""

    def __init__(self, api: Client) -> None:
        self._api = api
        self._numbers = itertools.count(1)
        self._project = api("GET", "/v2/projects/default")["project"]["id"]
        self.driver = Driver(
            PACKAGE, {"token": api.http.headers["Authorization"].split()[1], "apiEndpoint": api.url}
        )

    def new_name(self) -> str:
        return f"thing-{next(self._numbers)}"

    def new_public_key(self) -> str:
        """Return the text of a new public key."""
        public = Ed25519PrivateKey.generate().public_key()
        return public.public_bytes(
            serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH
        ).decode()

    def create_ssh_key(self) -> str:
        key = self._api(
            "POST",
            "/v2/account/keys",
            {"name": self.new_name(), "public_key": self.new_public_key()},
            201,
        )
        return str(key["ssh_key"]["fingerprint"])

    def create_droplet(self) -> int:
        return int(self._api.droplet(self.new_name())["id"])

    def create_vpc(self) -> str:
        return str(
            self._api(
                "POST",
                "/v2/vpcs",
                {"name": self.new_name(), "region": "nyc3", "ip_range": self.new_ip_range()},
                201,
            )["vpc"]["id"]
        )

    def new_ip_range(self) -> str:
        number = next(self._numbers)
        return (
            f"192.168.{number % 256}.0/24"
            if number < 256
            else f"172.{16 + number // 256}.{number % 256}.0/24"
        )

    def create_tag(self) -> str:
        return str(self._api("POST", "/v2/tags", {"name": self.new_name()}, 201)["tag"]["name"])

    def create_project(self) -> str:
        body = {"name": self.new_name(), "purpose": "Web Application", "environment": "Development"}
        return str(self._api("POST", "/v2/projects", body, 201)["project"]["id"])

    def create_domain(self) -> str:
        return str(
            self._api("POST", "/v2/domains", {"name": f"{self.new_name()}.example.com"}, 201)[
                "domain"
            ]["name"]
        )

    def create_reserved_ip(self) -> str:
        return str(
            self._api("POST", "/v2/reserved_ips", {"region": "nyc3"}, 202)["reserved_ip"]["ip"]
        )

    def create_image(self) -> str:
        return str(self._api.snapshot(self.new_name())["id"])

    @cached_property
    def authority(self) -> Issued:
        return issue("authority", authority=True)

    @cached_property
    def uploaded(self) -> Issued:
        return issue("www.example.com", "www.example.com", by=self.authority)

    def issue_again(self) -> Issued:
        """Return another certificate with the key of ``uploaded``."""
        return issue("www.example.com", "www.example.com", by=self.authority, key=self.uploaded.key)

    def restore_default_project(self) -> None:
        """Make the original default project the default again."""
        self._api("PATCH", f"/v2/projects/{self._project}", {"is_default": True})

    def create_droplet_urn(self) -> str:
        return f"do:droplet:{self.create_droplet()}"


@contextmanager
def account(directory: Path) -> Iterator[Account]:
    """Run a cloud of memory machines with its state in ``directory`` and yield its account."""
    config = CloudConfig(
        name="walked",
        index=15,
        machines="memory",
        port=1,
        token="t" * 64,
        spaces_key="key",
        spaces_secret="secret",
    )
    config.save()
    with running(config, MemoryMachines(config), UNLIMITED) as api:
        yield Account(api)

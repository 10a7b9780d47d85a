"""The machines of a stack, made by the cloud's API alone and enrolled one step after the other, with nothing around it."""

import base64
import os
import sys
import time
import uuid
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from dataclasses import dataclass
from ipaddress import IPv4Network
from typing import Any

import requests
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from infra.cluster import enrolment
from infra.cluster.bootstrap import BootstrapProvider
from infra.cluster_api.members import Member, wait_for_members
from infra.mtls import Access, Credentials
from infra.settings import Settings
from infra.user_data import cloud_config
from tests.deploy.support.certificates import CertificateAuthority
from tests.stack.rig import Rig

VPC = IPv4Network("10.99.0.0/20")
PATIENCE_SECONDS = 180


def wait(seek: Callable[[], bool]) -> None:
    """Poll until ``seek`` is true.

    Raises:
        TimeoutError: it is not, after three minutes.
    """
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not _quietly(seek):
        if time.monotonic() > deadline:
            raise TimeoutError("the bench waited in vain")
        time.sleep(0.1)


def _quietly(seek: Callable[[], bool]) -> bool:
    try:
        return seek()
    except requests.RequestException:
        return False


@dataclass(frozen=True)
class SshKey:
    """Both halves, as OpenSSH has them."""

    private: str
    public: str

    @classmethod
    def made(cls) -> "SshKey":
        key = Ed25519PrivateKey.generate()
        private = key.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        return cls(
            private.decode(),
            key.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
        )


def token() -> str:
    return str(uuid.uuid4())


def gossip_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


class Floor:
    """One prime and the workers of ``settings``."""

    def __init__(self, rig: Rig, image: int, settings: Settings) -> None:
        self._rig, self._image, self._settings = rig, image, settings
        self._vpc = rig.api(
            "/v2/vpcs", "POST", name="floor", region=settings.region, ip_range=str(VPC)
        )["vpc"]["id"]
        self._authority, self._enrol = CertificateAuthority("floor"), SshKey.made()
        self._gossip, self._dns = {"consul": gossip_key(), "nomad": gossip_key()}, token()
        names = ["floor-prime", *(f"floor-worker{number}" for number in range(settings.workers))]
        self._keys = {name: (SshKey.made(), SshKey.made()) for name in names}
        self._tokens = {name: {"agent": token(), "nomad": token()} for name in names}

    def boot(self) -> None:
        """Boot them all and wait until every worker is a ready Nomad client. What happens is told on standard error."""
        with redirect_stdout(sys.stderr), ThreadPoolExecutor(len(self._keys)) as pool:
            list(pool.map(self._make, self._keys))
            wait(lambda: len(self._members()) == len(self._keys))
            prime, *workers = self._members()
            self._enrolled(prime, "", prime, None)
            cluster, access = self._begun(prime)
            list(pool.map(lambda worker: self._enrolled(worker, cluster, prime, access), workers))
            wait_for_members(access, [prime], workers, PATIENCE_SECONDS)

    def clear(self) -> None:
        """Remove the machines and their network."""
        self._rig.api("/v2/droplets?tag_name=floor", "DELETE")
        wait(lambda: not self._rig.droplets())
        wait(self._drop_vpc)
        self._rig.api("/v2/tags/floor", "DELETE")

    def _make(self, name: str) -> None:
        first, _ = self._keys[name]
        self._rig.api(
            "/v2/droplets",
            "POST",
            name=name,
            region=self._settings.region,
            size=self._settings.worker_size,
            image=self._image,
            vpc_uuid=self._vpc,
            tags=["floor"],
            user_data=cloud_config(first.private, first.public, self._enrol.public),
        )

    def _members(self) -> list[Member]:
        """The machines that have their addresses, the prime first."""
        found = []
        for name, droplet in sorted(self._rig.droplets().items()):
            by_side = {
                network["type"]: network["ip_address"] for network in droplet["networks"]["v4"]
            }
            if by_side.keys() >= {"private", "public"}:
                private, public = by_side["private"], by_side["public"]
                created = droplet["created_at"]
                found.append(
                    Member(
                        name=name,
                        droplet=str(droplet["id"]),
                        created=created,
                        address=private,
                        public=public,
                    )
                )
        return found

    def _enrolled(self, member: Member, cluster: str, prime: Member, access: Access | None) -> None:
        name, role = member["name"], "worker" if access else "prime"
        first, lasting = self._keys[name]
        region, part = self._settings.region, "client" if access else "server"
        identity = self._authority.credentials(
            ["127.0.0.1", member["address"], member["public"]],
            [f"{part}.{region}.consul", f"{part}.global.nomad", "localhost"],
        )
        props: Mapping[str, Any] = {
            "node": {
                "name": name,
                "role": role,
                "datacenter": region,
                "vpc_cidr": str(VPC),
                "task_driver": "exec",
            },
            "droplet": member["droplet"],
            "address": member["public"],
            "cluster": cluster,
            "primes": [prime["address"]],
            "bootstrap_expect": 1,
            "identity": identity,
            "gossip": self._gossip,
            "tokens": {**self._tokens[name], "dns": self._dns},
            "host_keys": {
                "first": first.public,
                "lasting": lasting.public,
                "private": lasting.private,
            },
            "enrol_key": self._enrol.private,
            "operator_key": None,
            "access": access,
            "timeout": PATIENCE_SECONDS,
        }
        enrolment.deliver(props, {})

    def _begun(self, prime: Member) -> tuple[str, Access]:
        """The cluster's identity, and what its managers have."""
        credentials: Credentials = self._authority.credentials()
        made = BootstrapProvider().create(
            {
                "primes": [prime],
                "address": prime["public"],
                "credentials": credentials,
                "secrets": {"consul": token(), "nomad": token()},
                "gossip": self._gossip,
                "dns": self._dns,
                "tokens": {prime["name"]: self._tokens[prime["name"]]},
                "services": [],
                "datacenter": self._settings.region,
                "timeout": PATIENCE_SECONDS,
            }
        )
        assert made.outs
        return made.id, made.outs["access"]

    def _drop_vpc(self) -> bool:
        self._rig.api(
            f"/v2/vpcs/{self._vpc}", "DELETE"
        )  # refused while a machine is still on its way out
        return True

"""The benchmark's baseline: a stack's machines, created and enrolled without Pulumi."""

import base64
import os
import sys
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout
from ipaddress import IPv4Network
from typing import Any

import requests

from infra.cluster import enrolment
from infra.cluster.bootstrap import BootstrapProvider
from infra.cluster.management_tokens import ManagementTokensProvider
from infra.cluster_api.members import Member, wait_for_members
from infra.mtls import Access
from infra.settings import Settings
from infra.user_data import cloud_config
from tests.deploy.support.certificates import CertificateAuthority
from tests.infra.support.ssh_machine import key_pair
from tests.stack.rig import Rig, wait_for

NAME = "baseline"
VPC = IPv4Network("10.99.0.0/20")
TIMEOUT_S = 180


def wait_until(condition: Callable[[], object]) -> None:
    """Wait until the condition is true; a failed request counts as false.

    Raises:
        TimeoutError: it is still false after ``TIMEOUT_S``.
    """

    def is_true() -> bool:
        try:
            return bool(condition())
        except requests.RequestException:
            return False

    if not wait_for(is_true, TIMEOUT_S):
        raise TimeoutError(f"a condition is still false after {TIMEOUT_S} s")


def new_token() -> str:
    return str(uuid.uuid4())


def new_gossip_key() -> str:
    return base64.b64encode(os.urandom(32)).decode()


class Baseline:
    """One prime and as many workers as ``settings`` declare."""

    def __init__(self, rig: Rig, image: int, settings: Settings) -> None:
        self._rig, self._image, self._settings = rig, image, settings
        vpc = rig.api("/v2/vpcs", "POST", name=NAME, region=settings.region, ip_range=str(VPC))[
            "vpc"
        ]
        self._vpc_id = vpc["id"]
        self._authority = CertificateAuthority(NAME)
        self._enrol_public, self._enrol_private = key_pair()
        self._gossip = {"consul": new_gossip_key(), "nomad": new_gossip_key()}
        self._dns_token = new_token()
        names = [f"{NAME}-prime", *(f"{NAME}-worker{n}" for n in range(settings.workers))]
        self._first_keys = {name: key_pair() for name in names}
        self._lasting_keys = {name: key_pair() for name in names}
        self._tokens = {name: {"agent": new_token(), "nomad": new_token()} for name in names}

    def boot(self) -> None:
        """Create and enrol all machines, and wait until every worker is a ready Nomad client.

        Progress goes to standard error.
        """
        names = list(self._first_keys)
        with redirect_stdout(sys.stderr), ThreadPoolExecutor(len(names)) as pool:
            list(pool.map(self._create_droplet, names))
            wait_until(lambda: len(self._members()) == len(names))
            prime, *workers = self._members()
            self._enrol(prime, "", prime, None)
            cluster, access = self._bootstrap(prime)
            list(pool.map(lambda worker: self._enrol(worker, cluster, prime, access), workers))
            wait_for_members(access, [prime], workers, TIMEOUT_S)

    def destroy(self) -> None:
        """Delete the machines and their network."""
        self._rig.api(f"/v2/droplets?tag_name={NAME}", "DELETE")
        wait_until(lambda: not self._rig.droplets())
        wait_until(self._delete_vpc)
        self._rig.api(f"/v2/tags/{NAME}", "DELETE")

    def _create_droplet(self, name: str) -> None:
        public, private = self._first_keys[name]
        self._rig.api(
            "/v2/droplets",
            "POST",
            name=name,
            region=self._settings.region,
            size=self._settings.worker_size,
            image=self._image,
            vpc_uuid=self._vpc_id,
            tags=[NAME],
            user_data=cloud_config(private, public, self._enrol_public),
        )

    def _members(self) -> list[Member]:
        """Return the machines that have their addresses, the prime first."""
        found = []
        for name, droplet in sorted(self._rig.droplets().items()):
            addresses = {
                network["type"]: network["ip_address"] for network in droplet["networks"]["v4"]
            }
            if addresses.keys() >= {"private", "public"}:
                found.append(
                    Member(
                        name=name,
                        droplet=str(droplet["id"]),
                        created=droplet["created_at"],
                        address=addresses["private"],
                        public=addresses["public"],
                    )
                )
        return found

    def _enrol(self, member: Member, cluster: str, prime: Member, access: Access | None) -> None:
        name, role = member["name"], "worker" if access else "prime"
        first_public, _ = self._first_keys[name]
        lasting_public, lasting_private = self._lasting_keys[name]
        region, kind = self._settings.region, "client" if access else "server"
        identity = self._authority.credentials(
            ["127.0.0.1", member["address"], member["public"]],
            [f"{kind}.{region}.consul", f"{kind}.global.nomad", "localhost"],
        )
        props: dict[str, Any] = {
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
            "tokens": {**self._tokens[name], "dns": self._dns_token},
            "host_keys": {
                "first": first_public,
                "lasting": lasting_public,
                "private": lasting_private,
            },
            "enrol_key": self._enrol_private,
            "operator_key": None,
            "access": access,
            "timeout": TIMEOUT_S,
        }
        enrolment.deliver(props, {})

    def _bootstrap(self, prime: Member) -> tuple[str, Access]:
        """Bootstrap the ACLs; return the cluster's id and the management access."""
        common = {
            "cluster": NAME,
            "primes": [prime],
            "credentials": self._authority.credentials(),
            "timeout": TIMEOUT_S,
        }
        management = {"consul": new_token(), "nomad": new_token()}
        ManagementTokensProvider().create({**common, "secrets": management})
        created = BootstrapProvider().create(
            {
                **common,
                "management": management,
                "gossip": self._gossip,
                "dns": self._dns_token,
                "tokens": [{"name": prime["name"], **self._tokens[prime["name"]]}],
                "services": [],
                "datacenter": self._settings.region,
            }
        )
        assert created.outs
        return NAME, created.outs["access"]

    def _delete_vpc(self) -> bool:
        """Delete the VPC; the API refuses while a machine is still being deleted."""
        self._rig.api(f"/v2/vpcs/{self._vpc_id}", "DELETE")
        return True

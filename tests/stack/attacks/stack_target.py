"""The stack as a target. Its state and its machines provide what an attacker may have stolen."""

import importlib.util
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

from infra import ssh
from infra.cluster import enrolment
from infra.mtls import Access, Credentials
from rehearsal import paths
from tests.stack import known_secrets
from tests.stack.attacks import forged_certificates
from tests.stack.attacks.artifacts import VERSION
from tests.stack.attacks.http_client import ApiClient
from tests.stack.attacks.machines import admin_login, spaces_client
from tests.stack.attacks.shell import Login
from tests.stack.attacks.target import SECRET_PATH, Machine, NetworkPosition, Target
from tests.stack.rig import CHECKOUT, Rig, wait_for

PRIME = "prime01"
"""In the names of the stack's resources."""
CONSUL_TOKEN = "cat /var/lib/nomad/alloc/{allocation}/{job}/secrets/consul_token"
SERVICES = ("backserve", "frontserve")
JOBS = (*SERVICES, "prober")


class State:
    """The stack's resources, with all secrets in clear."""

    def __init__(self, rig: Rig) -> None:
        self.resources = rig.resources
        self._by_name = {
            str(resource["urn"]).rpartition("::")[2]: resource for resource in self.resources
        }

    def outputs(self, name: str, *outputs: str) -> list[str]:
        return [str(self._by_name[name]["outputs"][output]) for output in outputs]

    def inputs(self, name: str) -> dict[str, Any]:
        inputs = self._by_name[name]["inputs"]
        return {key: value for key, value in inputs.items() if key != "__provider"}

    def ssh_key(self, name: str) -> tuple[str, str]:
        """Return the public and the private half."""
        public, private = self.outputs(name, "publicKeyOpenssh", "privateKeyOpenssh")
        return public, private

    def first_boot_keys(self) -> frozenset[str]:
        """Return the secret values of the first boots' host keys."""
        keys = (
            resource for name, resource in self._by_name.items() if name.endswith("-host-first")
        )
        return frozenset(known_secrets.secret_values(keys))


@dataclass
class Cluster:
    """Management access to the cluster, and the placement of its allocations.

    The attacker's worker and the attacked instances are chosen by name: the instance of backserve
    never runs on the attacker's worker.
    """

    machines: Mapping[str, Machine]
    access: Access
    operator: Credentials

    @property
    def consul(self) -> ApiClient:
        return ApiClient(self.access["consul"][0], "X-Consul-Token", credentials=self.operator)

    @property
    def nomad(self) -> ApiClient:
        return ApiClient(self.access["nomad"][0], "X-Nomad-Token", credentials=self.operator)

    def query_consul(self, path: str) -> Any:
        return self.consul.request("GET", path, self.access["consul_token"]).json

    def query_nomad(self, path: str) -> Any:
        return self.nomad.request("GET", path, self.access["nomad_token"]).json

    @cached_property
    def prime(self) -> Machine:
        return next(machine for name, machine in self.machines.items() if name.startswith(PRIME))

    @cached_property
    def workers(self) -> list[Machine]:
        """Sorted by name."""
        return sorted(
            (machine for machine in self.machines.values() if "worker" in machine.roles),
            key=lambda machine: machine.name,
        )

    @cached_property
    def allocations(self) -> dict[str, list[dict[str, Any]]]:
        """By job, sorted by node name and id; allocations that have ended are included."""
        return {
            job: sorted(
                self.query_nomad(f"/v1/job/{job}/allocations"),
                key=lambda allocation: (allocation["NodeName"], allocation["ID"]),
            )
            for job in JOBS
        }

    def running(self, job: str) -> list[dict[str, Any]]:
        return [
            allocation
            for allocation in self.allocations[job]
            if allocation["ClientStatus"] == "running" and allocation["DesiredStatus"] == "run"
        ]

    @cached_property
    def worker(self) -> Machine:
        """The first worker that leaves an instance of backserve on another one."""
        nodes = {allocation["NodeName"] for allocation in self.running("backserve")}
        assert nodes, "backserve does not run"
        return next(worker for worker in self.workers if nodes - {worker.name})

    @cached_property
    def backserve(self) -> dict[str, Any]:
        """The first instance of backserve that does not run on the attacker's worker."""
        allocation = next(
            allocation
            for allocation in self.running("backserve")
            if allocation["NodeName"] != self.worker.name
        )
        found: dict[str, Any] = self.query_nomad(f"/v1/allocation/{allocation['ID']}")
        return found

    def backserve_url(self) -> str:
        [port] = [
            port["Value"]
            for port in self.backserve["AllocatedResources"]["Shared"]["Ports"]
            if port["Label"] == "server"
        ]
        return f"https://{self.machines[self.backserve['NodeName']].private}:{port}"

    def backserve_service_id(self) -> str:
        """Return the instance's id in Consul, once it is registered."""

        def registered() -> list[str]:
            return [
                entry["ServiceID"]
                for entry in self.query_consul("/v1/catalog/service/backserve")
                if self.backserve["ID"] in entry["ServiceID"]
            ]

        [service_id] = wait_for(registered)
        return service_id

    def worker_node_id(self) -> str:
        """Return the id of the attacker's worker in Nomad; a former machine may share its name."""
        [node_id] = [
            node["ID"]
            for node in self.query_nomad("/v1/nodes")
            if node["Name"] == self.worker.name and node["Status"] == "ready"
        ]
        return str(node_id)

    def consul_without(self, service: str) -> ApiClient:
        """Return the Consul agent of a worker that has cached no certificate of the service.

        An agent serves a cached certificate whatever the token is. If every worker has run an
        instance, an agent is restarted, which empties its cache.
        """
        running = {allocation["NodeName"] for allocation in self.running(service)}
        former = {allocation["NodeName"] for allocation in self.allocations[service]}
        free = [worker for worker in self.workers if worker.name not in running]
        assert free, f"{service} runs on every worker"
        worker = next((worker for worker in free if worker.name not in former), free[0])
        client = agent_client(worker)
        if worker.name in former:
            worker.shell.run("systemctl restart consul")
            assert wait_for(lambda: client.request("GET", "/v1/status/leader").status == 200)
        return client

    def workload_tokens(self) -> dict[str, str]:
        """Return the Consul token of one allocation of each attacking job."""
        return {
            job: self.machines[allocation["NodeName"]]
            .shell.run(CONSUL_TOKEN.format(allocation=allocation["ID"], job=job))
            .strip()
            for job in ("frontserve", "prober")
            for allocation in self.running(job)[:1]
        }


@contextmanager
def stack_target(rig: Rig, machines: Mapping[str, Machine], outside: str) -> Iterator[Target]:
    """Describe the stack as a target, with a secret in Consul and Nomad, removed afterwards.

    Args:
        outside: The network namespace of a machine that does not belong to the stack.
    """
    target = _describe(rig, machines, outside)
    secret = target.placeholders["secret"]
    assert target.consul_as_manager(f"/v1/kv/{SECRET_PATH}", "PUT", secret).status == 200
    variable = {"Path": SECRET_PATH, "Items": {"password": secret}}
    assert target.nomad_as_manager(f"/v1/var/{SECRET_PATH}", "PUT", variable).status == 200
    try:
        yield target
    finally:
        target.consul_as_manager("/v1/kv/attacks?recurse", "DELETE")
        target.nomad_as_manager(f"/v1/var/{SECRET_PATH}", "DELETE")
        for machine in machines.values():
            machine.shell.close()


def _certificates(state: State, access: Access, worker: str) -> dict[str, Credentials | None]:
    authority = access["authority"]
    [authority_key] = state.outputs("authority-key", "privateKeyPem")
    signer = forged_certificates.stolen_authority(authority_key, authority)
    names = ("server.global.nomad", "cli.global.nomad")

    def issued(name: str) -> Credentials:
        [certificate] = state.outputs(f"authority-{name}-certificate", "certPem")
        [key] = state.outputs(f"authority-{name}-key", "privateKeyPem")
        return Credentials(authority=authority, certificate=certificate, key=key)

    return {
        "none": Credentials(authority=authority, certificate="", key=""),
        "foreign": forged_certificates.false_authority(signer.name).client_certificate(
            *names, authority=authority
        ),
        "expired": signer.client_certificate(
            *names, authority=authority, expires_in=-forged_certificates.DAY
        ),
        "operator": _operator_credentials(access),
        "worker": issued(worker),
        "prime": issued(PRIME),
    }


def _operator_credentials(access: Access) -> Credentials:
    return Credentials(
        authority=access["authority"], certificate=access["certificate"], key=access["key"]
    )


def _describe(rig: Rig, machines: Mapping[str, Machine], outside: str) -> Target:
    state, outputs, access = State(rig), rig.outputs, rig.access(management=True)
    cluster = Cluster(machines, access, _operator_credentials(access))
    worker, prime = cluster.worker, cluster.prime
    region = prime.name.removeprefix(PRIME)
    resource = worker.name.removesuffix(region)
    certificates = _certificates(state, access, resource)
    tokens = _tokens(outputs, access, worker) | cluster.workload_tokens()
    enrolment_inputs = state.inputs(f"enrolment-{resource}")
    cloud = paths.cloud_dir(rig.name)
    droplets = json.loads((cloud / "network_state.json").read_text())["droplets"]
    [spare, *_] = cluster.running("prober")
    other_worker = cluster.backserve["NodeName"]
    assert other_worker != worker.name
    return Target(
        name="stack",
        is_protected=True,
        datacenter=region,
        driver="exec",
        machines=list(machines.values()),
        prime=prime,
        worker=worker,
        outside_namespace=outside,
        public_endpoint=(str(outputs["url"]).split("/")[2], 80),
        worker_position=NetworkPosition(worker.namespace, worker.private, prime.private),
        prime_position=NetworkPosition(prime.namespace, prime.private, prime.private),
        consul=cluster.consul,
        nomad=cluster.nomad,
        worker_consul=agent_client(worker),
        worker_nomad=ApiClient(
            "https://127.0.0.1:4646", "X-Nomad-Token", worker.namespace, certificates["worker"]
        ),
        consul_without={service: cluster.consul_without(service) for service in SERVICES},
        jwks=ApiClient("http://127.0.0.1:4651", "", prime.namespace),
        certificates=certificates,
        tokens=tokens,
        placeholders={
            "prime_name": prime.name,
            "worker_name": worker.name,
            "other_worker_name": other_worker,
            "backserve_service_id": cluster.backserve_service_id(),
            "secret": str(uuid.uuid4()),
            "worker_node_id": cluster.worker_node_id(),
            "datacenter": region,
            "driver": "exec",
            "backserve_allocation": cluster.backserve["ID"],
            "spare_allocation": spare["ID"],
        },
        backserve_url=cluster.backserve_url(),
        enrol_login=Login("enrol", state.ssh_key("secrets-enrol")[1]),
        admin_login=admin_login(rig),
        first_boot_key=state.ssh_key(f"secrets-{resource}-host-first"),
        deliver=lambda address, port: _deliver(enrolment_inputs, address, port),
        install=lambda site, bin_dir: _install(
            site, bin_dir, Path(rig.environment["SLIPWAY_RELEASES_KEY"])
        ),
        releases=cloud / "releases",
        spaces=spaces_client(rig, region),
        secret_files=[],
        secrets=frozenset(known_secrets.secret_values(state.resources))
        | frozenset(token for token in tokens.values() if token),
        user_data_secrets=state.first_boot_keys(),
        user_data=[droplet["user_data"] for droplet in droplets if droplet["name"] in machines],
        stored_files=_stored_files(rig, cloud),
        command_output=lambda: _command_output(rig),
    )


def agent_client(machine: Machine) -> ApiClient:
    """Return a client of a machine's Consul agent, on that machine."""
    return ApiClient("http://127.0.0.1:8500", "X-Consul-Token", machine.namespace)


def _tokens(outputs: Mapping[str, Any], access: Access, worker: Machine) -> dict[str, str]:
    """Return the tokens of management and operator, and those that root finds on a worker."""
    consul = json.loads(worker.shell.run("cat /etc/consul.d/cluster.json"))["acl"]["tokens"]
    nomad = json.loads(worker.shell.run("cat /etc/nomad.d/cluster.json"))["consul"]
    return {
        "": "",
        "consul management": access["consul_token"],
        "nomad management": access["nomad_token"],
        "consul operator": outputs["operator"]["consul_token"],
        "nomad operator": outputs["operator"]["nomad_token"],
        "consul agent": consul["agent"],
        "dns": consul["dns"],
        "nomad agent": nomad["token"],
        "nomad client secret": worker.shell.run("cat /var/lib/nomad/client/secret-id").strip(),
    }


def _stored_files(rig: Rig, cloud: Path) -> dict[str, list[Path]]:
    """Return the files to search. Machines' disks hold their own secrets, so only the image is."""
    not_searched = {"droplets", "images", "lxcfs", "pulumi"}
    return {
        "state": [cloud / "pulumi"],
        "checkout": [rig.directory],
        "image": [cloud / "images"],
        "cloud": [
            *(path for path in cloud.iterdir() if path.name not in not_searched),
            *cloud.glob("droplets/*/console.log"),
        ],
    }


def _command_output(rig: Rig) -> str:
    """Return the output of Pulumi about every resource, and of the deploy commands."""
    results = [
        rig.pulumi("preview", "--diff", "--show-sames", "--show-reads", "--show-config"),
        rig.pulumi("stack", "--show-urns"),
        rig.pulumi("stack", "export"),
        rig.pulumi("stack", "output"),
        rig.deploy("up", "--yes", "--json"),
    ]
    errors = [result.stderr[-500:] for result in results if result.code]
    assert not errors, errors
    status = rig.deploy("status", "--json")
    assert status.json["droplets"], status.stderr
    return "".join(result.output for result in (*results, status))


def _deliver(inputs: dict[str, Any], address: str, port: int) -> str:
    """Update the enrolled worker while another server answers at its address."""
    props = {**inputs, "address": address, "access": None, "timeout": 1}
    with patch.object(ssh, "PORT", port):
        try:
            enrolment.deliver(props, inputs)
        except enrolment.EnrolmentError as error:
            return str(error)
    return "delivered"


def _install(site: str, bin_dir: Path, key: Path) -> str:
    """Install a release as the image's build does, into another directory."""
    spec = importlib.util.spec_from_file_location(
        "install_releases", CHECKOUT / "images/base/scripts/install-releases.py"
    )
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    keyring = bin_dir / "key.gpg"
    keyring.write_bytes(script.dearmor(key.read_text()))
    with patch.object(script, "BIN_DIR", bin_dir):
        try:
            return str(script.install("consul", VERSION, site, "amd64", keyring))
        except script.ReleaseError as error:
            return str(error)

"""The stack as a victim: what an attacker may be thought to have got hold of is read from its state and its machines."""

import importlib.util
import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
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
from tests.stack.attacks.http_client import Api
from tests.stack.attacks.machines import administrator, store
from tests.stack.attacks.shell import Login
from tests.stack.attacks.target import Machine, Place, Victim
from tests.stack.rig import CHECKOUT, Rig

PLANTED = "attacks/planted"
PRIME, WORKER = "prime01", "worker01"
"""As the state names them."""
TOKEN = "cat /var/lib/nomad/alloc/{allocation}/{job}/secrets/consul_token"


class State:
    """The stack's resources, with all secrets in clear."""

    def __init__(self, rig: Rig) -> None:
        self.resources = rig.resources
        self._by_name = {str(one["urn"]).rpartition("::")[2]: one for one in self.resources}

    def of(self, name: str, *outputs: str) -> list[str]:
        return [str(self._by_name[name]["outputs"][output]) for output in outputs]

    def inputs(self, name: str) -> dict[str, Any]:
        return {
            key: value
            for key, value in self._by_name[name]["inputs"].items()
            if key != "__provider"
        }

    def ssh_key(self, name: str) -> tuple[str, str]:
        """Public half and private."""
        public, private = self.of(name, "publicKeyOpenssh", "privateKeyOpenssh")
        return public, private

    def first_keys(self) -> frozenset[str]:
        """What tells the host keys of first boots."""
        return frozenset(
            known_secrets.of(
                one for name, one in self._by_name.items() if name.endswith("-host-first")
            )
        )


@contextmanager
def guarded(rig: Rig, machines: Mapping[str, Machine], outside: str) -> Iterator[Victim]:
    """The stack, with a secret planted where the program itself keeps none; nothing of what was tried stays.

    Args:
        outside: the network of a machine that is not the stack's.
    """
    victim = _victim(rig, machines, outside)
    planted = victim.facts["planted"]
    assert victim.manager(f"/v1/kv/{PLANTED}", "PUT", planted).status == 200
    variable = {"Path": PLANTED, "Items": {"password": planted}}
    assert victim.nomad_manager(f"/v1/var/{PLANTED}", "PUT", variable).status == 200
    try:
        yield victim
    finally:
        victim.manager("/v1/kv/attacks?recurse", "DELETE")
        victim.nomad_manager(f"/v1/var/{PLANTED}", "DELETE")
        for machine in machines.values():
            machine.shell.close()


def _certificates(state: State, access: Access) -> dict[str, Credentials | None]:
    believed = access["authority"]
    own = forged_certificates.holder_of(state.of("authority-key", "privateKeyPem")[0], believed)
    names = ("server.global.nomad", "cli.global.nomad")

    def issued(name: str) -> Credentials:
        [certificate] = state.of(f"authority-{name}-certificate", "certPem")
        [key] = state.of(f"authority-{name}-key", "privateKeyPem")
        return Credentials(authority=believed, certificate=certificate, key=key)

    return {
        "none": Credentials(authority=believed, certificate="", key=""),
        "foreign": forged_certificates.stranger(own.name).certificate(*names, believes=believed),
        "expired": own.certificate(*names, believes=believed, until=-forged_certificates.DAY),
        "operator": Credentials(
            authority=believed, certificate=access["certificate"], key=access["key"]
        ),
        "worker": issued(WORKER),
        "prime": issued(PRIME),
    }


def _victim(rig: Rig, machines: Mapping[str, Machine], outside: str) -> Victim:
    state, outputs, access = State(rig), rig.outputs, rig.access(management=True)
    certificates = _certificates(state, access)
    workers = {name: machine for name, machine in machines.items() if "worker" in machine.roles}
    prime = next(machine for name, machine in machines.items() if name.startswith(PRIME))
    worker = next(machine for name, machine in machines.items() if name.startswith(WORKER))
    consul = Api(access["consul"], "X-Consul-Token", shown=certificates["operator"])
    nomad = Api(access["nomad"], "X-Nomad-Token", shown=certificates["operator"])

    def asked(path: str) -> Any:
        return nomad.ask("GET", path, access["nomad_token"]).json

    allocations = {
        job: asked(f"/v1/job/{job}/allocations") for job in ("backserve", "frontserve", "prober")
    }
    running = {
        job: next(one for one in found if one["ClientStatus"] == "running")
        for job, found in allocations.items()
    }
    tokens = _tokens(outputs, access, worker) | {
        job: machines[one["NodeName"]]
        .shell.run(TOKEN.format(allocation=one["ID"], job=job))
        .strip()
        for job, one in running.items()
        if job != "backserve"
    }
    backserve = asked(f"/v1/allocation/{running['backserve']['ID']}")
    [port] = [
        one["Value"]
        for one in backserve["AllocatedResources"]["Shared"]["Ports"]
        if one["Label"] == "server"
    ]
    cloud = paths.cloud_dir(rig.name)
    told = json.loads((cloud / "network_state.json").read_text())["droplets"]
    region = str(state.inputs(f"enrolment-{WORKER}")["node"]["datacenter"])
    planted = str(uuid.uuid4())
    facts = _facts(consul, access["consul_token"], backserve, planted)
    facts |= {
        "node": prime.name,
        "own": worker.name,
        "datacenter": region,
        "driver": "exec",
        "spare": running["prober"]["ID"],
    }
    facts |= {"client": next(one["ID"] for one in asked("/v1/nodes") if one["Name"] == worker.name)}
    return Victim(
        name="stack",
        guarded=True,
        datacenter=region,
        driver="exec",
        machines=list(machines.values()),
        prime=prime,
        worker=worker,
        outside=outside,
        open_to_all=(str(outputs["url"]).split("/")[2], 80),
        inside=Place(worker.station, worker.private, prime.private),
        beside=Place(prime.station, prime.private, prime.private),
        consul=consul,
        nomad=nomad,
        agent=_agent(worker),
        client=Api(
            "https://127.0.0.1:4646", nomad.token_header, worker.station, certificates["worker"]
        ),
        without={
            job: _agent(
                next(
                    one
                    for name, one in workers.items()
                    if name not in {each["NodeName"] for each in allocations[job]}
                )
            )
            for job in ("backserve", "frontserve")
        },
        keys=Api("http://127.0.0.1:4651", "", prime.station),
        certificates=certificates,
        tokens=tokens,
        facts=facts,
        backserve=f"https://{machines[backserve['NodeName']].private}:{port}",
        provisioner=Login("enrol", state.ssh_key("secrets-enrol")[1]),
        administrator=administrator(rig),
        first_boot=state.ssh_key(f"secrets-{WORKER}-host-first"),
        deliver=lambda address, at: _deliver(state.inputs(f"enrolment-{WORKER}"), address, at),
        install=lambda site, target: _install(
            site, target, Path(rig.environment["SLIPWAY_RELEASES_KEY"])
        ),
        releases=cloud / "releases",
        store=store(rig, region),
        files=[],
        secrets=frozenset(known_secrets.of(state.resources))
        | frozenset(token for token in tokens.values() if token),
        first_keys=state.first_keys(),
        user_data=[one["user_data"] for one in told if one["name"] in machines],
        kept=_kept(rig, cloud),
        told=lambda: _told(rig),
    )


def _agent(machine: Machine) -> Api:
    return Api("http://127.0.0.1:8500", "X-Consul-Token", machine.station)


def _tokens(outputs: Mapping[str, Any], access: Access, worker: Machine) -> dict[str, str]:
    """The managers', the operator's, and what root finds on a worker."""
    consul = json.loads(worker.shell.run("cat /etc/consul.d/cluster.json"))["acl"]["tokens"]
    return {
        "": "",
        "consul": access["consul_token"],
        "manager": access["nomad_token"],
        "operator": outputs["operator"]["consul_token"],
        "reader": outputs["operator"]["nomad_token"],
        "agent": consul["agent"],
        "dns": consul["dns"],
        "nomad": json.loads(worker.shell.run("cat /etc/nomad.d/cluster.json"))["consul"]["token"],
        "node": worker.shell.run("cat /var/lib/nomad/client/secret-id").strip(),
    }


def _facts(consul: Api, token: str, backserve: Mapping[str, Any], planted: str) -> dict[str, str]:
    """About one instance of backserve."""
    known = consul.ask("GET", "/v1/catalog/service/backserve", token).json
    [instance] = [one["ServiceID"] for one in known if backserve["ID"] in one["ServiceID"]]
    return {
        "planted": planted,
        "allocation": backserve["ID"],
        "doomed": backserve["NodeName"],
        "instance": instance,
    }


def _kept(rig: Rig, cloud: Path) -> dict[str, list[Path]]:
    """Machines' disks have their own secrets, and are not looked through; the image from which they came is."""
    elsewhere = {"droplets", "images", "lxcfs", "pulumi"}
    return {
        "state": [cloud / "pulumi"],
        "checkout": [rig.directory],
        "image": [cloud / "images"],
        "cloud": [
            *(path for path in cloud.iterdir() if path.name not in elsewhere),
            *cloud.glob("droplets/*/console.log"),
        ],
    }


def _told(rig: Rig) -> str:
    """By the engine, of everything that there is, and by the program's own commands."""
    done = [rig.pulumi("preview", "--diff", "--show-sames", "--show-reads", "--show-config")]
    done += [
        rig.pulumi("stack", "--show-urns"),
        rig.pulumi("stack", "export"),
        rig.pulumi("stack", "output"),
    ]
    done += [rig.deploy("up", "--json")]
    assert all(one.code == 0 for one in done), [one.err[-500:] for one in done]
    status = rig.deploy("status", "--json")
    assert status.json["droplets"], status.err
    return "".join(one.said for one in (*done, status))


def _deliver(props: dict[str, Any], address: str, port: int) -> str:
    """As an update of the enrolled worker goes, with somebody else at its address."""
    asked = {**props, "address": address, "access": None, "timeout": 1}
    with patch.object(ssh, "PORT", port):
        try:
            enrolment.deliver(asked, props)
        except enrolment.EnrolmentError as refused:
            return str(refused)
    return "delivered"


def _install(site: str, target: Path, key: Path) -> str:
    """As the image's build does, into another place."""
    spec = importlib.util.spec_from_file_location(
        "install_releases", CHECKOUT / "images/base/scripts/install-releases.py"
    )
    assert spec and spec.loader
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    keyring = target / "key.gpg"
    keyring.write_bytes(script.dearmor(key.read_text()))
    with patch.object(script, "BIN", target):
        try:
            return str(script.install("consul", VERSION, site, "amd64", keyring))
        except script.ReleaseError as refused:
            return str(refused)

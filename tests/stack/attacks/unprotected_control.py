"""An unprotected control: one machine of the stack's image, without TLS, ACLs or firewall.

Its secrets are where they are easiest to put. An attack that fails on it proves nothing about the
stack. The product has no setting that makes such a machine.
"""

import json
import uuid
import zipfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from io import BytesIO
from pathlib import Path
from typing import Any

import paramiko
import requests

from rehearsal import paths
from tests.infra.support.ssh_machine import key_pair
from tests.stack.attacks.artifacts import VERSION, ZIP
from tests.stack.attacks.http_client import ApiClient
from tests.stack.attacks.machines import droplet_namespace, spaces_client
from tests.stack.attacks.shell import Login, Shell
from tests.stack.attacks.ssh import PASSWORD
from tests.stack.attacks.target import SECRET_PATH, Machine, NetworkPosition, Target
from tests.stack.rig import Rig, wait_for

NAME, BUCKET = "control", "unprotected-control"
OTHER_NODE = "other-node"
"""In the catalog only, for attacks that deregister a node."""
BACKSERVE_PORT = 25001
BACKSERVE = """
import http.server
SECRET = {secret!r}
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{{"message": "hello"}}')
print("listening", flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", {port}), Handler).serve_forever()
"""
WRITE_FILES = (
    "import json, os, sys; os.makedirs('/etc/control'); "
    "[open(f'/etc/control/{name}.json', 'w').write(json.dumps(config)) "
    "for name, config in json.load(sys.stdin).items()]"
)
START = f"""
set -eu
python3 -c "{WRITE_FILES}"
rm /etc/ssh/sshd_config.d/10-slipway.conf
printf 'PermitRootLogin yes\\nPasswordAuthentication yes\\n' \\
    >/etc/ssh/sshd_config.d/01-control.conf
echo 'root:{PASSWORD}' | chpasswd
systemctl reload ssh
systemd-run --quiet --unit=control-consul \\
    /usr/local/bin/consul agent -config-file=/etc/control/consul.json
until consul info >/dev/null 2>&1; do sleep 0.1; done
systemd-run --quiet --unit=control-nomad \\
    --property=KillMode=process --property=LimitNOFILE=65536 \\
    /usr/local/bin/nomad agent -config=/etc/control/nomad.json -consul-token=SECRET
"""
"""Reads the configurations from standard input. Every user of the machine can read the token.

Nomad starts second: without Consul at its start, it retries only after 15 s.
"""


@dataclass
class Builder:
    """What creates the control, and keeps its secrets in a plain file."""

    rig: Rig
    directory: Path
    neighbour: Machine
    """A machine of the stack, from which the control is attacked."""
    region: str
    secret: str = field(default_factory=lambda: str(uuid.uuid4()))
    host_key: tuple[str, str] = field(default_factory=key_pair)
    state: dict[str, Any] = field(default_factory=dict)

    @property
    def login(self) -> Login:
        return Login("root", Path(self.rig.environment["SLIPWAY_SSH_KEY"]).read_text())

    def record(self, **values: Any) -> None:
        """Add values to the state file."""
        self.state |= values
        (self.directory / "state.json").write_text(json.dumps(self.state))

    def user_data(self) -> str:
        public, private = self.host_key
        files = [{"path": "/etc/control-password", "content": self.secret}]
        keys = {"ed25519_public": public, "ed25519_private": private}
        return "#cloud-config\n" + json.dumps({"ssh_keys": keys, "write_files": files}, indent=1)


@contextmanager
def unprotected_control(
    rig: Rig, directory: Path, neighbour: Machine, region: str
) -> Iterator[Target]:
    """Create the control, and delete all of it when the block ends."""
    builder = Builder(rig, directory, neighbour, region)
    with ExitStack() as cleanup:
        machine = _create_machine(builder, cleanup)
        consul = ApiClient(f"http://{machine.public}:8500", "X-Consul-Token")
        nomad = ApiClient(f"http://{machine.public}:4646", "X-Nomad-Token")
        _start_agents(builder, machine)
        _add_content(builder, machine, consul, nomad, cleanup)
        yield _describe(builder, machine, consul, nomad)


def _create_machine(builder: Builder, cleanup: ExitStack) -> Machine:
    rig = builder.rig
    public_key = rig.environment["SLIPWAY_SSH_PUBLIC_KEY"]
    key = rig.api("/v2/account/keys", "POST", name=NAME, public_key=public_key)["ssh_key"]["id"]
    cleanup.callback(rig.api, f"/v2/account/keys/{key}", "DELETE")
    [image] = [image["id"] for image in rig.api("/v2/images?private=true")["images"]]
    request = {
        "name": NAME,
        "region": builder.region,
        "size": "s-1vcpu-1gb",
        "image": image,
        "ssh_keys": [key],
        "user_data": builder.user_data(),
    }
    droplet = rig.api("/v2/droplets", "POST", **request)["droplet"]["id"]
    cleanup.callback(_delete_droplet, rig, droplet)
    builder.record(droplet=droplet, request=request, password=PASSWORD)
    assert wait_for(lambda: rig.droplets()[NAME]["status"] == "active")
    address = rig.address(NAME)
    shell = Shell(address, builder.host_key[0], builder.login)
    cleanup.callback(shell.close)
    assert wait_for(lambda: _is_reachable(shell)), "SSH does not answer"
    return Machine(
        name=NAME,
        roles=frozenset({"prime", "worker"}),
        namespace=droplet_namespace(rig, droplet),
        public=address,
        private=address,
        shell=shell,
    )


def _is_reachable(shell: Shell) -> bool:
    try:
        return shell.run_unchecked("true")[0] == 0
    except (OSError, EOFError, AssertionError, paramiko.SSHException):
        return False


def _delete_droplet(rig: Rig, droplet: int) -> None:
    assert wait_for(lambda: not rig.droplets()[NAME]["locked"])
    rig.api(f"/v2/droplets/{droplet}", "DELETE")
    assert wait_for(lambda: NAME not in rig.droplets()), "the droplet is not deleted"


def _start_agents(builder: Builder, machine: Machine) -> None:
    common = {"disable_update_check": True, "datacenter": builder.region}
    consul = {
        **common,
        "data_dir": "/var/lib/control-consul",
        "node_name": NAME,
        "bind_addr": machine.public,
        "client_addr": "0.0.0.0",
        "server": True,
        "bootstrap_expect": 1,
        "performance": {"raft_multiplier": 1},
        "connect": {"enabled": True},
        "ports": {"dns": 53},
    }
    nomad = {
        **common,
        "data_dir": "/var/lib/control-nomad",
        "name": NAME,
        "bind_addr": "0.0.0.0",
        "advertise": dict.fromkeys(("http", "rpc", "serf"), machine.public),
        "server": {"enabled": True, "bootstrap_expect": 1, "raft_multiplier": 1},
        "client": {
            "enabled": True,
            "network_interface": "eth0",
            "options": {"fingerprint.denylist": "env_aws,env_azure,env_gce,env_digitalocean"},
            "meta": {"password": builder.secret},
        },
        "plugin": {"raw_exec": {"config": {"enabled": True}}},
    }
    script = START.replace("SECRET", builder.secret)
    builder.record(consul=consul, nomad=nomad, script=script)
    machine.shell.run(script, stdin=json.dumps({"consul": consul, "nomad": nomad}))


def _add_content(
    builder: Builder, machine: Machine, consul: ApiClient, nomad: ApiClient, cleanup: ExitStack
) -> None:
    """Add a key, a variable, a node and two jobs."""
    secret = builder.secret
    assert wait_for(
        lambda: consul.request("PUT", f"/v1/kv/{SECRET_PATH}", body=secret).status == 200
    ), "Consul does not start"
    node = {"Node": OTHER_NODE, "Address": "192.0.2.2"}
    assert consul.request("PUT", "/v1/catalog/register", body=node).status == 200
    assert wait_for(
        lambda: [
            node for node in nomad.request("GET", "/v1/nodes").items if node["Status"] == "ready"
        ]
    ), "Nomad does not start"
    variable = {"Path": SECRET_PATH, "Items": {"password": secret}}
    assert nomad.request("PUT", f"/v1/var/{SECRET_PATH}", body=variable).status == 200
    for task in (_backserve_task(builder, cleanup), _spare_task()):
        job = _job(task, builder.region)
        builder.record(**{job["ID"]: job})
        response = nomad.request("POST", "/v1/jobs", body={"Job": job})
        assert response.status == 200, response.detail
        assert wait_for(partial(_running_allocation, nomad, job["ID"])), (
            f"{job['ID']} does not start"
        )
    backserve = ApiClient(f"http://{machine.public}:{BACKSERVE_PORT}")
    assert wait_for(lambda: backserve.request("GET", "/").status == 200), (
        "backserve does not answer"
    )


def _backserve_task(builder: Builder, cleanup: ExitStack) -> dict[str, Any]:
    secret, spaces = builder.secret, spaces_client(builder.rig, builder.region)
    program = BACKSERVE.format(secret=secret, port=BACKSERVE_PORT).encode()
    spaces.create_bucket(Bucket=BUCKET)
    cleanup.callback(spaces.delete_bucket, Bucket=BUCKET)
    spaces.put_object(Bucket=BUCKET, Key="backserve.py", Body=program, ACL="public-read")
    cleanup.callback(spaces.delete_object, Bucket=BUCKET, Key="backserve.py")
    site = builder.rig.environment["SPACES_ENDPOINT_URL"].replace("{{.Region}}", builder.region)
    artifact = {
        "GetterSource": f"{site}/{BUCKET}/backserve.py",
        "GetterMode": "file",
        "RelativeDest": "local/backserve.py",
    }
    return {
        "Name": "backserve",
        "Driver": "raw_exec",
        "Config": {
            "command": "/usr/bin/python3",
            "args": ["local/backserve.py", "--password", secret],
        },
        "Env": {"BACKSERVE_GREETING": "hello", "PASSWORD": secret},
        "Artifacts": [artifact],
        "Services": [{"Name": "backserve", "Provider": "consul", "Meta": {"password": secret}}],
    }


def _spare_task() -> dict[str, Any]:
    """Return a task for attacks that stop an allocation."""
    return {
        "Name": "spare",
        "Driver": "raw_exec",
        "Config": {"command": "/usr/bin/sleep", "args": ["3600"]},
    }


def _job(task: dict[str, Any], region: str) -> dict[str, Any]:
    group = {
        "Name": task["Name"],
        "Tasks": [{**task, "Resources": {"CPU": 50, "MemoryMB": 40}}],
        "EphemeralDisk": {"SizeMB": 150},
    }
    return {
        "ID": task["Name"],
        "Type": "service",
        "Datacenters": [region],
        "TaskGroups": [group],
    }


def _running_allocation(nomad: ApiClient, job: str) -> str:
    """Return the id of the job's running allocation, or an empty string."""
    allocations = nomad.request("GET", f"/v1/job/{job}/allocations").items
    running = (
        allocation["ID"] for allocation in allocations if allocation["ClientStatus"] == "running"
    )
    return str(next(running, ""))


def _describe(builder: Builder, machine: Machine, consul: ApiClient, nomad: ApiClient) -> Target:
    rig, public, neighbour = builder.rig, machine.public, builder.neighbour
    cloud = paths.cloud_dir(rig.name)
    worker_consul = ApiClient("http://127.0.0.1:8500", consul.token_header, machine.namespace)
    worker_nomad = ApiClient("http://127.0.0.1:4646", nomad.token_header, machine.namespace)
    [node] = nomad.request("GET", "/v1/nodes").items
    return Target(
        name=NAME,
        is_protected=False,
        datacenter=builder.region,
        driver="raw_exec",
        machines=[machine],
        prime=machine,
        worker=machine,
        outside_namespace=neighbour.namespace,
        public_endpoint=(public, 22),
        worker_position=NetworkPosition(neighbour.namespace, neighbour.public, public),
        prime_position=NetworkPosition(machine.namespace, public, public),
        consul=consul,
        nomad=nomad,
        worker_consul=worker_consul,
        worker_nomad=worker_nomad,
        consul_without=defaultdict(lambda: worker_consul),
        jwks=worker_nomad,
        certificates=defaultdict(lambda: None),
        tokens=defaultdict(str),
        placeholders={
            "prime_name": NAME,
            "worker_name": NAME,
            "other_worker_name": OTHER_NODE,
            "backserve_service_id": "none",
            "secret": builder.secret,
            "worker_node_id": node["ID"],
            "datacenter": builder.region,
            "driver": "raw_exec",
            "backserve_allocation": _running_allocation(nomad, "backserve"),
            "spare_allocation": _running_allocation(nomad, "spare"),
        },
        backserve_url=f"http://{public}:{BACKSERVE_PORT}",
        enrol_login=builder.login,
        admin_login=builder.login,
        first_boot_key=builder.host_key,
        deliver=lambda address, port: _deliver(builder, address, port),
        install=_install,
        releases=cloud / "releases",
        spaces=spaces_client(rig, builder.region),
        secret_files=[
            "/etc/control/consul.json",
            "/etc/control/nomad.json",
            "/etc/control-password",
        ],
        secrets=frozenset({builder.secret}),
        user_data_secrets=frozenset(),
        user_data=[builder.user_data()],
        stored_files={
            "state": [builder.directory / "state.json"],
            "checkout": [builder.directory],
            "image": [cloud / "droplets" / str(builder.state["droplet"]) / "upper"],
            "cloud": [*cloud.glob("cloud.db*"), cloud / "network_state.json"],
        },
        command_output=lambda: json.dumps(builder.state),
    )


def _deliver(builder: Builder, address: str, port: int) -> str:
    """Send the secret to any host key."""
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            address,
            port,
            username="root",
            pkey=builder.login.private_key,
            allow_agent=False,
            look_for_keys=False,
        )
        stdin, stdout, _ = client.exec_command("tee /etc/control/password")
        stdin.write(builder.secret)
        stdin.channel.shutdown_write()
        return str(stdout.read().decode())


def _install(site: str, bin_dir: Path) -> str:
    """Unpack the zip file without any check."""
    archive = requests.get(f"{site}/consul/{VERSION}/{ZIP}", timeout=30).content
    with zipfile.ZipFile(BytesIO(archive)) as zipped:
        zipped.extract("consul", bin_dir)
    return "unpacked"

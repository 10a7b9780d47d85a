"""A twin of the stack that nothing protects, on one machine of the same image: what a hurried afternoon makes of the same parts.

No TLS, no access control, no firewall, and secrets wherever it was easiest to put them. The product has no switch for any of it.
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
from tests.stack.attacks.http_client import Api
from tests.stack.attacks.machines import netns, store
from tests.stack.attacks.shell import Login, Shell
from tests.stack.attacks.ssh import PASSWORD
from tests.stack.attacks.target import Machine, Place, Victim
from tests.stack.rig import Rig, eventually

NAME, BUCKET = "twin", "twin-of-the-stack"
BACKSERVE_PORT = 25001
BACKSERVE = """
import http.server
SECRET = {secret!r}
class Answers(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b'{{"message": "hello"}}')
print("listening", flush=True)
http.server.ThreadingHTTPServer(("0.0.0.0", {port}), Answers).serve_forever()
"""
WRITE = (
    "import json, os, sys; os.makedirs('/etc/twin'); "
    "[open(f'/etc/twin/{name}.json', 'w').write(json.dumps(one)) for name, one in json.load(sys.stdin).items()]"
)
START = f"""
set -eu
python3 -c "{WRITE}"
rm /etc/ssh/sshd_config.d/10-slipway.conf
printf 'PermitRootLogin yes\\nPasswordAuthentication yes\\n' >/etc/ssh/sshd_config.d/01-twin.conf
echo 'root:{PASSWORD}' | chpasswd
systemctl reload ssh
systemd-run --quiet --unit=twin-consul /usr/local/bin/consul agent -config-file=/etc/twin/consul.json
until consul info >/dev/null 2>&1; do sleep 0.1; done
systemd-run --quiet --unit=twin-nomad --property=KillMode=process --property=LimitNOFILE=65536 \\
    /usr/local/bin/nomad agent -config=/etc/twin/nomad.json -consul-token=SECRET
"""
"""The configurations come on standard input; the token is where every user of the machine may read it.

A Nomad that finds no Consul at its start looks for one again 15 s later.
"""


@dataclass
class Twin:
    """One in the making."""

    rig: Rig
    directory: Path
    """For what its builder keeps of it."""
    neighbour: Machine
    """Of the stack: what attacks the twin from without."""
    region: str
    secret: str = field(default_factory=lambda: str(uuid.uuid4()))
    host_key: tuple[str, str] = field(default_factory=key_pair)
    kept: dict[str, Any] = field(default_factory=dict)
    """What its builder knows of it, secrets and all."""

    @property
    def login(self) -> Login:
        return Login("root", Path(self.rig.environment["SLIPWAY_SSH_KEY"]).read_text())

    def note(self, **what: Any) -> None:
        self.kept |= what
        (self.directory / "state.json").write_text(json.dumps(self.kept))

    def user_data(self) -> str:
        public, private = self.host_key
        files = [{"path": "/etc/twin-password", "content": self.secret}]
        keys = {"ed25519_public": public, "ed25519_private": private}
        return "#cloud-config\n" + json.dumps({"ssh_keys": keys, "write_files": files}, indent=1)


@contextmanager
def built(rig: Rig, directory: Path, neighbour: Machine, region: str) -> Iterator[Victim]:
    """The twin, until the block ends; then nothing of it is left."""
    making = Twin(rig, directory, neighbour, region)
    with ExitStack() as undo:
        machine = _droplet(making, undo)
        consul = Api(f"http://{machine.public}:8500", "X-Consul-Token")
        nomad = Api(f"http://{machine.public}:4646", "X-Nomad-Token")
        _start(making, machine)
        _fill(making, machine, consul, nomad, undo)
        yield _victim(making, machine, consul, nomad)


def _droplet(making: Twin, undo: ExitStack) -> Machine:
    rig, told = making.rig, making.user_data()
    key = rig.api(
        "/v2/account/keys", "POST", name=NAME, public_key=rig.environment["SLIPWAY_SSH_PUBLIC_KEY"]
    )["ssh_key"]["id"]
    undo.callback(rig.api, f"/v2/account/keys/{key}", "DELETE")
    [image] = [one["id"] for one in rig.api("/v2/images?private=true")["images"]]
    asked = {
        "name": NAME,
        "region": making.region,
        "size": "s-1vcpu-1gb",
        "image": image,
        "ssh_keys": [key],
        "user_data": told,
    }
    made = rig.api("/v2/droplets", "POST", **asked)["droplet"]["id"]
    undo.callback(_destroy, rig, made)
    making.note(droplet=made, asked=asked, password=PASSWORD)
    assert eventually(lambda: rig.droplets()[NAME]["status"] == "active")
    public = rig.address(NAME)
    shell = Shell(public, making.host_key[0], making.login)
    undo.callback(shell.close)
    assert eventually(lambda: _answers(shell)), "no SSH"
    roles = frozenset({"prime", "worker"})
    return Machine(
        name=NAME, roles=roles, station=netns(rig, made), public=public, private=public, shell=shell
    )


def _answers(shell: Shell) -> bool:
    try:
        return shell.tried("true")[0] == 0
    except (OSError, EOFError, AssertionError, paramiko.SSHException):
        return False


def _destroy(rig: Rig, droplet: int) -> None:
    assert eventually(lambda: not rig.droplets()[NAME]["locked"])
    rig.api(f"/v2/droplets/{droplet}", "DELETE")
    assert eventually(lambda: NAME not in rig.droplets()), "the twin stays"


def _start(making: Twin, machine: Machine) -> None:
    quiet = {"disable_update_check": True, "datacenter": making.region}
    consul = {
        **quiet,
        "data_dir": "/var/lib/twin-consul",
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
        **quiet,
        "data_dir": "/var/lib/twin-nomad",
        "name": NAME,
        "bind_addr": "0.0.0.0",
        "advertise": dict.fromkeys(("http", "rpc", "serf"), machine.public),
        "server": {"enabled": True, "bootstrap_expect": 1, "raft_multiplier": 1},
        "client": {
            "enabled": True,
            "network_interface": "eth0",
            "options": {"fingerprint.denylist": "env_aws,env_azure,env_gce,env_digitalocean"},
            "meta": {"password": making.secret},
        },
        "plugin": {"raw_exec": {"config": {"enabled": True}}},
    }
    script = START.replace("SECRET", making.secret)
    making.note(consul=consul, nomad=nomad, script=script)
    machine.shell.run(script, stdin=json.dumps({"consul": consul, "nomad": nomad}))


def _fill(making: Twin, machine: Machine, consul: Api, nomad: Api, undo: ExitStack) -> None:
    """What a cluster has after some days: keys, variables, nodes, and two jobs."""
    secret = making.secret
    assert eventually(
        lambda: consul.ask("PUT", "/v1/kv/attacks/planted", body=secret).status == 200
    ), "Consul does not start"
    consul.ask("PUT", "/v1/catalog/register", body={"Node": "doomed", "Address": "192.0.2.2"})
    ready = eventually(
        lambda: [one for one in nomad.ask("GET", "/v1/nodes").listed if one["Status"] == "ready"]
    )
    assert ready, "Nomad does not start"
    variable = {"Path": "attacks/planted", "Items": {"password": secret}}
    assert nomad.ask("PUT", "/v1/var/attacks/planted", body=variable).status == 200
    program = BACKSERVE.format(secret=secret, port=BACKSERVE_PORT).encode()
    s3 = store(making.rig, making.region)
    s3.create_bucket(Bucket=BUCKET)
    undo.callback(s3.delete_bucket, Bucket=BUCKET)
    s3.put_object(Bucket=BUCKET, Key="backserve.py", Body=program, ACL="public-read")
    undo.callback(s3.delete_object, Bucket=BUCKET, Key="backserve.py")
    site = making.rig.environment["SPACES_ENDPOINT_URL"].replace("{{.Region}}", making.region)
    artifact = {
        "GetterSource": f"{site}/{BUCKET}/backserve.py",
        "GetterMode": "file",
        "RelativeDest": "local/backserve.py",
    }
    backserve = {
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
    spare = {
        "Name": "spare",
        "Driver": "raw_exec",
        "Config": {"command": "/usr/bin/sleep", "args": ["3600"]},
    }
    for task in (backserve, spare):
        group = {
            "Name": task["Name"],
            "Tasks": [{**task, "Resources": {"CPU": 50, "MemoryMB": 40}}],
            "EphemeralDisk": {"SizeMB": 150},
        }
        job = {
            "ID": task["Name"],
            "Type": "service",
            "Datacenters": [making.region],
            "TaskGroups": [group],
        }
        making.note(**{str(task["Name"]): job})
        answer = nomad.ask("POST", "/v1/jobs", body={"Job": job})
        assert answer.status == 200, answer.seen
    for name in ("backserve", "spare"):
        assert eventually(partial(_running, nomad, name)), f"{name} does not start"
    greeting = Api(f"http://{machine.public}:{BACKSERVE_PORT}")
    assert eventually(lambda: greeting.ask("GET", "/").status == 200), "backserve does not answer"


def _running(nomad: Api, job: str) -> str:
    found = nomad.ask("GET", f"/v1/job/{job}/allocations").listed
    return next((str(one["ID"]) for one in found if one["ClientStatus"] == "running"), "")


def _victim(making: Twin, machine: Machine, consul: Api, nomad: Api) -> Victim:
    rig, public = making.rig, machine.public
    cloud = paths.cloud_dir(rig.name)
    agent = Api("http://127.0.0.1:8500", consul.token_header, machine.station)
    client = Api("http://127.0.0.1:4646", nomad.token_header, machine.station)
    [node] = [one["ID"] for one in nomad.ask("GET", "/v1/nodes").listed if one["Name"] == NAME]
    facts = {
        "node": NAME,
        "own": NAME,
        "doomed": "doomed",
        "instance": "none",
        "planted": making.secret,
        "client": node,
    }
    facts |= {"datacenter": making.region, "driver": "raw_exec"}
    facts |= {"allocation": _running(nomad, "backserve"), "spare": _running(nomad, "spare")}
    return Victim(
        name=NAME,
        guarded=False,
        datacenter=making.region,
        driver="raw_exec",
        machines=[machine],
        prime=machine,
        worker=machine,
        outside=making.neighbour.station,
        open_to_all=(public, 22),
        inside=Place(making.neighbour.station, making.neighbour.public, public),
        beside=Place(machine.station, public, public),
        consul=consul,
        nomad=nomad,
        agent=agent,
        client=client,
        without=defaultdict(lambda: agent),
        keys=client,
        certificates=defaultdict(lambda: None),
        tokens=defaultdict(str),
        facts=facts,
        backserve=f"http://{public}:{BACKSERVE_PORT}",
        provisioner=making.login,
        administrator=making.login,
        first_boot=making.host_key,
        deliver=lambda address, port: _deliver(making, address, port),
        install=_install,
        releases=cloud / "releases",
        store=store(rig, making.region),
        files=["/etc/twin/consul.json", "/etc/twin/nomad.json", "/etc/twin-password"],
        secrets=frozenset({making.secret}),
        first_keys=frozenset(),
        user_data=[making.user_data()],
        kept={
            "state": [making.directory / "state.json"],
            "checkout": [making.directory],
            "image": [cloud / "droplets" / str(making.kept["droplet"]) / "upper"],
            "cloud": [*cloud.glob("cloud.db*"), cloud / "network_state.json"],
        },
        told=lambda: json.dumps(making.kept),
    )


def _deliver(making: Twin, address: str, port: int) -> str:
    """Whoever answers is taken at his word."""
    with paramiko.SSHClient() as client:
        client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
        client.connect(
            address,
            port,
            username="root",
            pkey=making.login.loaded,
            allow_agent=False,
            look_for_keys=False,
        )
        stdin, stdout, _ = client.exec_command("tee /etc/twin/password")
        stdin.write(making.secret)
        stdin.channel.shutdown_write()
        return str(stdout.read().decode())


def _install(site: str, target: Path) -> str:
    """Whatever comes is unpacked."""
    archive = requests.get(f"{site}/consul/{VERSION}/{ZIP}", timeout=30).content
    with zipfile.ZipFile(BytesIO(archive)) as zipped:
        zipped.extract("consul", target)
    return "unpacked"

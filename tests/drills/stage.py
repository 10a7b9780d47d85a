"""A running stack on which drills act: machines, agents, servers and deployments."""

import contextlib
import itertools
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
import yaml

from infra.cluster_api.client import AgentError
from infra.cluster_api.consul import Consul
from infra.cluster_api.nomad import Nomad
from infra.mtls import Access, server_urls
from infra.names import label_of_droplet
from tests.drills import state
from tests.drills.load import Load
from tests.stack.rig import STACK, CommandResult, Rig, wait_for

ACTION_TIMEOUT_S = 120
"""Time for a droplet action."""
JOIN_TIMEOUT_S = 300
"""Time for a phase of an update to begin, and for a machine to be a member again."""
SETTLE_TIMEOUT_S = 120
"""Time for members and voters to become those declared."""
MAX_ERROR_CHARACTERS = 1500
SIZES = ("s-1vcpu-1gb", "s-1vcpu-2gb")
TASK_DRIVERS = ("exec", "raw_exec")
IMAGE_FILE = "images/base/files/etc/nomad.d/base.hcl"


class DrillError(Exception):
    """A drill did not do what it is meant to do, or a command in it failed."""


@dataclass(frozen=True)
class Topology:
    """Numbers of primes and workers."""

    primes: int
    workers: int

    def __str__(self) -> str:
        primes = "1 prime" if self.primes == 1 else f"{self.primes} primes"
        return f"{primes} + {self.workers} workers"

    @property
    def labels(self) -> set[str]:
        primes = (f"prime{number:02d}" for number in range(1, self.primes + 1))
        workers = (f"worker{number:02d}" for number in range(1, self.workers + 1))
        return {*primes, *workers}


@dataclass(frozen=True)
class Prime:
    """A prime's droplet and its addresses."""

    name: str
    public: str
    private: str


def access_at(access: Access, prime: Prime) -> Access:
    """Return access to one server."""
    return {**access, **server_urls([prime.public])}


def _address(droplet: Mapping[str, Any], kind: str) -> str:
    networks = droplet["networks"]["v4"]
    return next(str(network["ip_address"]) for network in networks if network["type"] == kind)


@dataclass(frozen=True, kw_only=True)
class Phase:
    """A phase of an update, and how it shows."""

    name: str
    has_begun: Callable[[], bool]
    interval_s: float = 0.2
    """A probe of the cloud's API needs 1 s, because of the API's rate limit."""


class Stage:
    """A rehearsal cloud with a deployed stack."""

    def __init__(self, topology: Topology, outage_s: float) -> None:
        """Args:
        outage_s: how long the drill of a long outage keeps the only prime off.
        """
        self.topology = topology
        self.outage_s = outage_s
        self.event_s: float | None = None
        self.target = ""
        """The machine that a drill broke, for its repair."""
        self._directory = tempfile.TemporaryDirectory()
        checkout = Path(self._directory.name) / "checkout"
        self.rig = Rig(f"drills{topology.primes}p{topology.workers}w", checkout)
        self._load: Load | None = None
        self._image_changes = itertools.count(1)

    def start(self, settings: Mapping[str, object]) -> None:
        """Start the cloud and deploy the stack with ``settings`` besides the topology."""
        self.rig.start()
        snapshots = Path(self._directory.name) / "snapshots"
        self.rig.environment["SLIPWAY_SNAPSHOTS"] = str(snapshots)
        self.rig.set(
            primes=self.topology.primes,
            workers=self.topology.workers,
            ready_timeout=180,
            **settings,
        )
        self.up()
        state.write_marker(self.access())

    def stop(self) -> None:
        """Remove the cloud and all its machines."""
        self.rig.stop()
        self._directory.cleanup()

    # The stack

    def up(self, *options: str) -> None:
        """Run ``deploy up``.

        Raises:
            DrillError: it failed.
        """
        self.require(self.rig.deploy("up", "--yes", *options), "deploy up")

    def replace(self, name: str) -> None:
        """Run ``deploy replace`` for a droplet."""
        self.require(self.rig.deploy("replace", name, "--yes"), f"deploy replace {name}")

    def recover(self, name: str) -> None:
        """Run ``deploy recover``, after which a prime is the only server."""
        self.require(self.rig.deploy("recover", name, "--yes"), f"deploy recover {name}")

    @staticmethod
    def require(result: CommandResult, command: str) -> None:
        """Raises:
        DrillError: the command failed.
        """
        if result.code:
            raise DrillError(
                f"{command} exited with {result.code}: {result.stderr[-MAX_ERROR_CHARACTERS:]}"
            )

    @contextmanager
    def background(self, command: str, *args: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run a deploy command during the block; end it and all its processes with SIGKILL."""
        words = ["python", "-m", "deploy", command, STACK, *args]
        with tempfile.TemporaryFile() as output:
            process = subprocess.Popen(
                words,
                cwd=self.rig.directory,
                env=self.rig.environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
            try:
                yield process
            except DrillError as error:
                output.seek(0)
                text = output.read().decode(errors="replace")[-MAX_ERROR_CHARACTERS:]
                raise DrillError(f"{error}; deploy {command} printed: {text}") from error
            finally:
                kill_tree(process)

    def interrupt(self, phase: Phase) -> None:
        """Start ``up``, end it with SIGKILL when a phase begins, and free its lock.

        Raises:
            DrillError: the update ended before.
        """
        with self.background("up", "--yes") as process:
            self.wait_during(process, phase)
        self.unlock()

    def unlock(self) -> None:
        """Free the lock of an update that was killed."""
        self.require(self.rig.pulumi("cancel", "--yes"), "pulumi cancel")

    @staticmethod
    def wait_during(process: subprocess.Popen[bytes], phase: Phase) -> None:
        """Wait until a phase of an update begins.

        Raises:
            DrillError: the update ends before, or the time is over.
        """
        deadline = time.monotonic() + JOIN_TIMEOUT_S
        while not _is_true(phase.has_begun):
            if process.poll() is not None:
                code = process.returncode
                raise DrillError(f"the update ended with {code} before this: {phase.name}")
            if time.monotonic() > deadline:
                raise DrillError(f"not within {JOIN_TIMEOUT_S} s: {phase.name}")
            time.sleep(phase.interval_s)

    # Settings

    def setting(self, name: str) -> Any:
        """Return a setting of the stack's file."""
        content = yaml.safe_load((self.rig.directory / f"Pulumi.{STACK}.yaml").read_text())
        return content["config"].get(f"slipway:{name}")

    def has(self, settings: Mapping[str, object]) -> bool:
        """Whether the stack's file has these settings."""
        return all(self.setting(name) == value for name, value in settings.items())

    def toggle(self, name: str, values: tuple[str, str]) -> None:
        """Give a setting the other one of two values."""
        first, second = values
        self.rig.set(**{name: second if self.setting(name) in (None, first) else first})

    def change_image(self) -> None:
        """Change a file of the image."""
        file = self.rig.directory / IMAGE_FILE
        file.write_text(f"{file.read_text()}\n# Change {next(self._image_changes)}.\n")

    # Droplets

    def ids(self) -> dict[str, int]:
        """Return the ids of the stack's droplets by name."""
        return {name: int(droplet["id"]) for name, droplet in self.rig.droplets().items()}

    def name_of(self, label: str) -> str:
        """Return the name of the droplet in a slot.

        Raises:
            DrillError: there is none, or more than one.
        """
        names = [name for name in self.ids() if label_of_droplet(name) == label]
        if len(names) != 1:
            raise DrillError(f"{label} has the droplets {names}, not one")
        return names[0]

    @staticmethod
    def label(name: str) -> str:
        """Return the slot of a droplet."""
        return label_of_droplet(name)

    def new_droplet(self, before: Mapping[str, int], role: str) -> str | None:
        """Return the name of a droplet that was created after ``before`` and is active."""
        for name, droplet in self.rig.droplets().items():
            is_new = droplet["id"] not in before.values()
            if is_new and name.startswith(role) and droplet["status"] == "active":
                return name
        return None

    def power(self, name: str, action: str) -> None:
        """Run ``power_on``, ``power_off`` or ``reboot`` and wait for its end."""
        droplet = self.ids()[name]
        path = f"/v2/droplets/{droplet}/actions"
        action_id = self.rig.api(path, "POST", type=action)["action"]["id"]

        def has_ended() -> bool:
            status = self.rig.api(f"{path}/{action_id}")["action"]["status"]
            if status == "errored":
                raise DrillError(f"{action} of {name} failed")
            return bool(status == "completed")

        if not wait_for(has_ended, ACTION_TIMEOUT_S):
            raise DrillError(f"{action} of {name} did not end within {ACTION_TIMEOUT_S} s")

    def reboot(self, name: str) -> None:
        """Reboot a droplet and wait until it is another boot and verified."""
        before = self._boot_id(name)
        self.power(name, "reboot")
        if not wait_for(lambda: self._boot_id(name) not in ("", before), ACTION_TIMEOUT_S):
            raise DrillError(f"{name} did not boot again within {ACTION_TIMEOUT_S} s")

    def _boot_id(self, name: str) -> str:
        result = self.rig.ssh(name, "cat /proc/sys/kernel/random/boot_id")
        return result.stdout.strip() if result.code == 0 else ""

    def destroy(self, name: str) -> None:
        """Destroy a droplet for good, without the program's knowledge."""
        droplet = self.ids()[name]
        self.rig.api(f"/v2/droplets/{droplet}", "DELETE")
        if not wait_for(lambda: droplet not in self.ids().values(), ACTION_TIMEOUT_S):
            raise DrillError(f"{name} still exists {ACTION_TIMEOUT_S} s after its deletion")

    @contextmanager
    def expect_replaced(self, *labels: str) -> Iterator[None]:
        """Check that the block replaces the droplets of these slots or roles, and no others.

        Raises:
            DrillError: another set of droplets was replaced.
        """
        before = self._ids_by_label()
        yield
        after = self._ids_by_label()
        replaced = {label for label in before if after.get(label) != before[label]}
        expected = {label for label in before if label.startswith(labels)} if labels else set()
        if replaced != expected:
            raise DrillError(f"replaced {sorted(replaced)}, expected {sorted(expected)}")

    def _ids_by_label(self) -> dict[str, int]:
        return {label_of_droplet(name): droplet for name, droplet in self.ids().items()}

    # The cluster

    def access(self) -> Access:
        """Return access with the management tokens."""
        return self.rig.access(management=True)

    def primes(self) -> list[Prime]:
        """Return the primes' droplets."""
        return [
            Prime(name, _address(droplet, "public"), _address(droplet, "private"))
            for name, droplet in sorted(self.rig.droplets().items())
            if name.startswith("prime")
        ]

    @staticmethod
    def leader(access: Access, primes: Sequence[Prime]) -> str:
        """Return the name of the server that leads Nomad; empty if none answers."""
        names = {prime.private: prime.name for prime in primes}
        for prime in primes:
            for server in state.raft_servers(Nomad(access_at(access, prime))):
                if server.is_leader:
                    return names.get(server.address, "")
        return ""

    def worker_with(self, job: str) -> str:
        """Return a worker on which an allocation of a job runs."""
        allocations = Nomad(self.access()).request("GET", f"/v1/job/{job}/allocations")
        names = [a["NodeName"] for a in allocations if a["ClientStatus"] == "running"]
        return str(min(names))

    def kill_agent(self, name: str, unit: str) -> None:
        """Kill an agent, but not the tasks of Nomad, so that systemd does not start it again."""
        drop_in = f"/run/systemd/system/{unit}.service.d"
        text = "[Unit]\\nConditionPathExists=/nonexistent\\n[Service]\\nRestart=no\\n"
        self.require(
            self.rig.ssh(
                name,
                f"mkdir -p {drop_in} && printf '{text}' > {drop_in}/drill.conf && "
                "systemctl daemon-reload && "
                f"systemctl kill --kill-whom=main --signal=KILL {unit}.service",
            ),
            f"kill {unit} on {name}",
        )

    def revive_agent(self, name: str, unit: str) -> None:
        """Remove what ``kill_agent`` left, and start the agent."""
        self.require(
            self.rig.ssh(
                name,
                f"rm -r /run/systemd/system/{unit}.service.d && systemctl daemon-reload && "
                f"systemctl reset-failed {unit}; systemctl start {unit}",
            ),
            f"start {unit} on {name}",
        )

    # Load and checks

    @contextmanager
    def load(self) -> Iterator[Load]:
        """Send requests to the stack's URL during the block."""
        self.event_s = None
        with Load(str(self.rig.outputs["url"])) as load:
            self._load = load
            yield load

    def mark_event(self) -> None:
        """Note that the failure happens now, after which some requests may fail."""
        assert self._load is not None
        self.event_s = self._load.elapsed_s()

    def wait_until_verified(self) -> None:
        """Wait until ``deploy verify`` succeeds.

        Raises:
            DrillError: it still fails after ``JOIN_TIMEOUT_S``.
        """
        results: list[CommandResult] = []

        def is_verified() -> bool:
            result = self.rig.deploy("verify")
            results.append(result)
            return bool(result.code == 0)

        if not wait_for(is_verified, JOIN_TIMEOUT_S):
            self.require(results[-1], "deploy verify")

    def read_state(self) -> state.ClusterState:
        """Return the content of Consul and Nomad."""
        return state.read_state(self.access())

    def problems(self, before: state.ClusterState, *, changes_jobs: bool) -> list[str]:
        """Return what differs from ``before`` and from what is declared."""
        verified = self.rig.deploy("verify")
        problems = [] if verified.code == 0 else [f"verify: {verified.stderr[-400:]}"]
        try:
            after = self.read_state()
            problems += before.differences(after, changes_jobs=changes_jobs)
        except (AgentError, AssertionError) as error:
            return [*problems, f"no state: {error}"]
        differences: list[str] = []

        def are_declared() -> bool:
            try:
                differences[:] = self._undeclared()
            except (AgentError, requests.RequestException) as error:
                differences[:] = [str(error)]
            return not differences

        wait_for(are_declared, SETTLE_TIMEOUT_S)
        return [*problems, *differences]

    def _undeclared(self) -> list[str]:
        """Return how droplets, members and voters differ from those declared."""
        droplets = self.rig.droplets()
        problems = []
        declared = set(self.rig.outputs["members"])
        if set(droplets) != declared:
            problems.append(f"droplets {sorted(droplets)}, declared {sorted(declared)}")
        labels = {label_of_droplet(name) for name in droplets}
        expected = Topology(int(self.setting("primes")), int(self.setting("workers"))).labels
        if labels != expected or len(droplets) != len(expected):
            problems.append(f"slots {sorted(labels)}, declared {sorted(expected)}")
        for name, droplet in droplets.items():
            size = self.setting("prime_size" if name.startswith("prime") else "worker_size")
            if droplet["size_slug"] != size:
                problems.append(f"{name} has the size {droplet['size_slug']}, not {size}")
        primes = {
            _address(droplet, "private")
            for name, droplet in droplets.items()
            if name.startswith("prime")
        }
        return problems + self._undeclared_members(declared, primes)

    def _undeclared_members(self, declared: set[str], primes: set[str]) -> list[str]:
        access = self.access()
        consul, nomad = Consul(access), Nomad(access)
        problems = []
        members = consul.request("GET", "/v1/agent/members")
        alive = {member["Name"] for member in members if member["Status"] == 1}
        failed = {member["Name"] for member in members if member["Status"] == 4}
        if alive != declared or failed:
            problems.append(f"Consul has alive {sorted(alive)} and failed {sorted(failed)}")
        nodes = {
            (node["Name"], node["Status"], node["SchedulingEligibility"])
            for node in nomad.request("GET", "/v1/nodes")
        }
        workers = {name for name in declared if name.startswith("worker")}
        if nodes != {(name, "ready", "eligible") for name in workers}:
            problems.append(f"Nomad has the nodes {sorted(nodes)}")
        for api in (consul, nomad):
            voters = {server.address for server in state.raft_servers(api) if server.is_voter}
            if voters != primes:
                problems.append(f"{api.kind} has the voters {sorted(voters)}")
        return problems


def _is_true(probe: Callable[[], bool]) -> bool:
    """Return the result of a probe; a request that fails is no result yet."""
    try:
        return probe()
    except (AgentError, requests.RequestException, KeyError, StopIteration):
        return False


def kill_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process that this module started, and its descendants, with SIGKILL."""
    if process.poll() is None:
        doomed = [process.pid, *_descendants(process.pid)]
        for pid in doomed:
            _signal(pid, signal.SIGSTOP)  # so that none starts another one meanwhile
        for pid in {*doomed, *_descendants(process.pid)}:
            _signal(pid, signal.SIGKILL)
    process.wait()


def _signal(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _descendants(pid: int) -> list[int]:
    children: dict[int, list[int]] = {}
    for directory in Path("/proc").glob("[0-9]*"):
        try:
            fields = (directory / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        children.setdefault(int(fields[1]), []).append(int(directory.name))
    found: list[int] = []
    for parent in itertools.chain([pid], found):
        found.extend(children.get(parent, []))
    return found

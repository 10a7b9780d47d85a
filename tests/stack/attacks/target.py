"""Whom an attack is tried on: the stack, or a twin of it that nothing protects. The same facts of both, under the same names."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.mtls import Credentials
from tests.stack.attacks.http_client import Answer, Api
from tests.stack.attacks.shell import Login, Shell

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A droplet, and root's shell on it."""

    name: str
    roles: frozenset[str]
    """``prime``, ``worker``, or both of them."""
    station: str
    public: str
    private: str
    shell: Shell


@dataclass(frozen=True)
class Place:
    """Whence a server is attacked without its HTTP API: a network, the attacker's address in it, and the server's as he sees it."""

    station: str
    own: str
    server: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Victim:
    """A cluster. Where it has no TLS and no access control, certificates and tokens are none, and none are needed."""

    name: str
    guarded: bool
    """Whether there is anything to hold: only where that decides what an attacker brings along."""
    datacenter: str
    driver: str
    """Under which jobs run."""
    machines: list[Machine]
    prime: Machine
    worker: Machine
    """Where the attacker is root."""
    outside: str
    """The network of a machine that is not of the cluster."""
    open_to_all: tuple[str, int]
    """An address and a port that answers there."""
    inside: Place
    """On a worker."""
    beside: Place
    """On the server's own machine."""

    consul: Api
    nomad: Api
    """The servers' own, as an administrator reaches them and with his certificate."""
    agent: Api
    client: Api
    """The APIs of Consul and Nomad on the worker, as its processes reach them."""
    without: Mapping[str, Api]
    """By service, Consul's agent on a worker where no instance of it has run, so that it has no certificate of its own for it."""
    keys: Api
    """Where Consul is told to look for Nomad's public keys, on the server's own machine."""

    certificates: Mapping[str, Credentials | None]
    """By holder: ``none``, ``foreign``, ``expired``, ``operator``, ``worker``, ``prime``."""
    tokens: Mapping[str, str]
    """By holder. Of Consul: ``consul``, ``operator``, ``agent``, ``nomad``, ``dns``, ``frontserve``, ``prober``; of
    Nomad: ``manager``, ``reader`` (the operator's), ``node`` (a node's secret)."""
    facts: Mapping[str, str]
    """For paths and bodies: ``node``, ``client`` (its id in Nomad), ``allocation`` (of backserve), ``planted`` (a secret)."""

    backserve: str
    """URL of an instance, for who is on a worker."""
    provisioner: Login
    """Who may set up its machines from afar, and how."""
    administrator: Login
    """Who looks after its machines, and by which key."""
    first_boot: tuple[str, str]
    """The host key that user_data gave to the worker, public half and private."""
    deliver: Callable[[str, int], str]
    """Sends a machine's secrets to who answers for it at an address and port, as its builder would; gives what came of it."""
    install: Callable[[str, Path], str]
    """Installs Consul from the site of releases at a URL into a directory, as its image's build does; gives what came of it."""
    releases: Path
    """What a genuine site of releases has."""
    store: "S3Client"
    """Where artifacts are kept, with the right to write."""

    files: list[str]
    """Paths on the worker of what holds a secret there, besides those that every machine has."""
    secrets: frozenset[str]
    """Every value that nobody may see, in each of its forms."""
    first_keys: frozenset[str]
    """Those of them that user_data must carry."""
    user_data: list[str]
    """Of all machines."""
    kept: Mapping[str, list[Path]]
    """What is on this machine, by kind: ``state``, ``image``, ``cloud`` (its logs and database), ``checkout``."""
    told: Callable[[], str]
    """What working on the cluster prints."""

    def manager(self, path: str, method: str = "GET", body: object = None) -> Answer:
        """Consul, asked by who may do everything: to look at what an attack did, and to put things right again."""
        return self.consul.ask(method, path, self.tokens["consul"], body)

    def nomad_manager(self, path: str, method: str = "GET", body: object = None) -> Answer:
        """As ``manager``, of Nomad."""
        return self.nomad.ask(method, path, self.tokens["manager"], body)

    def filled(self, value: Any) -> Any:
        """``value`` with the facts in the places of their names in it, ``{node}`` and the like, wherever they are."""
        if isinstance(value, str):
            for name, fact in self.facts.items():
                value = value.replace(f"{{{name}}}", fact)
            return value
        if isinstance(value, dict):
            return {key: self.filled(one) for key, one in value.items()}
        return [self.filled(one) for one in value] if isinstance(value, list) else value

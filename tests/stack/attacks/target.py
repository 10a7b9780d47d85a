"""The target of an attack: the stack or the unprotected control, described by the same fields."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from infra.mtls import Credentials
from tests.stack.attacks.http_client import ApiClient, Response
from tests.stack.attacks.shell import Login, Shell

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

SECRET_PATH = "attacks/secret"
"""Of a Consul key and a Nomad variable that hold a secret to be stolen."""


@dataclass(frozen=True, kw_only=True)
class Machine:
    """A droplet and a root shell on it."""

    name: str
    roles: frozenset[str]
    """``prime``, ``worker``, or both."""
    namespace: str
    public: str
    private: str
    shell: Shell


@dataclass(frozen=True)
class NetworkPosition:
    """Where the attacker stands in the network, relative to a server."""

    namespace: str
    source_address: str
    server_address: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Target:
    """A cluster under attack.

    The unprotected control has neither TLS nor ACLs: its certificates are None, its tokens empty.
    """

    name: str
    is_protected: bool
    """Only for attacks whose means depend on it, such as a gossip key to guess."""
    datacenter: str
    driver: str
    """The task driver of its jobs."""
    machines: list[Machine]
    prime: Machine
    worker: Machine
    """Where the attacker is root."""
    outside_namespace: str
    """The network of a machine that does not belong to the cluster."""
    public_endpoint: tuple[str, int]
    """An address and an open port, reachable by everybody."""
    worker_position: NetworkPosition
    prime_position: NetworkPosition

    consul: ApiClient
    nomad: ApiClient
    """The servers' APIs with the operator's certificate, from an administrator's network."""
    worker_consul: ApiClient
    worker_nomad: ApiClient
    """The agents' APIs on the worker, from its own processes."""
    consul_without: Mapping[str, ApiClient]
    """By service: the Consul agent of a worker that has cached no certificate of that service."""
    jwks: ApiClient
    """Where Consul reads Nomad's public keys, on the prime."""

    certificates: Mapping[str, Credentials | None]
    """By holder: ``none``, ``foreign``, ``expired``, ``operator``, ``worker``, ``prime``."""
    tokens: Mapping[str, str]
    """By holder, see ``stack_target``."""
    placeholders: Mapping[str, str]
    """Name -> value of each placeholder in paths and bodies, such as ``{prime_name}``."""

    backserve_url: str
    """Of one instance on another worker than the attacker's."""
    enrol_login: Login
    admin_login: Login
    first_boot_key: tuple[str, str]
    """The worker's host key in user_data: public and private half."""
    deliver: Callable[[str, int], str]
    """Deliver the worker's secrets to an SSH server at an address and port; return the result."""
    install: Callable[[str, Path], str]
    """Install Consul from a release site into a directory; return the result."""
    releases: Path
    """The genuine release site."""
    spaces: "S3Client"
    """The store of artifacts, with write access."""

    secret_files: list[str]
    """Paths with secrets on the worker, besides those that every node has."""
    secrets: frozenset[str]
    """Every secret value, in each of its encodings."""
    user_data_secrets: frozenset[str]
    """Those of ``secrets`` that user_data has to carry."""
    user_data: list[str]
    """Of all machines."""
    stored_files: Mapping[str, list[Path]]
    """On this machine, by kind: ``state``, ``checkout``, ``image``, ``cloud`` (logs, database)."""
    command_output: Callable[[], str]
    """Return what the commands that work on the cluster print."""

    def consul_as_manager(self, path: str, method: str = "GET", body: object = None) -> Response:
        """Send a request to Consul with the management token, to prepare or verify an attack."""
        return self.consul.request(method, path, self.tokens["consul management"], body)

    def nomad_as_manager(self, path: str, method: str = "GET", body: object = None) -> Response:
        """Send a request to Nomad with the management token, to prepare or verify an attack."""
        return self.nomad.request(method, path, self.tokens["nomad management"], body)

    def fill(self, value: Any) -> Any:
        """Return ``value`` with every placeholder replaced, also in nested lists and mappings."""
        if isinstance(value, str):
            for name, text in self.placeholders.items():
                value = value.replace(f"{{{name}}}", text)
            return value
        if isinstance(value, dict):
            return {key: self.fill(item) for key, item in value.items()}
        return [self.fill(item) for item in value] if isinstance(value, list) else value

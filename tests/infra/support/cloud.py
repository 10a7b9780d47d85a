"""A cloud seen from its provider: what was asked of it, and with which options."""

import asyncio
import base64
import hashlib
import itertools
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import IPv4Network
from typing import Any

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime.rpc import _special_secret_sig, _special_sig_key

from infra.firewalls import Firewalls, FirewallsArgs
from infra.network import Network, NetworkArgs
from infra.settings import Settings, load

ENROL_KEY = "ssh-ed25519 AAAA the-stack"


def _machine(name: str, number: int, _inputs: dict[str, Any]) -> dict[str, Any]:
    addresses = {
        "ip": f"198.18.1.{number}",
        "ipv4Address": f"198.18.0.{number}",
        "ipv4AddressPrivate": f"10.10.0.{number}",
    }
    return {
        **addresses,
        "createdAt": f"2026-01-01T00:00:{number % 60:02d}Z",
        "dropletUrn": f"do:droplet:{name}",
    }


def _password(name: str, _number: int, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"result": hashlib.sha256(name.encode()).hexdigest()[: int(inputs["length"])]}


def _key(name: str, _number: int, _inputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "privateKeyPem": f"-----BEGIN PRIVATE KEY-----\n{name} private\n-----END PRIVATE KEY-----\n",
        "privateKeyOpenssh": f"-----BEGIN OPENSSH PRIVATE KEY-----\n{name} private\n-----END OPENSSH PRIVATE KEY-----\n",
        "publicKeyOpenssh": f"ssh-ed25519 {base64.b64encode(name.encode()).decode()}\n",
    }


def _certificate(name: str, _number: int, _inputs: dict[str, Any]) -> dict[str, Any]:
    return {"certPem": f"-----BEGIN CERTIFICATE-----\n{name}\n-----END CERTIFICATE-----\n"}


def _begun(_name: str, _number: int, inputs: dict[str, Any]) -> dict[str, Any]:
    urls = {
        "consul": f"https://{inputs['address']}:8501",
        "nomad": f"https://{inputs['address']}:4646",
    }
    tokens = {
        "consul_token": inputs["secrets"]["consul"],
        "nomad_token": inputs["secrets"]["nomad"],
    }
    return {
        "access": {**urls, **inputs["credentials"], **tokens},
        "retired": {"consul": [], "nomad": []},
    }


ADDED: dict[str, Callable[[str, int, dict[str, Any]], dict[str, Any]]] = {
    "digitalocean:index/droplet:Droplet": _machine,
    "digitalocean:index/loadBalancer:LoadBalancer": _machine,
    "digitalocean:index/sshKey:SshKey": lambda *_: {"fingerprint": "aa:bb"},
    "random:index/randomPassword:RandomPassword": _password,
    "tls:index/privateKey:PrivateKey": _key,
    "tls:index/certRequest:CertRequest": lambda name, *_: {"certRequestPem": f"request {name}"},
    "tls:index/selfSignedCert:SelfSignedCert": _certificate,
    "tls:index/locallySignedCert:LocallySignedCert": _certificate,
    "pulumi-python:dynamic/slipway:Bootstrap": _begun,
    "consul:index/aclToken:AclToken": lambda name, *_: {"accessorId": f"{name}-accessor"},
    "nomad:index/aclToken:AclToken": lambda name, *_: {"secretId": f"{name}-secret"},
}
"""What a provider adds to the inputs, of the name and number of what is made."""


class FakeCloud(mocks.Mocks):
    """Records what is registered, answers with what the real cloud would add, refuses to be asked for anything else."""

    def __init__(self) -> None:
        self.created: dict[str, dict[str, Any]] = {}
        """Inputs by name."""
        self.kinds: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self.asked: dict[str, Any] = {}
        """The engine's requests by name, with all options."""
        self.secret: dict[str, set[str]] = {}
        """By name the inputs that the engine was told to keep secret."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        inputs = {key: _plain(value) for key, value in args.inputs.items()}
        self.secret[args.name] = {key for key, value in args.inputs.items() if _is_secret(value)}
        self.created[args.name] = inputs
        self.kinds[args.name] = args.typ
        added = ADDED[args.typ](args.name, next(self._numbers), inputs) if args.typ in ADDED else {}
        hidden = self.secret[args.name] | set(self.asked[args.name].additionalSecretOutputs)
        outputs = {**inputs, **added}
        return f"{args.name}-id", {
            key: pulumi.Output.secret(value) if key in hidden else value
            for key, value in outputs.items()
        }

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        if args.token == "consul:index/getAclTokenSecretId:getAclTokenSecretId":
            return {"secretId": f"secret of {args.args['accessorId']}"}, []
        raise AssertionError(f"no answer prepared for {args.token}")

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """What was made of a kind, by name: ``Droplet``."""
        return {
            name: made
            for name, made in self.created.items()
            if self.kinds[name].endswith(f":{kind}")
        }

    def waits_for(self, name: str) -> set[str]:
        """All that has to be there first, near and far."""
        found: set[str] = set()
        new = {name}
        while new:
            found |= new
            new = {other for one in new for other in self._next(one)} - found
        return found - {name}

    def _next(self, name: str) -> Iterator[str]:
        """A component stands for nothing: whoever depends on it depends on its children, which are listed too."""
        request = self.asked[name]
        for urn in (
            *request.dependencies,
            *([request.provider.rpartition("::")[0]] if request.provider else []),
        ):
            yield urn.rpartition("::")[2]


class Monitor(mocks.MockMonitor):
    """As the SDK's, which tells mocks nothing of options."""

    def __init__(self, fake: FakeCloud) -> None:
        super().__init__(fake)
        self._fake = fake

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  # the engine's name
        self._fake.asked[request.name] = request
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(_special_sig_key) == _special_secret_sig


def _plain(value: Any) -> Any:
    """Without the wrapping that marks secrets."""
    if _is_secret(value):
        return _plain(value["value"])
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def texts(value: Any) -> Iterator[str]:
    """All text in a value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for one in value.values():
            yield from texts(one)
    elif isinstance(value, list):
        for one in value:
            yield from texts(one)


def start(preview: bool = False) -> FakeCloud:
    asyncio.set_event_loop(asyncio.new_event_loop())
    fake = FakeCloud()
    pulumi.runtime.settings.ROOT.set(None)  # a stack of an earlier test belongs to that test's loop
    mocks.set_mocks(fake, project="slipway", stack="test", preview=preview, monitor=Monitor(fake))
    return fake


def run(program: Callable[[], object]) -> None:
    """Run a program to its end, outputs included."""
    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


def is_secret(output: pulumi.Output[Any]) -> pulumi.Output[bool]:
    told: Awaitable[bool] = output.is_secret()
    return pulumi.Output.from_input(told)


def settings(**values: str) -> Settings:
    return load("test", {"admin_cidrs": "203.0.113.0/24", **values}, {})


def network_args() -> NetworkArgs:
    return NetworkArgs(
        prefix="slipway-test",
        region="nyc3",
        vpc_cidr=IPv4Network("10.10.0.0/20"),
        enrol_key=ENROL_KEY,
    )


def firewalls(network: Network) -> Firewalls:
    return Firewalls(
        "firewalls",
        FirewallsArgs(
            prefix="slipway-test",
            admin_cidrs=[IPv4Network("203.0.113.0/24")],
            tags=network.tags,
        ),
    )

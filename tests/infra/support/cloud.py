"""Pulumi mocks that record each resource with its inputs and options."""

import asyncio
import base64
import hashlib
import itertools
from collections.abc import Awaitable, Callable, Iterator
from ipaddress import IPv4Network
from typing import Any, cast

import pulumi
from pulumi.runtime import mocks
from pulumi.runtime import settings as runtime_settings
from pulumi.runtime.rpc import _special_secret_sig, _special_sig_key

from infra.firewalls import Firewalls, FirewallsArgs
from infra.mtls import access_for
from infra.network import Network, NetworkArgs
from infra.settings import Settings, load

ENROL_KEY = "ssh-ed25519 AAAA the-stack"
PUBLIC_OBJECT_TYPE = "pulumi-python:dynamic/slipway:PublicObject"


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
        "loadBalancerUrn": f"do:loadbalancer:{name}",
    }


def _password(name: str, _number: int, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"result": hashlib.sha256(name.encode()).hexdigest()[: int(inputs["length"])]}


def _pem(kind: str, content: str) -> str:
    return f"-----BEGIN {kind}-----\n{content}\n-----END {kind}-----\n"


def _key(name: str, _number: int, _inputs: dict[str, Any]) -> dict[str, Any]:
    return {
        "privateKeyPem": _pem("PRIVATE KEY", f"{name} private"),
        "privateKeyOpenssh": _pem("OPENSSH PRIVATE KEY", f"{name} private"),
        "publicKeyOpenssh": f"ssh-ed25519 {base64.b64encode(name.encode()).decode()}\n",
    }


def _certificate(name: str, _number: int, _inputs: dict[str, Any]) -> dict[str, Any]:
    return {"certPem": _pem("CERTIFICATE", name)}


def _bootstrap(_name: str, _number: int, inputs: dict[str, Any]) -> dict[str, Any]:
    access = access_for(
        [prime["public"] for prime in inputs["primes"]],
        inputs["credentials"],
        inputs["management"]["consul"],
        inputs["management"]["nomad"],
    )
    return {"access": dict(access), "retired": []}


def _management_tokens(_name: str, _number: int, inputs: dict[str, Any]) -> dict[str, Any]:
    tokens = {f"{agent}_token": inputs["secrets"][agent] for agent in ("consul", "nomad")}
    return {**tokens, "retired": {"consul": [], "nomad": []}}


def _generation(_name: str, _number: int, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"number": 1, "name": inputs["first_name"]}


def _roster(_name: str, _number: int, inputs: dict[str, Any]) -> dict[str, Any]:
    return {"former": [], "founders": [server["droplet"] for server in inputs["servers"]]}


ADDED_OUTPUTS: dict[str, Callable[[str, int, dict[str, Any]], dict[str, Any]]] = {
    "digitalocean:index/droplet:Droplet": _machine,
    "digitalocean:index/loadBalancer:LoadBalancer": _machine,
    "digitalocean:index/sshKey:SshKey": lambda *_: {"fingerprint": "aa:bb"},
    "random:index/randomPassword:RandomPassword": _password,
    "tls:index/privateKey:PrivateKey": _key,
    "tls:index/certRequest:CertRequest": lambda name, *_: {"certRequestPem": f"request {name}"},
    "tls:index/selfSignedCert:SelfSignedCert": _certificate,
    "tls:index/locallySignedCert:LocallySignedCert": _certificate,
    "pulumi-python:dynamic/slipway:Generation": _generation,
    "pulumi-python:dynamic/slipway:Roster": _roster,
    "pulumi-python:dynamic/slipway:ManagementTokens": _management_tokens,
    "pulumi-python:dynamic/slipway:Bootstrap": _bootstrap,
    "consul:index/aclToken:AclToken": lambda name, *_: {"accessorId": f"{name}-accessor"},
    "nomad:index/aclToken:AclToken": lambda name, *_: {"secretId": f"{name}-secret"},
}
"""The outputs that a provider adds to the inputs, by type token."""


class FakeCloud(mocks.Mocks):
    """Records each resource and returns its outputs; fails for an unknown function call."""

    def __init__(self) -> None:
        self.created: dict[str, dict[str, Any]] = {}
        """Inputs by logical name."""
        self.kinds: dict[str, str] = {}
        self._numbers = itertools.count(1)
        self.requests: dict[str, Any] = {}
        """Registration requests by logical name, with all options."""
        self.secret: dict[str, set[str]] = {}
        """Names of the secret inputs by logical name."""
        self.hooks: dict[str, pulumi.ResourceHook] = {}
        self.stack_outputs: dict[str, Any] = {}
        """Of the last update, by stack."""

    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str | None, dict[str, Any]]:
        inputs = {key: _plain(value) for key, value in args.inputs.items()}
        self.secret[args.name] = {key for key, value in args.inputs.items() if _is_secret(value)}
        self.created[args.name] = inputs
        self.kinds[args.name] = args.typ
        added = (
            ADDED_OUTPUTS[args.typ](args.name, next(self._numbers), inputs)
            if args.typ in ADDED_OUTPUTS
            else {}
        )
        hidden = self.secret[args.name] | set(self.requests[args.name].additionalSecretOutputs)
        outputs = {**inputs, **added}
        id = inputs["url"] if args.typ == PUBLIC_OBJECT_TYPE else f"{args.name}-id"
        return id, {
            key: pulumi.Output.secret(value) if key in hidden else value
            for key, value in outputs.items()
        }

    def call(self, args: mocks.MockCallArgs) -> tuple[dict[str, Any], list[tuple[str, str]] | None]:
        if args.token == "consul:index/getAclTokenSecretId:getAclTokenSecretId":
            return {"secretId": f"secret of {args.args['accessorId']}"}, []
        if args.token == "pulumi:pulumi:readStackOutputs":
            return {"outputs": self.stack_outputs.get(args.args["name"], {})}, []
        raise AssertionError(f"there is no mock of {args.token}")

    def of(self, kind: str) -> dict[str, dict[str, Any]]:
        """Return the inputs of all resources of a type such as ``Droplet``, by logical name."""
        return {
            name: made
            for name, made in self.created.items()
            if self.kinds[name].endswith(f":{kind}")
        }

    def waits_for(self, name: str) -> set[str]:
        """Return the names of all direct and indirect dependencies."""
        found: set[str] = set()
        new = {name}
        while new:
            found |= new
            new = {other for one in new for other in self._next(one)} - found
        return found - {name}

    def _next(self, name: str) -> Iterator[str]:
        """Yield direct dependencies. For a component, the engine lists its children too."""
        request = self.requests[name]
        for urn in (
            *request.dependencies,
            *([request.provider.rpartition("::")[0]] if request.provider else []),
        ):
            yield urn.rpartition("::")[2]


class Callbacks:
    """Records resource hooks, which the SDK refuses with mocks."""

    def __init__(self, fake: FakeCloud) -> None:
        self._fake = fake

    def register_resource_hook(self, hook: pulumi.ResourceHook) -> None:
        self._fake.hooks[hook.name] = hook


class Monitor(mocks.MockMonitor):
    """Records requests with their options, which the SDK does not pass to mocks."""

    def __init__(self, fake: FakeCloud) -> None:
        super().__init__(fake)
        self._fake = fake

    def RegisterResource(self, request: Any) -> Any:  # noqa: N802  # the engine's name
        self._fake.requests[request.name] = request
        return super().RegisterResource(request)  # type: ignore[no-untyped-call]


def _is_secret(value: Any) -> bool:
    return isinstance(value, dict) and value.get(_special_sig_key) == _special_secret_sig


def _plain(value: Any) -> Any:
    """Return the value without the marks of secrets."""
    if _is_secret(value):
        return _plain(value["value"])
    if isinstance(value, dict):
        return {key: _plain(one) for key, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, list) else value


def texts(value: Any) -> Iterator[str]:
    """Yield all strings in a value."""
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
    mocks.set_mocks(
        fake,
        project="slipway",
        stack="test",
        preview=preview,
        monitor=Monitor(fake),
        organization="organization",
    )
    runtime_settings.SETTINGS.callbacks = cast(Any, Callbacks(fake))
    return fake


def run(program: Callable[[], object]) -> None:
    """Run a program until all outputs are resolved."""
    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


def is_secret(output: pulumi.Output[Any]) -> pulumi.Output[bool]:
    secret: Awaitable[bool] = output.is_secret()
    return pulumi.Output.from_input(secret)


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

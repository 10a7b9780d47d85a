"""A bundle is taken whole or refused whole, and no complaint shows what is secret in it."""

import base64
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.images.conftest import Tool
from tests.images.material import Authority, bundle, host_key, openssh


@pytest.fixture
def told(authority: Authority) -> dict[str, Any]:
    return bundle("worker", authority)


def test_a_whole_bundle_is_taken(tool: Tool, told: dict[str, Any]) -> None:
    taken = tool("bundle").parse(json.dumps(told))
    assert (taken.node.name, taken.node.prime, str(taken.node.vpc), taken.node.cluster) == (
        "worker01nyc3",
        False,
        "10.10.0.0/20",
        "101",
    )
    assert taken.node.primes == ["10.10.0.2"] and taken.node.bootstrap_expect == 1
    assert vars(taken.gossip) == {**told["gossip"], "nomad": None}
    assert vars(taken.tokens) == told["tokens"] and vars(taken.identity) == told["identity"]
    assert taken.host_key.private == told["host_key"] and taken.operator_key == told["operator_key"]


def test_a_node_needs_no_operator(tool: Tool, told: dict[str, Any]) -> None:
    assert tool("bundle").parse(json.dumps({**told, "operator_key": None})).operator_key is None


def test_nomad_s_gossip_is_between_primes(
    tool: Tool, told: dict[str, Any], authority: Authority
) -> None:
    module, prime = tool("bundle"), bundle("prime", authority)
    assert vars(module.parse(json.dumps(prime)).gossip) == prime["gossip"]
    assert module.parse(json.dumps({**told, "gossip": prime["gossip"]})).gossip.nomad is None
    for gossip, complaint in (
        ({**prime["gossip"], "nomad": "c2hvcnQ="}, "the key of nomad"),
        (told["gossip"], "nomad is missing"),
    ):
        with pytest.raises((module.BundleError), match=complaint):
            module.parse(json.dumps({**prime, "gossip": gossip}))


def test_what_is_kept_of_a_node_is_read_back(tool: Tool, told: dict[str, Any]) -> None:
    node = tool("bundle").parse(json.dumps(told)).node
    assert tool("node").parse(json.loads(node.render())) == node


Break = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        (lambda told: told.pop("node"), "node is missing"),
        (lambda told: told["node"].update(role="boss"), "role is boss; it must be prime or worker"),
        (lambda told: told["node"].update(task_driver="docker"), "task_driver is docker"),
        (lambda told: told["node"].update(name="a b"), "name is 'a b'"),
        (lambda told: told["node"].pop("vpc_cidr"), "vpc_cidr is missing"),
        (lambda told: told["node"].update(vpc_cidr="here"), "here"),
        (lambda told: told.update(primes=[]), "primes must name"),
        (lambda told: told.update(primes=["prime01"]), "prime01"),
        (lambda told: told.update(bootstrap_expect=0), "bootstrap_expect must be 1 or more"),
        (lambda told: told.update(bootstrap_expect=True), "bootstrap_expect must be 1 or more"),
        (lambda told: told.update(cluster=None), "cluster is missing"),
        (lambda told: told.pop("identity"), "identity is missing"),
        (
            lambda told: told["identity"].update(key=Authority().identity()["key"]),
            "do not belong together",
        ),
        (lambda told: told["identity"].update(authority="me"), "authority is no certificate"),
        (lambda told: told["gossip"].update(consul="c2hvcnQ="), "gossip: the key of consul"),
        (lambda told: told["gossip"].update(consul="?"), "gossip: the key of consul"),
        (lambda told: told["tokens"].update(dns="root"), "tokens must be UUIDs"),
        (lambda told: told.update(introduction="me"), "introduction is no JWT"),
        (lambda told: told.update(host_key="me"), "the host key is no OpenSSH private key"),
        (
            lambda told: told.update(operator_key=f"{host_key()[1]}\nssh-rsa AAAA"),
            "operator_key is no public key",
        ),
        (
            lambda told: told.update(operator_key=f'command="sh" {host_key()[1]}'),
            "operator_key is no public key",
        ),
    ],
)
def test_a_bundle_with_something_wrong_is_refused(
    tool: Tool, told: dict[str, Any], broken: Break, complaint: str
) -> None:
    module, secret = tool("bundle"), copy.deepcopy(told)
    broken(told)
    with pytest.raises(module.BundleError, match=complaint.replace("(", "\\(")) as refused:
        module.parse(json.dumps(told))
    shown = str(refused.value)
    for value in (
        *secret["tokens"].values(),
        *secret["gossip"].values(),
        secret["introduction"],
        secret["host_key"],
    ):
        assert value not in shown


@pytest.mark.parametrize("text", ["", "[]", '{"node": ', "\0" * 100])
def test_noise_is_no_bundle(tool: Tool, text: str) -> None:
    module = tool("bundle")
    with pytest.raises(module.BundleError, match="no JSON"):
        module.parse(text)


def test_the_public_half_is_read_out_of_a_host_key(tool: Tool) -> None:
    private, public = host_key()
    read = tool("host_key").parse(private)
    assert (read.private, read.public) == (private, f"{public}\n")


@pytest.mark.parametrize(
    ("key", "complaint"),
    [
        (openssh(ec.generate_private_key(ec.SECP256R1()))[0], "not of the kind"),
        (openssh(ed25519.Ed25519PrivateKey.generate(), b"secret")[0], "passphrase"),
        (
            "\n".join([*host_key()[0].splitlines()[:3], "-----END OPENSSH PRIVATE KEY-----"]),
            "cut off|cannot be read",
        ),
    ],
)
def test_a_host_key_that_sshd_would_not_take_is_refused(
    tool: Tool, key: str, complaint: str
) -> None:
    module = tool("host_key")
    with pytest.raises(module.HostKeyError, match=complaint):
        module.parse(key)


def test_halves_of_two_host_keys_are_refused(tool: Tool) -> None:
    def blob(key: str) -> bytes:
        return base64.b64decode("".join(key.splitlines()[1:-1]))

    one, other = blob(host_key()[0]), blob(host_key()[0])
    cut = one.index(b"ssh-ed25519") + 51
    mixed = base64.b64encode(one[:cut] + other[cut:]).decode()
    module = tool("host_key")
    with pytest.raises(module.HostKeyError, match="do not belong together"):
        module.parse(f"{module.BEGIN}\n{mixed}\n{module.END}\n")

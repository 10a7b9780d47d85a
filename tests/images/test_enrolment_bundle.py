"""Validation of the enrolment bundle, whose error messages contain no secret."""

import base64
import copy
import json
from collections.abc import Callable
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.images.support.credentials import Authority, make_bundle, make_host_key, to_openssh
from tests.images.support.programs import LoadModule


@pytest.fixture
def bundle(authority: Authority) -> dict[str, Any]:
    return make_bundle("worker", authority)


def test_a_complete_bundle_is_parsed(load: LoadModule, bundle: dict[str, Any]) -> None:
    parsed = load("enrolment_bundle").parse(json.dumps(bundle))
    assert (parsed.node.name, parsed.node.is_prime, str(parsed.node.vpc), parsed.node.cluster) == (
        "worker01nyc3",
        False,
        "10.10.0.0/20",
        "101",
    )
    assert parsed.node.primes == ["10.10.0.2"] and parsed.node.bootstrap_expect == 1
    assert vars(parsed.gossip) == {**bundle["gossip"], "nomad": None}
    assert vars(parsed.tokens) == bundle["tokens"] and vars(parsed.identity) == bundle["identity"]
    assert (
        parsed.host_key.private == bundle["host_key"]
        and parsed.operator_key == bundle["operator_key"]
    )


def test_the_operator_key_is_optional(load: LoadModule, bundle: dict[str, Any]) -> None:
    assert (
        load("enrolment_bundle").parse(json.dumps({**bundle, "operator_key": None})).operator_key
        is None
    )


def test_only_primes_have_nomad_s_gossip_key(
    load: LoadModule, bundle: dict[str, Any], authority: Authority
) -> None:
    module, prime = load("enrolment_bundle"), make_bundle("prime", authority)
    assert vars(module.parse(json.dumps(prime)).gossip) == prime["gossip"]
    assert module.parse(json.dumps({**bundle, "gossip": prime["gossip"]})).gossip.nomad is None
    for gossip, message in (
        ({**prime["gossip"], "nomad": "c2hvcnQ="}, "the key of nomad"),
        (bundle["gossip"], "nomad is missing"),
    ):
        with pytest.raises(module.BundleError, match=message):
            module.parse(json.dumps({**prime, "gossip": gossip}))


def test_a_rendered_node_parses_to_the_same_node(load: LoadModule, bundle: dict[str, Any]) -> None:
    node = load("enrolment_bundle").parse(json.dumps(bundle)).node
    assert load("node").parse(json.loads(node.render())) == node


Change = Callable[[dict[str, Any]], object]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda bundle: bundle.pop("node"), "node is missing"),
        (
            lambda bundle: bundle["node"].update(role="boss"),
            "role is boss; it must be prime or worker",
        ),
        (lambda bundle: bundle["node"].update(task_driver="docker"), "task_driver is docker"),
        (lambda bundle: bundle["node"].update(name="a b"), "name is 'a b'"),
        (lambda bundle: bundle["node"].pop("vpc_cidr"), "vpc_cidr is missing"),
        (lambda bundle: bundle["node"].update(vpc_cidr="here"), "here"),
        (lambda bundle: bundle.update(primes=[]), "primes must list"),
        (lambda bundle: bundle.update(primes=["prime01"]), "prime01"),
        (lambda bundle: bundle.update(bootstrap_expect=-1), "bootstrap_expect must be 0 or more"),
        (lambda bundle: bundle.update(bootstrap_expect=True), "bootstrap_expect must be 0 or more"),
        (lambda bundle: bundle.update(cluster=None), "cluster is missing"),
        (lambda bundle: bundle.pop("identity"), "identity is missing"),
        (
            lambda bundle: bundle["identity"].update(key=Authority().identity()["key"]),
            "do not belong together",
        ),
        (
            lambda bundle: bundle["identity"].update(authority="me"),
            "authority is not a PEM certificate",
        ),
        (lambda bundle: bundle["gossip"].update(consul="c2hvcnQ="), "gossip: the key of consul"),
        (lambda bundle: bundle["gossip"].update(consul="?"), "gossip: the key of consul"),
        (lambda bundle: bundle["tokens"].update(dns="root"), "tokens must be UUIDs"),
        (lambda bundle: bundle.update(introduction="me"), "introduction is not a JWT"),
        (lambda bundle: bundle.update(host_key="me"), "the host key is not an OpenSSH private key"),
        (
            lambda bundle: bundle.update(operator_key=f"{make_host_key()[1]}\nssh-rsa AAAA"),
            "operator_key is not an SSH public key",
        ),
        (
            lambda bundle: bundle.update(operator_key=f'command="sh" {make_host_key()[1]}'),
            "operator_key is not an SSH public key",
        ),
    ],
)
def test_an_invalid_bundle_is_refused_without_showing_secrets(
    load: LoadModule, bundle: dict[str, Any], change: Change, message: str
) -> None:
    module, valid = load("enrolment_bundle"), copy.deepcopy(bundle)
    change(bundle)
    with pytest.raises(module.BundleError, match=message.replace("(", "\\(")) as raised:
        module.parse(json.dumps(bundle))
    text = str(raised.value)
    for value in (
        *valid["tokens"].values(),
        *valid["gossip"].values(),
        valid["introduction"],
        valid["host_key"],
    ):
        assert value not in text


@pytest.mark.parametrize("text", ["", "[]", '{"node": ', "\0" * 100])
def test_a_text_that_is_not_a_json_object_is_refused(load: LoadModule, text: str) -> None:
    module = load("enrolment_bundle")
    with pytest.raises(module.BundleError, match=r"is not (JSON|a JSON object)$"):
        module.parse(text)


def test_a_host_key_includes_its_public_key(load: LoadModule) -> None:
    private, public = make_host_key()
    read = load("host_key").parse(private)
    assert (read.private, read.public) == (private, f"{public}\n")


@pytest.mark.parametrize(
    ("key", "message"),
    [
        (to_openssh(ec.generate_private_key(ec.SECP256R1()))[0], "not of type"),
        (to_openssh(ed25519.Ed25519PrivateKey.generate(), b"secret")[0], "passphrase"),
        (
            "\n".join([*make_host_key()[0].splitlines()[:3], "-----END OPENSSH PRIVATE KEY-----"]),
            "truncated|cannot be read",
        ),
    ],
)
def test_a_host_key_that_sshd_cannot_use_is_refused(
    load: LoadModule, key: str, message: str
) -> None:
    module = load("host_key")
    with pytest.raises(module.HostKeyError, match=message):
        module.parse(key)


def test_a_host_key_mixed_from_two_keys_is_refused(load: LoadModule) -> None:
    def blob(key: str) -> bytes:
        return base64.b64decode("".join(key.splitlines()[1:-1]))

    first, second = blob(make_host_key()[0]), blob(make_host_key()[0])
    public_key_end = first.index(b"ssh-ed25519") + 51
    mixed = base64.b64encode(first[:public_key_end] + second[public_key_end:]).decode()
    module = load("host_key")
    with pytest.raises(module.HostKeyError, match="do not belong together"):
        module.parse(f"{module.BEGIN}\n{mixed}\n{module.END}\n")

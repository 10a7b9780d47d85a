"""Keys and certificate requests of the TLS emulator."""

import asyncio
import hashlib
import subprocess
import sys
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID
from pulumi.provider.experimental import provider as engine

from rehearsal.plugins import values
from rehearsal.plugins.errors import PluginError
from rehearsal.plugins.values import UNKNOWN
from tests.rehearsal.plugins.support.certificates import (
    KEY,
    LOCALLY_SIGNED,
    REQUEST,
    SELF_SIGNED,
    Authority,
    driver,
    key,
)
from tests.rehearsal.plugins.support.driver import Driver, State, urn

KINDS: list[tuple[State, str, str]] = [
    ({"algorithm": "RSA"}, "RSA", "ssh-rsa"),
    ({"algorithm": "RSA", "rsaBits": 3072}, "RSA", "ssh-rsa"),
    ({"algorithm": "ECDSA", "ecdsaCurve": "P256"}, "EC", "ecdsa-sha2-nistp256"),
    ({"algorithm": "ECDSA", "ecdsaCurve": "P384"}, "EC", "ecdsa-sha2-nistp384"),
    ({"algorithm": "ECDSA", "ecdsaCurve": "P521"}, "EC", "ecdsa-sha2-nistp521"),
    ({"algorithm": "ED25519"}, "", "ssh-ed25519"),
]
SSH = (
    "privateKeyOpenssh",
    "publicKeyOpenssh",
    "publicKeyFingerprintMd5",
    "publicKeyFingerprintSha256",
)


@pytest.fixture
def plugin() -> Driver:
    return driver()


def public(loaded: Any) -> bytes:
    der: bytes = loaded.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return der


@pytest.mark.parametrize(("news", "heading", "ssh_kind"), KINDS, ids=lambda value: str(value))
def test_all_outputs_encode_the_same_key(
    plugin: Driver, news: State, heading: str, ssh_kind: str
) -> None:
    resource_id, state = plugin.create(KEY, news)
    loaded: Any = serialization.load_pem_private_key(state["privateKeyPem"].encode(), None)
    public_der = public(loaded)

    assert state["privateKeyPem"].startswith(
        f"-----BEGIN {heading} PRIVATE KEY-----\n".replace("  ", " ")
    )
    assert state["privateKeyPemPkcs8"].startswith("-----BEGIN PRIVATE KEY-----\n")
    assert state["privateKeyOpenssh"].startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert (
        public(serialization.load_pem_private_key(state["privateKeyPemPkcs8"].encode(), None))
        == public_der
    )
    assert (
        public(serialization.load_ssh_private_key(state["privateKeyOpenssh"].encode(), None))
        == public_der
    )
    assert serialization.load_pem_public_key(state["publicKeyPem"].encode()) == loaded.public_key()
    assert (
        serialization.load_ssh_public_key(state["publicKeyOpenssh"].encode()) == loaded.public_key()
    )
    assert state["publicKeyOpenssh"].split(" ")[0] == ssh_kind
    assert state["publicKeyOpenssh"].endswith("\n")
    assert resource_id == hashlib.sha1(public_der.strip()).hexdigest()


@pytest.mark.parametrize(("news", "heading", "ssh_kind"), KINDS, ids=lambda value: str(value))
def test_fingerprints_match_ssh_keygen(
    plugin: Driver, news: State, heading: str, ssh_kind: str
) -> None:
    _, state = plugin.create(KEY, news)
    loaded: Any = serialization.load_ssh_public_key(state["publicKeyOpenssh"].encode())
    assert state["publicKeyFingerprintMd5"].count(":") == 15
    assert bytes.fromhex(
        state["publicKeyFingerprintMd5"].replace(":", "")
    ) == serialization.ssh_key_fingerprint(loaded, hashes.MD5())
    ssh_keygen = subprocess.run(
        ["ssh-keygen", "-lf", "-"],
        input=state["publicKeyOpenssh"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert ssh_keygen.stdout.split()[1] == state["publicKeyFingerprintSha256"]


def test_openssh_has_no_p224(plugin: Driver) -> None:
    _, state = plugin.create(KEY, {"algorithm": "ECDSA"})
    loaded: Any = serialization.load_pem_private_key(state["privateKeyPem"].encode(), None)
    assert loaded.curve.name == "secp224r1"
    assert {name: state[name] for name in SSH} == dict.fromkeys(SSH, "")


def test_rsa_keys_have_the_bits_asked_for(plugin: Driver) -> None:
    sizes = [
        serialization.load_pem_private_key(key(plugin, algorithm="RSA", **news).encode(), None)
        for news in ({}, {"rsaBits": 3072})
    ]
    assert [getattr(item, "key_size", 0) for item in sizes] == [2048, 3072]
    with pytest.raises(PluginError, match="Unable to generate Key from configuration"):
        key(plugin, algorithm="RSA", rsaBits=512)


@pytest.mark.parametrize(
    ("token", "news", "failures"),
    [
        (
            KEY,
            {"algorithm": "DSA"},
            ["algorithm: thing: value must be one of: RSA, ECDSA, ED25519"],
        ),
        (
            KEY,
            {"algorithm": "ECDSA", "ecdsaCurve": "P192"},
            ["ecdsaCurve: thing: value must be one of: P224, P256, P384, P521"],
        ),
        (KEY, {"algorithm": UNKNOWN, "ecdsaCurve": UNKNOWN}, []),
        (
            REQUEST,
            {},
            ["privateKeyPem: thing: exactly one of privateKeyPem and privateKeyPemWo must be set"],
        ),
        (REQUEST, {"privateKeyPem": UNKNOWN}, []),
    ],
)
def test_invalid_inputs_are_refused(
    plugin: Driver, token: str, news: State, failures: list[str]
) -> None:
    assert plugin.check(token, news)[1] == failures


def test_a_request_has_the_names_of_the_program(plugin: Driver) -> None:
    own = key(plugin)
    subject = {
        "commonName": "node",
        "organization": "slipway",
        "country": "DE",
        "streetAddresses": ["Dock 1", "Dock 2"],
        "province": "",
    }
    names = {
        "dnsNames": ["server.dc1.consul", "localhost"],
        "ipAddresses": ["10.10.0.2", "::1"],
        "uris": ["spiffe://slipway/node"],
    }
    resource_id, state = plugin.create(REQUEST, {"privateKeyPem": own, "subject": subject, **names})

    request = x509.load_pem_x509_csr(state["certRequestPem"].encode())
    assert request.is_signature_valid
    assert public(request) == public(serialization.load_pem_private_key(own.encode(), None))
    assert [(item.oid, item.value) for item in request.subject] == [
        (NameOID.COUNTRY_NAME, "DE"),
        (NameOID.STREET_ADDRESS, "Dock 1"),
        (NameOID.STREET_ADDRESS, "Dock 2"),
        (NameOID.ORGANIZATION_NAME, "slipway"),
        (NameOID.COMMON_NAME, "node"),
    ]
    found = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert [str(item.value) for item in found] == [
        *names["dnsNames"],
        *names["ipAddresses"],
        *names["uris"],
    ]
    assert state["keyAlgorithm"] == "ECDSA"
    assert resource_id == hashlib.sha1(request.public_bytes(Encoding.DER).strip()).hexdigest()


def test_a_request_may_have_no_names(plugin: Driver) -> None:
    _, state = plugin.create(REQUEST, {"privateKeyPem": key(plugin, algorithm="ED25519")})
    request = x509.load_pem_x509_csr(state["certRequestPem"].encode())
    assert (list(request.subject), list(request.extensions), state["keyAlgorithm"]) == (
        [],
        [],
        "ED25519",
    )


@pytest.mark.parametrize(
    "news",
    [
        {"ipAddresses": ["10.0.0"]},
        {"dnsNames": ["schöner.test"]},
        {"subject": {"country": "Germany"}},
    ],
)
def test_an_invalid_name_is_reported(plugin: Driver, news: State) -> None:
    with pytest.raises(PluginError, match="Invalid name of a certificate"):
        plugin.create(REQUEST, {"privateKeyPem": key(plugin), **news})


@pytest.mark.parametrize("token", [REQUEST, SELF_SIGNED, LOCALLY_SIGNED])
def test_the_error_for_an_invalid_private_key_does_not_contain_it(
    plugin: Driver, token: str
) -> None:
    body = "bm90aGluZyBmb3IgeW91ciBleWVz"
    broken = f"-----BEGIN PRIVATE KEY-----\n{body}\n-----END PRIVATE KEY-----\n"
    _, desired = plugin.create(REQUEST, {"privateKeyPem": key(plugin)})
    news = (
        {"privateKeyPem": broken}
        if token == REQUEST
        else {"privateKeyPem": broken, "allowedUses": [], "validityPeriodHours": 1}
    )
    if token == LOCALLY_SIGNED:
        news = Authority.make(plugin).certificate_inputs(
            desired["certRequestPem"], caPrivateKeyPem=broken
        )
    with pytest.raises(PluginError, match=r"Failed to parse (CA )?private key PEM") as failure:
        plugin.create(token, news)
    assert body not in str(failure.value)
    assert failure.value.__suppress_context__


@pytest.mark.parametrize("token", [KEY, REQUEST, SELF_SIGNED, LOCALLY_SIGNED])
def test_nothing_can_be_imported(plugin: Driver, token: str) -> None:
    with pytest.raises(PluginError, match="does not support import"):
        plugin.read(token, "some-id")


def test_a_preview_generates_no_key(plugin: Driver) -> None:
    _, state = plugin.create(KEY, {"algorithm": "ED25519"}, preview=True)
    assert {name for name, value in state.items() if value == UNKNOWN} == {
        *SSH,
        "privateKeyPem",
        "privateKeyPemPkcs8",
        "publicKeyPem",
    }


@pytest.mark.parametrize("given", ["a key", UNKNOWN])
def test_private_keys_are_secret_in_every_response(plugin: Driver, given: str) -> None:
    """The key is a secret even if the program passes it as plain text."""
    news, state = (
        values.to_engine({"privateKeyPem": given}),
        values.to_engine({"privateKeyPem": given, "certRequestPem": "-"}),
    )
    checked = asyncio.run(
        plugin.plugin.check(engine.CheckRequest(urn(REQUEST, "thing"), {}, news, b""))
    )
    previewed = asyncio.run(
        plugin.plugin.create(engine.CreateRequest(urn(REQUEST, "thing"), news, 0, True))
    )
    read = asyncio.run(
        plugin.plugin.read(engine.ReadRequest(urn(REQUEST, "thing"), "1", state, news))
    )
    for answer in (checked.inputs, previewed.properties, read.properties, read.inputs):
        assert answer
        assert answer["privateKeyPem"].is_secret


def test_the_package_is_loaded_without_cryptography() -> None:
    code = "import sys, rehearsal.plugins.tls.package; print('cryptography' in sys.modules)"
    assert (
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        == "False\n"
    )

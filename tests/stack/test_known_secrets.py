"""What tells a secret is in each form of it, is nobody else's, and is in nothing that may be seen."""

import re

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.stack import known_secrets

PEM = serialization.Encoding.PEM
FORMS = serialization.PrivateFormat
PLAIN = serialization.NoEncryption()
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def made(kind: str) -> Key:
    return (
        ec.generate_private_key(ec.SECP256R1())
        if kind == "ECDSA"
        else ed25519.Ed25519PrivateKey.generate()
    )


@pytest.mark.parametrize(
    ("kind", "form"),
    [
        ("ECDSA", FORMS.TraditionalOpenSSL),
        ("ECDSA", FORMS.PKCS8),
        ("ECDSA", FORMS.OpenSSH),
        ("ED25519", FORMS.PKCS8),
        ("ED25519", FORMS.OpenSSH),
    ],
)
def test_a_private_key_is_known_by_lines_of_its_own(
    kind: str, form: serialization.PrivateFormat
) -> None:
    key, other = made(kind), made(kind)
    told, others = (
        set(known_secrets.lines(one.private_bytes(PEM, form, PLAIN).decode()))
        for one in (key, other)
    )
    assert told and others and not told & others
    public = (
        key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    )
    assert not any(line in public for line in told)


def test_all_that_is_secret_in_a_state_is_known() -> None:
    ed25519_key = made("ED25519").private_bytes(PEM, FORMS.OpenSSH, PLAIN).decode()
    token = {
        "consul_token": "a-token-of-consul",
        "nomad_token": "a-token-of-nomad",
        "authority": "-----BEGIN CERTIFICATE-----",
    }
    found = known_secrets.of(
        [
            {
                "type": "random:index/randomPassword:RandomPassword",
                "outputs": {"result": "0f" * 16},
            },
            {
                "type": "random:index/randomPassword:RandomPassword",
                "outputs": {"result": "a5" * 32},
            },
            {
                "type": "tls:index/privateKey:PrivateKey",
                "outputs": {
                    "privateKeyOpenssh": ed25519_key,
                    "publicKeyOpenssh": "ssh-ed25519 AAAA",
                },
            },
            {
                "type": "nomad:index/aclToken:AclToken",
                "outputs": {"secretId": "the-operators", "accessorId": "known-to-all"},
            },
            {"type": "pulumi-python:dynamic/slipway:Bootstrap", "outputs": {"access": token}},
            {
                "type": "pulumi:pulumi:Stack",
                "outputs": {
                    "operator": {**token, "consul_token": "another"},
                    "url": "http://198.51.100.7/",
                },
            },
            {"type": "pulumi:providers:nomad"},
        ]
    )
    assert {
        "0f" * 16,
        "0f0f0f0f-0f0f-0f0f-0f0f-0f0f0f0f0f0f",
        "a5" * 32,
        "paWl" * 10 + "paU=",
    } <= found
    assert {"the-operators", "a-token-of-consul", "a-token-of-nomad", "another"} <= found
    assert not any(re.search("known-to-all|CERTIFICATE|http|AAAA$", value) for value in found)

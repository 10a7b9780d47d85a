"""The values that identify secrets: found in every encoding, unique, and never public."""

import re

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519

from tests.stack import known_secrets

PEM = serialization.Encoding.PEM
FORMS = serialization.PrivateFormat
PLAIN = serialization.NoEncryption()
Key = ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey


def generate_key(kind: str) -> Key:
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
def test_private_key_lines_are_unique_and_not_public(
    kind: str, form: serialization.PrivateFormat
) -> None:
    key, other = generate_key(kind), generate_key(kind)
    lines, other_lines = (
        set(known_secrets.private_key_lines(each.private_bytes(PEM, form, PLAIN).decode()))
        for each in (key, other)
    )
    assert lines and other_lines and not lines & other_lines
    public = (
        key.public_key().public_bytes(PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
    )
    assert not any(line in public for line in lines)


def test_secret_values_of_a_state() -> None:
    ed25519_key = generate_key("ED25519").private_bytes(PEM, FORMS.OpenSSH, PLAIN).decode()
    token = {
        "consul_token": "a-token-of-consul",
        "nomad_token": "a-token-of-nomad",
        "authority": "-----BEGIN CERTIFICATE-----",
    }
    values = known_secrets.secret_values(
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
    } <= values
    assert {"the-operators", "a-token-of-consul", "a-token-of-nomad", "another"} <= values
    assert not any(re.search("known-to-all|CERTIFICATE|http|AAAA$", value) for value in values)

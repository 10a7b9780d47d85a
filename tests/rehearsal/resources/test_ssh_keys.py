"""SSH keys."""

import base64
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.rehearsal.support.client import Client
from tests.rehearsal.support.samples import SSH_KEY, SSH_KEY_FINGERPRINT


def test_a_key_is_stored_unchanged_and_found_by_id_and_fingerprint(api: Client) -> None:
    key = api("POST", "/v2/account/keys", {"name": "mine", "public_key": SSH_KEY}, 201)["ssh_key"]
    assert (key["public_key"], key["fingerprint"]) == (SSH_KEY, SSH_KEY_FINGERPRINT)
    for identifier in (key["id"], key["fingerprint"]):
        assert api("GET", f"/v2/account/keys/{identifier}")["ssh_key"] == key
    assert (
        api("PUT", f"/v2/account/keys/{key['id']}", {"name": "ours"})["ssh_key"]["name"] == "ours"
    )
    api("DELETE", f"/v2/account/keys/{SSH_KEY_FINGERPRINT}", expect=204)
    api("GET", f"/v2/account/keys/{key['id']}", expect=404)
    api("DELETE", f"/v2/account/keys/{key['id']}", expect=404)


def test_a_key_is_unique(api: Client) -> None:
    api("POST", "/v2/account/keys", {"name": "mine", "public_key": SSH_KEY}, 201)
    again = {"name": "again", "public_key": SSH_KEY.replace("me@example", "other")}
    assert "already in use" in api.error_message("POST", "/v2/account/keys", again)


def test_keys_of_each_type(api: Client) -> None:
    curves = (ec.SECP256R1(), ec.SECP384R1(), ec.SECP521R1())
    keys: list[Any] = [rsa.generate_private_key(65537, 2048), ed25519.Ed25519PrivateKey.generate()]
    for private in keys + [ec.generate_private_key(curve) for curve in curves]:
        text = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
        key = api("POST", "/v2/account/keys", {"name": " mine ", "public_key": text}, 201)[
            "ssh_key"
        ]
        assert (key["name"], key["public_key"]) == (" mine ", text)
        assert api("GET", f"/v2/account/keys/{key['fingerprint']}")["ssh_key"] == key
    assert api("GET", "/v2/account/keys")["meta"]["total"] == 5


@pytest.mark.parametrize("name", ["", " ", None, 7])
def test_a_key_has_a_name(api: Client, name: Any) -> None:
    assert "name" in api.error_message(
        "POST", "/v2/account/keys", {"name": name, "public_key": SSH_KEY}
    )


UNKNOWN = "ssh-none " + base64.b64encode(b"\0\0\0\x08ssh-none").decode()


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "ssh-rsa AAAA",
        SSH_KEY.replace("ssh-ed25519", "ssh-rsa"),
        SSH_KEY + "\n" + SSH_KEY,
        UNKNOWN,
    ],
)
def test_invalid_keys(api: Client, text: str) -> None:
    assert "Key invalid" in api.error_message(
        "POST", "/v2/account/keys", {"name": "mine", "public_key": text}
    )

"""What a droplet receives at its first boot."""

import json

import pytest

from infra.user_data import cloud_config


@pytest.fixture
def text() -> str:
    return cloud_config("the private\nhost key\n", "ssh-ed25519 HOST", "ssh-ed25519 STACK")


def test_user_data_contains_host_key_and_enrolment_key_only(text: str) -> None:
    header, _, body = text.partition("\n")
    assert header == "#cloud-config"
    assert json.loads(body) == {
        "disable_root": True,
        "ssh_keys": {
            "ed25519_private": "the private\nhost key\n",
            "ed25519_public": "ssh-ed25519 HOST",
        },
        "write_files": [
            {
                "path": "/etc/ssh/authorized_keys.d/enrol",
                "owner": "root:root",
                "permissions": "0644",
                "content": 'restrict,command="sudo -n /usr/local/bin/tool-enrol" '
                "ssh-ed25519 STACK\n",
            }
        ],
    }

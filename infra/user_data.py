"""What a droplet is told at its first boot: enough that the stack knows it, and that it knows the stack."""

import json

AUTHORIZED = "/etc/ssh/authorized_keys.d/enrol"
"""Where sshd finds who may enrol the machine."""

ENROL = 'restrict,command="sudo -n /usr/local/bin/tool-enrol"'
"""All that the enrolment key is good for, whatever its bearer asks for."""


def cloud_config(host_private: str, host_public: str, enrol_public: str) -> str:
    """Cloud-init's text. It stays readable for who is root on the machine, and is of no use once the machine is enrolled.

    Args:
        host_private: the machine's SSH host key, by which it is known at the first contact and which it then gives up.
        host_public: the public half of it.
        enrol_public: the public half of the key by which the stack is known.
    """
    config = {
        "disable_root": True,
        "ssh_keys": {"ed25519_private": host_private, "ed25519_public": host_public},
        "write_files": [
            {
                "path": AUTHORIZED,
                "owner": "root:root",
                "permissions": "0644",
                "content": f"{ENROL} {enrol_public}\n",
            }
        ],
    }
    return "#cloud-config\n" + json.dumps(config, indent=2) + "\n"

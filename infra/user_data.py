"""The user data of a droplet, which configures its first boot.

It contains what the enrolment needs: the machine's first host key and the enrolment key.
"""

import json

AUTHORIZED_KEYS_FILE = "/etc/ssh/authorized_keys.d/enrol"
"""The authorized keys of the user ``enrol``."""

ENROL_KEY_OPTIONS = 'restrict,command="sudo -n /usr/local/bin/tool-enrol"'
"""With the enrolment key, sshd runs this command whatever the client requests."""


def cloud_config(host_private: str, host_public: str, enrol_public: str) -> str:
    """Return a cloud-init configuration.

    The machine's root user can always read it. It is of no use once the machine is enrolled.

    Args:
        host_private: private half of the machine's first SSH host key.
        host_public: public half of that key.
        enrol_public: public half of the enrolment key.
    """
    config = {
        "disable_root": True,
        "ssh_keys": {"ed25519_private": host_private, "ed25519_public": host_public},
        "write_files": [
            {
                "path": AUTHORIZED_KEYS_FILE,
                "owner": "root:root",
                "permissions": "0644",
                "content": f"{ENROL_KEY_OPTIONS} {enrol_public}\n",
            }
        ],
    }
    return "#cloud-config\n" + json.dumps(config, indent=2) + "\n"

"""Restrict SSH logins of an enrolled node and replace its host key."""

from pathlib import Path

import files
from host_key import HostKey

HOST_KEY_FILES = "ssh_host_*_key*"
HOST_KEY = "ssh_host_ed25519_key"
OPERATOR = "ops"
SSHD_CONFIG = f"""\
# Written by tool-enrol. sshd reads this file first, and the first value of a setting applies.
PermitRootLogin no
AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u
HostKey /etc/ssh/{HOST_KEY}
"""


def harden_sshd(root: Path, key: HostKey, operator_key: str | None) -> None:
    """Allow logins of the operator and the enrolment user only, and make ``key`` the host key.

    sshd applies it when it is reloaded.

    Args:
        root: the root directory of the machine.
        operator_key: the operator's public key; None allows no operator.
    """
    ssh = root / "etc/ssh"
    files.write_atomically(ssh / HOST_KEY, key.private, 0o600)
    files.write_atomically(ssh / f"{HOST_KEY}.pub", key.public, 0o644)
    for file in ssh.glob(HOST_KEY_FILES):
        if file.name not in (HOST_KEY, f"{HOST_KEY}.pub"):
            files.remove(file)
    files.write_atomically(ssh / "sshd_config.d/00-enrolled.conf", SSHD_CONFIG, 0o644)
    authorized_keys = ssh / "authorized_keys.d"
    files.ensure_directory(authorized_keys, 0o755)
    if operator_key is None:
        files.remove(authorized_keys / OPERATOR)
    else:
        files.write_atomically(authorized_keys / OPERATOR, f"{operator_key}\n", 0o644)
    files.remove(root / "root/.ssh/authorized_keys")

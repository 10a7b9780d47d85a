"""Who may log in to an enrolled node, and by which key it proves that it is itself."""

from pathlib import Path

import files
from host_key import HostKey

KEYS = "ssh_host_*_key*"
HOST_KEY = "ssh_host_ed25519_key"
OPERATOR = "ops"
SETTINGS = f"""\
# Written by tool-enrol; it comes before all other settings, and sshd takes the first it finds.
PermitRootLogin no
AuthorizedKeysFile /etc/ssh/authorized_keys.d/%u
HostKey /etc/ssh/{HOST_KEY}
"""


def shut(root: Path, key: HostKey, operator_key: str | None) -> None:
    """Let the operator in and nobody else but who enrols, and change the host key for ``key``, once sshd is reloaded."""
    ssh = root / "etc/ssh"
    files.write(ssh / HOST_KEY, key.private, 0o600)
    files.write(ssh / f"{HOST_KEY}.pub", key.public, 0o644)
    for other in ssh.glob(KEYS):
        if other.name not in (HOST_KEY, f"{HOST_KEY}.pub"):
            files.remove(other)
    files.write(ssh / "sshd_config.d/00-enrolled.conf", SETTINGS, 0o644)
    allowed = ssh / "authorized_keys.d"
    files.directory(allowed, 0o755)
    if operator_key is None:
        files.remove(allowed / OPERATOR)
    else:
        files.write(allowed / OPERATOR, f"{operator_key}\n", 0o644)
    files.remove(root / "root/.ssh/authorized_keys")

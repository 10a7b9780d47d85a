#!/usr/bin/python3
"""Take a backup of Consul and Nomad if the last one is older than the stack's period.

A timer runs this on every prime; only Consul's leader acts. The snapshots are encrypted for a
certificate whose key no machine has. Backups above the stack's number or age are deleted, but never
the last one.
"""

import hashlib
import hmac
import http.client
import io
import json
import os
import re
import socket
import subprocess
import sys
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import node
import node_tls
from spaces import Bucket, SpacesError

CONFIG_NAME = "backup.json"
LOOPBACK = "127.0.0.1"
CONSUL_PORT, NOMAD_PORT = 8501, 4646
TIMEOUT_S = 60
UNUSED_ADDRESS = "192.0.2.1"
"""For documentation only (RFC 5737), so no machine has it."""
TIME_FORMAT = "%Y%m%dT%H%M%SZ"
NAME = re.compile(r"(\d{8}T\d{6}Z)-[a-z0-9-]+\.backup")
BEFORE_RESTORE = re.compile(r"-before-restore\.backup$")


class BackupError(Exception):
    """The backup was not taken; the message names the cause and contains no secret."""


@dataclass(frozen=True, kw_only=True)
class Config:
    """The stack's bucket of backups, the credentials, and the schedule."""

    url: str
    access_key: str
    secret_key: str
    certificate: str
    code_key: str
    consul_token: str
    nomad_token: str
    period_h: int
    keep: int
    days: int


def read_config(path: Path) -> Config:
    """Return the delivered configuration."""
    return Config(**json.loads(path.read_text()))


def request(
    port: int, path: str, token: tuple[str, str] | None = None, method: str = "GET"
) -> bytes:
    """Return the response of this node's agent.

    Raises:
        BackupError: it does not answer, or refuses.
    """
    connection = http.client.HTTPSConnection(
        LOOPBACK, port, timeout=TIMEOUT_S, context=node_tls.create_context()
    )
    try:
        connection.request(method, path, headers=dict([token]) if token else {})
        response = connection.getresponse()
        body = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise BackupError(f"{path} of port {port}: {error}") from error
    finally:
        connection.close()
    if response.status != http.client.OK:
        text = body[:200].decode(errors="replace").strip()
        raise BackupError(f"{path} of port {port}: {response.status} {text}")
    return body


def is_leader() -> bool:
    """Return whether this node's Consul leads; without a leader no node does."""
    leader = str(json.loads(request(CONSUL_PORT, "/v1/status/leader"))).rpartition(":")[0]
    # Only an address of this machine can be bound. The program `ip` needs a capability.
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        try:
            udp.bind((leader or UNUSED_ADDRESS, 0))
        except OSError:
            return False
    return True


def find_last(names: list[str]) -> str:
    """Return the newest backup that no restore has taken; empty if there is none."""
    return max(
        (name for name in names if NAME.fullmatch(name) and not BEFORE_RESTORE.search(name)),
        default="",
    )


def find_expired(names: list[str], config: Config, now: datetime) -> list[str]:
    """Return the backups above the number or the age of the stack, except the last one."""
    backups = sorted((name for name in names if NAME.fullmatch(name)), reverse=True)
    oldest = (now - timedelta(days=config.days)).strftime(TIME_FORMAT)
    return [
        name
        for number, name in enumerate(backups)
        if name != find_last(names) and (number >= config.keep or name < oldest)
    ]


def is_due(names: list[str], config: Config, now: datetime) -> bool:
    """Return whether the last backup is older than the period, or there is none."""
    return find_last(names) < (now - timedelta(hours=config.period_h)).strftime(TIME_FORMAT)


def seal(name: str, consul: bytes, nomad: bytes, config: Config) -> bytes:
    """Return the backup of this name: its authentication code and the encrypted snapshots.

    Raises:
        BackupError: OpenSSL does not encrypt.
    """
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for file, snapshot in (("consul.snapshot", consul), ("nomad.snapshot", nomad)):
            entry = tarfile.TarInfo(file)
            entry.size = len(snapshot)
            archive.addfile(entry, io.BytesIO(snapshot))
    certificate = os.memfd_create("certificate")
    try:
        os.write(certificate, config.certificate.encode())
        command = ["openssl", "cms", "-encrypt", "-binary", "-aes-256-cbc", "-outform", "DER"]
        done = subprocess.run(
            [*command, f"/proc/self/fd/{certificate}"],
            input=content.getvalue(),
            capture_output=True,
            pass_fds=[certificate],
            check=False,
        )
    finally:
        os.close(certificate)
    if done.returncode:
        raise BackupError(f"openssl: {done.stderr.decode(errors='replace').strip()}")
    key = bytes.fromhex(config.code_key)
    return hmac.digest(key, name.encode() + b"\n" + done.stdout, hashlib.sha256) + done.stdout


def take(config: Config, this_node: node.Node, now: datetime) -> str:
    """Store a backup if one is due, delete expired ones, and return what was done.

    Raises:
        BackupError: an agent returns no snapshot.
        SpacesError: Spaces refuses a request.
    """
    bucket = Bucket(config.url, config.access_key, config.secret_key)
    names = bucket.list()
    if not is_due(names, config, now):
        return "not due"
    consul_token = ("X-Consul-Token", config.consul_token)
    nomad_token = ("X-Nomad-Token", config.nomad_token)
    # Both requests add an entry to the Raft log: without one since the last change of the servers,
    # Raft takes no snapshot.
    request(CONSUL_PORT, "/v1/kv/slipway/snapshot", consul_token, "PUT")
    consul = request(CONSUL_PORT, "/v1/snapshot", consul_token)
    request(NOMAD_PORT, "/v1/system/reconcile/summaries", nomad_token, "PUT")
    nomad = request(NOMAD_PORT, "/v1/operator/snapshot", nomad_token)
    name = f"{now.strftime(TIME_FORMAT)}-{this_node.name}.backup"
    backup = seal(name, consul, nomad, config)
    bucket.put(name, backup)
    expired = find_expired([*names, name], config, now)
    for old in expired:
        bucket.delete(old)
    return f"{name} stored, {len(backup)} bytes; {len(expired)} deleted"


def main() -> int:
    """Take a backup if this node leads; return 1 and print the cause if that fails."""
    directory = Path(os.environ["CREDENTIALS_DIRECTORY"])
    try:
        if is_leader():
            config = read_config(directory / CONFIG_NAME)
            print(f"take-backup: {take(config, node.read(), datetime.now(UTC))}")
    except (BackupError, SpacesError, node.NodeError, OSError) as error:
        print(f"take-backup: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())

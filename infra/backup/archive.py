"""The format of a backup: an authentication code, and the encrypted snapshots.

The snapshots are in a tar file, encrypted for the stack's backup certificate as CMS (RFC 5652), so
a prime cannot decrypt what it has stored. The code is an HMAC-SHA256 of the name and the rest, with
a key of the stack. So nobody who can write to the bucket can forge or rename a backup.
"""

import hashlib
import hmac
import io
import re
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.ciphers.algorithms import AES256
from cryptography.hazmat.primitives.serialization import Encoding, load_pem_private_key, pkcs7
from cryptography.hazmat.primitives.serialization.pkcs7 import (
    PKCS7EnvelopeBuilder,
    PKCS7Options,
)

from infra.backup.access import BackupAccess

CODE_BYTES = hashlib.sha256().digest_size
CONSUL_FILE, NOMAD_FILE = "consul.snapshot", "nomad.snapshot"
TIME_FORMAT = "%Y%m%dT%H%M%SZ"
NAME = re.compile(r"(\d{8}T\d{6}Z)-([a-z0-9-]+)\.backup")
"""Time in UTC, and who has taken it: the name of a prime, or ``operator``."""


class DamagedBackupError(Exception):
    """A backup was changed, or is of another stack."""


@dataclass(frozen=True)
class Snapshots:
    """One snapshot of each program, as its API returned it."""

    consul: bytes
    nomad: bytes


def backup_name(taken: datetime, taken_by: str) -> str:
    """Return the name of a backup: ``20260131T120000Z-prime01nyc3.backup``."""
    return f"{taken.astimezone(UTC).strftime(TIME_FORMAT)}-{taken_by}.backup"


def parse_name(name: str) -> tuple[datetime, str] | None:
    """Return when a backup was taken, and by whom; None if the name is not one of a backup."""
    match = NAME.fullmatch(name)
    if match is None:
        return None
    return datetime.strptime(match[1], TIME_FORMAT).replace(tzinfo=UTC), match[2]


def seal(name: str, snapshots: Snapshots, access: BackupAccess) -> bytes:
    """Return the backup of this name."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for file, snapshot in ((CONSUL_FILE, snapshots.consul), (NOMAD_FILE, snapshots.nomad)):
            entry = tarfile.TarInfo(file)
            entry.size = len(snapshot)
            archive.addfile(entry, io.BytesIO(snapshot))
    certificate = x509.load_pem_x509_certificate(access["certificate"].encode())
    builder = PKCS7EnvelopeBuilder().set_data(content.getvalue()).add_recipient(certificate)
    encrypted = builder.set_content_encryption_algorithm(AES256).encrypt(
        Encoding.DER, [PKCS7Options.Binary]
    )
    return _code(name, encrypted, access) + encrypted


def unseal(name: str, backup: bytes, access: BackupAccess) -> Snapshots:
    """Return the snapshots of a backup.

    Raises:
        DamagedBackupError: its code does not match, so nothing of it was decrypted.
    """
    code, encrypted = backup[:CODE_BYTES], backup[CODE_BYTES:]
    if not hmac.compare_digest(code, _code(name, encrypted, access)):
        raise DamagedBackupError(f"the backup {name} is damaged, or belongs to another stack")
    certificate = x509.load_pem_x509_certificate(access["certificate"].encode())
    key = load_pem_private_key(access["key"].encode(), None)
    assert isinstance(key, RSAPrivateKey)
    content = pkcs7.pkcs7_decrypt_der(encrypted, certificate, key, [])
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        files = {
            entry.name: stream.read() for entry in archive if (stream := archive.extractfile(entry))
        }
    return Snapshots(files[CONSUL_FILE], files[NOMAD_FILE])


def _code(name: str, encrypted: bytes, access: BackupAccess) -> bytes:
    key = bytes.fromhex(access["code_key"])
    return hmac.digest(key, name.encode() + b"\n" + encrypted, "sha256")

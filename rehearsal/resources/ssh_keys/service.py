"""SSH keys, identified by their MD5 fingerprint, which is unique in an account."""

import base64
import binascii
import hashlib

from rehearsal.api.cloud import Cloud
from rehearsal.errors import not_found, unprocessable
from rehearsal.resources.ssh_keys.schemas import KeyCreate, KeyUpdate
from rehearsal.state.records import SshKey

FIRST_SSH_KEY_ID = 40_000_001
KEY_TYPES = {
    "ssh-rsa",
    "ssh-dss",
    "ssh-ed25519",
    "ecdsa-sha2-nistp256",
    "ecdsa-sha2-nistp384",
    "ecdsa-sha2-nistp521",
    "sk-ssh-ed25519@openssh.com",
    "sk-ecdsa-sha2-nistp256@openssh.com",
}
_LENGTH_BYTES = 4


def create(cloud: Cloud, body: KeyCreate) -> SshKey:
    fingerprint = _fingerprint(body.public_key)
    if any(key.fingerprint == fingerprint for key in cloud.store.all(SshKey)):
        raise unprocessable("SSH Key is already in use on your account")
    with cloud.store.transaction():
        id = cloud.store.next_id("ssh_key", FIRST_SSH_KEY_ID)
        key = SshKey(id=id, name=body.name, public_key=body.public_key, fingerprint=fingerprint)
        cloud.store.put(key)
    return key


def get(cloud: Cloud, identifier: str) -> SshKey:
    """Return a key by its id or fingerprint.

    Raises:
        ApiError: 404
    """
    for key in cloud.store.all(SshKey):
        if identifier in (str(key.id), key.fingerprint):
            return key
    raise not_found()


def rename(cloud: Cloud, identifier: str, body: KeyUpdate) -> SshKey:
    key = get(cloud, identifier).model_copy(update={"name": body.name})
    with cloud.store.transaction():
        cloud.store.put(key)
    return key


def delete(cloud: Cloud, identifier: str) -> None:
    key = get(cloud, identifier)
    with cloud.store.transaction():
        cloud.store.delete(key)


def _fingerprint(public_key: str) -> str:
    """Return the MD5 fingerprint, as ``ssh-keygen -l -E md5`` prints it."""
    invalid = unprocessable("Key invalid, key should be of the format `ssh-rsa AAAA... comment`")
    key_type, _, rest = public_key.strip().partition(" ")
    text, *_ = rest.split(" ", 1)
    try:
        blob = base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        raise invalid from None
    length = int.from_bytes(blob[:_LENGTH_BYTES], "big")
    if (
        len(public_key.splitlines()) > 1
        or blob[_LENGTH_BYTES : _LENGTH_BYTES + length] != key_type.encode()
        or key_type not in KEY_TYPES
    ):
        raise invalid
    return hashlib.md5(blob, usedforsecurity=False).digest().hex(":")

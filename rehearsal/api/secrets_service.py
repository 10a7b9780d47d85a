"""A secrets provider for Pulumi stacks: the encryption API of Pulumi Cloud.

The passphrase provider writes a salt to ``Pulumi.<stack>.yaml``. A stack whose file must stay as
committed uses this service instead (see :func:`deploy.stack.ensure`).
"""

import base64
import binascii
import gzip
import json
import os
import secrets
from pathlib import Path
from typing import Annotated, Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from fastapi import APIRouter, Depends, Header, HTTPException, Request

from rehearsal import atomic_file

NONCE_BYTES = 12
STACK = "/api/stacks/{owner}/{project}/{stack}"


async def _parse_body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    content: dict[str, Any] = json.loads(
        gzip.decompress(raw) if request.headers.get("content-encoding") == "gzip" else raw
    )
    return content


def _stack_id(owner: str, project: str, stack: str) -> str:
    return f"{owner}/{project}/{stack}"


Body = Annotated[dict[str, Any], Depends(_parse_body)]
Stack = Annotated[str, Depends(_stack_id)]


def key(directory: Path) -> bytes:
    """Return the cloud's encryption key, which the first call creates."""
    file = directory / "secrets.key"
    if not file.exists():
        atomic_file.write(file, AESGCM.generate_key(bit_length=256))
    return file.read_bytes()


def router(key: bytes, token: str) -> APIRouter:
    """Return the service's routes.

    ``key`` has 32 bytes. Without it, the secrets of existing stacks are lost. Clients
    authenticate with ``token``.
    """
    cipher = AESGCM(key)

    def authorize(authorization: Annotated[str, Header()] = "") -> None:
        if not secrets.compare_digest(authorization.encode(), f"token {token}".encode()):
            raise HTTPException(401, "the token is invalid")

    def encrypt(plaintext: str, stack: str) -> str:
        nonce = os.urandom(NONCE_BYTES)
        return base64.b64encode(
            nonce + cipher.encrypt(nonce, base64.b64decode(plaintext), stack.encode())
        ).decode()

    def decrypt(ciphertext: str, stack: str) -> str:
        try:
            raw = base64.b64decode(ciphertext)
            return base64.b64encode(
                cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], stack.encode())
            ).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise HTTPException(400, "the ciphertext is not a secret of this stack") from None

    routes = APIRouter(dependencies=[Depends(authorize)], tags=["secrets"])

    @routes.get("/api/capabilities")
    def capabilities() -> dict[str, list[dict[str, str]]]:
        return {"capabilities": [{"capability": "batch-encrypt"}]}

    @routes.post(STACK + "/encrypt")
    def encrypt_one(body: Body, stack: Stack) -> dict[str, str]:
        return {"ciphertext": encrypt(body["plaintext"], stack)}

    @routes.post(STACK + "/batch-encrypt")
    def encrypt_many(body: Body, stack: Stack) -> dict[str, list[str]]:
        return {"ciphertexts": [encrypt(plaintext, stack) for plaintext in body["plaintexts"]]}

    @routes.post(STACK + "/decrypt")
    def decrypt_one(body: Body, stack: Stack) -> dict[str, str]:
        return {"plaintext": decrypt(body["ciphertext"], stack)}

    @routes.post(STACK + "/batch-decrypt")
    def decrypt_many(body: Body, stack: Stack) -> dict[str, dict[str, str]]:
        return {"plaintexts": {text: decrypt(text, stack) for text in body["ciphertexts"]}}

    @routes.post(STACK + "/decrypt/log-decryption")
    @routes.post(STACK + "/decrypt/log-batch-decryption")
    def log_decryption(stack: Stack) -> dict[str, str]:
        """Accept the CLI's entry for the audit log of Pulumi Cloud, which does not exist here."""
        return {}

    return routes

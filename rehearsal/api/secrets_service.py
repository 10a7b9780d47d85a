"""Keeps stacks' secrets as Pulumi Cloud keeps those of its own: a service that the CLI asks for each value.

A passphrase would be remembered as a salt in ``Pulumi.<stack>.yaml``. Where that file must stay as it was committed, the
state names this service instead (see :func:`deploy.stack.ensure`).
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

NONCE_BYTES = 12
STACK = "/api/stacks/{owner}/{project}/{stack}"


async def _body(request: Request) -> dict[str, Any]:
    raw = await request.body()
    content: dict[str, Any] = json.loads(
        gzip.decompress(raw) if request.headers.get("content-encoding") == "gzip" else raw
    )
    return content


def _identity(owner: str, project: str, stack: str) -> str:
    return f"{owner}/{project}/{stack}"


Body = Annotated[dict[str, Any], Depends(_body)]
Stack = Annotated[str, Depends(_identity)]


def key(directory: Path) -> bytes:
    """The cloud's key, made at first use; whoever may read it may read the secrets."""
    file = directory / "secrets.key"
    if not file.exists():
        file.touch(mode=0o600)
        file.write_bytes(AESGCM.generate_key(bit_length=256))
    return file.read_bytes()


def router(key: bytes, token: str) -> APIRouter:
    """The service's routes. ``key`` is 32 bytes and must outlive the state; ``token`` is what clients must show."""
    cipher = AESGCM(key)

    def authorize(authorization: Annotated[str, Header()] = "") -> None:
        if not secrets.compare_digest(authorization.encode(), f"token {token}".encode()):
            raise HTTPException(401, "this token opens no secrets here")

    def encrypt(plain: str, stack: str) -> str:
        nonce = os.urandom(NONCE_BYTES)
        return base64.b64encode(
            nonce + cipher.encrypt(nonce, base64.b64decode(plain), stack.encode())
        ).decode()

    def decrypt(sealed: str, stack: str) -> str:
        try:
            raw = base64.b64decode(sealed)
            return base64.b64encode(
                cipher.decrypt(raw[:NONCE_BYTES], raw[NONCE_BYTES:], stack.encode())
            ).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise HTTPException(400, "not a secret of this stack") from None

    routes = APIRouter(dependencies=[Depends(authorize)], tags=["secrets"])

    @routes.get("/api/capabilities")
    def capabilities() -> dict[str, list[dict[str, str]]]:
        return {"capabilities": [{"capability": "batch-encrypt"}]}

    @routes.post(STACK + "/encrypt")
    def encrypt_one(asked: Body, stack: Stack) -> dict[str, str]:
        return {"ciphertext": encrypt(asked["plaintext"], stack)}

    @routes.post(STACK + "/batch-encrypt")
    def encrypt_many(asked: Body, stack: Stack) -> dict[str, list[str]]:
        return {"ciphertexts": [encrypt(plain, stack) for plain in asked["plaintexts"]]}

    @routes.post(STACK + "/decrypt")
    def decrypt_one(asked: Body, stack: Stack) -> dict[str, str]:
        return {"plaintext": decrypt(asked["ciphertext"], stack)}

    @routes.post(STACK + "/batch-decrypt")
    def decrypt_many(asked: Body, stack: Stack) -> dict[str, dict[str, str]]:
        return {"plaintexts": {sealed: decrypt(sealed, stack) for sealed in asked["ciphertexts"]}}

    @routes.post(STACK + "/decrypt/log-decryption")
    @routes.post(STACK + "/decrypt/log-batch-decryption")
    def logged(stack: Stack) -> dict[str, str]:
        """The CLI tells of decryptions for Pulumi Cloud's audit log; none is kept here."""
        return {}

    return routes

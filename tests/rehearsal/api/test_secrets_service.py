"""The secrets service encrypts for one stack and one key, and requires the token."""

import base64
import gzip
import json

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from rehearsal.api import secrets_service

KEY, TOKEN = b"k" * 32, "opens"
PATH = "/api/stacks/organization/slipway/dev"
PLAIN = base64.b64encode(b"hunter2").decode()


def client(key: bytes = KEY, token: str = TOKEN) -> TestClient:
    application = FastAPI()
    application.include_router(secrets_service.router(key, TOKEN))
    return TestClient(application, headers={"Authorization": f"token {token}"})


def sealed() -> str:
    return str(client().post(f"{PATH}/encrypt", json={"plaintext": PLAIN}).json()["ciphertext"])


def test_secrets_are_decrypted_singly_and_in_a_batch() -> None:
    one = sealed()
    assert b"hunter2" not in base64.b64decode(one)
    assert client().post(f"{PATH}/decrypt", json={"ciphertext": one}).json() == {"plaintext": PLAIN}
    packed = gzip.compress(json.dumps({"ciphertexts": [one]}).encode())
    together = client().post(
        f"{PATH}/batch-decrypt", content=packed, headers={"Content-Encoding": "gzip"}
    )
    assert together.json() == {"plaintexts": {one: PLAIN}}


def test_each_encryption_of_a_value_differs() -> None:
    assert sealed() != sealed()
    both = (
        client()
        .post(f"{PATH}/batch-encrypt", json={"plaintexts": [PLAIN, PLAIN]})
        .json()["ciphertexts"]
    )
    assert len(set(both)) == 2


@pytest.mark.parametrize(
    ("requester", "path"),
    [(client(key=b"x" * 32), PATH), (client(), "/api/stacks/organization/slipway/prod")],
    ids=["another key", "another stack"],
)
def test_a_secret_is_decrypted_with_its_key_and_stack_only(
    requester: TestClient, path: str
) -> None:
    assert requester.post(f"{path}/decrypt", json={"ciphertext": sealed()}).status_code == 400


def test_a_request_without_the_token_decrypts_nothing() -> None:
    assert (
        client(token="wrong").post(f"{PATH}/decrypt", json={"ciphertext": sealed()}).status_code
        == 401
    )

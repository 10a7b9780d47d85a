"""The secret values of a stack, in every encoding in which they may appear elsewhere."""

import base64
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

MIN_LINE_CHARS = 40
"""A shorter line of a private key is not unique."""
UUID_DIGITS = 32


def secret_values(resources: Iterable[Mapping[str, Any]]) -> set[str]:
    """Return the secrets of decrypted state resources.

    These are random values in every encoding, tokens, and lines of private keys.
    """
    return {value for resource in resources for value in _secret_values(resource)}


def _secret_values(resource: Mapping[str, Any]) -> Iterator[str]:
    kind, outputs = str(resource["type"]), resource.get("outputs", {})
    if kind == "random:index/randomPassword:RandomPassword":
        yield from encodings(outputs["result"])
    elif kind == "tls:index/privateKey:PrivateKey":
        for output in ("privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"):
            # OpenSSH's format contains the public half at an offset that depends on the key type.
            yield from (
                line
                for line in private_key_lines(outputs.get(output) or "")
                if line not in outputs.get("publicKeyOpenssh", "")
            )
    elif kind == "nomad:index/aclToken:AclToken":
        yield outputs["secretId"]
    elif kind.endswith(":Bootstrap"):
        yield from _tokens(outputs["access"])
    elif kind == "pulumi:pulumi:Stack" and "operator" in outputs:
        yield from _tokens(outputs["operator"])


def _tokens(access: Mapping[str, str]) -> Iterator[str]:
    yield from (access["consul_token"], access["nomad_token"])


def encodings(digits: str) -> Iterator[str]:
    """Yield hexadecimal digits, the same as a UUID if there are 32, and in base64."""
    yield digits
    if len(digits) == UUID_DIGITS:
        yield str(uuid.UUID(digits))
    yield base64.b64encode(bytes.fromhex(digits)).decode()


def private_key_lines(pem: str) -> Iterator[str]:
    """Yield the lines of a private key that contain secret bits.

    Lines still match when a file indents or joins them.
    """
    body = [line for line in pem.splitlines() if line and not line.startswith("-----")]
    # OpenSSH's format begins with public fields, the other formats with the secret number.
    secret = body[2:] if "OPENSSH" in pem else body[:1]
    yield from (line for line in secret if len(line) >= MIN_LINE_CHARS)

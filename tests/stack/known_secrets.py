"""The values by which each secret of a stack is known wherever it turns up."""

import base64
import uuid
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

FULL_LINE = 40
"""Characters; a shorter line of a key may be anybody's."""


def of(resources: Iterable[Mapping[str, Any]]) -> set[str]:
    """Of a state's ``resources``, their secrets in clear: random ones in every form, tokens, and lines of private keys."""
    return {value for one in resources for value in _of(one)}


def _of(resource: Mapping[str, Any]) -> Iterator[str]:
    kind, outputs = str(resource["type"]), resource.get("outputs", {})
    if kind == "random:index/randomPassword:RandomPassword":
        yield from forms(outputs["result"])
    elif kind == "tls:index/privateKey:PrivateKey":
        for form in ("privateKeyPem", "privateKeyPemPkcs8", "privateKeyOpenssh"):
            # OpenSSH's form has the public half in it, whose length differs from kind to kind.
            yield from (
                line
                for line in lines(outputs.get(form) or "")
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


def forms(digits: str) -> Iterator[str]:
    """Hexadecimal digits as they are, as a token and as a key."""
    yield digits
    if len(digits) == 32:
        yield str(uuid.UUID(digits))
    yield base64.b64encode(bytes.fromhex(digits)).decode()


def lines(pem: str) -> Iterator[str]:
    """Those lines of a private key that hold something of what is secret in it: a file may indent it or join its lines."""
    body = [line for line in pem.splitlines() if line and not line.startswith("-----")]
    # OpenSSH's own form begins with words, and the others with the secret number.
    telling = body[2:] if "OPENSSH" in pem else body[:1]
    yield from (line for line in telling if len(line) >= FULL_LINE)

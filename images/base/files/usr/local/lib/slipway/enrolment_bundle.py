"""The enrolment bundle: one JSON object with everything that makes a machine a node.

It is validated before anything is changed. No error message contains a secret value.
"""

import base64
import binascii
import json
import os
import re
import ssl
import uuid
from dataclasses import dataclass
from typing import Any

import host_key
import node

ACTIONS = ("leave", "recover", "permit-bootstrap", "schedule-backups")
"""What tool-enrol does besides enrolment."""

GOSSIP_KEY_BYTES = 32
JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
PUBLIC_KEY = re.compile(
    r"(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+|sk-[\w.@-]+) [A-Za-z0-9+/]+={0,2}(?: [^\r\n]*)?"
)

Fields = dict[str, Any]
"""A JSON object that is not validated yet."""


class BundleError(Exception):
    """The bundle is incomplete or invalid; the message names the field."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The node's certificate with its key, and the authorities that it trusts; all PEM."""

    authority: str
    certificate: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Gossip:
    """The gossip keys in base64. Only primes have Nomad's, which only servers use."""

    consul: str
    nomad: str | None


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """The node's Consul tokens: of its agent, of its Nomad agent, and for DNS."""

    agent: str
    nomad: str
    dns: str


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """A validated bundle.

    ``introduction`` is a new worker's token for Nomad's servers, empty if it needs none.
    ``operator_key`` is the public key that may log in as ops.
    """

    node: node.Node
    identity: Identity
    gossip: Gossip
    tokens: Tokens
    introduction: str
    host_key: host_key.HostKey
    operator_key: str | None


def parse_action(text: str) -> Fields:
    """Return the ``action`` that the input names and its arguments; empty for a bundle.

    Raises:
        BundleError: the action is unknown.
    """
    try:
        fields = json.loads(text)
    except ValueError:
        return {}
    if not isinstance(fields, dict) or not fields.get("action"):
        return {}
    if fields["action"] not in ACTIONS:
        raise BundleError(f"action is {fields['action']!r}; it must be {' or '.join(ACTIONS)}")
    return fields


def parse(text: str) -> Bundle:
    """Return the bundle of a JSON text.

    Raises:
        BundleError: a field is missing or invalid.
    """
    try:
        fields = json.loads(text)
    except ValueError:
        raise BundleError("the bundle is not JSON") from None
    if not isinstance(fields, dict):
        raise BundleError("the bundle is not a JSON object")
    try:
        cluster = {name: fields.get(name) for name in ("primes", "bootstrap_expect", "cluster")}
        this_node = node.parse({**_object(fields, "node"), **cluster})
        return Bundle(
            node=this_node,
            identity=_parse_identity(_object(fields, "identity")),
            gossip=_parse_gossip(_object(fields, "gossip"), this_node.is_prime),
            tokens=_parse_tokens(_object(fields, "tokens")),
            introduction=_parse_introduction(node.require_text(fields, "introduction")),
            host_key=host_key.parse(node.require_text(fields, "host_key")),
            operator_key=_parse_operator_key(fields.get("operator_key")),
        )
    except (node.NodeError, host_key.HostKeyError) as error:
        raise BundleError(str(error)) from None


def _object(fields: Fields, name: str) -> Fields:
    value = fields.get(name)
    if not isinstance(value, dict):
        raise BundleError(f"{name} is missing or not an object")
    return value


def _parse_identity(fields: Fields) -> Identity:
    """Validate the certificates with OpenSSL: an agent does not start with invalid ones."""
    names = ("authority", "certificate", "key")
    identity = Identity(**{name: node.require_text(fields, name).strip() + "\n" for name in names})
    # OpenSSL reads a certificate with its key from a file only; this one stays in memory.
    file = os.memfd_create("identity")
    try:
        os.write(file, (identity.certificate + identity.key).encode())
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(f"/proc/self/fd/{file}")
    except ssl.SSLError:
        raise BundleError(
            "identity: certificate and key do not belong together, or are not PEM"
        ) from None
    finally:
        os.close(file)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=identity.authority)
    except ssl.SSLError:
        raise BundleError("identity: authority is not a PEM certificate") from None
    return identity


def _parse_gossip(fields: Fields, is_prime: bool) -> Gossip:
    for name in ("consul", "nomad") if is_prime else ("consul",):
        try:
            key = base64.b64decode(node.require_text(fields, name), validate=True)
        except binascii.Error:
            key = b""
        if len(key) != GOSSIP_KEY_BYTES:
            raise BundleError(
                f"gossip: the key of {name} must be {GOSSIP_KEY_BYTES} bytes in base64"
            )
    return Gossip(consul=fields["consul"], nomad=fields["nomad"] if is_prime else None)


def _parse_tokens(fields: Fields) -> Tokens:
    names = ("agent", "nomad", "dns")
    try:
        return Tokens(**{name: str(uuid.UUID(node.require_text(fields, name))) for name in names})
    except ValueError:
        raise BundleError("tokens must be UUIDs") from None


def _parse_introduction(text: str) -> str:
    if text and not JWT.fullmatch(text):
        raise BundleError("introduction is not a JWT")
    return text


def _parse_operator_key(value: Any) -> str | None:
    """Accept exactly one key, without anything that sshd reads as an option or another line."""
    if value is None:
        return None
    if not isinstance(value, str) or not PUBLIC_KEY.fullmatch(value.strip()):
        raise BundleError("operator_key is not an SSH public key")
    return value.strip()

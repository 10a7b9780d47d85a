"""What tool-enrol is given: one JSON object that holds all that makes a machine a node, checked before anything is changed.

No message of here shows a value that is secret.
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

GOSSIP_BYTES = 32
JWT = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
PUBLIC_KEY = re.compile(
    r"(?:ssh-ed25519|ssh-rsa|ecdsa-sha2-nistp\d+|sk-[\w.@-]+) [A-Za-z0-9+/]+={0,2}(?: [^\r\n]*)?"
)


class BundleError(Exception):
    """The bundle lacks something, or holds something wrong; the message names what."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """The node's certificate with its key, and the authorities that it believes; all PEM."""

    authority: str
    certificate: str
    key: str


@dataclass(frozen=True, kw_only=True)
class Gossip:
    """Keys of the agents' gossip, in base64; Nomad's is the servers' own, and a worker keeps none."""

    consul: str
    nomad: str | None


@dataclass(frozen=True, kw_only=True)
class Tokens:
    """Consul's tokens of this node: its agent's, its Nomad's, and the one that answers DNS."""

    agent: str
    nomad: str
    dns: str


@dataclass(frozen=True, kw_only=True)
class Bundle:
    """``introduction`` is what a new worker shows Nomad's servers; empty if it needs none. ``operator_key`` may log in as ops."""

    node: node.Node
    identity: Identity
    gossip: Gossip
    tokens: Tokens
    introduction: str
    host_key: host_key.HostKey
    operator_key: str | None


def parse(text: str) -> Bundle:
    """Raises:
    BundleError: something is missing or wrong.
    """
    try:
        told = json.loads(text)
    except ValueError:
        raise BundleError("this is no JSON") from None
    if not isinstance(told, dict):
        raise BundleError("this is no JSON object")
    try:
        shared = {name: told.get(name) for name in ("primes", "bootstrap_expect", "cluster")}
        itself = node.parse({**_group(told, "node"), **shared})
        return Bundle(
            node=itself,
            identity=_identity(_group(told, "identity")),
            gossip=_gossip(_group(told, "gossip"), itself.prime),
            tokens=_tokens(_group(told, "tokens")),
            introduction=_introduction(node.text(told, "introduction")),
            host_key=host_key.parse(node.text(told, "host_key")),
            operator_key=_operator_key(told.get("operator_key")),
        )
    except (node.NotReadyError, host_key.HostKeyError) as wrong:
        raise BundleError(str(wrong)) from None


def _group(told: dict[str, Any], name: str) -> dict[str, Any]:
    value = told.get(name)
    if not isinstance(value, dict):
        raise BundleError(f"{name} is missing or no object")
    return value


def _identity(told: dict[str, Any]) -> Identity:
    """OpenSSL has the last word: what it does not take no agent would start with."""
    identity = Identity(
        **{
            name: node.text(told, name).strip() + "\n"
            for name in ("authority", "certificate", "key")
        }
    )
    memory = os.memfd_create("identity")
    try:
        os.write(memory, (identity.certificate + identity.key).encode())
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(f"/proc/self/fd/{memory}")
    except ssl.SSLError:
        raise BundleError(
            "identity: certificate and key do not belong together, or are no PEM"
        ) from None
    finally:
        os.close(memory)
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(cadata=identity.authority)
    except ssl.SSLError:
        raise BundleError("identity: authority is no certificate in PEM") from None
    return identity


def _gossip(told: dict[str, Any], prime: bool) -> Gossip:
    for name in ("consul", "nomad") if prime else ("consul",):
        try:
            fits = len(base64.b64decode(node.text(told, name), validate=True)) == GOSSIP_BYTES
        except binascii.Error:
            fits = False
        if not fits:
            raise BundleError(f"gossip: the key of {name} must be {GOSSIP_BYTES} bytes in base64")
    return Gossip(consul=told["consul"], nomad=told["nomad"] if prime else None)


def _tokens(told: dict[str, Any]) -> Tokens:
    try:
        return Tokens(
            **{name: str(uuid.UUID(node.text(told, name))) for name in ("agent", "nomad", "dns")}
        )
    except ValueError:
        raise BundleError("tokens must be UUIDs") from None


def _introduction(told: str) -> str:
    if told and not JWT.fullmatch(told):
        raise BundleError("introduction is no JWT")
    return told


def _operator_key(told: Any) -> str | None:
    """One key, nothing that sshd would read as an option or as another line."""
    if told is None:
        return None
    if not isinstance(told, str) or not PUBLIC_KEY.fullmatch(told.strip()):
        raise BundleError("operator_key is no public key of SSH")
    return told.strip()

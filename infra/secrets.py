"""The random secrets of a stack. They are created once and stay in the state, encrypted."""

import base64
import uuid
from dataclasses import dataclass

import pulumi
import pulumi_random as random
import pulumi_tls as tls

from infra.names import host_key_name
from infra.targeting import apply_if_created


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """An SSH key pair in OpenSSH format."""

    public: pulumi.Output[str]
    private: pulumi.Output[str]
    """Secret."""


@dataclass(frozen=True, kw_only=True)
class NodeSecrets:
    """The secrets of one machine. Each generation has its own."""

    tokens: pulumi.Output[dict[str, str]]
    """Consul tokens of its agents, ``agent`` (Consul) and ``nomad``: UUIDs, secret."""
    first_host_key: KeyPair
    """The SSH host key of its first boot."""
    host_key: KeyPair
    """The SSH host key after its enrolment."""


class Secrets(pulumi.ComponentResource):
    """Keys and tokens.

    Each can be replaced with ``pulumi up --replace``. The same update delivers the new value to all
    machines that use it. A new ``enrol`` key replaces the machines, which learn it at first boot.
    """

    gossip: pulumi.Output[dict[str, str]]
    """Gossip keys of ``consul`` and ``nomad``: base64 of 32 bytes, secret."""
    bootstrap: pulumi.Output[dict[str, str]]
    """Initial management tokens of ``consul`` and ``nomad``: UUIDs, secret, not on any machine."""
    backup: pulumi.Output[str]
    """The Consul token with which primes take snapshots: a UUID, secret."""
    dns: pulumi.Output[str]
    """The Consul token with which every agent answers DNS queries: a UUID, secret."""
    snapshot: pulumi.Output[str]
    """The key that encrypts snapshots of Consul and Nomad: base64 of 32 bytes, secret."""
    enrol: KeyPair
    """The SSH key with which the stack logs in to machines to enrol them."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:infra:Secrets", name, None, opts)
        self._name = name
        self.gossip = _secret_dict(
            consul=self._key("gossip-consul"), nomad=self._key("gossip-nomad")
        )
        self.bootstrap = _secret_dict(
            consul=self._token("bootstrap-consul"), nomad=self._token("bootstrap-nomad")
        )
        self.backup = self._token("backup")
        self.dns = self._token("dns")
        self.snapshot = self._key("snapshot")
        self.enrol = self._ssh_key(f"{name}-enrol")
        self.register_outputs(
            {
                "gossip": self.gossip,
                "bootstrap": self.bootstrap,
                "dns": self.dns,
                "enrol": self.enrol.public,
            }
        )

    def create_node_secrets(self, label: str, trigger: pulumi.Input[object]) -> NodeSecrets:
        """Create the secrets of one machine.

        Args:
            label: role and number: ``worker01``.
            trigger: a change of it replaces all of them.
        """
        return NodeSecrets(
            tokens=_secret_dict(
                agent=self._token(f"{label}-agent", trigger),
                nomad=self._token(f"{label}-nomad", trigger),
            ),
            first_host_key=self._ssh_key(f"{host_key_name(label)}-first", trigger),
            host_key=self._ssh_key(host_key_name(label), trigger),
        )

    def _token(self, name: str, trigger: pulumi.Input[object] | None = None) -> pulumi.Output[str]:
        return pulumi.Output.secret(
            apply_if_created(
                self._hex_digits(name, 32, trigger), lambda hex_digits: str(uuid.UUID(hex_digits))
            )
        )

    def _key(self, name: str) -> pulumi.Output[str]:
        return pulumi.Output.secret(
            apply_if_created(
                self._hex_digits(name, 64),
                lambda hex_digits: base64.b64encode(bytes.fromhex(hex_digits)).decode(),
            )
        )

    def _hex_digits(
        self, name: str, length: int, trigger: pulumi.Input[object] | None = None
    ) -> pulumi.Output[str]:
        return random.RandomPassword(
            f"{self._name}-{name}",
            length=length,
            lower=False,
            upper=False,
            numeric=True,
            special=True,
            override_special="abcdef",
            opts=pulumi.ResourceOptions(parent=self, replacement_trigger=trigger),
        ).result

    def _ssh_key(self, logical_name: str, trigger: pulumi.Input[object] | None = None) -> KeyPair:
        key = tls.PrivateKey(
            logical_name,
            algorithm="ED25519",
            opts=pulumi.ResourceOptions(parent=self, replacement_trigger=trigger),
        )
        return KeyPair(
            public=apply_if_created(key.public_key_openssh, str.strip),
            private=pulumi.Output.secret(key.private_key_openssh),
        )


def _secret_dict(**outputs: pulumi.Output[str]) -> pulumi.Output[dict[str, str]]:
    return pulumi.Output.secret(pulumi.Output.all(**outputs).apply(dict))

"""All that has to be random, made once and kept in the stack's state, encrypted; nothing of it is ever shown."""

import base64
import uuid
from dataclasses import dataclass

import pulumi
import pulumi_random as random
import pulumi_tls as tls

from infra.targeting import apply_if_created


@dataclass(frozen=True, kw_only=True)
class KeyPair:
    """An SSH key in OpenSSH's own form."""

    public: pulumi.Output[str]
    private: pulumi.Output[str]
    """Secret."""


@dataclass(frozen=True, kw_only=True)
class NodeSecrets:
    """What one machine alone has."""

    tokens: pulumi.Output[dict[str, str]]
    """For Consul, of its agents ``agent`` and ``nomad``; UUIDs, secret."""
    first_host_key: KeyPair
    """Of its first boot. A machine that is made anew has another, so that nothing of the former one speaks for it."""
    host_key: KeyPair
    """From its enrolment on."""


class Secrets(pulumi.ComponentResource):
    """Keys and tokens. Each may be made anew (``pulumi up --replace``) and reaches the machines that need it by the same update."""

    gossip: pulumi.Output[dict[str, str]]
    """Keys of ``consul`` and ``nomad``, base64 of 32 bytes; secret."""
    bootstrap: pulumi.Output[dict[str, str]]
    """Management tokens of ``consul`` and ``nomad``, UUIDs; secret, and on no machine."""
    dns: pulumi.Output[str]
    """Token by which every Consul agent answers DNS, a UUID; secret."""
    enrol: KeyPair
    """By which machines know the stack. They are told at their first boot only, so another key means other machines."""

    def __init__(self, name: str, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("slipway:infra:Secrets", name, None, opts)
        self._name = name
        self.gossip = _both(consul=self._key("gossip-consul"), nomad=self._key("gossip-nomad"))
        self.bootstrap = _both(
            consul=self._token("bootstrap-consul"), nomad=self._token("bootstrap-nomad")
        )
        self.dns = self._token("dns")
        self.enrol = self._ssh_key("enrol")
        self.register_outputs(
            {
                "gossip": self.gossip,
                "bootstrap": self.bootstrap,
                "dns": self.dns,
                "enrol": self.enrol.public,
            }
        )

    def of_node(self, node: str, made_of: pulumi.Input[object]) -> NodeSecrets:
        """Args:
        node: role and number: ``worker01``.
        made_of: what replaces its droplet when it changes.
        """
        return NodeSecrets(
            tokens=_both(agent=self._token(f"{node}-agent"), nomad=self._token(f"{node}-nomad")),
            first_host_key=self._ssh_key(f"{node}-host-first", made_of),
            host_key=self._ssh_key(f"{node}-host"),
        )

    def _token(self, name: str) -> pulumi.Output[str]:
        return pulumi.Output.secret(
            apply_if_created(self._hex(name, 32), lambda digits: str(uuid.UUID(digits)))
        )

    def _key(self, name: str) -> pulumi.Output[str]:
        return pulumi.Output.secret(
            apply_if_created(
                self._hex(name, 64), lambda digits: base64.b64encode(bytes.fromhex(digits)).decode()
            )
        )

    def _hex(self, name: str, digits: int) -> pulumi.Output[str]:
        made = random.RandomPassword(
            f"{self._name}-{name}",
            length=digits,
            lower=False,
            upper=False,
            numeric=True,
            special=True,
            override_special="abcdef",
            opts=pulumi.ResourceOptions(parent=self),
        )
        return made.result

    def _ssh_key(self, name: str, made_of: pulumi.Input[object] | None = None) -> KeyPair:
        key = tls.PrivateKey(
            f"{self._name}-{name}",
            algorithm="ED25519",
            opts=pulumi.ResourceOptions(parent=self, replacement_trigger=made_of),
        )
        return KeyPair(
            public=apply_if_created(key.public_key_openssh, str.strip),
            private=pulumi.Output.secret(key.private_key_openssh),
        )


def _both(**parts: pulumi.Output[str]) -> pulumi.Output[dict[str, str]]:
    return pulumi.Output.secret(pulumi.Output.all(**parts).apply(dict))

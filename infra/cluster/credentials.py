"""The credentials of a cluster: its certificate authority and its secrets."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import pulumi

from infra.authority import Authority, AuthorityArgs
from infra.mtls import Credentials
from infra.names import AUTHORITY, SECRETS, role_tag
from infra.secrets import Secrets
from infra.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ClusterCredentials:
    """The credentials that enrolments and the ACL bootstrap deliver, and their settings."""

    authority: Authority
    secrets: Secrets
    services: Sequence[str]
    """Consul names of the services that jobs register."""
    operator_key: str | None
    """The administrator's public SSH key."""
    prime_tag: str
    """Tag of the stack's primes, by which the account lists the servers."""
    timeout_s: int
    """Time for one machine to enrol, and for the cluster to elect leaders."""

    drain_deadline_s: int
    """Time for the allocations of a machine to move before it leaves."""
    max_unavailable: int
    """Workers that leave at the same time."""

    @property
    def enrol_key(self) -> pulumi.Output[str]:
        """The public half of the enrolment key, OpenSSH."""
        return self.secrets.enrol.public

    @property
    def operator(self) -> pulumi.Output[Credentials]:
        """The operator's client certificate; secret."""
        return self.authority.operator

    @classmethod
    def create(cls, prefix: str, settings: Settings, services: Sequence[str]) -> Self:
        """Create the authority and the secrets, which depend on no other resource."""
        return cls(
            authority=Authority(AUTHORITY, AuthorityArgs(prefix=prefix)),
            secrets=Secrets(SECRETS),
            services=services,
            operator_key=settings.ssh_public_key,
            prime_tag=role_tag(prefix, "prime"),
            timeout_s=settings.ready_timeout,
            drain_deadline_s=settings.drain_deadline,
            max_unavailable=settings.max_unavailable,
        )

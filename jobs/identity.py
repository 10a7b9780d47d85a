"""Workload identities: which Consul rights each job gets.

Nomad signs an identity for each workload, and Consul exchanges it for a token. A job without a
binding rule gets no token, so it cannot register a service.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pulumi
import pulumi_consul as consul

from jobs.canonical_json import canonical_json
from jobs.child_options import child_options
from jobs.services import Service

AUTH_METHOD = "nomad-workloads"
"""The name that the Nomad agents' configuration uses."""
JWKS_URL = "http://127.0.0.1:4651/.well-known/jwks.json"
"""Nomad's public keys. Each prime relays them to itself: Consul has no certificate for Nomad."""
CLAIMS = ("nomad_namespace", "nomad_job_id", "nomad_task", "nomad_service")
AUTH_METHOD_CONFIG = {
    "BoundAudiences": ["consul.io"],
    "ClaimMappings": {claim: claim for claim in CLAIMS},
    "JWKSURL": JWKS_URL,
    "JWTSupportedAlgs": ["RS256"],
}


def write_policy(*nodes: str) -> str:
    """Return ACL rules to write ``nodes``, and on each the service of the same name."""
    return "".join(
        f'{kind} "{node}" {{\n  policy = "write"\n}}\n'
        for node in nodes
        for kind in ("node", "service")
    )


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentityArgs:
    """The services of the stack."""

    services: Sequence[Service]


class WorkloadIdentity(pulumi.ComponentResource):
    """Consul's JWT auth method for Nomad workloads, and binding rules for each service.

    A job may register its own services and obtain their certificates. Its task may also write its
    external nodes.
    """

    def __init__(
        self, name: str, args: WorkloadIdentityArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:jobs:WorkloadIdentity", name, None, opts)
        children = child_options(self, opts)
        # Tokens have no time to live: Nomad requests one when an allocation starts and revokes it
        # at its end. It never replaces an expired token, and the service would be lost (ADR 16).
        method = consul.AclAuthMethod(
            f"{name}-method",
            name=AUTH_METHOD,
            type="jwt",
            config_json=canonical_json(AUTH_METHOD_CONFIG),
            opts=children,
        )

        def bind(rule: str, kind: str, target: pulumi.Input[str], **claims: str) -> None:
            required = {"nomad_namespace": "default", **claims}
            consul.AclBindingRule(
                f"{name}-{rule}",
                auth_method=method.name,
                # Literals only: a job chooses the names of its tasks and services, so a bound
                # name interpolated from a claim could be any name.
                selector=" and ".join(
                    f'value.{claim} == "{value}"' for claim, value in required.items()
                ),
                bind_type=kind,
                bind_name=target,
                opts=children,
            )

        for service in args.services:
            job = service.name
            for consul_name in service.consul_names:
                claims = {} if consul_name == job else {"nomad_service": consul_name}
                bind(consul_name, "service", consul_name, nomad_job_id=job, **claims)
            if service.external_nodes:
                policy = consul.AclPolicy(
                    f"{name}-{job}-policy",
                    name=job,
                    rules=write_policy(*service.external_nodes),
                    opts=children,
                )
                bind(f"{job}-writes", "policy", policy.name, nomad_job_id=job, nomad_task=job)
        self.register_outputs({"method": method.name})

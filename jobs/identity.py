"""What a job may do in Consul: Nomad vouches for each workload, and Consul gives it a token of its own for that.

Nobody hands a token to a job. A job that is not named here gets none, and so cannot run with a service in Consul.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_consul as consul

from jobs.child_options import child_options

METHOD = "nomad-workloads"
"""As the agents' configuration names it."""
JWKS_URL = "http://127.0.0.1:4651/.well-known/jwks.json"
"""Nomad's public keys, which each prime relays to itself: Consul has no certificate to show to Nomad."""
CLAIMS = ("nomad_namespace", "nomad_job_id", "nomad_task", "nomad_service")
CONFIG = {
    "BoundAudiences": ["consul.io"],
    "ClaimMappings": {claim: claim for claim in CLAIMS},
    "JWKSURL": JWKS_URL,
    "JWTSupportedAlgs": ["RS256"],
}


def policy(*writes: str) -> str:
    """Rules to write the nodes of these names, and the services on them of the same names."""
    return "".join(
        f'{kind} "{name}" {{\n  policy = "write"\n}}\n'
        for name in writes
        for kind in ("node", "service")
    )


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentityArgs:
    """Which job is whom."""

    services: Mapping[str, Sequence[str]]
    """By job, the services in Consul that it is: it registers them, and has their certificates."""
    writes: Mapping[str, Sequence[str]]
    """By job, the nodes, each with the service of its name, whose checks its task keeps."""


class WorkloadIdentity(pulumi.ComponentResource):
    """Consul takes Nomad's word for who a workload is, and each job of ``args`` is given its own services and nothing else."""

    def __init__(
        self, name: str, args: WorkloadIdentityArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:jobs:WorkloadIdentity", name, None, opts)
        inside = child_options(self, opts)
        # Without a time to live: Nomad asks once for a token, when an allocation starts, and gives it back at its end.
        # One that ends sooner is never replaced, and its service is lost (ADR 16).
        method = consul.AclAuthMethod(
            f"{name}-method",
            name=METHOD,
            type="jwt",
            config_json=json.dumps(CONFIG, sort_keys=True, separators=(",", ":")),
            opts=inside,
        )

        def bind(rule: str, kind: str, to: pulumi.Input[str], **claims: str) -> None:
            wanted = {"nomad_namespace": "default", **claims}
            consul.AclBindingRule(
                f"{name}-{rule}",
                auth_method=method.name,
                # Literals on both sides: a name that came from a claim would be any that a job chooses.
                selector=" and ".join(
                    f'value.{claim} == "{value}"' for claim, value in wanted.items()
                ),
                bind_type=kind,
                bind_name=to,
                opts=inside,
            )

        for job, services in args.services.items():
            for service in services:
                own = {} if service == job else {"nomad_service": service}
                bind(service, "service", service, nomad_job_id=job, **own)
        for job, nodes in args.writes.items():
            rules = consul.AclPolicy(
                f"{name}-{job}-policy", name=job, rules=policy(*nodes), opts=inside
            )
            bind(f"{job}-writes", "policy", rules.name, nomad_job_id=job, nomad_task=job)
        self.register_outputs({"method": method.name})

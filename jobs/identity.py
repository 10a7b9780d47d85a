"""Workload identities: which Consul rights each job gets.

Nomad signs an identity for each workload, and Consul exchanges it for a token. A job without a
binding rule gets no token, so it cannot register a service.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import pulumi
import pulumi_consul as consul

from infra.drift.consul_entries import ConsulEntries, Entry
from infra.mtls import Access
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


@dataclass(frozen=True)
class Rule:
    """A binding rule."""

    kind: Literal["service", "policy"]
    target: str
    """Name of the Consul service or policy."""
    claims: Mapping[str, str]
    """Of the workload, besides its namespace."""

    @property
    def selector(self) -> str:
        """The condition.

        Literals only: a job chooses the names of its tasks and services, so a bound name
        interpolated from a claim could be any name.
        """
        required = {"nomad_namespace": "default", **self.claims}
        return " and ".join(f'value.{claim} == "{value}"' for claim, value in required.items())

    @property
    def entry(self) -> Entry:
        declared = {"Selector": self.selector, "BindType": self.kind, "BindName": self.target}
        return Entry(path=f"/v1/acl/binding-rules?authmethod={AUTH_METHOD}", declared=declared)


@dataclass(frozen=True, kw_only=True)
class WorkloadIdentityArgs:
    """The services of the stack, and the access to Consul."""

    services: Sequence[Service]
    access: pulumi.Input[Access]


class WorkloadIdentity(pulumi.ComponentResource):
    """Consul's JWT auth method for Nomad workloads, and binding rules for each service.

    A job may register its own services and obtain their certificates. Its task may also write its
    external nodes.
    """

    def __init__(
        self, name: str, args: WorkloadIdentityArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:jobs:WorkloadIdentity", name, None, opts)
        rules = {key: rule for service in args.services for key, rule in _rules(service).items()}
        policies = {
            service.name: write_policy(*service.external_nodes)
            for service in args.services
            if service.external_nodes
        }
        entries = ConsulEntries(
            f"{name}-in-consul",
            entries={
                "method": Entry(path=f"/v1/acl/auth-method/{AUTH_METHOD}", declared={}),
                **{
                    _policy_key(job): Entry(
                        path=f"/v1/acl/policy/name/{job}", declared={"Rules": content}
                    )
                    for job, content in policies.items()
                },
                **{key: rule.entry for key, rule in rules.items()},
            },
            access=args.access,
            options=child_options(self, opts),
        )
        # Tokens have no time to live: Nomad requests one when an allocation starts and revokes it
        # at its end. It never replaces an expired token, and the service would be lost (ADR 16).
        method = consul.AclAuthMethod(
            f"{name}-method",
            name=AUTH_METHOD,
            type="jwt",
            config_json=canonical_json(AUTH_METHOD_CONFIG),
            opts=entries.options("method"),
        )
        names: dict[str, pulumi.Input[str]] = {}
        for job, content in policies.items():
            key = _policy_key(job)
            names[job] = consul.AclPolicy(
                f"{name}-{key}", name=job, rules=content, opts=entries.options(key)
            ).name
        for key, rule in rules.items():
            consul.AclBindingRule(
                f"{name}-{key}",
                auth_method=method.name,
                selector=rule.selector,
                bind_type=rule.kind,
                bind_name=names[rule.target] if rule.kind == "policy" else rule.target,
                opts=entries.options(key),
            )
        self.register_outputs({"method": method.name})


def _policy_key(job: str) -> str:
    return f"{job}-policy"


def _rules(service: Service) -> dict[str, Rule]:
    """Return the binding rules of a service's job."""
    job, rules = service.name, {}
    for consul_name in service.consul_names:
        claims = {} if consul_name == job else {"nomad_service": consul_name}
        rules[consul_name] = Rule("service", consul_name, {"nomad_job_id": job, **claims})
    if service.external_nodes:
        rules[f"{job}-writes"] = Rule("policy", job, {"nomad_job_id": job, "nomad_task": job})
    return rules

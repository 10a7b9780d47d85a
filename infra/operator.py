"""The operator's ACL policies and tokens: read access, and control of allocations."""

from dataclasses import dataclass
from typing import Self, TypedDict

import pulumi
import pulumi_consul as consul
import pulumi_nomad as nomad

from infra.cluster.providers import ClusterProviders
from infra.mtls import Credentials
from infra.preflight import Context

CONSUL_RULES = """
agent_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
query_prefix "" { policy = "read" }
service_prefix "" { policy = "read" }
operator = "read"
"""
"""Read access to nodes and services; none to keys and values, gossip keys and ACLs."""

NOMAD_RULES = """
agent { policy = "read" }
node { policy = "read" }
operator { policy = "read" }
namespace "default" {
  policy       = "read"
  capabilities = ["read-logs", "read-fs", "alloc-lifecycle"]
}
"""
"""Read access to jobs, logs and files; stop and restart allocations.

No access to variables and ACLs, and no right to submit jobs.
"""


class OperatorCredentials(TypedDict):
    """The operator's client certificate and tokens."""

    authority: str
    certificate: str
    key: str
    consul_token: str
    nomad_token: str


@dataclass(frozen=True, kw_only=True)
class OperatorArgs:
    """Arguments of ``Operator``."""

    certificate: pulumi.Output[Credentials]
    providers: ClusterProviders
    can_read_consul: bool
    """Otherwise, a preview leaves the secret of the Consul token empty."""

    @classmethod
    def from_context(
        cls,
        context: Context,
        certificate: pulumi.Output[Credentials],
        providers: ClusterProviders,
    ) -> Self:
        return cls(certificate=certificate, providers=providers, can_read_consul=context.has_consul)


class Operator(pulumi.ComponentResource):
    """A policy and a token in Consul, and a policy and a token in Nomad."""

    credentials: pulumi.Output[OperatorCredentials]
    """Secret."""

    def __init__(
        self, name: str, args: OperatorArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Operator", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        in_consul = pulumi.ResourceOptions.merge(args.providers.consul, child)
        in_nomad = pulumi.ResourceOptions.merge(args.providers.nomad, child)

        consul_policy = consul.AclPolicy(
            f"{name}-consul-policy", name=name, rules=CONSUL_RULES, opts=in_consul
        )
        consul_token = consul.AclToken(
            f"{name}-consul-token", description=name, policies=[consul_policy.name], opts=in_consul
        )
        consul_secret = pulumi.Output.from_input("")
        if args.can_read_consul or not pulumi.runtime.is_dry_run():
            consul_secret = consul.get_acl_token_secret_id_output(
                accessor_id=consul_token.accessor_id, opts=pulumi.InvokeOptions(parent=consul_token)
            ).secret_id

        nomad_policy = nomad.AclPolicy(
            f"{name}-nomad-policy", name=name, rules_hcl=NOMAD_RULES, opts=in_nomad
        )
        nomad_token = nomad.AclToken(
            f"{name}-nomad-token",
            name=name,
            type="client",
            policies=[nomad_policy.name],
            opts=in_nomad,
        )
        # The attribute ``nomad_token.secret_id`` prints a deprecation warning in every update. It
        # recommends an ephemeral resource, which Pulumi does not have.
        nomad_secret: pulumi.Output[str] = pulumi.get(nomad_token, "secret_id")
        self.credentials = pulumi.Output.secret(
            pulumi.Output.all(args.certificate, consul_secret, nomad_secret).apply(
                lambda resolved: _credentials(*resolved)
            )
        )
        self.register_outputs({"credentials": self.credentials})


def _credentials(
    certificate: Credentials, consul_token: str, nomad_token: str
) -> OperatorCredentials:
    return {**certificate, "consul_token": consul_token, "nomad_token": nomad_token}

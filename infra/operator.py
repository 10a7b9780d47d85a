"""The operator's own access: to look at everything and to repair instances, and no more."""

from dataclasses import dataclass
from typing import TypedDict

import pulumi
import pulumi_consul as consul
import pulumi_nomad as nomad

from infra.mtls import Credentials

IN_CONSUL = """
agent_prefix "" { policy = "read" }
node_prefix "" { policy = "read" }
query_prefix "" { policy = "read" }
service_prefix "" { policy = "read" }
operator = "read"
"""
"""All that Consul knows of machines and services; no keys and values, no gossip keys, no access control."""

IN_NOMAD = """
agent { policy = "read" }
node { policy = "read" }
operator { policy = "read" }
namespace "default" {
  policy       = "read"
  capabilities = ["read-logs", "read-fs", "alloc-lifecycle"]
}
"""
"""Jobs, their logs and files; an instance may be stopped or restarted. No variables, no new jobs, no access control."""


class OperatorCredentials(TypedDict):
    """What an administrator shows to the cluster."""

    authority: str
    certificate: str
    key: str
    consul_token: str
    nomad_token: str


@dataclass(frozen=True, kw_only=True)
class OperatorArgs:
    """Who the operator is, and where."""

    certificate: pulumi.Output[Credentials]
    in_nomad: pulumi.ResourceOptions
    in_consul: pulumi.ResourceOptions
    """What binds to the cluster whatever lives in one or the other."""


class Operator(pulumi.ComponentResource):
    """A policy and a token in Consul, and in Nomad."""

    credentials: pulumi.Output[OperatorCredentials]
    """Secret."""

    def __init__(
        self, name: str, args: OperatorArgs, opts: pulumi.ResourceOptions | None = None
    ) -> None:
        super().__init__("slipway:infra:Operator", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        in_consul = pulumi.ResourceOptions.merge(args.in_consul, child)
        in_nomad = pulumi.ResourceOptions.merge(args.in_nomad, child)

        policy = consul.AclPolicy(
            f"{name}-consul-policy", name=name, rules=IN_CONSUL, opts=in_consul
        )
        token = consul.AclToken(
            f"{name}-consul-token", description=name, policies=[policy.name], opts=in_consul
        )
        told = consul.get_acl_token_secret_id_output(
            accessor_id=token.accessor_id, opts=pulumi.InvokeOptions(parent=token)
        )

        rules = nomad.AclPolicy(
            f"{name}-nomad-policy", name=name, rules_hcl=IN_NOMAD, opts=in_nomad
        )
        client = nomad.AclToken(
            f"{name}-nomad-token", name=name, type="client", policies=[rules.name], opts=in_nomad
        )

        # Not by its attribute, which has every update warn that there is another way; it asks for more than Pulumi has.
        own: pulumi.Output[str] = pulumi.get(client, "secret_id")
        known = pulumi.Output.all(args.certificate, told.secret_id, own)
        self.credentials = pulumi.Output.secret(known.apply(lambda it: _credentials(*it)))
        self.register_outputs({"credentials": self.credentials})


def _credentials(shown: Credentials, consul_token: str, nomad_token: str) -> OperatorCredentials:
    return {**shown, "consul_token": consul_token, "nomad_token": nomad_token}

"""The phases of an operation: their resource types, and what their slow steps wait for."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum


class Phase(StrEnum):
    """A part of the stack, in the order in which a new stack is created."""

    SECRETS = "secrets"
    IMAGE = "image"
    NETWORK = "network"
    MACHINES = "machines"
    ENROLMENT = "enrolment"
    CLUSTER = "cluster"
    SERVICES = "services"
    OTHER = "other"


@dataclass(frozen=True)
class ResourceKind:
    """A resource type: its phase, and what its slow steps wait for."""

    phase: Phase
    waits_for: str = ""


KINDS: Mapping[str, ResourceKind] = {
    "random:index/randomPassword:RandomPassword": ResourceKind(Phase.SECRETS),
    "tls:index/privateKey:PrivateKey": ResourceKind(Phase.SECRETS),
    "tls:index/certRequest:CertRequest": ResourceKind(Phase.SECRETS),
    "tls:index/locallySignedCert:LocallySignedCert": ResourceKind(Phase.SECRETS),
    "tls:index/selfSignedCert:SelfSignedCert": ResourceKind(Phase.SECRETS),
    "pulumi-python:dynamic/slipway:Snapshot": ResourceKind(Phase.IMAGE, "Packer builds the image"),
    "digitalocean:index/vpc:Vpc": ResourceKind(
        Phase.NETWORK, "waiting for DigitalOcean; a VPC is deleted after its members"
    ),
    "digitalocean:index/tag:Tag": ResourceKind(Phase.NETWORK),
    "digitalocean:index/sshKey:SshKey": ResourceKind(Phase.NETWORK),
    "digitalocean:index/firewall:Firewall": ResourceKind(Phase.NETWORK),
    "pulumi-python:dynamic/slipway:AccountResources": ResourceKind(Phase.NETWORK),
    "digitalocean:index/project:Project": ResourceKind(Phase.NETWORK),
    "digitalocean:index/domain:Domain": ResourceKind(Phase.NETWORK),
    "digitalocean:index/certificate:Certificate": ResourceKind(
        Phase.NETWORK, "waiting for the certificate to be issued"
    ),
    "digitalocean:index/reservedIp:ReservedIp": ResourceKind(Phase.NETWORK),
    "digitalocean:index/loadBalancer:LoadBalancer": ResourceKind(
        Phase.NETWORK, "waiting for the load balancer to become active"
    ),
    "digitalocean:index/droplet:Droplet": ResourceKind(
        Phase.MACHINES, "waiting for DigitalOcean to start the droplet"
    ),
    "pulumi-python:dynamic/slipway:DropletTag": ResourceKind(Phase.MACHINES),
    "pulumi-python:dynamic/slipway:Generation": ResourceKind(Phase.MACHINES),
    "pulumi-python:dynamic/slipway:Roster": ResourceKind(Phase.MACHINES),
    "pulumi-python:dynamic/slipway:Membership": ResourceKind(
        Phase.CLUSTER, "waiting until the machine has left the cluster"
    ),
    "pulumi-python:dynamic/slipway:Enrolment": ResourceKind(Phase.ENROLMENT, "waiting for SSH"),
    "pulumi-python:dynamic/slipway:ManagementTokens": ResourceKind(
        Phase.ENROLMENT, "waiting for Consul and Nomad to elect a leader"
    ),
    "pulumi-python:dynamic/slipway:Bootstrap": ResourceKind(Phase.ENROLMENT),
    "pulumi-python:dynamic/slipway:Readiness": ResourceKind(
        Phase.CLUSTER, "waiting until every agent has joined"
    ),
    "consul:index/aclPolicy:AclPolicy": ResourceKind(Phase.CLUSTER),
    "consul:index/aclToken:AclToken": ResourceKind(Phase.CLUSTER),
    "consul:index/aclAuthMethod:AclAuthMethod": ResourceKind(Phase.CLUSTER),
    "consul:index/aclBindingRule:AclBindingRule": ResourceKind(Phase.CLUSTER),
    "nomad:index/aclPolicy:AclPolicy": ResourceKind(Phase.CLUSTER),
    "nomad:index/aclToken:AclToken": ResourceKind(Phase.CLUSTER),
    "digitalocean:index/spacesKey:SpacesKey": ResourceKind(Phase.NETWORK),
    "pulumi-python:dynamic/slipway:BackupSchedule": ResourceKind(Phase.CLUSTER, "waiting for SSH"),
    "digitalocean:index/spacesBucket:SpacesBucket": ResourceKind(Phase.SERVICES),
    "digitalocean:index/spacesBucketObject:SpacesBucketObject": ResourceKind(
        Phase.SERVICES, "uploading to Spaces"
    ),
    "pulumi-python:dynamic/slipway:PublicObject": ResourceKind(Phase.SERVICES),
    "pulumi-python:dynamic/slipway:ConsulEntries": ResourceKind(Phase.CLUSTER),
    "consul:index/configEntry:ConfigEntry": ResourceKind(Phase.SERVICES),
    "consul:index/node:Node": ResourceKind(Phase.SERVICES),
    "consul:index/service:Service": ResourceKind(Phase.SERVICES),
    "nomad:index/job:Job": ResourceKind(Phase.SERVICES, "waiting for healthy allocations"),
    "pulumi-python:dynamic/slipway:EdgeReadiness": ResourceKind(
        Phase.SERVICES, "waiting until the URL answers"
    ),
    "pulumi-python:dynamic/slipway:JobRegistration": ResourceKind(Phase.SERVICES),
    "pulumi-python:dynamic/slipway:JobHealth": ResourceKind(
        Phase.SERVICES, "waiting until every job is as declared"
    ),
}
"""By Pulumi type token. Every type of which the program makes a resource is here."""

_OTHER = ResourceKind(Phase.OTHER)


def kind_of_type(type_token: str) -> ResourceKind:
    """Return the kind of a type token; an unknown type belongs to ``Phase.OTHER``."""
    return KINDS.get(type_token, _OTHER)

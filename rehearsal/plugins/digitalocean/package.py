"""Resources and functions of the DigitalOcean provider emulator."""

from rehearsal.plugins.digitalocean.api import CONFIG, connect
from rehearsal.plugins.digitalocean.certificate import Certificate
from rehearsal.plugins.digitalocean.dns_record import DnsRecord
from rehearsal.plugins.digitalocean.domain import Domain
from rehearsal.plugins.digitalocean.droplet import Droplet
from rehearsal.plugins.digitalocean.firewall import Firewall
from rehearsal.plugins.digitalocean.functions import FUNCTIONS
from rehearsal.plugins.digitalocean.load_balancer import LoadBalancer
from rehearsal.plugins.digitalocean.project import Project, ProjectResources
from rehearsal.plugins.digitalocean.reserved_ip import ReservedIp, ReservedIpAssignment
from rehearsal.plugins.digitalocean.spaces_bucket import SpacesBucket
from rehearsal.plugins.digitalocean.spaces_bucket_object import SpacesBucketObject
from rehearsal.plugins.digitalocean.spaces_key import SpacesKey
from rehearsal.plugins.digitalocean.ssh_key import SshKey
from rehearsal.plugins.digitalocean.tag import Tag
from rehearsal.plugins.digitalocean.vpc import Vpc
from rehearsal.plugins.resource import Package

PACKAGE = Package(
    "digitalocean",
    CONFIG,
    connect,
    (
        Certificate,
        DnsRecord,
        Domain,
        Droplet,
        Firewall,
        LoadBalancer,
        Project,
        ProjectResources,
        ReservedIp,
        ReservedIpAssignment,
        SpacesBucket,
        SpacesBucketObject,
        SpacesKey,
        SshKey,
        Tag,
        Vpc,
    ),
    FUNCTIONS,
)

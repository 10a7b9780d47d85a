"""A Nomad and Consul cluster on DigitalOcean, with two services behind a load balancer."""

import pulumi

from infra.artifacts.artifacts import Artifacts, ArtifactsArgs
from infra.backup.backups import Backups, BackupsArgs
from infra.cluster.credentials import ClusterCredentials
from infra.cluster.edge_readiness import EdgeReadiness
from infra.cluster.providers import create_providers
from infra.droplet_template import create_templates
from infra.edge import Edge, EdgeArgs
from infra.firewalls import Firewalls, FirewallsArgs
from infra.image.base_image import BaseImage, BaseImageArgs
from infra.machine import merge_outputs
from infra.names import BACKUPS, OPERATOR
from infra.network import Network, NetworkArgs
from infra.operator import Operator, OperatorArgs
from infra.preflight import preflight
from infra.primes import Primes, PrimesArgs
from infra.project import create_project
from infra.state_format import STATE_FORMAT
from infra.workers import Workers, WorkersArgs
from jobs.deploy_services import DeployServicesArgs, collect_jobs, deploy_services
from jobs.services import consul_names, services
from services.pack import pack

context, jobs = preflight(), collect_jobs()
prefix, settings = context.prefix, context.settings
packed = {service.source: pack(service.source) for service in services(settings)}
credentials = ClusterCredentials.create(prefix, settings, consul_names(services(settings)))
image = BaseImage("image", BaseImageArgs.from_settings(settings))
network = Network("network", NetworkArgs.from_settings(prefix, settings, credentials.enrol_key))
firewalls = Firewalls("firewalls", FirewallsArgs.from_settings(prefix, settings, network.tags))
edge = Edge("edge", EdgeArgs.from_settings(prefix, settings, network.vpc_id, network.tags))
artifacts = Artifacts("artifacts", ArtifactsArgs.from_context(context, packed.values()))
templates = create_templates(settings, network, firewalls, image.image_id)
primes = Primes("primes", PrimesArgs.from_settings(settings, templates, credentials))
cluster = primes.cluster
Backups(BACKUPS, BackupsArgs.from_context(context, credentials, cluster, primes.host_keys))
workers = Workers("workers", WorkersArgs.from_settings(settings, templates, credentials, cluster))
create_project(prefix, edge.load_balancer, [*primes.droplets, *workers.droplets])
ready = cluster.wait_until_ready("ready", workers.members, workers.enrolments)
if settings.workload:
    certificate, servers = credentials.operator, context.account.servers
    providers = create_providers("cluster", cluster, ready, settings.region, certificate, servers)
    operator = Operator(OPERATOR, OperatorArgs.from_context(context, certificate, providers))
    args = DeployServicesArgs.from_settings(
        settings, packed, artifacts.urls, edge.address, edge.url, cluster.access, ready.access, jobs
    )
    deployed = deploy_services(args, in_nomad=providers.nomad, in_consul=providers.consul)
    EdgeReadiness("edge-answers", url=edge.url, services=deployed, timeout=settings.ready_timeout)
    pulumi.export("services", deployed)
    pulumi.export("operator", operator.credentials)
pulumi.export("format", STATE_FORMAT)
pulumi.export("url", edge.url)
pulumi.export("image", image.name)
pulumi.export("members", merge_outputs(primes.addresses, workers.addresses))
cluster.export_addresses()
pulumi.export("host_keys", merge_outputs(primes.host_keys, workers.host_keys))
pulumi.export("estimated_monthly_usd", context.account.monthly_usd(settings))

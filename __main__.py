"""A Nomad and Consul cluster on DigitalOcean, with two services behind a load balancer."""

import pulumi
import pulumi_digitalocean as digitalocean

from infra.artifacts import Artifacts, ArtifactsArgs
from infra.cluster.cluster import ClusterCredentials
from infra.cluster.providers import cluster_providers
from infra.edge import Edge, EdgeArgs
from infra.image.base_image import BaseImage, BaseImageArgs
from infra.names import OPERATOR
from infra.network import Network, NetworkArgs
from infra.operator import Operator, OperatorArgs
from infra.preflight import preflight
from infra.primes import Primes, PrimesArgs
from infra.workers import Workers, WorkersArgs
from jobs.deploy_services import DeployServicesArgs, deploy_services
from jobs.job_builder import JobDefaults
from jobs.services import services
from services.pack import pack

context = preflight()
prefix, s = context.prefix, context.settings
declared = services(s)
consul_names = sorted(name for service in declared for name in service.consul_names)
credentials = ClusterCredentials.of(prefix, s, services=consul_names)
image = BaseImage(
    "image",
    BaseImageArgs(region=s.region, consul_version=s.consul_version, nomad_version=s.nomad_version),
)
network = Network("network", NetworkArgs.of(prefix, s, enrol_key=credentials.secrets.enrol.public))
edge = Edge(
    "edge",
    EdgeArgs(
        prefix=prefix,
        region=s.region,
        vpc_id=network.vpc_id,
        worker_tag=network.worker_tag,
        port=s.frontserve_port,
    ),
)
packed = {service.source: pack(service.source) for service in declared}
stored = Artifacts(
    "artifacts",
    ArtifactsArgs(
        region=s.region,
        bucket=context.bucket,
        endpoint=context.spaces_endpoint,
        packed=packed.values(),
    ),
)
primes = Primes(
    "primes",
    PrimesArgs(
        count=s.primes,
        droplet_template=network.droplet_template("prime", s, image.image_id),
        credentials=credentials,
    ),
)
cluster = primes.cluster
workers = Workers(
    "workers",
    WorkersArgs(
        count=s.workers,
        droplet_template=network.droplet_template("worker", s, image.image_id),
        credentials=credentials,
        cluster=cluster,
    ),
)
urns = [
    edge.balancer.load_balancer_urn,
    *(droplet.droplet_urn for droplet in (*primes.droplets, *workers.droplets)),
]
digitalocean.Project("project", name=prefix, description="Made by Pulumi", resources=urns)
members = pulumi.Output.all(primes.members, workers.members).apply(
    lambda known: {m["name"]: m["address"] for role in known for m in role}
)
ready = cluster.whole("ready", workers.members, workers.enrolments, s.ready_timeout)
if s.workload:
    in_nomad, in_consul = cluster_providers("cluster", cluster, ready, s.region)
    operator = Operator(
        OPERATOR,
        OperatorArgs(
            certificate=credentials.authority.operator, in_nomad=in_nomad, in_consul=in_consul
        ),
    )
    deployment = DeployServicesArgs(
        services=declared,
        defaults=JobDefaults(datacenter=s.region, driver=s.task_driver),
        packed=packed,
        artifact_urls=stored.urls,
        edge_address=edge.balancer.ip,
        edge_url=edge.url,
        access=ready.access,
    )
    pulumi.export("services", deploy_services(deployment, in_nomad=in_nomad, in_consul=in_consul))
    pulumi.export("operator", operator.credentials)

pulumi.export("url", edge.url)
pulumi.export("image", image.name)
pulumi.export("members", members)
pulumi.export("consul_address", cluster.consul)
pulumi.export("nomad_address", cluster.nomad)
pulumi.export(
    "host_keys",
    pulumi.Output.all(primes.host_keys, workers.host_keys).apply(lambda known: known[0] | known[1]),
)
pulumi.export("estimated_monthly_usd", context.account.monthly_usd(s))

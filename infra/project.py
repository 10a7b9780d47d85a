"""The DigitalOcean project that groups the resources of a stack."""

from collections.abc import Iterable

import pulumi_digitalocean as digitalocean


def create_project(
    name: str,
    load_balancer: digitalocean.LoadBalancer,
    droplets: Iterable[digitalocean.Droplet],
) -> digitalocean.Project:
    """Create a project with the load balancer and all droplets of the stack."""
    return digitalocean.Project(
        "project",
        name=name,
        description="Made by Pulumi",
        resources=[
            load_balancer.load_balancer_urn,
            *(droplet.droplet_urn for droplet in droplets),
        ],
    )

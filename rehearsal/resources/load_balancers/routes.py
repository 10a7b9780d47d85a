"""Routes of /v2/load_balancers."""

from typing import Any

from fastapi import APIRouter

from rehearsal.api.cloud import Cloud, CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.resources.load_balancers import service
from rehearsal.resources.load_balancers.schemas import (
    DropletIds,
    ForwardingRules,
    LoadBalancer,
    LoadBalancerWrite,
)
from rehearsal.state import lookup, records
from rehearsal.topology.network_state import list_targets

router = APIRouter(prefix="/v2/load_balancers")


@router.get("")
async def list_load_balancers(cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    return page.response(
        "load_balancers",
        cloud.store.all(records.LoadBalancer),
        lambda balancer: _to_json(cloud, balancer),
    )


@router.post("", status_code=202)
async def create_load_balancer(body: LoadBalancerWrite, cloud: CurrentCloud) -> dict[str, Any]:
    return {"load_balancer": _to_json(cloud, service.create(cloud, body))}


@router.get("/{lb_id}")
async def get_load_balancer(lb_id: str, cloud: CurrentCloud) -> dict[str, Any]:
    return {"load_balancer": _to_json(cloud, lookup.get_load_balancer(cloud.store, lb_id))}


@router.put("/{lb_id}")
async def replace_load_balancer(
    lb_id: str, body: LoadBalancerWrite, cloud: CurrentCloud
) -> dict[str, Any]:
    return {
        "load_balancer": _to_json(
            cloud, await service.replace(cloud, lookup.get_load_balancer(cloud.store, lb_id), body)
        )
    }


@router.delete("/{lb_id}", status_code=204)
async def delete_load_balancer(lb_id: str, cloud: CurrentCloud) -> None:
    await service.delete(cloud, lookup.get_load_balancer(cloud.store, lb_id))


@router.post("/{lb_id}/droplets", status_code=204)
async def add_droplets(lb_id: str, body: DropletIds, cloud: CurrentCloud) -> None:
    balancer = lookup.get_load_balancer(cloud.store, lb_id)
    await service.set_droplets(cloud, balancer, [*balancer.droplet_ids, *body.droplet_ids])


@router.delete("/{lb_id}/droplets", status_code=204)
async def remove_droplets(lb_id: str, body: DropletIds, cloud: CurrentCloud) -> None:
    balancer = lookup.get_load_balancer(cloud.store, lb_id)
    await service.set_droplets(
        cloud, balancer, [id for id in balancer.droplet_ids if id not in body.droplet_ids]
    )


@router.post("/{lb_id}/forwarding_rules", status_code=204)
async def add_rules(lb_id: str, body: ForwardingRules, cloud: CurrentCloud) -> None:
    await service.add_rules(
        cloud, lookup.get_load_balancer(cloud.store, lb_id), body.forwarding_rules
    )


@router.delete("/{lb_id}/forwarding_rules", status_code=204)
async def remove_rules(lb_id: str, body: ForwardingRules, cloud: CurrentCloud) -> None:
    await service.remove_rules(
        cloud, lookup.get_load_balancer(cloud.store, lb_id), body.forwarding_rules
    )


def _to_json(cloud: Cloud, balancer: records.LoadBalancer) -> LoadBalancer:
    return LoadBalancer.from_record(
        balancer, [droplet.id for droplet in list_targets(cloud.store, balancer)]
    )

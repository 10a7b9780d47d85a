"""Routes of /v2/firewalls, and the firewalls of a droplet."""

from typing import Any

from fastapi import APIRouter

from rehearsal.api.cloud import CurrentCloud
from rehearsal.api.paging import Paging
from rehearsal.resources.firewalls import service
from rehearsal.resources.firewalls.schemas import DropletIds, Firewall, FirewallWrite, Rules, Tags
from rehearsal.state import firewalls, lookup

router = APIRouter(prefix="/v2")


@router.get("/firewalls")
async def list_firewalls(cloud: CurrentCloud, page: Paging) -> dict[str, Any]:
    return page.response("firewalls", cloud.store.all(firewalls.Firewall), Firewall.from_record)


@router.post("/firewalls", status_code=202)
async def create_firewall(body: FirewallWrite, cloud: CurrentCloud) -> dict[str, Any]:
    return {"firewall": Firewall.from_record(await service.create(cloud, body))}


@router.get("/firewalls/{firewall_id}")
async def get_firewall(firewall_id: str, cloud: CurrentCloud) -> dict[str, Any]:
    return {"firewall": Firewall.from_record(service.get(cloud, firewall_id))}


@router.put("/firewalls/{firewall_id}")
async def replace_firewall(
    firewall_id: str, body: FirewallWrite, cloud: CurrentCloud
) -> dict[str, Any]:
    return {
        "firewall": Firewall.from_record(
            await service.replace(cloud, service.get(cloud, firewall_id), body)
        )
    }


@router.delete("/firewalls/{firewall_id}", status_code=204)
async def delete_firewall(firewall_id: str, cloud: CurrentCloud) -> None:
    await service.delete(cloud, service.get(cloud, firewall_id))


@router.post("/firewalls/{firewall_id}/droplets", status_code=204)
async def add_droplets(firewall_id: str, body: DropletIds, cloud: CurrentCloud) -> None:
    await service.add_droplets(cloud, service.get(cloud, firewall_id), body.droplet_ids)


@router.delete("/firewalls/{firewall_id}/droplets", status_code=204)
async def remove_droplets(firewall_id: str, body: DropletIds, cloud: CurrentCloud) -> None:
    await service.remove_droplets(cloud, service.get(cloud, firewall_id), body.droplet_ids)


@router.post("/firewalls/{firewall_id}/tags", status_code=204)
async def add_tags(firewall_id: str, body: Tags, cloud: CurrentCloud) -> None:
    await service.add_tags(cloud, service.get(cloud, firewall_id), body.tags)


@router.delete("/firewalls/{firewall_id}/tags", status_code=204)
async def remove_tags(firewall_id: str, body: Tags, cloud: CurrentCloud) -> None:
    await service.remove_tags(cloud, service.get(cloud, firewall_id), body.tags)


@router.post("/firewalls/{firewall_id}/rules", status_code=204)
async def add_rules(firewall_id: str, body: Rules, cloud: CurrentCloud) -> None:
    await service.add_rules(cloud, service.get(cloud, firewall_id), body)


@router.delete("/firewalls/{firewall_id}/rules", status_code=204)
async def remove_rules(firewall_id: str, body: Rules, cloud: CurrentCloud) -> None:
    await service.remove_rules(cloud, service.get(cloud, firewall_id), body)


@router.get("/droplets/{droplet_id}/firewalls")
async def list_droplet_firewalls(
    droplet_id: int, cloud: CurrentCloud, page: Paging
) -> dict[str, Any]:
    droplet = lookup.get_droplet(cloud.store, droplet_id)
    assigned = [
        firewall for firewall in cloud.store.all(firewalls.Firewall) if firewall.applies_to(droplet)
    ]
    return page.response("firewalls", assigned, Firewall.from_record)

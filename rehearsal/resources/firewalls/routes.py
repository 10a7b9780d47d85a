"""/v2/firewalls, and the firewalls of a droplet."""

from typing import Any

from fastapi import APIRouter

from rehearsal.api.cloud import TheCloud
from rehearsal.api.paging import Paging
from rehearsal.resources.firewalls import service
from rehearsal.resources.firewalls.schemas import DropletIds, Firewall, FirewallWrite, Rules, Tags
from rehearsal.state import lookup, records
from rehearsal.topology.network_state import covers

router = APIRouter(prefix="/v2")


@router.get("/firewalls")
async def list_firewalls(cloud: TheCloud, page: Paging) -> dict[str, Any]:
    return page.of("firewalls", cloud.store.all(records.Firewall), Firewall.of)


@router.post("/firewalls", status_code=202)
async def create_firewall(body: FirewallWrite, cloud: TheCloud) -> dict[str, Any]:
    return {"firewall": Firewall.of(await service.create(cloud, body))}


@router.get("/firewalls/{firewall_id}")
async def get_firewall(firewall_id: str, cloud: TheCloud) -> dict[str, Any]:
    return {"firewall": Firewall.of(service.find(cloud, firewall_id))}


@router.put("/firewalls/{firewall_id}")
async def replace_firewall(
    firewall_id: str, body: FirewallWrite, cloud: TheCloud
) -> dict[str, Any]:
    return {
        "firewall": Firewall.of(
            await service.replace(cloud, service.find(cloud, firewall_id), body)
        )
    }


@router.delete("/firewalls/{firewall_id}", status_code=204)
async def delete_firewall(firewall_id: str, cloud: TheCloud) -> None:
    await service.delete(cloud, service.find(cloud, firewall_id))


@router.post("/firewalls/{firewall_id}/droplets", status_code=204)
async def add_droplets(firewall_id: str, body: DropletIds, cloud: TheCloud) -> None:
    await service.add_droplets(cloud, service.find(cloud, firewall_id), body.droplet_ids)


@router.delete("/firewalls/{firewall_id}/droplets", status_code=204)
async def remove_droplets(firewall_id: str, body: DropletIds, cloud: TheCloud) -> None:
    await service.remove_droplets(cloud, service.find(cloud, firewall_id), body.droplet_ids)


@router.post("/firewalls/{firewall_id}/tags", status_code=204)
async def add_tags(firewall_id: str, body: Tags, cloud: TheCloud) -> None:
    await service.add_tags(cloud, service.find(cloud, firewall_id), body.tags)


@router.delete("/firewalls/{firewall_id}/tags", status_code=204)
async def remove_tags(firewall_id: str, body: Tags, cloud: TheCloud) -> None:
    await service.remove_tags(cloud, service.find(cloud, firewall_id), body.tags)


@router.post("/firewalls/{firewall_id}/rules", status_code=204)
async def add_rules(firewall_id: str, body: Rules, cloud: TheCloud) -> None:
    await service.add_rules(cloud, service.find(cloud, firewall_id), body)


@router.delete("/firewalls/{firewall_id}/rules", status_code=204)
async def remove_rules(firewall_id: str, body: Rules, cloud: TheCloud) -> None:
    await service.remove_rules(cloud, service.find(cloud, firewall_id), body)


@router.get("/droplets/{droplet_id}/firewalls")
async def list_of_droplet(droplet_id: int, cloud: TheCloud, page: Paging) -> dict[str, Any]:
    droplet = lookup.droplet(cloud.store, droplet_id)
    found = [
        firewall for firewall in cloud.store.all(records.Firewall) if covers(firewall, droplet)
    ]
    return page.of("firewalls", found, Firewall.of)

"""pydo, DigitalOcean's own Python client, as a client that nobody here wrote."""

from typing import Any

from azure.core.pipeline import PipelineRequest
from azure.core.pipeline.policies import SansIOHTTPPolicy
from pydo import Client as Pydo

from tests.rehearsal.api.client import Client, until
from tests.rehearsal.api.test_keys import KEY


class PlainHttp(SansIOHTTPPolicy[Any, Any]):
    """Lets pydo send its token without TLS."""

    def on_request(self, request: PipelineRequest[Any]) -> None:
        request.context.options["enforce_https"] = False


def test_pydo_builds_a_small_cluster_and_takes_it_down(api: Client) -> None:
    do = Pydo("t" * 64, endpoint=api.url, per_call_policies=[PlainHttp()])
    key = do.ssh_keys.create({"name": "pydo", "public_key": KEY})["ssh_key"]
    vpc = do.vpcs.create({"name": "pydo", "region": "nyc3", "ip_range": "10.10.0.0/20"})["vpc"]
    body = {"names": ["one", "two"], "region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
    more = {"ssh_keys": [key["id"]], "tags": ["pydo"], "vpc_uuid": vpc["id"]}
    ids = [droplet["id"] for droplet in do.droplets.create(body=body | more)["droplets"]]
    until(lambda: all(droplet["status"] == "active" for droplet in do.droplets.list(tag_name="pydo")["droplets"]))
    rule = {"entry_protocol": "http", "entry_port": 80, "target_protocol": "http", "target_port": 8085}
    edge = {"name": "pydo", "region": "nyc3", "vpc_uuid": vpc["id"], "tag": "pydo", "forwarding_rules": [rule]}
    balancer = do.load_balancers.create(body=edge)["load_balancer"]
    until(lambda: do.load_balancers.get(balancer["id"])["load_balancer"]["status"] == "active")
    inbound = {"protocol": "tcp", "ports": "8085", "sources": {"load_balancer_uids": [balancer["id"]]}}
    firewall = do.firewalls.create(body={"name": "pydo", "inbound_rules": [inbound], "tags": ["pydo"]})["firewall"]
    assert do.load_balancers.get(balancer["id"])["load_balancer"]["droplet_ids"] == ids
    action = do.droplet_actions.post(ids[0], body={"type": "snapshot", "name": "pydo.1"})["action"]
    until(lambda: do.actions.get(action["id"])["action"]["status"] == "completed")
    assert [image["name"] for image in do.images.list(private=True)["images"]] == ["pydo.1"]
    do.firewalls.delete(firewall["id"])
    do.load_balancers.delete(balancer["id"])
    do.droplets.destroy_by_tag(tag_name="pydo")
    until(lambda: api.http.delete(f"{api.url}/v2/vpcs/{vpc['id']}").status_code == 204)
    do.ssh_keys.delete(key["id"])
    assert do.droplets.list()["droplets"] == []

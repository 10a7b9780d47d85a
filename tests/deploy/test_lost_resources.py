"""Deleted resources: which ones the state still has."""

from typing import Any

from deploy.lost_resources import find
from deploy.orphans.kinds import BUCKET_TYPE, KINDS
from deploy.stack import State

DROPLET, VPC = KINDS["droplet"].type, KINDS["VPC"].type


def resource(name: str, id: str, type: str = DROPLET, **fields: Any) -> dict[str, Any]:
    return {"urn": f"urn:pulumi:dev::slipway::{type}::{name}", "type": type, "id": id, **fields}


def test_resources_that_the_account_lacks_are_found() -> None:
    state = State(
        resources=[
            resource("worker01", "1"),
            resource("worker02", "2"),
            # The old droplet of a replacement has the same URN as the new one.
            resource("worker02", "3", delete=True),
            resource("network-vpc", "4", VPC),
            resource("tag", "5", "random:index/randomPassword:RandomPassword"),
            resource("bucket", "ours", BUCKET_TYPE),  # Spaces lists buckets, not the account.
        ],
        pending_creates=[resource("worker03", "")],
    )
    urn = "urn:pulumi:dev::slipway::"
    droplets = {("droplet", "1"), ("droplet", "2")}
    assert find(state, droplets) == {
        ("droplet", "3"): f"{urn}{DROPLET}::worker02",
        ("VPC", "4"): f"{urn}{VPC}::network-vpc",
    }
    assert find(state, {*droplets, ("droplet", "3"), ("VPC", "4")}) == {}

"""Destroyed droplets: which ones the state still has."""

from typing import Any

from deploy.lost_droplets import find
from deploy.stack import DROPLET_TYPE, State


def resource(name: str, id: str, type: str = DROPLET_TYPE, **fields: Any) -> dict[str, Any]:
    return {"urn": f"urn:pulumi:dev::slipway::{type}::{name}", "type": type, "id": id, **fields}


def test_droplets_that_the_account_lacks_are_found() -> None:
    state = State(
        resources=[
            resource("worker01", "1"),
            resource("worker02", "2"),
            # The old droplet of a replacement has the same URN as the new one.
            resource("worker02", "3", delete=True),
            resource("vpc", "4", "digitalocean:index/vpc:Vpc"),
        ],
        pending_creates=[resource("worker03", "")],
    )
    assert find(state, {"1", "2"}) == {"3": f"urn:pulumi:dev::slipway::{DROPLET_TYPE}::worker02"}
    assert find(state, {"1", "2", "3"}) == {}

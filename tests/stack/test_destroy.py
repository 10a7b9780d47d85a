"""The end of a stack: nothing is left to pay for, even when its cluster is dead."""

from tests.stack.rig import Rig


def test_destroyed_with_the_prime_dead(doomed: Rig) -> None:
    prime = doomed.droplets()["prime01nyc3"]["id"]
    doomed.api(f"/v2/droplets/{prime}/actions", "POST", type="power_off")
    done = doomed.deploy("destroy", "--yes")
    assert done.code == 0, done.said[-4000:]
    for path, key in (
        ("/v2/droplets", "droplets"),
        ("/v2/load_balancers", "load_balancers"),
        ("/v2/firewalls", "firewalls"),
        ("/v2/account/keys", "ssh_keys"),
        ("/v2/tags", "tags"),
        ("/v2/images?private=true", "images"),
        ("/v2/snapshots", "snapshots"),
    ):
        assert doomed.api(path)[key] == [], path
    assert [vpc["name"] for vpc in doomed.api("/v2/vpcs")["vpcs"] if not vpc["default"]] == []
    assert [
        project["name"]
        for project in doomed.api("/v2/projects")["projects"]
        if not project["is_default"]
    ] == []

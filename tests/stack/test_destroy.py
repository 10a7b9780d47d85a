"""Destroying a stack leaves nothing that costs money, even when its cluster is dead."""

from tests.stack.rig import Rig


def test_destroy_with_a_dead_prime_leaves_nothing(disposable: Rig) -> None:
    prime = disposable.droplets()["prime01nyc3"]["id"]
    disposable.api(f"/v2/droplets/{prime}/actions", "POST", type="power_off")
    result = disposable.deploy("destroy", "--yes")
    assert result.code == 0, result.output[-4000:]
    for path, key in (
        ("/v2/droplets", "droplets"),
        ("/v2/load_balancers", "load_balancers"),
        ("/v2/firewalls", "firewalls"),
        ("/v2/account/keys", "ssh_keys"),
        ("/v2/tags", "tags"),
        ("/v2/images?private=true", "images"),
        ("/v2/snapshots", "snapshots"),
    ):
        assert disposable.api(path)[key] == [], path
    vpcs = disposable.api("/v2/vpcs")["vpcs"]
    assert [vpc["name"] for vpc in vpcs if not vpc["default"]] == []
    projects = disposable.api("/v2/projects")["projects"]
    assert [project["name"] for project in projects if not project["is_default"]] == []

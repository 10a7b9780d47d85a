"""One update puts right what was deleted or changed by hand."""

from collections.abc import Iterator
from typing import Any

import pytest

from infra.names import label_of_droplet
from tests.stack import interrupts
from tests.stack.large_plan import seed_image
from tests.stack.rig import Rig, wait_for
from tests.stack.traffic import Traffic

SLOTS = {"prime01", "worker01", "worker02"}
COUNTS = {"backserve": 2, "frontserve": 2, "prober": 1}


@pytest.fixture(scope="module")
def account(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """The stack's resources in an account with memory machines."""
    rig = Rig("repairs", tmp_path_factory.mktemp("checkout"))
    try:
        rig.start("--machines", "memory")
        seed_image(rig)
        rig.write_permanently("__main__.py", interrupts.PROGRAM)
        rig.set(workers=2, service_count=1, workload=False)
        yield rig
    finally:
        rig.stop()


def list_account(rig: Rig, kind: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = rig.api(f"/v2/{kind}?per_page=200")[kind]
    return found


def update(rig: Rig, *options: str) -> str:
    """Run plain ``pulumi up``; return its output."""
    done = rig.pulumi("up", "--yes", *options)
    assert done.code == 0, done.output[-6000:]
    return done.output


def test_one_plain_update_creates_a_deleted_load_balancer_again(account: Rig) -> None:
    account.up()
    [balancer] = list_account(account, "load_balancers")
    account.api(f"/v2/load_balancers/{balancer['id']}", "DELETE")

    assert f"{balancer['name']} does not exist" in update(account)

    [created] = list_account(account, "load_balancers")
    assert created["id"] != balancer["id"]
    assert (created["name"], created["tag"]) == (balancer["name"], balancer["tag"])
    [edge] = [item for item in list_account(account, "firewalls") if item["name"].endswith("-edge")]
    [rule] = edge["inbound_rules"]
    assert rule["sources"]["load_balancer_uids"] == [created["id"]]
    update(account, "--expect-no-changes")
    update(account, "--refresh", "--expect-no-changes")


def test_a_plain_update_creates_a_deleted_firewall_again_and_a_refresh_completes_it(
    account: Rig,
) -> None:
    """The provider cannot delete the firewall that is gone."""
    account.up()
    firewalls = {item["name"]: item["id"] for item in list_account(account, "firewalls")}
    [nodes] = [name for name in firewalls if name.endswith("-nodes")]
    account.api(f"/v2/firewalls/{firewalls[nodes]}", "DELETE")

    done = account.pulumi("up", "--yes")

    assert done.code != 0
    assert "Error deleting firewall" in done.output
    present = {item["name"]: item["id"] for item in list_account(account, "firewalls")}
    assert {name for name in firewalls if present[name] != firewalls[name]} == {nodes}
    update(account, "--refresh")
    assert {item["name"]: item["id"] for item in list_account(account, "firewalls")} == present
    update(account, "--expect-no-changes")


def test_one_plain_update_puts_changed_properties_right(account: Rig) -> None:
    account.up()
    [balancer] = list_account(account, "load_balancers")
    rule = {**balancer["forwarding_rules"][0], "target_port": 9999}
    account.api(
        f"/v2/load_balancers/{balancer['id']}",
        "PUT",
        name=balancer["name"],
        region=balancer["region"]["slug"],
        tag=balancer["tag"],
        vpc_uuid=balancer["vpc_uuid"],
        health_check=balancer["health_check"],
        forwarding_rules=[rule],
    )
    firewalls = list_account(account, "firewalls")
    telnet = {"protocol": "tcp", "ports": "23", "sources": {"addresses": ["0.0.0.0/0"]}}
    for firewall in firewalls:
        account.api(f"/v2/firewalls/{firewall['id']}/rules", "POST", inbound_rules=[telnet])

    update(account)

    [repaired] = list_account(account, "load_balancers")
    assert (repaired["id"], repaired["forwarding_rules"]) == (
        balancer["id"],
        balancer["forwarding_rules"],
    )
    closed = list_account(account, "firewalls")
    assert [item["id"] for item in closed] == [item["id"] for item in firewalls]
    assert "23" not in {rule["ports"] for item in closed for rule in item["inbound_rules"]}
    update(account, "--expect-no-changes")
    update(account, "--refresh", "--expect-no-changes")


def test_deploy_up_creates_again_what_was_deleted(account: Rig) -> None:
    account.up()
    droplets = {label_of_droplet(item["name"]): item for item in list_account(account, "droplets")}
    firewalls = {item["name"]: item["id"] for item in list_account(account, "firewalls")}
    [nodes] = [name for name in firewalls if name.endswith("-nodes")]
    account.api(f"/v2/droplets/{droplets['worker02']['id']}", "DELETE")
    account.api(f"/v2/firewalls/{firewalls[nodes]}", "DELETE")

    account.up()

    repaired = {label_of_droplet(item["name"]): item for item in list_account(account, "droplets")}
    assert repaired.keys() == droplets.keys() == SLOTS
    changed = {label for label in SLOTS if repaired[label]["id"] != droplets[label]["id"]}
    assert changed == {"worker02"}
    assert {item["name"] for item in list_account(account, "firewalls")} == firewalls.keys()
    update(account, "--refresh", "--expect-no-changes")


def running(rig: Rig) -> dict[str, int]:
    """Return the number of running instances of each job."""
    return {
        job["ID"]: sum(group["Running"] for group in job["JobSummary"]["Summary"].values())
        for job in rig.nomad("/v1/jobs")
        if job["Status"] == "running"
    }


def test_one_plain_update_puts_jobs_and_objects_right(rig: Rig) -> None:
    """Each is deleted, stopped or changed by an operator with a management token."""
    client, declared = rig.spaces(), rig.resources
    objects = [item for item in declared if item["type"].endswith(":SpacesBucketObject")]
    bucket, keys = objects[0]["outputs"]["bucket"], [item["outputs"]["key"] for item in objects]
    rig.nomad("/v1/job/prober?purge=true", "DELETE", management=True)
    rig.nomad("/v1/job/frontserve", "DELETE", management=True)
    scaled = {"Count": 1, "Target": {"Group": "backserve"}}
    rig.nomad("/v1/job/backserve/scale", "POST", management=True, **scaled)
    client.put_object_acl(Bucket=bucket, Key=keys[0], ACL="private")
    client.delete_object(Bucket=bucket, Key=keys[1])

    output = update(rig)

    assert "status 403" in output, output[-4000:]
    assert running(rig) == COUNTS
    grants = client.get_object_acl(Bucket=bucket, Key=keys[0])["Grants"]
    assert any(grant["Grantee"].get("URI", "").endswith("/AllUsers") for grant in grants)
    assert {item["Key"] for item in client.list_objects_v2(Bucket=bucket)["Contents"]} >= {*keys}
    assert rig.answers()
    rig.assert_settled()


def test_one_plain_update_tags_droplets_again(rig: Rig) -> None:
    droplets = {item["name"]: item for item in list_account(rig, "droplets")}
    worker = {"resource_id": str(droplets["worker01nyc3"]["id"]), "resource_type": "droplet"}
    rig.api(
        f"/v2/tags/{droplets['worker01nyc3']['tags'][0]}/resources", "DELETE", resources=[worker]
    )
    rig.api(f"/v2/tags/{droplets['prime01nyc3']['tags'][0]}", "DELETE")

    update(rig)

    assert {item["name"]: (item["id"], item["tags"]) for item in list_account(rig, "droplets")} == {
        name: (item["id"], item["tags"]) for name, item in droplets.items()
    }
    assert wait_for(rig.answers)
    rig.assert_settled()


def test_one_plain_update_puts_entries_of_consul_right(rig: Rig) -> None:
    def consul(path: str, method: str = "GET", **body: Any) -> Any:
        return rig.consul(f"/v1/{path}", method, management=True, **body)

    intentions = consul("config/service-intentions")
    for entry in intentions:
        consul(f"config/service-intentions/{entry['Name']}", "DELETE")
    consul("catalog/deregister", "PUT", Node="edge", ServiceID="edge")
    consul(
        "config",
        "PUT",
        Kind="service-defaults",
        Name="backserve",
        Protocol="tcp",
    )

    update(rig)

    repaired = consul("config/service-intentions")
    assert {item["Name"]: item["Sources"] for item in repaired} == {
        item["Name"]: item["Sources"] for item in intentions
    }
    assert consul("catalog/service/edge")
    assert consul("config/service-defaults/backserve")["Protocol"] == "http"
    assert wait_for(rig.answers)
    rig.assert_settled()


def test_a_replacement_of_a_job_does_not_purge_it(rig: Rig) -> None:
    [urn] = [item["urn"] for item in rig.resources if item["urn"].endswith(":Job::backserve")]
    before = running(rig)
    with Traffic(rig.outputs["url"]) as traffic:
        update(rig, "--replace", urn)
    traffic.assert_no_failures()
    assert running(rig) == before
    rig.assert_settled()

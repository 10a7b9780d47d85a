"""Seeded interrupts of up, roll and destroy on memory machines, each repaired by one command."""

import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import boto3
import pytest

from deploy.orphans.search import KIND_OF_TYPE
from infra import names
from infra.names import label_of_droplet
from tests.stack import interrupts
from tests.stack.large_plan import seed_image
from tests.stack.rig import CHECKOUT, Rig

INTERRUPTS = int(os.environ.get("INTERRUPTS", "6"))
SEED = int(os.environ.get("SEED", "1"))
TIMEOUT_S = 120 + 60 * INTERRUPTS
WORKERS = 2
NETWORK = "slipway-dev-nyc3-10-10-0-0"
MACHINES = {"prime01", "worker01", "worker02"}
KINDS = {
    "droplet": "droplets",
    "firewall": "firewalls",
    "load balancer": "load_balancers",
    "project": "projects",
    "SSH key": "account/keys",
    "tag": "tags",
    "VPC": "vpcs",
}
"""The path of each kind of which the program makes resources."""


@pytest.fixture(scope="module")
def cloud(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """A cloud of memory machines with a base image that another stack uses too."""
    rig = Rig("interrupts", tmp_path_factory.mktemp("checkout"))
    try:
        limits = ("--requests-an-hour", "100000", "--requests-a-minute", "100000")
        rig.start("--machines", "memory", *limits)
        seed_image(rig)
        [image] = rig.api("/v2/images?private=true")["images"]
        claim = "used-by-slipway-other:00000000"
        rig.api("/v2/tags", "POST", name=claim)
        resources = [{"resource_id": str(image["id"]), "resource_type": "image"}]
        rig.api(f"/v2/tags/{claim}/resources", "POST", resources=resources)
        rig.write_permanently("__main__.py", interrupts.PROGRAM)
        rig.set(workers=WORKERS, service_count=1, workload=False)
        yield rig
    finally:
        rig.stop()


def account_ids(rig: Rig) -> list[tuple[str, str]]:
    """Return kind and id of everything in the account, without what accounts have by default."""
    found = []
    for kind, path in KINDS.items():
        body = rig.api(f"/v2/{path}?per_page=200")
        [key] = set(body) - {"links", "meta"}
        found += [
            (kind, str(resource["name"] if kind == "tag" else resource["id"]))
            for resource in body[key]
            if not (resource.get("is_default") or resource.get("default"))
            and (kind != "tag" or resource["name"].startswith("slipway-dev-"))
        ]
    return sorted(found)


@pytest.mark.timeout(TIMEOUT_S)
def test_one_command_repairs_each_interrupted_operation(cloud: Rig) -> None:
    generator = random.Random(SEED)
    types = {type: kind for type, kind in KIND_OF_TYPE.items() if kind in KINDS}
    exists = False
    for number in range(INTERRUPTS):
        interrupt = interrupts.choose(generator, number, exists=exists)
        start = time.monotonic()
        code = interrupts.run_interrupted(cloud, interrupt)
        middle = time.monotonic()
        repaired = interrupts.recover(cloud, interrupt)
        end = time.monotonic()
        print(
            f"{number}: {interrupt}: {code}, {middle - start:.1f} s, {end - middle:.1f} s",
            flush=True,
        )
        assert repaired.code == 0, f"{interrupt}\n{repaired.output[-6000:]}"
        assert account_ids(cloud) == interrupts.state_ids(cloud, types), interrupt
        exists = interrupt.recovery == "up"
        if exists:
            assert sorted(map(label_of_droplet, cloud.droplets())) == sorted(MACHINES), interrupt
        else:
            assert account_ids(cloud) == [], interrupt
            assert (repaired.json["left"], repaired.json["monthly_usd"]) == ([], 0), interrupt


def test_plain_pulumi_creates_no_second_balancer_or_droplet(cloud: Rig) -> None:
    """The state has lost resources, as after `pulumi refresh` dropped a pending create."""
    assert cloud.deploy("up", "--yes").code == 0
    before = account_ids(cloud)
    [worker] = [name for name in cloud.droplets() if label_of_droplet(name) == "worker01"]
    lost = {
        resource["type"]: resource["urn"]
        for resource in cloud.resources
        if resource["urn"].endswith(("::edge-balancer", "::worker01"))
    }
    balancer = lost["digitalocean:index/loadBalancer:LoadBalancer"]
    droplet = lost["digitalocean:index/droplet:Droplet"]
    for urn in (droplet, balancer):
        options = ("--yes", "--target-dependents")
        deleted = cloud.pulumi("state", "delete", urn, *options)
        assert deleted.code == 0, deleted.output
    drift = cloud.deploy("drift", "--json")
    assert drift.code == 3, drift.output
    orphans = {(one["kind"], one["name"]) for one in drift.json["orphans"]}
    assert orphans == {
        ("droplet", worker),
        ("firewall", f"{NETWORK}-edge"),
        ("load balancer", NETWORK),
        ("project", "slipway-dev"),
    }
    for urn in (droplet, balancer):
        refused = cloud.pulumi("up", "--yes", "--skip-preview", "--target", urn)
        assert refused.code != 0
        assert "exists: " in refused.output and "`python -m deploy up dev`" in refused.output
    assert account_ids(cloud) == before
    repaired = cloud.deploy("up", "--yes", "--json")
    assert repaired.code == 0, repaired.output[-4000:]
    assert {(one["kind"], one["name"]) for one in repaired.json["orphans"]} == orphans
    types = {type: kind for type, kind in KIND_OF_TYPE.items() if kind in KINDS}
    assert account_ids(cloud) == interrupts.state_ids(cloud, types)
    assert len(account_ids(cloud)) == len(before)
    assert cloud.deploy("drift").code == 0


def test_prune_deletes_orphans_of_every_kind(cloud: Rig) -> None:
    """All that a killed update may leave, of a stack whose state has nothing of it."""
    assert cloud.deploy("destroy", "--yes").code == 0
    settings = {"region": "nyc3", "size": "s-1vcpu-1gb", "image": "debian-12-x64"}
    [image] = cloud.api("/v2/images?private=true")["images"]
    cloud.api("/v2/tags", "POST", name="used-by-slipway-dev:0123abcd")
    cloud.api(
        "/v2/tags/used-by-slipway-dev:0123abcd/resources",
        "POST",
        resources=[{"resource_id": str(image["id"]), "resource_type": "image"}],
    )
    vpc = cloud.api("/v2/vpcs", "POST", name="slipway-dev", region="nyc3")["vpc"]["id"]
    for name, tags in (("worker01nyc3", ["slipway-dev-worker"]), ("worker01nyc3-2", [])):
        cloud.api("/v2/droplets", "POST", name=name, tags=tags, vpc_uuid=vpc, **settings)
    cloud.api("/v2/droplets", "POST", name="image-build-slipway-dev-0123abcd", **settings)
    bastion = cloud.api("/v2/droplets", "POST", name="bastion", **settings)["droplet"]["id"]
    balancer = cloud.api(
        "/v2/load_balancers",
        "POST",
        name="slipway-dev",
        region="nyc3",
        vpc_uuid=vpc,
        forwarding_rules=[
            {
                "entry_protocol": "http",
                "entry_port": 80,
                "target_protocol": "http",
                "target_port": 8080,
            }
        ],
    )["load_balancer"]["id"]
    cloud.api(
        "/v2/firewalls",
        "POST",
        name="slipway-dev-edge",
        outbound_rules=[
            {"protocol": "tcp", "ports": "80", "destinations": {"addresses": ["0.0.0.0/0"]}}
        ],
    )
    key = cloud.environment["SLIPWAY_SSH_PUBLIC_KEY"]
    cloud.api("/v2/account/keys", "POST", name="slipway-dev", public_key=key)
    project = cloud.api("/v2/projects", "POST", name="slipway-dev", purpose="x")["project"]["id"]
    assigned = [f"do:loadbalancer:{balancer}", f"do:droplet:{bastion}"]
    cloud.api(f"/v2/projects/{project}/resources", "POST", resources=assigned)

    refused = cloud.deploy("up")
    assert refused.code == 2 and "`python -m deploy prune dev`" in refused.stderr, refused.output
    pruned = cloud.deploy("prune", "--yes", "--json")
    assert pruned.code == 0, pruned.output[-4000:]
    assert sorted((one["kind"], one["name"]) for one in pruned.json["deleted"]) == [
        ("SSH key", "slipway-dev"),
        ("VPC", "slipway-dev"),
        ("droplet", "image-build-slipway-dev-0123abcd"),
        ("droplet", "worker01nyc3"),
        ("droplet", "worker01nyc3-2"),
        ("firewall", "slipway-dev-edge"),
        ("image", image["name"]),
        ("load balancer", "slipway-dev"),
        ("project", "slipway-dev"),
        ("tag", "slipway-dev-worker"),
    ]
    assert pruned.json["monthly_usd"] >= 3 * 6 + 12
    assert account_ids(cloud) == [("droplet", str(bastion))]
    [kept] = cloud.api("/v2/images?private=true")["images"]
    assert not [tag for tag in kept["tags"] if tag.startswith("used-by-slipway-dev:")]
    cloud.api(f"/v2/droplets/{bastion}", "DELETE")


@pytest.fixture
def spaces(cloud: Rig) -> Iterator[Any]:
    """A client of the cloud's Spaces, which are served on a loopback port."""
    command = (sys.executable, "-m", "rehearsal", "spaces", "--cloud", cloud.name)
    with subprocess.Popen(command, cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout
        variable = process.stdout.readline().strip().removeprefix("export ")
        name, _, url = variable.partition("=")
        former, cloud.environment[name] = cloud.environment[name], url
        yield boto3.client(
            "s3",
            region_name="us-east-1",
            endpoint_url=url,
            aws_access_key_id=cloud.environment["SPACES_ACCESS_KEY_ID"],
            aws_secret_access_key=cloud.environment["SPACES_SECRET_ACCESS_KEY"],
        )
        cloud.environment[name] = former
        process.terminate()


def test_prune_deletes_a_bucket_that_holds_artifacts_only(cloud: Rig, spaces: Any) -> None:
    account = cloud.api("/v2/account")["account"]["uuid"]
    bucket = names.bucket_name("slipway-dev", "nyc3", account)
    spaces.create_bucket(Bucket=bucket)
    artifact = f"frontserve/{'0' * 64}.pyz"
    for key in (artifact, "photos/cat.jpg"):
        spaces.put_object(Bucket=bucket, Key=key, Body=b"content")
    assert cloud.deploy("drift").code == 3
    kept = cloud.deploy("prune", "--yes")
    assert kept.code == 1 and "photos/cat.jpg" in kept.stderr, kept.output
    assert spaces.list_objects_v2(Bucket=bucket)["KeyCount"] == 2
    proved = cloud.deploy("destroy", "--yes", "--json")
    assert proved.code == 1, proved.output
    assert [(one["kind"], one["id"]) for one in proved.json["left"]] == [("bucket", bucket)]
    spaces.delete_object(Bucket=bucket, Key="photos/cat.jpg")
    pruned = cloud.deploy("prune", "--yes", "--json")
    assert pruned.code == 0, pruned.output
    assert ("bucket", bucket) in {(one["kind"], one["id"]) for one in pruned.json["deleted"]}
    assert spaces.list_buckets()["Buckets"] == []

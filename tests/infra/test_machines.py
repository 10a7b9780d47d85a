"""Primes and workers, seen from the cloud."""

import json
from typing import Any

import pulumi
import pytest

from infra.agents import Member
from infra.network import Network
from infra.prime import Primes, PrimesArgs
from infra.workers import Workers, WorkersArgs
from tests.infra.cloud import FakeCloud, network_args, run, start


@pytest.fixture
def cloud() -> FakeCloud:
    return start()


def cluster(cloud: FakeCloud, *, primes: int = 1, workers: int = 4, driver: str = "exec", key: str | None = None) -> pulumi.Output[Any]:
    network = Network("network", network_args(key))
    mould = network.mould("prime", size="s-1vcpu-1gb", image="123", task_driver=driver)
    made = Primes("primes", PrimesArgs(count=primes, mould=mould), cloud.watched())
    mould = network.mould("worker", size="s-2vcpu-2gb", image="123", task_driver=driver)
    others = Workers("workers", WorkersArgs(count=workers, mould=mould, primes=made.private_addresses), cloud.watched())
    return pulumi.Output.all(made.members, others.members)


def told(made: dict[str, Any]) -> dict[str, str]:
    """What a droplet finds in /etc/slipway/cluster.env."""
    header, _, text = made["userData"].partition("\n")
    config = json.loads(text)
    assert (header, config["runcmd"]) == ("#cloud-config", [["tool-join"]])
    (file,) = config["write_files"]
    assert file["path"] == "/etc/slipway/cluster.env"
    return dict(line.split("=", 1) for line in file["content"].splitlines())


def test_names_tell_role_number_and_region(cloud: FakeCloud) -> None:
    run(lambda: cluster(cloud, primes=3, workers=12))
    names = {made["name"] for made in cloud.of("Droplet").values()}
    assert names == {f"prime{n:02d}nyc3" for n in range(1, 4)} | {f"worker{n:02d}nyc3" for n in range(1, 13)}


def test_machines_are_where_and_what_they_should_be(cloud: FakeCloud) -> None:
    run(lambda: cluster(cloud, key="ssh-ed25519 AAAA me"))
    worker, prime = cloud.created["worker01"], cloud.created["prime01"]
    assert (worker["size"], prime["size"]) == ("s-2vcpu-2gb", "s-1vcpu-1gb")
    assert (worker["tags"], prime["tags"]) == (["slipway-test-worker"], ["slipway-test-prime"])
    for machine in (worker, prime):
        assert (machine["image"], machine["region"], machine["vpcUuid"], machine["sshKeys"]) == ("123", "nyc3", "network-vpc-id", ["aa:bb"])


def test_workers_are_told_to_join_every_prime(cloud: FakeCloud) -> None:
    members: list[Any] = []
    run(lambda: cluster(cloud, primes=3).apply(members.extend))
    primes = [member["address"] for member in members[0]]
    for number in range(1, 5):
        facts = told(cloud.created[f"worker{number:02d}"])
        assert facts["PRIMES"] == ",".join(primes)
        assert (facts["ROLE"], facts["NODE_NAME"], facts["DATACENTER"]) == ("worker", f"worker{number:02d}nyc3", "nyc3")
        assert (facts["VPC_CIDR"], facts["TASK_DRIVER"]) == ("10.10.0.0/20", "exec")


def test_the_first_prime_joins_nobody_and_the_others_join_it(cloud: FakeCloud) -> None:
    members: list[Any] = []
    run(lambda: cluster(cloud, primes=3).apply(members.extend))
    joined = [told(cloud.created[f"prime{number:02d}"]) for number in (1, 2, 3)]
    first = members[0][0]["address"]
    assert [facts["PRIMES"] for facts in joined] == ["", first, first]
    assert {facts["BOOTSTRAP_EXPECT"] for facts in joined} == {"3"}


def test_members_are_told_by_name_droplet_and_addresses(cloud: FakeCloud) -> None:
    members: list[list[Member]] = []
    run(lambda: cluster(cloud, workers=1).apply(members.extend))
    (prime,), (worker,) = members
    assert (prime["name"], prime["droplet"]) == ("prime01nyc3", "prime01-id")
    assert worker["address"].startswith("10.10.0.") and worker["public"].startswith("198.18.0.") and worker["created"] > prime["created"]


def trigger(driver: str, primes: int) -> Any:
    cloud = start()
    run(lambda: cluster(cloud, driver=driver, primes=primes))
    return cloud.options["worker01"].replacement_trigger


def test_a_machine_is_replaced_for_what_it_is_and_not_for_whom_it_joined(cloud: FakeCloud) -> None:
    run(lambda: cluster(cloud))
    for name in ("prime01", "worker01"):
        options = cloud.options[name]
        assert options.ignore_changes == ["user_data", "ssh_keys"]
        assert options.delete_before_replace is True
    assert trigger("exec", 1) == trigger("exec", 3)
    assert trigger("exec", 1) != trigger("raw_exec", 1)


def test_no_machine_is_there_before_its_firewalls(cloud: FakeCloud) -> None:
    run(lambda: cluster(cloud))
    order = list(cloud.created)
    first_droplet = min(order.index(name) for name in cloud.of("Droplet"))
    assert max(order.index(name) for name in cloud.of("Firewall")) < first_droplet

"""Primes and workers: their droplets, their enrolments, and the order of their creation."""

import json
from typing import Any

import pulumi
import pytest

from infra.cluster.credentials import ClusterCredentials
from infra.cluster_api.members import Member
from infra.droplet_template import create_templates
from infra.network import Network
from infra.primes import Primes, PrimesArgs
from infra.workers import Workers, WorkersArgs
from tests.infra.support.cloud import (
    FakeCloud,
    firewalls,
    is_secret,
    network_args,
    run,
    settings,
    start,
    texts,
)


@pytest.fixture
def cloud() -> FakeCloud:
    return start()


def parts(*, image: str = "123", **values: str) -> tuple[Primes, Workers]:
    stack = settings(**values)
    credentials = ClusterCredentials.create("slipway-test", stack, services=["backserve"])
    network = Network("network", network_args())
    templates = create_templates(stack, network, firewalls(network), image)
    primes = Primes("primes", PrimesArgs.from_settings(stack, templates, credentials))
    return primes, Workers(
        "workers", WorkersArgs.from_settings(stack, templates, credentials, primes.cluster)
    )


def cluster(**values: str) -> pulumi.Output[Any]:
    primes, workers = parts(**values)
    return primes.cluster.wait_until_ready("ready", workers.members, workers.enrolments).access


def test_names_tell_role_number_and_region(cloud: FakeCloud) -> None:
    run(lambda: cluster(primes="3", workers="12"))
    names = {made["name"] for made in cloud.of("Droplet").values()}
    assert names == {f"prime{n:02d}nyc3" for n in range(1, 4)} | {
        f"worker{n:02d}nyc3" for n in range(1, 13)
    }


def test_droplets_have_size_tag_image_region_and_network(cloud: FakeCloud) -> None:
    run(lambda: cluster(worker_size="s-2vcpu-2gb"))
    worker, prime = cloud.created["worker01"], cloud.created["prime01"]
    assert (worker["size"], prime["size"]) == ("s-2vcpu-2gb", "s-1vcpu-1gb")
    assert (worker["tags"], prime["tags"]) == (["slipway-test-worker"], ["slipway-test-prime"])
    for machine in (worker, prime):
        assert (machine["image"], machine["region"], machine["vpcUuid"], machine["sshKeys"]) == (
            "123",
            "nyc3",
            "network-vpc-id",
            ["aa:bb"],
        )


def test_user_data_holds_one_secret_which_is_the_machines_own_and_for_its_first_boot(
    cloud: FakeCloud,
) -> None:
    run(lambda: cluster(primes="3"))
    hidden = {
        text
        for name in (*cloud.of("Enrolment"), *cloud.of("Bootstrap"))
        for given in cloud.secret[name]
        for text in texts(cloud.created[name][given])
        if not text.startswith("ssh-ed25519 ")
    }
    assert len(hidden) > 20
    for label, machine in cloud.of("Droplet").items():
        assert cloud.secret[label] == {"userData"}
        user_data = json.loads(machine["userData"].removeprefix("#cloud-config\n"))
        assert f"\nsecrets-{label}-host-first private\n" in user_data["ssh_keys"]["ed25519_private"]
        held = list(texts(user_data))
        assert not [secret for secret in hidden if any(secret in text for text in held)]
        assert sum("private" in text for text in held) == 1


def test_droplets_depend_on_no_droplet_and_not_on_the_cluster(cloud: FakeCloud) -> None:
    run(lambda: cluster(primes="3"))
    for label in cloud.of("Droplet"):
        own = {f"secrets-{label}-host-first", "secrets-enrol"}
        assert {
            name for name in cloud.waits_for(label) if not name.startswith(("network", "firewalls"))
        } == own


def test_no_machine_is_there_before_its_firewalls(cloud: FakeCloud) -> None:
    run(lambda: cluster())
    for label in cloud.of("Droplet"):
        assert set(cloud.of("Firewall")) <= cloud.waits_for(label)


def test_certificates_tell_the_role_and_name_where_the_node_answers(cloud: FakeCloud) -> None:
    run(lambda: cluster(primes="3"))
    droplet, prime, worker = (
        cloud.created["prime02"],
        cloud.created["authority-prime02-request"],
        cloud.created["authority-worker01-request"],
    )
    assert droplet["name"] == "prime02nyc3"
    assert prime["dnsNames"] == [
        "server.nyc3.consul",
        "server.global.nomad",
        "localhost",
        "prime02nyc3.node.consul",
    ]
    assert worker["dnsNames"] == [
        "client.nyc3.consul",
        "client.global.nomad",
        "localhost",
        "worker01nyc3.node.consul",
    ]
    loopback, private, public = prime["ipAddresses"]
    assert (loopback, private.rpartition(".")[0], public.rpartition(".")[0]) == (
        "127.0.0.1",
        "10.10.0",
        "198.18.0",
    )
    assert (
        cloud.created["enrolment-prime02"]["address"] == public
        and private in cloud.created["enrolment-prime02"]["primes"]
    )
    assert worker["ipAddresses"] == ["127.0.0.1"]


def test_a_workers_certificate_does_not_wait_for_the_worker(cloud: FakeCloud) -> None:
    run(lambda: cluster())
    assert not set(cloud.of("Droplet")) & cloud.waits_for("authority-worker01-certificate")


def test_prime_enrolment_lists_all_primes_and_no_cluster(cloud: FakeCloud) -> None:
    members: list[Any] = []
    run(lambda: parts(primes="3")[0].members.apply(members.extend))
    for number in (1, 2, 3):
        inputs = cloud.created[f"enrolment-prime{number:02d}"]
        assert inputs["primes"] == [member["address"] for member in members]
        assert (inputs["bootstrap_expect"], inputs["cluster"], inputs.get("access")) == (
            3,
            "",
            None,
        )


def test_worker_enrolment_lists_all_primes_and_the_cluster(cloud: FakeCloud) -> None:
    run(lambda: cluster(primes="3", workers="3", ssh_public_key="ssh-ed25519 ADMIN"))
    bootstrap = cloud.created["primes-bootstrap"]
    for number in (1, 2, 3):
        inputs = cloud.created[f"enrolment-worker{number:02d}"]
        assert inputs["node"] == {
            "name": f"worker{number:02d}nyc3",
            "role": "worker",
            "datacenter": "nyc3",
            "vpc_cidr": "10.10.0.0/20",
            "task_driver": "exec",
        }
        assert (inputs["cluster"], inputs["droplet"]) == (
            "primes-bootstrap-id",
            f"worker{number:02d}-id",
        )
        assert inputs["primes"] == [prime["address"] for prime in bootstrap["primes"]]
        assert inputs["access"]["consul"] == f"https://{bootstrap['address']}:8501"
        assert inputs["operator_key"] == "ssh-ed25519 ADMIN"


def test_no_machine_receives_a_management_token(cloud: FakeCloud) -> None:
    """``access`` is what the stack uses for a node, and not part of what the node receives."""
    run(lambda: cluster(primes="3"))
    managers = set(cloud.created["primes-bootstrap"]["secrets"].values())
    for inputs in cloud.of("Enrolment").values():
        assert set(inputs["tokens"]) == {"agent", "nomad", "dns"}
        assert not managers & set(
            texts({key: value for key, value in inputs.items() if key != "access"})
        )


def test_every_machine_has_tokens_and_keys_of_its_own(cloud: FakeCloud) -> None:
    run(lambda: cluster(primes="3"))
    for what in (
        ("tokens", "agent"),
        ("tokens", "nomad"),
        ("identity", "key"),
        ("identity", "certificate"),
        ("host_keys", "private"),
    ):
        each = [inputs[what[0]][what[1]] for inputs in cloud.of("Enrolment").values()]
        assert len(set(each)) == len(each) == 7


def test_only_primes_are_given_the_key_of_nomads_gossip(cloud: FakeCloud) -> None:
    run(lambda: cluster(primes="3"))
    given = {name: set(cloud.created[name]["gossip"]) for name in cloud.of("Enrolment")}
    assert {keys == {"consul", "nomad"} for name, keys in given.items() if "prime" in name} == {
        True
    }
    assert {keys == {"consul"} for name, keys in given.items() if "worker" in name} == {True}


def test_primes_are_enrolled_one_after_another(cloud: FakeCloud) -> None:
    """New tokens restart Nomad, and most of the servers have to be there."""
    run(lambda: cluster(primes="3"))
    assert "enrolment-prime01" in cloud.waits_for(
        "enrolment-prime02"
    ) and "enrolment-prime02" in cloud.waits_for("enrolment-prime03")


def test_the_cluster_begins_when_its_primes_are_enrolled_and_workers_come_after_it(
    cloud: FakeCloud,
) -> None:
    run(lambda: cluster(primes="3"))
    dependencies = cloud.waits_for("primes-bootstrap")
    assert {f"enrolment-prime{number:02d}" for number in (1, 2, 3)} <= dependencies
    assert not [
        name
        for name in dependencies
        if "worker" in name and not name.startswith(("network", "firewalls"))
    ]
    for number in range(1, 5):
        others = {f"worker{other:02d}" for other in range(1, 5) if other != number}
        waits_for = cloud.waits_for(f"enrolment-worker{number:02d}")
        assert "primes-bootstrap" in waits_for and not others & waits_for
    assert {f"enrolment-worker{number:02d}" for number in range(1, 5)} <= cloud.waits_for("ready")


def test_a_workers_enrolment_is_not_taken_back_from_a_cluster_that_is_gone(
    cloud: FakeCloud,
) -> None:
    run(lambda: cluster())
    assert cloud.requests["enrolment-worker01"].deletedWith.endswith("::primes-bootstrap")
    assert cloud.requests["enrolment-prime01"].deletedWith == ""


def test_all_secrets_are_declared_secret(cloud: FakeCloud) -> None:
    run(lambda: cluster(primes="3"))
    managers = cloud.created["primes-bootstrap"]["secrets"].values()
    for name, made in cloud.created.items():
        open_ = {key: value for key, value in made.items() if key not in cloud.secret[name]}
        assert not [text for text in texts(open_) if "PRIVATE KEY" in text or text in managers], (
            name
        )
    for name in cloud.of("Enrolment"):
        assert {"identity", "gossip", "tokens", "host_keys", "enrol_key"} <= cloud.secret[name]


def test_no_resource_uses_plain_http(cloud: FakeCloud) -> None:
    run(lambda: cluster(primes="3"))
    assert not [
        text for made in cloud.created.values() for text in texts(made) if "http://" in text
    ]


def test_members_have_name_droplet_and_addresses(cloud: FakeCloud) -> None:
    members: list[list[Member]] = []

    def program() -> pulumi.Output[Any]:
        primes, workers = parts(workers="3")
        return pulumi.Output.all(primes.members, workers.members).apply(members.extend)

    run(program)
    (prime,), (worker, *_) = members
    assert (prime["name"], prime["droplet"]) == ("prime01nyc3", "prime01-id")
    assert (
        worker["name"] == "worker01nyc3"
        and worker["address"].startswith("10.10.0.")
        and worker["public"].startswith("198.18.0.")
    )


@pytest.mark.usefixtures("cloud")
def test_host_keys_are_exported_by_name_and_not_secret() -> None:
    seen: list[Any] = []

    def program() -> pulumi.Output[Any]:
        keys = parts(workers="3")[1].host_keys
        return pulumi.Output.all(keys, is_secret(keys)).apply(seen.extend)

    run(program)
    keys, secret = seen
    assert set(keys) == {f"worker{number:02d}nyc3" for number in (1, 2, 3)} and secret is False
    assert len(set(keys.values())) == 3 and all(
        key.startswith("ssh-ed25519 ") for key in keys.values()
    )


def triggers(**values: str) -> tuple[dict[str, str], dict[str, str]]:
    """Of a worker and of the key of its first boot."""
    cloud = start()
    run(lambda: cluster(**values))
    machine, key = (
        cloud.requests[name].replacement_trigger
        for name in ("worker01", "secrets-worker01-host-first")
    )
    return _facts(machine), _facts(key)


def _facts(trigger: Any) -> dict[str, str]:
    return {name: value.string_value for name, value in trigger.struct_value.fields.items()}


def test_droplet_is_replaced_for_its_node_and_not_for_the_cluster(cloud: FakeCloud) -> None:
    run(lambda: cluster())
    for name in ("prime01", "worker01"):
        assert set(cloud.requests[name].ignoreChanges) == {"userData", "sshKeys"}
        assert cloud.requests[name].deleteBeforeReplace is True
    plain = triggers()
    assert triggers(primes="3", workers="5") == triggers(worker_size="s-2vcpu-2gb") == plain
    assert triggers(task_driver="raw_exec")[0] != plain[0]


def test_replaced_droplet_gets_a_new_first_host_key(cloud: FakeCloud) -> None:
    """By the trigger, or because the API makes another droplet for it."""
    run(lambda: cluster())
    machine, key = triggers()
    assert machine.items() <= key.items()
    made = cloud.created["worker01"]
    assert (key["datacenter"], key["image"], key["vpc_id"]) == (
        made["region"],
        made["image"],
        made["vpcUuid"],
    )
    assert triggers(image="124")[1] != key and triggers(image="124")[0] == machine

"""Primes and workers: their droplets, their enrolments, and the order of their creation."""

import json
from collections.abc import Iterator
from typing import Any

import pulumi
import pytest

from infra.cluster.credentials import ClusterCredentials
from infra.cluster_api.members import Member
from infra.droplet_template import create_templates
from infra.network import Network
from infra.primes import Primes, PrimesArgs
from infra.workers import Workers, WorkersArgs
from tests.infra.support.account_api import TOKEN, AccountApi, serving
from tests.infra.support.cloud import (
    ADDED_OUTPUTS,
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


def parts(image: str = "123", **values: str) -> tuple[Primes, Workers]:
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
        own = {f"generation-{label}", f"secrets-{label}-host-first", "secrets-enrol"}
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


def test_later_servers_join_those_that_still_exist(monkeypatch: pytest.MonkeyPatch) -> None:
    former = {"name": "prime02nyc3", "address": "10.10.0.99"}
    monkeypatch.setitem(
        ADDED_OUTPUTS,
        "pulumi-python:dynamic/slipway:Roster",
        lambda *_: {"former": [former], "founders": ["prime01-id"]},
    )
    cloud = start()
    run(lambda: cluster(primes="3"))
    for number in (1, 2, 3):
        enrolment = cloud.created[f"enrolment-prime{number:02d}"]
        assert len(enrolment["primes"]) == 4 and enrolment["primes"][-1] == "10.10.0.99"
        assert enrolment["bootstrap_expect"] == (1 if number == 1 else 0)
    assert cloud.created["enrolment-worker01"]["bootstrap_expect"] == 0


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
            "primes-roster-id",
            f"worker{number:02d}-id",
        )
        assert inputs["primes"] == [prime["address"] for prime in bootstrap["primes"]]
        assert inputs["access"]["consul"] == [
            f"https://{prime['public']}:8501" for prime in bootstrap["primes"]
        ]
        assert inputs["operator_key"] == "ssh-ed25519 ADMIN"


def test_no_machine_receives_a_management_token(cloud: FakeCloud) -> None:
    """``access`` is what the stack uses for a node, and not part of what the node receives."""
    run(lambda: cluster(primes="3"))
    managers = set(cloud.created["primes-management-tokens"]["secrets"].values())
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


def test_with_the_cluster_memberships_are_deleted_without_a_departure(cloud: FakeCloud) -> None:
    run(lambda: cluster())
    for name in cloud.of("Membership"):
        assert cloud.requests[name].deletedWith.endswith("::primes-roster")
    for name in cloud.of("Enrolment"):
        assert cloud.requests[name].deletedWith == ""


def test_older_machines_leave_when_the_new_ones_are_enrolled(cloud: FakeCloud) -> None:
    """The engine deletes in reverse order: workers leave before primes, and droplets at last."""
    run(lambda: cluster(primes="3"))
    primes = {f"membership-prime{number:02d}" for number in (1, 2, 3)}
    assert set(cloud.of("Membership")) - primes == {
        f"membership-worker{number:02d}" for number in range(1, 5)
    }
    for name in cloud.of("Membership"):
        label = name.removeprefix("membership-")
        assert {label, f"enrolment-{label}", "primes-bootstrap"} <= cloud.waits_for(name)
        if label.startswith("worker"):
            # The engine orders deletions by direct dependencies.
            direct = {urn.rpartition("::")[2] for urn in cloud.requests[name].dependencies}
            assert primes <= direct
        else:
            assert not primes & cloud.waits_for(name)


def test_membership_has_what_a_departure_needs(cloud: FakeCloud) -> None:
    run(lambda: cluster(drain_deadline="900", max_unavailable="2"))
    membership, enrolment = (
        cloud.created["membership-worker01"],
        cloud.created["enrolment-worker01"],
    )
    assert (membership["name"], membership["role"], membership["prime_tag"]) == (
        "worker01nyc3",
        "worker",
        "slipway-test-prime",
    )
    assert (membership["drain_deadline"], membership["max_unavailable"]) == (900, 2)
    assert membership["droplet"] == "worker01-id"
    assert membership["address"] == enrolment["address"]
    assert membership["private_address"].startswith("10.10.0.")
    assert membership["host_key"] == enrolment["host_keys"]["lasting"]
    assert membership["enrol_key"] == enrolment["enrol_key"]
    assert membership["tokens"].items() <= enrolment["tokens"].items()
    assert cloud.secret["membership-worker01"] == {"tokens", "enrol_key", "access"}


def test_all_secrets_are_declared_secret(cloud: FakeCloud) -> None:
    run(lambda: cluster(primes="3"))
    managers = cloud.created["primes-management-tokens"]["secrets"].values()
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


def keepers(label: str = "worker01", **values: str) -> dict[str, str]:
    """Return what starts a new generation of a machine when it changes."""
    cloud = start()
    run(lambda: cluster(**values))
    found: dict[str, str] = cloud.created[f"generation-{label}"]["keepers"]
    return found


def test_only_what_a_machine_is_made_of_starts_a_new_generation() -> None:
    plain = keepers()
    assert keepers(primes="3", workers="5", greeting="hi", service_count="1") == plain
    assert keepers(prime_size="s-2vcpu-2gb") == plain
    for changes in (
        {"image": "124"},
        {"worker_size": "s-2vcpu-2gb"},
        {"task_driver": "raw_exec"},
        {"replace": '{"worker01": 1}'},
    ):
        assert keepers(**changes) != plain
    assert keepers(replace='{"worker02": 1}') == plain
    # A prime runs no jobs.
    assert keepers("prime01", task_driver="raw_exec") == keepers("prime01")
    assert plain["enrol_key"].startswith("ssh-ed25519 ") and plain["vpc_id"] == "network-vpc-id"


def test_other_user_data_starts_a_new_generation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Apart from the keys, which are new in each generation."""
    plain = keepers()
    monkeypatch.setattr("infra.machine.cloud_config", lambda *keys: f"another {keys}")
    assert keepers() != plain


def test_new_generation_replaces_the_droplet_and_all_secrets_of_the_machine(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(
        ADDED_OUTPUTS,
        "pulumi-python:dynamic/slipway:Generation",
        lambda _name, _number, inputs: {"number": 7, "name": f"{inputs['first_name']}-7"},
    )
    cloud = start()
    run(lambda: cluster())
    for label in ("prime01", "worker01"):
        assert cloud.created[label]["name"] == f"{label}nyc3-7"
        for name in (
            label,
            f"secrets-{label}-host",
            f"secrets-{label}-host-first",
            f"secrets-{label}-agent",
            f"secrets-{label}-nomad",
            f"authority-{label}-key",
        ):
            assert cloud.requests[name].replacement_trigger.number_value == 7
        assert cloud.created[f"enrolment-{label}"]["node"]["name"] == f"{label}nyc3-7"
    for name in ("secrets-enrol", "secrets-gossip-consul", "authority-key", "secrets-dns"):
        assert not cloud.requests[name].HasField("replacement_trigger")


def test_droplet_is_created_before_the_older_one_is_deleted(cloud: FakeCloud) -> None:
    run(lambda: cluster())
    for name in ("prime01", "worker01"):
        request = cloud.requests[name]
        assert set(request.ignoreChanges) == {"userData", "sshKeys"}
        # Without it, the provider deletes first, because the name is set.
        assert request.deleteBeforeReplaceDefined and request.deleteBeforeReplace is False


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Iterator[AccountApi]:
    with serving(AccountApi()) as api:
        monkeypatch.setenv("DIGITALOCEAN_TOKEN", TOKEN)
        monkeypatch.setenv("DIGITALOCEAN_API_URL", api.url)
        yield api


def test_droplet_with_the_name_of_another_is_refused(cloud: FakeCloud, account: AccountApi) -> None:
    """``pulumi up --replace`` of a droplet starts no new generation."""
    run(lambda: cluster())
    [hook] = cloud.requests["worker01"].hooks.before_create
    args = pulumi.ResourceHookArgs(
        urn="",
        id="",
        name="worker01",
        type="",
        new_inputs={"name": "worker01nyc3-2", "tags": ["slipway-dev-worker"]},
    )
    account.things["droplets"] = [
        {"id": 1, "name": "worker01nyc3", "tags": ["slipway-dev-worker"]},
        # Stacks in one region have machines of the same names.
        {"id": 2, "name": "worker01nyc3-2", "tags": ["slipway-other-worker"]},
    ]
    cloud.hooks[hook].callback(args)
    account.things["droplets"][1]["tags"] = ["slipway-dev-worker"]
    with pytest.raises(
        pulumi.RunError, match=r"deploy replace \w+ worker01nyc3-2.*interrupted.*deploy up"
    ):
        cloud.hooks[hook].callback(args)

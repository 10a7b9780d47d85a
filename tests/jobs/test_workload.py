"""All that runs in a cluster, from one stack's settings."""

import json
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_consul as consul
import pulumi_nomad as nomad

from infra.mtls import Access
from infra.settings import load
from jobs.workload import SERVICES, WorkloadArgs, workload
from tests.jobs.conftest import FakeCluster, Planner


@dataclass(frozen=True)
class Stored:
    url: pulumi.Output[str]
    checksum: str = "sha256:" + "c" * 64


def cluster_providers() -> tuple[pulumi.ResourceOptions, pulumi.ResourceOptions]:
    providers = (
        nomad.Provider("cluster-nomad", address="https://n:4646"),
        consul.Provider("cluster-consul", address="c:8501"),
    )
    in_nomad, in_consul = (
        pulumi.ResourceOptions(providers=[one], deleted_with=one, replacement_trigger="the-cluster")
        for one in providers
    )
    return in_nomad, in_consul


SETTINGS = {
    "admin_cidrs": "203.0.113.0/24",
    "greeting": "hi",
    "service_count": "3",
    "frontserve_port": "9090",
}


def make(access: Access, **changes: str) -> pulumi.Output[Any]:
    settings = load("test", {**SETTINGS, **changes}, {})
    names = ("backserve", "frontserve", "prober")
    artifacts = {
        name: Stored(pulumi.Output.from_input(f"http://spaces.test/{name}.pyz")) for name in names
    }
    args = WorkloadArgs(
        settings=settings,
        artifacts=artifacts,
        edge_address="198.18.0.9",
        url="http://198.18.0.9/",
        access=access,
    )
    in_nomad, in_consul = cluster_providers()
    return pulumi.Output.all(**workload(args, in_nomad=in_nomad, in_consul=in_consul))


def test_the_settings_reach_the_jobs(cluster: FakeCluster, planner: Planner) -> None:
    seen: dict[str, str] = {}
    pulumi.runtime.test(lambda: make(planner.access).apply(seen.update))()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    assert seen == {
        "backserve": "backserve-id",
        "frontserve": "frontserve-id",
        "prober": "prober-id",
    }
    groups = {
        name: json.loads(cluster.created[name]["jobspec"])["Job"]["TaskGroups"][0] for name in seen
    }
    assert {name: group["Count"] for name, group in groups.items()} == {
        "backserve": 3,
        "frontserve": 3,
        "prober": 1,
    }
    assert groups["frontserve"]["Networks"][0]["ReservedPorts"] == [
        {"Label": "server", "Value": 9090, "HostNetwork": "default"}
    ]
    assert groups["backserve"]["Tasks"][0]["Env"]["BACKSERVE_GREETING"] == "hi"
    sources = {
        name: group["Tasks"][0]["Artifacts"][0]["GetterSource"] for name, group in groups.items()
    }
    assert sources == {name: f"http://spaces.test/{name}.pyz" for name in seen}


def test_every_job_runs_by_the_driver_of_the_settings(
    cluster: FakeCluster, planner: Planner
) -> None:
    pulumi.runtime.test(lambda: make(planner.access, task_driver="raw_exec"))()  # type: ignore[no-untyped-call]  # as above
    groups = [
        json.loads(cluster.created[name]["jobspec"])["Job"]["TaskGroups"][0]
        for name in ("backserve", "frontserve", "prober")
    ]
    assert [task["Driver"] for group in groups for task in group["Tasks"]] == ["raw_exec"] * 3


def test_everything_in_the_cluster_belongs_to_it(
    cluster: FakeCluster, options: dict[str, pulumi.ResourceOptions], planner: Planner
) -> None:
    pulumi.runtime.test(lambda: make(planner.access))()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped
    tenants_made = [
        name
        for name, made in cluster.created.items()
        if made["token"].startswith(("nomad:index", "consul:index"))
    ]
    assert len(tenants_made) == 15
    for name in tenants_made:
        assert options[name].replacement_trigger == "the-cluster"
        assert isinstance(options[name].deleted_with, pulumi.ProviderResource)


def test_each_job_is_in_consul_what_its_identity_allows(
    cluster: FakeCluster, planner: Planner
) -> None:
    pulumi.runtime.test(lambda: make(planner.access))()  # type: ignore[no-untyped-call]  # as above
    for name, services in SERVICES.items():
        [group] = json.loads(cluster.created[name]["jobspec"])["Job"]["TaskGroups"]
        registered = [
            service["Name"] for part in (group, *group["Tasks"]) for service in part["Services"]
        ]
        assert sorted(registered) == sorted(services)


def test_nothing_runs_before_it_has_an_identity(
    cluster: FakeCluster, options: dict[str, pulumi.ResourceOptions], planner: Planner
) -> None:
    pulumi.runtime.test(lambda: make(planner.access))()  # type: ignore[no-untyped-call]  # as above
    for name in SERVICES:
        waits = options[name].depends_on
        assert isinstance(waits, list)
        assert [type(one).__name__ for one in waits] == ["WorkloadIdentity"], name

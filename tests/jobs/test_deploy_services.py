"""All services of a stack, deployed from its settings."""

import json
from pathlib import Path
from typing import Any

import pulumi
import pulumi_consul as consul
import pulumi_nomad as nomad

from infra.mtls import Access
from jobs.deploy_services import DeployServicesArgs, collect_jobs, deploy_services
from jobs.job_builder import JobDefaults
from jobs.services import services
from services.packed_service import PackedService
from tests.jobs.support.declared import settings
from tests.jobs.support.fake_cluster import FakeCluster, run
from tests.jobs.support.planner import Planner

SETTINGS = {
    "greeting": "hi",
    "service_count": "3",
    "frontserve_port": "9090",
}
JOBS = ("backserve", "frontserve", "prober")


def provider_options() -> tuple[pulumi.ResourceOptions, pulumi.ResourceOptions]:
    """Return the options of resources in Nomad and in Consul, bound to one cluster."""
    in_nomad, in_consul = (
        pulumi.ResourceOptions(
            providers=[provider], deleted_with=provider, replacement_trigger="the-cluster"
        )
        for provider in (
            nomad.Provider("cluster-nomad", address="https://n:4646"),
            consul.Provider("cluster-consul", address="c:8501"),
        )
    )
    return in_nomad, in_consul


def deploy(access: Access, **changes: str) -> pulumi.Output[Any]:
    """Deploy the services of ``SETTINGS`` with ``changes``; return their job ids."""
    stack = settings(**SETTINGS, **changes)
    jobs = collect_jobs()
    args = DeployServicesArgs(
        services=services(stack),
        defaults=JobDefaults(datacenter=stack.region, driver=stack.task_driver),
        packed={
            name: PackedService(source=name, path=Path(f"{name}.pyz"), sha256="c" * 64, md5="")
            for name in JOBS
        },
        artifact_urls={
            name: pulumi.Output.from_input(f"http://spaces.test/{name}.pyz") for name in JOBS
        },
        edge_address="198.18.0.9",
        edge_url="http://198.18.0.9/",
        consul_access=access,
        access=access,
        jobs=jobs,
    )
    in_nomad, in_consul = provider_options()
    return pulumi.Output.all(**deploy_services(args, in_nomad=in_nomad, in_consul=in_consul))


def groups(cluster: FakeCluster) -> dict[str, Any]:
    """Return the one task group of each registered job."""
    result = {}
    for name in JOBS:
        [result[name]] = json.loads(cluster.created[name]["jobspec"])["Job"]["TaskGroups"]
    return result


def test_the_settings_reach_the_jobs(cluster: FakeCluster, planner: Planner) -> None:
    job_ids: dict[str, str] = {}
    run(lambda: deploy(planner.access).apply(job_ids.update))
    assert job_ids == {
        "backserve": "backserve-id",
        "frontserve": "frontserve-id",
        "prober": "prober-id",
    }
    registered = groups(cluster)
    assert {name: group["Count"] for name, group in registered.items()} == {
        "backserve": 3,
        "frontserve": 3,
        "prober": 1,
    }
    assert registered["frontserve"]["Networks"][0]["ReservedPorts"] == [
        {"Label": "server", "Value": 9090, "HostNetwork": "default"}
    ]
    assert registered["backserve"]["Tasks"][0]["Env"]["BACKSERVE_GREETING"] == "hi"
    artifacts = {
        name: group["Tasks"][0]["Artifacts"][0]["GetterSource"]
        for name, group in registered.items()
    }
    assert artifacts == {name: f"http://spaces.test/{name}.pyz" for name in JOBS}


def test_every_job_runs_by_the_driver_of_the_settings(
    cluster: FakeCluster, planner: Planner
) -> None:
    run(lambda: deploy(planner.access, task_driver="raw_exec"))
    drivers = [task["Driver"] for group in groups(cluster).values() for task in group["Tasks"]]
    assert drivers == ["raw_exec"] * 3


def test_every_resource_in_the_cluster_is_bound_to_it(
    cluster: FakeCluster, options: dict[str, pulumi.ResourceOptions], planner: Planner
) -> None:
    run(lambda: deploy(planner.access))
    in_cluster = [
        name
        for name, resource in cluster.created.items()
        if resource["token"].startswith(("nomad:index", "consul:index"))
    ]
    assert len(in_cluster) == 15
    for name in in_cluster:
        assert options[name].replacement_trigger == "the-cluster"
        assert isinstance(options[name].deleted_with, pulumi.ProviderResource)


def test_each_job_registers_the_consul_names_of_its_service(
    cluster: FakeCluster, planner: Planner
) -> None:
    run(lambda: deploy(planner.access))
    registered = groups(cluster)
    for service in services(settings(**SETTINGS)):
        group = registered[service.name]
        names = [
            registration["Name"]
            for part in (group, *group["Tasks"])
            for registration in part["Services"]
        ]
        assert sorted(names) == sorted(service.consul_names)


def test_no_job_starts_before_its_identity_exists(
    cluster: FakeCluster, options: dict[str, pulumi.ResourceOptions], planner: Planner
) -> None:
    run(lambda: deploy(planner.access))
    for service in services(settings(**SETTINGS)):
        dependencies = options[service.name].depends_on
        assert isinstance(dependencies, list)
        assert "WorkloadIdentity" in [type(resource).__name__ for resource in dependencies]


def test_the_jobs_of_all_services_must_be_healthy(cluster: FakeCluster, planner: Planner) -> None:
    run(lambda: deploy(planner.access))
    declared = {job["id"] for job in cluster.created["jobs"]["jobs"]}
    assert declared == {f"{name}-id" for name in JOBS}

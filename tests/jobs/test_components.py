"""Jobs and Consul entries as Pulumi resources."""

import json

import pulumi
import pulumi_nomad as nomad
from pulumi import ResourceOptions

from jobs.edge_check import EdgeCheck, EdgeCheckArgs
from jobs.service_job import ServiceJob, ServiceJobArgs
from jobs.services import services
from tests.jobs.support.declared import CHECKSUM, DEFAULTS, service, settings
from tests.jobs.support.fake_cluster import FakeCluster, run
from tests.jobs.support.planner import Planner


def test_a_job_is_rendered_with_its_artifact_and_waited_for(
    cluster: FakeCluster, options: dict[str, ResourceOptions], planner: Planner
) -> None:
    def program() -> pulumi.Output[str]:
        url = pulumi.Output.from_input("http://spaces.test/backserve/b.pyz")
        args = ServiceJobArgs(
            service=service("backserve"),
            defaults=DEFAULTS,
            url=url,
            checksum=CHECKSUM,
            access=planner.access,
        )
        return ServiceJob("backserve", args).job_id

    run(program)
    job = cluster.created["backserve"]
    assert (job["token"], job["json"], job["detach"], job["rerunIfDead"]) == (
        "nomad:index/job:Job",
        True,
        False,
        True,
    )
    # The provider would purge the job that replaces this one.
    assert job["deregisterOnDestroy"] is False
    registration = cluster.created["backserve-registration"]
    assert (registration["job"], registration["namespace"]) == ("backserve", "default")
    task = json.loads(job["jobspec"])["Job"]["TaskGroups"][0]["Tasks"][0]
    assert task["Artifacts"][0]["GetterSource"] == "http://spaces.test/backserve/b.pyz"
    assert task["Artifacts"][0]["GetterOptions"] == {"checksum": CHECKSUM}
    assert task["Config"]["args"][-1] == "local/backserve.pyz"
    timeouts = options["backserve"].custom_timeouts
    assert timeouts is not None
    assert (timeouts.create, timeouts.update) == ("570s", "570s")


def test_resources_in_a_cluster_share_its_lifetime(
    cluster: FakeCluster, options: dict[str, ResourceOptions], planner: Planner
) -> None:
    parents: list[pulumi.Resource] = []

    def program() -> pulumi.Output[str]:
        parent = nomad.Namespace("cluster")
        parents.append(parent)
        opts = ResourceOptions(
            deleted_with=parent, replace_with=[parent], replacement_trigger="first cluster"
        )
        args = EdgeCheckArgs(
            edge_address="198.18.0.9",
            url="http://198.18.0.9/",
            services=[service("backserve")],
            access=planner.access,
        )
        return EdgeCheck("health", args, opts).edge_service

    run(program)
    children = {
        name: resource_options
        for name, resource_options in options.items()
        if cluster.created[name]["token"].startswith("consul:")
    }
    assert set(children) == {"health-edge-node", "health-edge", "health-backserve-defaults"}
    for name, child in children.items():
        assert child.deleted_with is parents[0], name
        assert child.replacement_trigger == "first cluster", name
        assert child.replace_with is not None and parents[0] in child.replace_with, name


def test_the_edge_is_an_external_node_whose_check_status_pulumi_ignores(
    cluster: FakeCluster, options: dict[str, ResourceOptions], planner: Planner
) -> None:
    def program() -> pulumi.Output[str]:
        args = EdgeCheckArgs(
            edge_address="198.18.0.9",
            url="http://198.18.0.9/",
            services=services(settings()),
            access=planner.access,
        )
        return EdgeCheck("health", args).edge_service

    run(program)
    node, edge = cluster.created["health-edge-node"], cluster.created["health-edge"]
    assert node["meta"] == {"external-node": "true", "external-probe": "true"}
    assert (edge["node"], edge["port"]) == ("edge", 80)
    assert edge["checks"] == [
        {
            "checkId": "edge:url",
            "name": "edge answers",
            "http": "http://198.18.0.9/",
            "method": "GET",
            "interval": "5s",
            "timeout": "3s",
            "status": "critical",
            "tlsSkipVerify": False,
            "deregisterCriticalServiceAfter": "0s",
        }
    ]
    assert options["health-edge"].ignore_changes == ["checks[*].status"]
    defaults = {
        name: entry["configJson"]
        for name, entry in cluster.created.items()
        if name.endswith("-defaults")
    }
    stored = '{"Expose":{},"MeshGateway":{},"Protocol":"http","TransparentProxy":{}}'
    assert defaults == {"health-backserve-defaults": stored, "health-frontserve-defaults": stored}

"""Jobs and Consul entries as Pulumi resources."""

import json
from functools import partial

import pulumi
import pulumi_nomad as nomad
from pulumi import ResourceOptions

from jobs.backserve import backserve_job
from jobs.edge_check import EdgeCheck, EdgeCheckArgs
from jobs.service_job import ServiceJob, ServiceJobArgs
from tests.jobs.conftest import FakeCluster, Planner

CHECKSUM = "sha256:" + "b" * 64


def run(program: object) -> None:
    """Run a program to its end, outputs included."""
    pulumi.runtime.test(program)()  # type: ignore[no-untyped-call]  # the SDK leaves it untyped


def test_a_job_is_rendered_with_its_artifact_and_waited_for(
    cluster: FakeCluster, options: dict[str, ResourceOptions], planner: Planner
) -> None:
    def program() -> pulumi.Output[str]:
        url = pulumi.Output.from_input("http://spaces.test/backserve/b.pyz")
        job = partial(backserve_job, datacenter="nyc3", driver="exec", count=2, greeting="hi")
        return ServiceJob(
            "backserve", ServiceJobArgs(job=job, url=url, checksum=CHECKSUM, access=planner.access)
        ).job_id

    run(program)
    made = cluster.created["backserve"]
    assert (made["token"], made["json"], made["detach"], made["purgeOnDestroy"]) == (
        "nomad:index/job:Job",
        True,
        False,
        True,
    )
    task = json.loads(made["jobspec"])["Job"]["TaskGroups"][0]["Tasks"][0]
    assert task["Artifacts"][0]["GetterSource"] == "http://spaces.test/backserve/b.pyz"
    assert task["Artifacts"][0]["GetterOptions"] == {"checksum": CHECKSUM}
    assert task["Config"]["args"][-1] == "local/backserve.pyz"
    timeouts = options["backserve"].custom_timeouts
    assert timeouts is not None
    assert (timeouts.create, timeouts.update) == ("20m", "20m")


def test_what_lives_in_a_cluster_goes_and_comes_with_it(
    cluster: FakeCluster, options: dict[str, ResourceOptions]
) -> None:
    homes: list[pulumi.Resource] = []

    def program() -> pulumi.Output[str]:
        home = nomad.Namespace("home")
        homes.append(home)
        opts = ResourceOptions(
            deleted_with=home, replace_with=[home], replacement_trigger="first cluster"
        )
        args = EdgeCheckArgs(
            edge_address="198.18.0.9", url="http://198.18.0.9/", services=["backserve"]
        )
        return EdgeCheck("health", args, opts).edge_service

    run(program)
    inside = {name: given for name, given in options.items() if name != "home"}
    assert set(inside) == {"health-edge-node", "health-edge", "health-backserve-defaults"}
    for name, given in inside.items():
        assert given.deleted_with is homes[0], name
        assert given.replacement_trigger == "first cluster", name
        assert given.replace_with is not None and homes[0] in given.replace_with, name


def test_the_edge_is_an_external_node_whose_status_is_the_probers(
    cluster: FakeCluster, options: dict[str, ResourceOptions]
) -> None:
    def program() -> pulumi.Output[str]:
        args = EdgeCheckArgs(
            edge_address="198.18.0.9",
            url="http://198.18.0.9/",
            services=["backserve", "frontserve"],
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
        name: made["configJson"]
        for name, made in cluster.created.items()
        if name.endswith("-defaults")
    }
    stored = '{"Expose":{},"MeshGateway":{},"Protocol":"http","TransparentProxy":{}}'
    assert defaults == {"health-backserve-defaults": stored, "health-frontserve-defaults": stored}
